"""Where the source stands, and which keys it touched between two moments: read inside the snapshot that is compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec
from sqlalchemy import Connection, text

from connectors.capture.wire import Stored, image
from reconcile.errors import SideUnreadable


class Touched(msgspec.Struct, frozen=True):
    """One row that changed: its table and an image of it, as the database stores its values."""

    table: str
    row: dict[str, Stored]


class SourcePosition(Protocol):
    """What a source says of its own movement. Positions only rise."""

    def now(self, connection: Connection) -> int:
        """The position of the last change that this connection's snapshot sees."""

    def touched(self, connection: Connection, after: int, until: int) -> Iterator[Touched] | None:
        """The rows changed behind `after` up to `until`, old and new images; `None` if the source cannot tell."""


# The position never falls, even if changes are pruned (connectors.capture).
_END = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = '_dragoman_changes'")
_BETWEEN = "FROM _dragoman_changes WHERE pos > :after AND pos <= :until"
_COUNT = text(f"SELECT count(*) {_BETWEEN}")
_IMAGES = text(f"SELECT tbl, CAST(before AS BLOB), CAST(after AS BLOB) {_BETWEEN} ORDER BY pos")


class ChangeTable:
    """The change table of a SQLite database that triggers capture: positions have no gaps."""

    def now(self, connection: Connection) -> int:
        """See the port."""
        return int(connection.execute(_END).scalar_one())

    def touched(self, connection: Connection, after: int, until: int) -> Iterator[Touched] | None:
        """See the port; `None` where changes in between were pruned."""
        span = {"after": after, "until": until}
        if connection.execute(_COUNT, span).scalar_one() != until - after:
            return None
        return self._images(connection, span)

    def _images(self, connection: Connection, span: dict[str, int]) -> Iterator[Touched]:
        for table, before, after in connection.execute(_IMAGES, span):
            for data in (before, after):
                if data is not None:
                    yield Touched(table, _image(table, data))


def _image(table: str, data: bytes) -> dict[str, Stored]:
    try:
        return image(data)
    except (ValueError, msgspec.MsgspecError) as error:
        raise SideUnreadable(side="legacy", reason=f"an image of a row of {table} is damaged") from error
