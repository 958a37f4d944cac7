"""What a record of a Debezium feed can be, once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from translators.change import Change, Coordinate
from translators.problem import Problem

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Tombstone(msgspec.Struct, frozen=True):
    """A record without a value: it lets compaction forget a key, and says no more than the delete before it did."""

    at: Coordinate


class TransactionMark(msgspec.Struct, frozen=True, kw_only=True):
    """The begin or end of a source transaction.

    `transaction` is named as in `Change.transaction`; `position` is the log position of the mark, where its id holds
    one. `counts` are the changes by table that the connector counted, on END only: a hint, wrong after a restart.
    """

    status: Literal["BEGIN", "END"]
    transaction: str
    position: int | None
    counts: Mapping[str, int]
    event_count: int | None
    at: Coordinate


class Heartbeat(msgspec.Struct, frozen=True):
    """The connector lives; nothing about the source."""

    at: Coordinate


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """What the connector says of itself: `aggregate_type` "Initial Snapshot", `type` "COMPLETED", and details.

    `table` is the one whose scan it tells of, as `schema.yaml` names it.
    """

    id: str
    aggregate_type: str
    type: str
    data: Mapping[str, str | None]
    at: Coordinate
    table: str | None = None


class Truncate(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a table were removed at once; the fields are those of `Change`."""

    table: str
    position: int
    transaction: str | None
    committed_after: int | None
    time: datetime | None
    at: Coordinate
    origin: str | None = None


class LogicalMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was written into the source's log; `transaction` is `None` for one outside of any transaction."""

    prefix: str
    content: bytes
    position: int
    transaction: str | None
    time: datetime | None
    at: Coordinate


class SchemaChanged(msgspec.Struct, frozen=True):
    """The source's tables were changed by the statement `ddl`.

    `tables` are those it touched, as `schema.yaml` names them, each with `CREATE`, `ALTER` or `DROP`.
    """

    ddl: str | None
    tables: tuple[tuple[str, str], ...]
    at: Coordinate


class Signal(msgspec.Struct, frozen=True):
    """A row of the connector's signal table: a command to the connector, or its own mark of a snapshot. Never business.

    `type` is for example `execute-snapshot` or `snapshot-window-open`; `None` on a delete that does not say it.
    """

    type: str | None
    at: Coordinate


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A record that could not be read for sure; `table` is named where the record still said it."""

    problem: Problem
    at: Coordinate
    table: str | None = None


class IncrementalRow(msgspec.Struct, frozen=True):
    """A row that an incremental snapshot read while changes were streamed, as a snapshot's change.

    The connector drops a row that changed between the watermarks of its chunk, so what it sends is as new as all that
    stands before it in its partition, and older than what stands behind. Its position says where the chunk was read.
    """

    change: Change

    @property
    def at(self) -> Coordinate:
        """Where it was read."""
        return self.change.at


class MovedKey(msgspec.Struct, frozen=True):
    """The other half of a row whose key was changed: `new_key` on the delete and its tombstone, `old_key` on the insert."""

    new_key: str | None
    old_key: str | None


Decoded: TypeAlias = (
    Change
    | Tombstone
    | TransactionMark
    | Heartbeat
    | Notification
    | Truncate
    | LogicalMessage
    | SchemaChanged
    | Signal
    | IncrementalRow
    | Unreadable
)
