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
    translator = batch.translator
    batch.prefetch(_keys(translator, arrived))
    for decoded, timestamp in arrived:
        match decoded:
            case Change() if decoded.is_snapshot:
                if decoded.table in translator.tables:
                    batch.count(decoded.table, "read")
                    batch.load(the_key(translator, decoded), decoded)
            case Change():
                settle(batch, grouping.closed_by(decoded))
                if decoded.table in translator.tables:
                    batch.count(decoded.table, "read")
                    if not grouping.add(decoded, decoded.at.offset, timestamp):
                        batch.count(decoded.table, "repeat")
            case Unreadable():
                raise RecordUnreadable(where=decoded.at, problem=decoded.problem.message, code=decoded.problem.code)
            case Truncate() if decoded.table in translator.tables:
                raise TableTruncated(where=decoded.at, table=decoded.table)
            case _:
                pass  # tombstones, heartbeats, markers and messages are no changes of a row


def settle(batch: Batch, transactions: Iterable[Transaction]) -> None:
    """The steps of transactions that are over, in commit order; within one, aggregates in the order they were touched."""
    for transaction in transactions:
        steps: dict[str, list[Change]] = {}
        for change in transaction.changes.values():
            steps.setdefault(the_key(batch.translator, change), []).append(change)
            if transaction.late:
                batch.count(change.table, "late")
        batch.prefetch(steps)
        for key, changes in steps.items():
            batch.step(key, changes, transaction.arrived)


def the_key(translator: Translator, change: Change) -> str:
    """The one business key of a change; a row that cannot be placed stops the translator."""
    try:
        keys = keys_of(translator, change)
    except Refused as refused:
        raise RowWithoutKey(where=change.at, table=change.table, problem=refused.problem.message) from refused
    if len(keys) > 1:
        raise RowMoved(where=change.at, table=change.table, row=change.row_key, old=keys[0], new=keys[1])
    return keys[0]


def _keys(translator: Translator, arrived: Iterable[Arrived]) -> set[str]:
    """The keys that a batch will ask for, as far as they can be told before it is read."""
    changes = [d for d, _ in arrived if isinstance(d, Change) and d.table in translator.tables]
    return {the_key(translator, change) for change in changes}


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


class RowMoved(DragomanError):
    """Row {row} of {table} moved from {old} to {new}."""

    code = "feed.row-moved"
    hint = "Rows that move between aggregates are not supported yet: the partition stopped before this one, nothing is lost."


class TableTruncated(DragomanError):
    """The table {table} was truncated."""

    code = "feed.table-truncated"
    hint = "Truncates are not supported yet: the partition stopped before this one, nothing is lost."
