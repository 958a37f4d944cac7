"""One row change of the legacy database, decoded, and where it was read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from translators.values import Row

Op = Literal["c", "u", "d", "r"]

SNAPSHOT_POSITION = 0
"""The position of the step that publishes a loaded key: below all streamed rows, whatever their log position."""

UNREAD = -(2**63)
"""Below the position of every row that was ever read."""


def snapshot_position(read_at: int) -> int:
    """The position of a snapshot row: below all streamed rows, above those of a snapshot that was cut and begun again."""
    return UNREAD + 1 + min(read_at, 2**62)


def read_at(position: int) -> int:
    """Where in the log a snapshot row of this position was read; 0 if its record did not say it."""
    return position - UNREAD - 1


class Coordinate(msgspec.Struct, frozen=True):
    """Where a record was read: topic, partition, offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic} {self.partition}:{self.offset:,}"


class Drift(msgspec.Struct, frozen=True):
    """How the columns of a row differ from those that `schema.yaml` declares, where nothing needs them.

    `added` are not declared, `missing` were not sent, `retyped` have another type; the row has none of them.
    """

    added: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One Debezium row change.

    `table` is the name that `schema.yaml` uses. `row_key` is the canonical text of the row's primary key. `position`
    orders the changes of one row within a source epoch (PostgreSQL: LSN; snapshot rows: `snapshot_position`).
    `transaction` is stable across repeats (PostgreSQL: the transaction id without the LSN); `None` on snapshot rows.
    `committed_after` is the position of the last commit before this transaction, where the source says it.
    `time` is the source's commit time (UTC), absent on snapshot rows. `flagged` names columns whose value is
    `Unavailable` or `OutOfRange` in `after`.
    """

    table: str
    op: Op
    row_key: str
    before: Row | None
    after: Row | None
    position: int
    transaction: str | None
    committed_after: int | None
    time: datetime | None
    at: Coordinate
    flagged: tuple[str, ...] = ()
    moved: Row | None = None
    """Half of a change of the row's primary key, which the source tells as a delete and an insert: the key's columns on
    the other side."""
    counted: bool = True
    """False: it follows from another change, with which it is counted (the place that a moved row left, a truncate)."""
    drift: Drift | None = None
    """How its rows differ from what is declared; the same object for all rows of one shape."""
    origin: str | None = None
    """Who wrote it first, where it came to the source by replication and the source says so."""

    @property
    def is_snapshot(self) -> bool:
        """Whether this row was read by a snapshot and is therefore no news."""
        return self.op == "r"

    @property
    def identity(self) -> tuple[str, str | None, int, str, str]:
        """What stays the same when a connector repeats this change: table, transaction, position, op, key."""
        return (self.table, self.transaction, self.position, self.op, self.row_key)
