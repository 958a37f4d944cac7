"""Where the source stands, and which keys it touched between two moments: read inside the snapshot that is compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine, text

from connectors.capture.wire import Stored, image
from reconcile.errors import SideUnreadable


class Touched(msgspec.Struct, frozen=True):
    """One row that changed: its table and an image of it, as the database stores its values."""

    table: str
    row: dict[str, Stored]


class Moment(msgspec.Struct, frozen=True):
    """One moment of a database, which all of these connections see; there is at least one.

    `position` is that of the last change in it, or a later one. Where several results can be read from one connection at
    the same time, there is only one.
    """

    connections: tuple[Connection, ...]
    position: int


class SourcePosition(Protocol):
    """What a source says of its own movement. Positions only rise."""

    def moment(self, engine: Engine, streams: int) -> AbstractContextManager[Moment]:
        """The database as it is now, to be read only, by so many streams of rows at once."""

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        """What changed between an earlier moment's position and this one's: rows, old and new images, or their keys.

        `None` if the source cannot tell. It may tell too much, but leaves nothing out that could have reached a view by now.
        """


# The position never falls, even if changes are pruned (connectors.capture).
_END = text("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = '_dragoman_changes'")
_BETWEEN = "FROM _dragoman_changes WHERE pos > :after AND pos <= :until"
_COUNT = text(f"SELECT count(*) {_BETWEEN}")
_IMAGES = text(f"SELECT tbl, CAST(before AS BLOB), CAST(after AS BLOB) {_BETWEEN} ORDER BY pos")


class ChangeTable:
    """The change table of a SQLite database that triggers capture: positions have no gaps."""

    @contextmanager
    def moment(self, engine: Engine, streams: int) -> Iterator[Moment]:
        """See the port. A database that is not in WAL mode takes no writes while it is open."""
        with engine.connect() as connection:
            # SQLite's driver begins no transaction for reads, so that each statement would see another moment.
            connection.exec_driver_sql("BEGIN")
            yield Moment((connection,), int(connection.execute(_END).scalar_one()))

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        """See the port; `None` where changes in between were pruned."""
        (connection,) = moment.connections
        span = {"after": after, "until": moment.position}
        if connection.execute(_COUNT, span).scalar_one() != moment.position - after:
            return None
        return self._images(connection, span)

    def _images(self, connection: Connection, span: dict[str, int]) -> Iterator[Touched | str]:
        for table, before, after in connection.execute(_IMAGES, span):
            for data in (before, after):
                if data is not None:
                    yield Touched(table, _image(table, data))


def _image(table: str, data: bytes) -> dict[str, Stored]:
    try:
        return image(data)
    except (ValueError, msgspec.MsgspecError) as error:
        raise SideUnreadable(side="legacy", reason=f"an image of a row of {table} is damaged") from error
