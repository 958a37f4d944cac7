"""A rehearsal: an old and a new mapping over the same recorded changes, and what the new one would change.

    records -> decode -> both translators' own steps (state in memory, nothing published) -> differences

The steps are the pipeline's own: grouping, loading, parking and identities are those that a worker would have.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from contextlib import contextmanager
from itertools import islice
from typing import Literal, Protocol

import msgspec

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Notification, TransactionMark, Unreadable
from pipeline.aside import aside
from pipeline.cloudevents import Producer
from pipeline.decoding import decoded
from pipeline.difference import Difference, Differences
from pipeline.feed import Curated, Feed, Identity
from pipeline.job import BATCH
from pipeline.log.port import Log, Outgoing, Record
from pipeline.log.reading import read_through
from pipeline.observed import Observed
from pipeline.step import Arrived, unreadable
from translators.change import Change
from translators.compatibility import Break, Schema, compare
from translators.translator import Translator

AnyRecord = Record | Outgoing
_ALLOCATIONS = 200_000
Verdict = Literal["unchanged", "compatible", "breaking", "added", "removed"]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two: a translator, how its records are decoded, who it publishes as, and what its contracts promise.

    `promises` is the schema of each contract that it publishes, `hidden` the paths of their classified fields.
    """

    translator: Translator
    decoder: Decoder
    identity: Identity
    promises: MappingType[str, Schema]
    hidden: MappingType[str, frozenset[str]]


class ContractChange(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one contract: `breaks` are the promises that it does not keep, `differences` how many of its events
    and records are not what they were, of steps that both sides could translate."""

    contract: str
    verdict: Verdict
    differences: int
    breaks: tuple[Break, ...] = ()


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal found.

    `changes` are row changes of the translators' tables; `steps` were compared, `differing` of them differ. Not compared
    were `open_steps`, whose transactions nothing proves to be over, and the keys of the `loading` partitions.
    """

    translator: str
    old_version: str
    new_version: str
    changes: int
    repeats: int
    steps: int
    differing: int
    open_steps: int
    loading: tuple[int, ...]
    differences: tuple[Difference, ...]
    contracts: tuple[ContractChange, ...]

    @property
    def silent(self) -> tuple[ContractChange, ...]:
        """The contracts that are unchanged while what they say is not."""
        return tuple(one for one in self.contracts if one.verdict == "unchanged" and one.differences)

    @property
    def is_same(self) -> bool:
        """Whether nothing would change for anybody."""
        return not self.differences and all(one.verdict == "unchanged" for one in self.contracts)


class Recorded(Protocol):
    """Recorded changes. Both methods begin at the beginning, each time they are called."""

    def changes(self) -> Iterator[tuple[int, Sequence[AnyRecord]]]:
        """The feed's records in batches of one partition, each partition in its order."""

    def marks(self) -> Iterator[AnyRecord]:
        """The records of the transaction and notification topics."""


class LogFeed:
    """The changes that a log holds."""

    def __init__(self, log: Log, feed: Feed) -> None:
        self._log = log
        self._feed = feed

    def changes(self) -> Iterator[tuple[int, Sequence[AnyRecord]]]:
        """See `Recorded`."""
        for partition in range(self._partitions(self._feed.topic)):
            for records in read_through(self._log, self._feed.topic, partition, BATCH):
                yield partition, records

    def marks(self) -> Iterator[AnyRecord]:
        """See `Recorded`."""
        for topic in filter(None, (self._feed.transactions, self._feed.notifications)):
            for partition in range(self._partitions(topic)):
                for records in read_through(self._log, topic, partition, BATCH):
                    yield from records

    def _partitions(self, topic: str) -> int:
        spec = self._log.topics().get(topic)
        return 0 if spec is None else spec.partitions


class RecordedFeed:
    """The changes of a recording, whatever the interleaving of its partitions."""

    def __init__(self, recording: Iterable[Outgoing], feed: Feed) -> None:
        self._recording = recording
        self._feed = feed

    def changes(self) -> Iterator[tuple[int, Sequence[AnyRecord]]]:
        """See `Recorded`."""
        waiting: dict[int, list[AnyRecord]] = {}
        for record in self._recording:
            if record.topic != self._feed.topic:
                continue
            batch = waiting.setdefault(record.partition or 0, [])
            batch.append(record)
            if len(batch) == BATCH:
                yield record.partition or 0, batch
                waiting[record.partition or 0] = []
        yield from ((partition, batch) for partition, batch in sorted(waiting.items()) if batch)

    def marks(self) -> Iterator[AnyRecord]:
        """See `Recorded`."""
        topics = {self._feed.transactions, self._feed.notifications}
        return (record for record in self._recording if record.topic in topics)


def rehearse(old: Side, new: Side, feed: Feed, recorded: Recorded, limit: int | None = None) -> Rehearsal:
    """Run both over the recorded changes, or the first `limit` of them. Any coded error of a step stops it.

    A feed that was read to its end closes what it proves to be over; one cut by `limit` proves nothing about what it
    does not show.
    """
    differences = Differences(_hidden(old, new))
    sides = tuple(_observed(side, feed) for side in (old, new))
    run = _Run(old, new, sides, differences, limit, feed.unreadable == "dead-letter")
    with _collected_seldom():
        for partition, records in recorded.changes():
            if not run.take(partition, records):
                break
        else:
            run.finish(feed, recorded)
    return Rehearsal(
        translator=new.translator.name,
        old_version=old.translator.version,
        new_version=new.translator.version,
        changes=run.changes,
        repeats=sides[1].again(),
        steps=differences.steps,
        differing=differences.differing,
        open_steps=len(sides[0].open | sides[1].open),
        loading=tuple(sorted({*sides[0].loading, *sides[1].loading})),
        differences=differences.found(),
        contracts=_contracts(old, new, differences),
    )


@contextmanager
def _collected_seldom() -> Iterator[None]:
    """Nearly all that a step makes is gone with it, without cycles: looking for them at the usual pace costs a fifth."""
    usual = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Run:
    """One rehearsal under way."""

    def __init__(
        self,
        old: Side,
        new: Side,
        sides: tuple[Observed, ...],
        differences: Differences,
        limit: int | None,
        sets_aside: bool,
    ) -> None:
        self.changes = 0
        self._sides = (old, new)
        self._decoders = (old.decoder, new.decoder)
        self._sets_aside = sets_aside
        self._tables = old.translator.tables | new.translator.tables
        self._old, self._new = sides
        self._differences = differences
        self._limit = limit

    def take(self, partition: int, records: Sequence[AnyRecord]) -> bool:
        """Read one batch of a partition; false if the limit is reached with it."""
        arrived = other = self._arrived(self._sides[0], records)
        if self._sets_aside or self._decoders[0] is not self._decoders[1]:
            other = self._arrived(self._sides[1], records)
        cut = self._cut(arrived)
        self._compare(partition, arrived[:cut], other[:cut])
        return self._limit is None or self.changes < self._limit

    def finish(self, feed: Feed, recorded: Recorded) -> None:
        """All changes were read: what the marks prove is over or loaded now."""
        wanted = self._old.open | self._new.open
        ended: set[str] = set()
        completed = False
        if wanted or self._old.loading or self._new.loading:
            for record in recorded.marks():
                match decoded(self._decoders[1], record):
                    case TransactionMark(transaction=name, status="END") if feed.exactly_once and name in wanted:
                        ended.add(name)
                    case Unreadable() as unread:
                        raise unreadable(unread)
                    case Notification(aggregate_type="Initial Snapshot", type="COMPLETED"):
                        completed = True
                    case _:
                        pass
        for partition in self._new.partitions:
            steps = (side.end(partition, ended, completed) for side in (self._old, self._new))
            self._differences.compare(*steps)

    def _arrived(self, side: Side, records: Sequence[AnyRecord]) -> list[Arrived]:
        told = [(decoded(side.decoder, record), record) for record in records]
        if not self._sets_aside:
            return [(one, record.timestamp) for one, record in told]
        return [(aside(one, _recorded(record), side.translator), record.timestamp) for one, record in told]

    def _compare(self, partition: int, old: Sequence[Arrived], new: Sequence[Arrived]) -> None:
        self._differences.compare(self._old.take(partition, old), self._new.take(partition, new))

    def _cut(self, arrived: Sequence[Arrived]) -> int:
        """How many of these records are read: all, or up to the limit's last change."""
        places = (at for at, (d, _) in enumerate(arrived) if isinstance(d, Change) and d.table in self._tables)
        room = None if self._limit is None else self._limit - self.changes
        taken = list(islice(places, room))
        self.changes += len(taken)
        return taken[-1] + 1 if room is not None and len(taken) == room else len(arrived)


def _recorded(record: AnyRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition or 0,
        offset=record.offset or 0,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def _observed(side: Side, feed: Feed) -> Observed:
    curated = Curated.of(side.translator.name, 1)
    producer = Producer(
        namespace=side.identity.namespace,
        context=side.translator.context,
        source=side.identity.source,
        source_epoch=side.identity.source_epoch,
        translator=side.translator.name,
        state_epoch=1,
        generation=1,
        mapping_version=side.translator.version,
        producer_version=side.identity.version,
        events_topic=curated.events.name,
        state_topic=curated.state.name,
    )
    return Observed(side.translator, producer, feed.topic, feed.begins == "empty")


def _hidden(old: Side, new: Side) -> dict[str, frozenset[str]]:
    """Classified on either side is classified."""
    names = old.hidden.keys() | new.hidden.keys()
    return {name: old.hidden.get(name, frozenset()) | new.hidden.get(name, frozenset()) for name in names}


def _contracts(old: Side, new: Side, differences: Differences) -> tuple[ContractChange, ...]:
    """The verdict on each contract, and how many of its outputs differ, each counted once."""
    changes = []
    for name in sorted(old.promises.keys() | new.promises.keys()):
        before, after = old.promises.get(name), new.promises.get(name)
        breaks = () if before is None or after is None else tuple(compare(before, after))
        verdict: Verdict = "breaking" if breaks else "compatible"
        if before is None or after is None:
            verdict = "added" if before is None else "removed"
        elif before == after:
            verdict = "unchanged"
        count = differences.outputs[name]
        changes.append(ContractChange(contract=name, verdict=verdict, differences=count, breaks=breaks))
    return tuple(changes)
