"""The page to read first: one batch of records of one feed partition in, outcomes out, no engine in sight.

    record -> decode -> change -> transaction (grouping) -> step of one aggregate (batch) -> outcome

What a batch publishes and keeps is written afterwards, in order, by `pipeline.publish`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from connectors.debezium.records import Decoded, Truncate, Unreadable
from pipeline.batch import Batch
from pipeline.grouping import Grouping, Transaction
from translators.change import Change
from translators.errors import DragomanError
from translators.translator import Refused, Translator, keys_of

Arrived = tuple[Decoded, int]
"""What a record was decoded to, and the record's timestamp (milliseconds since the epoch)."""


def step(batch: Batch, grouping: Grouping, arrived: Sequence[Arrived]) -> None:
    """One batch of records in: every change of the translator's tables gets its one outcome or stays in flight."""
    keys = _keys(batch.translator, arrived)
    batch.prefetch(keys.values())
    for at, (decoded, timestamp) in enumerate(arrived):
        match decoded:
            case Change():
                if not decoded.is_snapshot:
                    settle(batch, grouping.closed_by(decoded))
                if at in keys:
                    _read(batch, grouping, keys[at], decoded, timestamp)
            case Unreadable():
                raise unreadable(decoded)
            case Truncate() if decoded.table in batch.translator.tables:
                raise TableTruncated(where=decoded.at, table=decoded.table)
            case _:
                pass  # tombstones, heartbeats, markers and messages are no changes of a row


def _read(batch: Batch, grouping: Grouping, key: str, change: Change, timestamp: int) -> None:
    """One change of the translator's tables: loaded at once, or put into its transaction."""
    batch.count(change.table, "read")
    if change.is_snapshot:
        if not batch.load(key, change):
            raise SnapshotRowLate(where=change.at, table=change.table)
    elif not grouping.add(key, change, change.at.offset, timestamp):
        batch.count(change.table, "repeat")


def settle(batch: Batch, transactions: Iterable[Transaction]) -> None:
    """The steps of transactions that are over, in commit order; within one, aggregates in the order they were touched."""
    for transaction in transactions:
        steps: dict[str, list[Change]] = {}
        for key, change in transaction.changes.values():
            steps.setdefault(key, []).append(change)
        batch.prefetch(steps)
        for key, changes in steps.items():
            batch.step(key, changes, transaction.arrived, late=transaction.late)


def the_key(translator: Translator, change: Change) -> str:
    """The one business key of a change; a row that cannot be placed stops the translator."""
    try:
        keys = keys_of(translator, change)
    except Refused as refused:
        raise RowWithoutKey(where=change.at, table=change.table, problem=refused.problem.message) from refused
    if change.rekeyed and change.table == translator.root:
        raise RootRenumbered(where=change.at, table=change.table, key=keys[0])
    if len(keys) > 1:
        raise RowMoved(where=change.at, table=change.table, row=change.row_key, old=keys[0], new=keys[1])
    return keys[0]


def unreadable(record: Unreadable) -> RecordUnreadable:
    """The error for a record that cannot be read: nothing may be taken for granted behind it."""
    return RecordUnreadable(where=record.at, problem=record.problem.message, code=record.problem.code)


def _keys(translator: Translator, arrived: Sequence[Arrived]) -> dict[int, str]:
    """The business keys of the changes of this translator's tables, by their place in the batch."""
    tables = translator.tables
    changes = [(at, d) for at, (d, _) in enumerate(arrived) if isinstance(d, Change) and d.table in tables]
    return {at: the_key(translator, change) for at, change in changes}


class RecordUnreadable(DragomanError):
    """A record cannot be read ({code}): {problem}."""

    code: ClassVar[str] = "feed.record-unreadable"
    hint: ClassVar[str] = (
        "The partition stopped before it and nothing is lost. Compare the connector's converters and handling modes "
        "with schema.yaml, then run again."
    )


class RowWithoutKey(DragomanError):
    """A row of {table} has no readable business key: {problem}."""

    code = "feed.row-without-key"
    hint = "The partition stopped before it. A key column is null or was not sent: check the mapping's root and parts."


class SnapshotRowLate(DragomanError):
    """A snapshot row of {table} came after its partition was loaded."""

    code = "feed.snapshot-late"
    hint = (
        "Snapshots of a feed that is already live are not supported yet: the partition stopped before this row, nothing is "
        "lost. If the feed begins with a snapshot, the source has to say `begins: snapshot`."
    )


class RowMoved(DragomanError):
    """Row {row} of {table} moved from {old} to {new}."""

    code = "feed.row-moved"
    hint = "Rows that move between aggregates are not supported yet: the partition stopped before this one, nothing is lost."


class RootRenumbered(DragomanError):
    """The primary key of {key}, a row of {table}, was changed."""

    code = "feed.root-renumbered"
    hint = (
        "Told as a delete and an insert it would look like two things: that is not supported yet. The partition stopped "
        "before this row, nothing is lost."
    )


class TableTruncated(DragomanError):
    """The table {table} was truncated."""

    code = "feed.table-truncated"
    hint = "Truncates are not supported yet: the partition stopped before this one, nothing is lost."
