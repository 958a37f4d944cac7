"""The page to read first: one batch of records of one feed partition in, outcomes out, no engine in sight.

    record -> decode -> change -> its place (moves) -> transaction (grouping) -> step of one aggregate (batch) -> outcome

`step` puts records into their transactions, `Settling` makes steps of the transactions that are over. What a batch
publishes and keeps is written afterwards, in order, by `pipeline.publish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from connectors.debezium.records import Decoded, IncrementalRow, SchemaChanged, Truncate, Unreadable
from pipeline.aside import Aside, is_schema_changed, set_aside
from pipeline.batch import Batch
from pipeline.grouping import CLOSED, Grouping, Reread, Transaction
from pipeline.loading import is_repeated, reread
from pipeline.moves import Stopped, TableTruncated, Work, emptied, linked, place
from pipeline.news import note, notice
from pipeline.state.port import Stored
from translators.change import Change

Arrived = tuple[Decoded | Aside, int]
"""What a record was decoded to, or that it is set aside, and the record's timestamp (milliseconds since the epoch)."""


def step(batch: Batch, grouping: Grouping, arrived: Sequence[Arrived], alone: bool) -> None:
    """One batch of records in: every change of the translator's tables gets its outcome, or its place in a transaction.

    `alone`: the feed has one partition, so that all rows of all aggregates are here.
    """
    tables = batch.translator.tables
    for decoded, timestamp in arrived:
        match decoded:
            case Change():
                if not decoded.is_snapshot:
                    grouping.close_before(decoded)
                if decoded.table in tables:
                    _read(batch, grouping, decoded, timestamp, alone)
            case IncrementalRow(change):
                if change.table in tables:
                    _read(batch, grouping, change, timestamp, alone, incremental=True)
            case Truncate():
                grouping.close_before(decoded)
                if decoded.table in tables:
                    _truncate(batch, grouping, decoded, timestamp, alone)
            case _:
                beside_rows(batch, decoded)
    grouping.release()


def beside_rows(batch: Batch, decoded: Decoded | Aside) -> None:
    """What a record means that is no change of a row."""
    match decoded:
        case Unreadable():
            raise unreadable(decoded)
        case Aside():
            set_aside(batch, decoded)
        case SchemaChanged(tables=changed, at=at):
            for table, _ in changed:
                if table in batch.translator.tables:
                    note(batch, "altered", table, "", at, None)
        case _:
            pass  # tombstones, heartbeats, markers and messages


def _read(
    batch: Batch, grouping: Grouping, change: Change, timestamp: int, alone: bool, *, incremental: bool = False
) -> None:
    """One change of the translator's tables: loaded at once, put into its transaction, or to wait for its place."""
    places = place(batch.translator, change, alone)
    batch.count(change.table, "read")
    if change.drift is not None:
        notice(batch, grouping.told, change)
    for placed in places:
        if change.is_snapshot and not batch.live:
            batch.load(placed.key, change)
        elif change.is_snapshot:
            if is_repeated(batch.stored(placed.key), change):
                batch.count(change.table, "repeat")
            else:
                grouping.add_reread(placed, timestamp, incremental=incremental)
        elif not grouping.add(placed, change.at.offset, timestamp) and placed.change.counted:
            batch.count(change.table, "repeat")


def _truncate(batch: Batch, grouping: Grouping, truncate: Truncate, timestamp: int, alone: bool) -> None:
    if not alone:
        raise TableTruncated(where=truncate.at, table=truncate.table)
    batch.count(truncate.table, "read")
    if not grouping.add_truncate(truncate, truncate.at.offset, timestamp):
        batch.count(truncate.table, "repeat")


class Settling:
    """Makes the steps of transactions that are over, in commit order; within one, aggregates in the order of first touch.

    A transaction may be larger than a batch: `fill` goes on where it stopped, and its offset is held until it is through.
    """

    def __init__(self, grouping: Grouping, scan: Callable[[], Iterable[tuple[str, Stored]]], alone: bool) -> None:
        """`scan` is all that the store keeps of this partition."""
        self._grouping = grouping
        self._scan = scan
        self._alone = alone
        self._works: Iterator[Work] | None = None

    def fill(self, batch: Batch, limit: int) -> None:
        """Make steps of up to about `limit` changes; what is left stays in `grouping.over`."""
        over = self._grouping.over
        # The keys of one that was begun before come with its steps.
        whole = islice(over, 0 if self._works is None else 1, None)
        held = (key for waiting in whole for key in waiting.held.keys())  # noqa: SIM118 - no mapping
        batch.prefetch(list(islice(held, limit)))
        while over and limit > 0:
            if isinstance(over[0], Transaction) and over[0].truncates and self._works is None and not batch.is_empty:
                return  # its steps are found in the store, which has to have everything before it
            limit -= self._settle(batch, over[0], limit)

    def _settle(self, batch: Batch, waiting: Transaction | Reread, limit: int) -> int:
        if self._works is None:
            self._works = self._begin(batch, waiting)
        works, size, rest = _some(self._works, limit)
        batch.prefetch([key for key, _, _ in works])
        for key, changes, link in works:
            if isinstance(waiting, Reread):
                reread(batch, key, changes, waiting)
            else:
                batch.step(key, changes, waiting.arrived, late=waiting.late, link=link)
        if rest:
            for _, changes, _ in works:
                for change in changes:
                    if change.counted:
                        waiting.rows[change.table] -= 1
            return size
        if isinstance(waiting, Transaction):
            for truncate in waiting.truncates.values():
                batch.count(truncate.table, "translated")
            batch.count("", CLOSED + waiting.proof)
        self._grouping.settled()
        self._works = None
        return max(size, 1)

    def _begin(self, batch: Batch, waiting: Transaction | Reread) -> Iterator[Work]:
        steps = waiting.held.by_key()
        if isinstance(waiting, Transaction):
            if waiting.truncates:
                steps = emptied(waiting, batch.standing, self._scan())
            if waiting.renumbers:
                return iter(linked(batch.translator, dict(steps), batch.standing, batch.waits, self._alone))
        return ((key, changes, None) for key, changes in steps)


def _some(works: Iterator[Work], limit: int) -> tuple[list[Work], int, bool]:
    """The next steps, of at least `limit` changes if there are as many; how many changes, and whether more may follow.

    Keys that were renumbered stand first and are not parted.
    """
    found: list[Work] = []
    size = 0
    for work in works:
        found.append(work)
        size += len(work[1])
        if size >= limit and work[2] is None:
            return found, size, True
    return found, size, False


def unreadable(record: Unreadable) -> Stopped:
    """The error for a record that cannot be read: nothing may be taken for granted behind it."""
    problem = record.problem
    if is_schema_changed(record):
        kind = ColumnGone if problem.code == "record.column-missing" else ColumnRetyped
        return kind(where=record.at, problem=problem.message, column=problem.columns[0])
    return RecordUnreadable(where=record.at, problem=problem.message, code=problem.code)


class ColumnGone(Stopped):
    """{column} is needed and does not come any more: {problem}."""

    code = "feed.column-gone"
    hint = (
        "The partition stopped before it, and no null was published. Was the column dropped or renamed? Correct "
        "schema.yaml and the mappings that use {column} (`dragoman lineage {column}` names them), then run again. A "
        "generated column is sent by snapshots only: leave it out, and compute it in the mapping."
    )


class ColumnRetyped(Stopped):
    """{column} is needed and has another type now: {problem}."""

    code = "feed.column-retyped"
    hint = (
        "The partition stopped before it. Say the new type in schema.yaml, look at the mappings that use {column} "
        "(`dragoman lineage {column}` names them), then run again."
    )


class RecordUnreadable(Stopped):
    """A record cannot be read ({code}): {problem}."""

    code = "feed.record-unreadable"
    hint = (
        "The partition stopped before it and nothing is lost. Compare the connector's converters and handling modes "
        "with schema.yaml, then run again."
    )
