"""Translators that keep no rows (`store: none`): each change is a step of its own, told by its record alone.

OLD is the row before, which the record has. The version is the record's place in its feed partition: whatever a connector
says again later says it behind, so that what the feed said last of a key is also what is newest (decision 0015).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import msgspec

from connectors.debezium.records import IncrementalRow, Truncate
from pipeline.batch import Batch
from pipeline.cloudevents import StepFacts, place_of
from pipeline.control import Command
from pipeline.job import Job
from pipeline.log.reading import read_through
from pipeline.moves import Link, Stopped, link_of, place
from pipeline.news import notice
from pipeline.repair import repair_facts
from pipeline.state.port import Stored, Waiting
from pipeline.step import Arrived, beside_rows
from pipeline.step_facts import facts_of
from translators.aggregate import apply, seen
from translators.change import SNAPSHOT_POSITION, Change, Drift
from translators.outcome import Loaded
from translators.translator import Refused, Translation


def version_at(offset: int) -> int:
    """The version of what a record says: those between two records are free for what is said between them."""
    return 2 * (offset + 1)


def version_behind(offset: int) -> int:
    """The version of what is said behind a record and before the next one."""
    return version_at(offset) + 1


def offset_of(version: int) -> int:
    """The offset of the record that a version was given by, or behind which it was."""
    return version // 2 - 1


class RowBatch(Batch):
    """A batch of a translator that keeps no rows: what is known of a key is what each change says of it."""

    def before(self, key: str, changes: Sequence[Change]) -> Stored:
        """See `Batch`: the row before, as the first change has it."""
        rows = {c.table: {c.row_key: c.before} for c in changes[:1] if c.before is not None}
        # Whether a state was published before is not known: what is gone is always told.
        return Stored(partition=self.save.partition, rows=rows, published=True, epoch=self.producer.source_epoch)

    def behind(self, step: Waiting) -> Stored:
        """See `Batch`."""
        before = self.before(step.key, step.changes)
        return msgspec.structs.replace(before, rows=apply(before.rows, step.changes))

    def keep(self, key: str, stored: Stored) -> None:
        """Nothing is kept of a key; its waiting steps are."""

    def step(
        self, key: str, changes: Sequence[Change], arrived: int, *, late: bool = False, link: Link | None = None
    ) -> None:
        """See `Batch`: one change, which is a step of its own. The state of a snapshot row is published at once."""
        (change,) = changes
        facts = facts_of(key, version_at(change.at.offset), changes, self.save.partition, arrived)
        if self.waits(key):
            if any(change.identity == one.identity for step in self.waiting_of(key) for one in step.changes):
                self.count_repeats(changes, ())
                return
            self.count_outcome(changes, self._park(facts, self.before(key, changes), changes))
        elif change.is_snapshot:
            self._shown(facts, change)
        else:
            link = link_of(self.translator, key, changes)
            self.count_outcome(changes, self._take(facts, self.before(key, changes), changes, link))

    def _shown(self, facts: StepFacts, change: Change) -> None:
        stored = self.before(facts.key, [change])
        try:
            state = self.translator.state(apply(stored.rows, [change]))
            self.publish(facts, stored, Translation(state=state, changed=True), "snapshot")
            self.count_outcome([change], Loaded())
        except Refused as refused:
            self.count_outcome([change], self._reject(facts, stored, [change], refused.problem))

    def take_back(self, key: str, offset: int) -> None:
        """A complete snapshot did not show this key, and nothing behind the record at `offset` was read: it is gone."""
        self.overtake(key)
        version = version_behind(offset)
        facts = StepFacts(
            key=key,
            version=version,
            transaction=f"snapshot.{version}",
            lowest=SNAPSHOT_POSITION,
            position=SNAPSHOT_POSITION,
            first_row=self.translator.root,
            time=None,
            feed_partition=self.save.partition,
            arrived=0,
        )
        stored = Stored(partition=self.save.partition)
        self.publish(facts, stored, Translation(state=None, changed=True), "snapshot")


def take_rows(batch: RowBatch, arrived: Sequence[Arrived], told: set[tuple[str, Drift]], alone: bool) -> None:
    """One batch of records in: every change of the translator's table has its outcome when this returns.

    `told` and `alone` are as for `step`.
    """
    tables = batch.translator.tables
    for decoded, timestamp in arrived:
        change = decoded.change if isinstance(decoded, IncrementalRow) else decoded
        if isinstance(change, Change):
            if change.table not in tables:
                continue
            batch.count(change.table, "read")
            if change.drift is not None:
                notice(batch, told, change)
            for placed in place(batch.translator, change, alone):
                batch.step(placed.key, [placed.change], timestamp)
        elif isinstance(decoded, Truncate):
            if decoded.table in tables:
                raise TruncatedWithoutRows(where=decoded.at, table=decoded.table, translator=batch.translator.name)
        else:
            beside_rows(batch, decoded)


def reload_row(batch: RowBatch, command: Command, latest: Change | None, offset: int) -> str:
    """Publish the state of a key as it was read again, class repair; says what came of it.

    `latest` is what the feed told of it last since the command, `None` where it has no row any more; the feed was read
    to behind `offset`.
    """
    at = offset if latest is None else latest.at.offset
    rows = {} if latest is None else apply({}, [latest])
    stored = Stored(partition=batch.save.partition, positions={} if latest is None else seen({}, [latest]))
    facts = repair_facts(command, stored, version_behind(at))
    try:
        state = batch.translator.state(rows)
        batch.publish(facts, stored, Translation(state=state, changed=True), "repair")
    except Refused as refused:
        return f"its state cannot be published: {refused.problem.code}: {refused.problem.message}"
    return f"{'a tombstone' if state is None else 'its state'} is published"


class _Last(NamedTuple):
    """The last record of a key in the state stream: by which record of the feed, where that was in the source's log."""

    offset: int
    position: int
    alive: bool


def not_shown(job: Job, partition: int, newest: int, since: int) -> Iterator[str]:
    """The keys of a feed partition that stand in the state stream, or wait, and that the complete snapshot did not show.

    `newest` is the position of its rows. What was said by records before the offset `since` is of another source epoch.
    """
    last = _last_of(job, partition)
    shown = (one.position for one in last.values() if one.offset >= since and one.position < SNAPSHOT_POSITION)
    newest = max([newest, *shown])

    def is_old(one: _Last) -> bool:
        return one.offset < since or one.position < newest

    yield from (key for key, one in last.items() if one.alive and is_old(one))
    for key in job.store.waiting_keys(partition):
        change = job.store.waiting(key, partition)[-1].changes[-1]
        one = _Last(change.at.offset, change.position, True)
        if is_old(one) and not (key in last and last[key].alive):
            yield key


def _last_of(job: Job, partition: int) -> Mapping[str, _Last]:
    topic, ours = job.curated.state, str(partition).encode()
    found: dict[str, _Last] = {}
    for number in range(topic.partitions):
        for records in read_through(job.log, topic.name, number):
            for record in records:
                place = place_of(record)
                if place.feed_partition == ours and record.key is not None:
                    key = record.key.decode()
                    found[key] = _Last(offset_of(place.version), place.position, record.value is not None)
    return found


class TruncatedWithoutRows(Stopped):
    """The table {table} was truncated, and {translator} keeps no rows: which keys are gone is not known."""

    code: ClassVar[str] = "feed.table-truncated-without-rows"
    hint: ClassVar[str] = (
        "The partition stopped before it, nothing is lost. Raise the source epoch and load the source again: what its "
        "snapshot does not show is taken back. Or let the translator keep its rows: leave out `store: none`."
    )
