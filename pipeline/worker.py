"""One translator at work: reads its feed partitions, hands batches to `step`, writes them, obeys commands.

Knows a log and a store, no engine: `turn` does what there is to do now and comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from connectors.debezium.decode import Decoder
from connectors.debezium.keys import is_rekeyed
from connectors.debezium.records import Decoded, Notification, TransactionMark, Unreadable
from pipeline import control
from pipeline.batch import Batch
from pipeline.cloudevents import Producer
from pipeline.control import CONTROL_TOPIC, Command
from pipeline.failpoint import failpoint
from pipeline.grouping import Grouping
from pipeline.life import FeedMissing, StateAndLogApart, next_life
from pipeline.loading import newest_pass, publish_loaded
from pipeline.log.port import Log, Record, TopicPartition, TopicSpec
from pipeline.parking import release
from pipeline.publish import flush
from pipeline.state.port import Lifecycle, Pin, Save, StateStore
from pipeline.step import Arrived, settle, step, unreadable
from translators.change import UNREAD, Change
from translators.translator import Translator

BATCH = 1_000


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a translator's changes come from.

    `transactions` is the topic of BEGIN and END; its ENDs prove a transaction over only if `exactly_once`: they are then
    never readable before the rows. `begins` says how the feed begins: with an initial snapshot, or empty.
    """

    topic: str
    transactions: str | None
    notifications: str | None
    begins: Literal["snapshot", "empty"]
    exactly_once: bool


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """The topics that a translator writes."""

    events: TopicSpec
    state: TopicSpec
    dead_letters: TopicSpec

    @classmethod
    def of(cls, translator: str, partitions: int) -> Curated:
        """The topics of a translator, by convention."""
        return cls(
            events=TopicSpec(name=f"{translator}.events", kind="events", partitions=partitions),
            state=TopicSpec(name=f"{translator}.state", kind="state", partitions=partitions, compacted=True),
            dead_letters=TopicSpec(name=f"{translator}.dead-letters", kind="dead-letters", partitions=1),
        )


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the worker publishes as: the project's namespace, the source and its epoch, the product's version."""

    namespace: str
    source: str
    source_epoch: int
    version: str


def group_of(translator: str) -> str:
    """The consumer group of a translator."""
    return f"dragoman.{translator}"


def read_again(log: Log, translator: str, feed: Feed) -> None:
    """Set a translator back to the beginning of its feed, markers included; no worker of it may be running."""
    topics = log.topics()
    names = [name for name in (feed.topic, feed.transactions, feed.notifications) if name in topics]
    log.commit(group_of(translator), {(n, p): 0 for n in names if n for p in range(topics[n].partitions)})


class TranslatorWorker:
    """The worker of one translator. `begin` once, then `turn` as often as wanted; both may raise any coded error."""

    def __init__(
        self,
        *,
        log: Log,
        store: StateStore,
        translator: Translator,
        decoder: Decoder,
        feed: Feed,
        identity: Identity,
        batch_size: int = BATCH,
        progress: Callable[[str, int], None] = lambda name, records: None,
    ) -> None:
        self.translator = translator
        self.store = store
        self._log = log
        self._decoder = decoder
        self._feed = feed
        self._identity = identity
        self._batch_size = batch_size
        self._progress = progress
        self._group = group_of(translator.name)
        self._groupings: dict[int, Grouping] = {}
        self._positions: dict[int, int] = {}
        self._marks: dict[TopicPartition, int] = {}
        self._waiting: set[str] = set()
        self._live: set[int] = set()
        self._uncounted: dict[int, Counter[str]] = {}
        self._pins: list[Pin] = []
        self._commands: dict[int, Command] = {}
        self._snapshot_completed = False
        self._newest = UNREAD
        self._failed = False
        self._curated = Curated.of(translator.name, 1)
        self._producer: Producer | None = None

    def begin(self) -> None:
        """Take over: make the topics, find the positions, raise the mapping generation if the mapping is another."""
        topics = self._log.topics()
        if self._feed.topic not in topics:
            raise FeedMissing(translator=self.translator.name, topic=self._feed.topic)
        partitions = topics[self._feed.topic].partitions
        self._curated = Curated.of(self.translator.name, partitions)
        has_state = self.store.lifecycle() is not None
        if has_state != (self._curated.state.name in topics):
            raise StateAndLogApart(translator=self.translator.name, there="state" if has_state else "log")
        for topic in (self._curated.events, self._curated.state, self._curated.dead_letters, CONTROL_TOPIC):
            self._log.create(topic)
        committed = self._log.committed(self._group)
        lifecycle = next_life(self.store.lifecycle(), self.translator.version, self._identity.source_epoch)
        self.store.begin(lifecycle)
        self._producer = self._producer_of(lifecycle)
        for partition in range(partitions):
            self._positions[partition] = committed.get((self._feed.topic, partition), 0)
            self._groupings[partition] = Grouping()
            if self._feed.begins == "empty" or self.store.is_live(partition):
                self._live.add(partition)
        for name in filter(None, (self._feed.transactions, self._feed.notifications)):
            for partition in range(topics[name].partitions if name in topics else 0):
                self._marks[name, partition] = committed.get((name, partition), 0)
        if self.loading:
            self._newest = newest_pass(stored for _, stored in self.store.scan() if stored.loading)
        self._waiting = set(self.store.waiting_keys())
        self._pins = self.store.pins()

    def turn(self) -> int:
        """Read every partition up to the high watermark that it has now; the number of records read.

        A turn that raised is the last one: what it took out of its hands is read again by the next worker.
        ENDs are read before the watermarks are asked, so that a transaction whose END is known is over on every
        partition that was read up to its watermark.
        """
        if self._failed:
            raise RuntimeError("a worker whose turn failed does not know where it stands: make a new one")
        self._failed = True
        self._pin_commands()
        marks = dict(self._marks)
        ended = self._read_ends(marks)
        self._read_notifications(marks)
        records = sum(self._load_partition(partition) for partition in self.loading)
        for partition in self._positions:
            high = self._log.end(self._feed.topic, partition)
            records += self._read_partition(partition, high)
            if self._positions[partition] >= high:
                self._idle(partition, ended)
            else:
                # Rows of an open transaction: the markers have to be read again once it is over.
                marks = dict(self._marks)
        if marks != self._marks:
            self._marks = marks
            self._log.commit(self._group, marks)
        self._failed = False
        return records

    @property
    def in_flight(self) -> Counter[str]:
        """Changes of open steps, by table."""
        return sum((self._open_rows(partition) for partition in self._groupings), Counter())

    @property
    def loading(self) -> list[int]:
        """The partitions that are not loaded yet."""
        return [partition for partition in self._positions if partition not in self._live]

    def _load_partition(self, partition: int) -> int:
        """Read the snapshot rows that are there, before any partition goes live: another may hold a newer snapshot's."""
        records = 0
        while batch := self._log.read(
            self._feed.topic, partition, self._positions[partition], self._batch_size
        ).records:
            arrived = [(self._decode(record), record.timestamp) for record in batch]
            cut = self._first_streamed(partition, arrived)
            if cut == 0:
                return records
            self._take(partition, arrived[:cut], batch[cut].offset if cut else batch[-1].offset + 1)
            records += len(batch) if cut is None else cut
        return records

    def _read_partition(self, partition: int, high: int) -> int:
        """Up to the watermark, or to where a transaction of the source is still open."""
        records = 0
        while True:
            self._execute_pinned(partition)
            position = self._positions[partition]
            if position >= high:
                return records
            limit = min([high, *(p.at for p in self._pins if p.partition == partition and not p.result)])
            page = self._log.read(self._feed.topic, partition, position, min(self._batch_size, limit - position))
            if page.next <= position:
                return records
            batch = [record for record in page.records if record.offset < limit]
            self._read_batch(partition, batch, min(page.next, limit))
            records += len(batch)

    def _read_batch(self, partition: int, records: Sequence[Record], following: int) -> None:
        """Decode and take one batch; cut before the first streamed row of a partition that is still loading."""
        arrived = [(self._decode(record), record.timestamp) for record in records]
        cut = self._first_streamed(partition, arrived)
        if cut is not None:
            self._take(partition, arrived[:cut], records[cut].offset)
            self._go_live(partition)
            arrived, records = arrived[cut:], records[cut:]
        self._take(partition, arrived, following)

    def _take(self, partition: int, arrived: Sequence[Arrived], next_offset: int) -> None:
        batch = self._batch(partition)
        grouping = self._groupings[partition]
        step(batch, grouping, arrived)
        self._newest = max([self._newest, *(d.position for d, _ in arrived if isinstance(d, Change) and d.is_snapshot)])
        failpoint("batch.middle")
        self._positions[partition] = next_offset
        self._flush(batch)
        self._progress(self.translator.name, len(arrived))

    def _idle(self, partition: int, ended: set[str]) -> None:
        """The partition was read up to its watermark: what had ended before is over, a completed snapshot is loaded."""
        if self._snapshot_completed and partition not in self._live:
            self._go_live(partition)
        closed = self._groupings[partition].closed_by_ends(ended)
        if closed:
            batch = self._batch(partition)
            settle(batch, closed)
            self._flush(batch)

    def _flush(self, batch: Batch) -> None:
        """Write a batch. The offset is that of the first row of an open step, never beyond; open rows are not counted."""
        partition = batch.save.partition
        grouping = self._groupings[partition]
        offset = self._positions[partition] if grouping.first_offset is None else grouping.first_offset
        self._uncount_open(batch)
        flush(self._log, self.store, self._group, batch, ((self._feed.topic, partition), offset))

    def _uncount_open(self, batch: Batch) -> None:
        """Rows of open steps are read again after a restart, so what is kept counts them only once their step is over."""
        partition = batch.save.partition
        before, now = self._uncounted.get(partition, Counter[str]()), self._open_rows(partition)
        for table in before.keys() | now.keys():
            grown = now[table] - before[table]
            if grown:
                batch.count(table, "read", -grown)
        self._uncounted[partition] = now

    def _open_rows(self, partition: int) -> Counter[str]:
        transactions = self._groupings[partition].open
        return Counter(change.table for transaction in transactions for _, change in transaction.changes.values())

    def _go_live(self, partition: int) -> None:
        """The partition is loaded: publish the state of each loaded key once, then take its changes as news."""
        while loaded := self.store.loading(partition, self._batch_size):
            batch = self._batch(partition)
            for key, stored in loaded:
                publish_loaded(batch, self._feed.topic, key, stored, self._newest)
            flush(self._log, self.store, self._group, batch, None)
            failpoint("loading.after-publish")
        self.store.save(Save(partition=partition, live=True))
        self._live.add(partition)

    def _batch(self, partition: int) -> Batch:
        if self._producer is None:
            raise RuntimeError("begin was not called")
        letters, live = self._curated.dead_letters.name, partition in self._live
        return Batch(self.translator, self._producer, self.store, partition, self._waiting, letters, live)

    def _decode(self, record: Record) -> Decoded:
        decoded = self._decoder.decode(
            record.topic, record.partition, record.offset, record.key, record.value, record.headers
        )
        if isinstance(decoded, Change) and is_rekeyed(record.headers):
            return msgspec.structs.replace(decoded, rekeyed=True)
        return decoded

    def _first_streamed(self, partition: int, arrived: Sequence[Arrived]) -> int | None:
        """Where news begins in a partition that is still loading: all rows of its snapshot stand before."""
        if partition in self._live:
            return None
        streamed = (i for i, (d, _) in enumerate(arrived) if isinstance(d, Change) and not d.is_snapshot)
        return next(streamed, None)

    def _read_new(self, name: str | None, marks: dict[TopicPartition, int]) -> Iterator[Decoded]:
        """What came into a topic that every worker reads; `marks` moves along."""
        for topic, partition in [place for place in marks if place[0] == name]:
            high = self._log.end(topic, partition)
            while (offset := marks[topic, partition]) < high:
                page = self._log.read(topic, partition, offset, self._batch_size)
                if page.next <= offset:
                    break
                for decoded in map(self._decode, page.records):
                    if isinstance(decoded, Unreadable):
                        raise unreadable(decoded)
                    yield decoded
                marks[topic, partition] = page.next

    def _read_ends(self, marks: dict[TopicPartition, int]) -> set[str]:
        if not self._feed.exactly_once:
            return set()
        decoded = self._read_new(self._feed.transactions, marks)
        return {mark.transaction for mark in decoded if isinstance(mark, TransactionMark) and mark.status == "END"}

    def _read_notifications(self, marks: dict[TopicPartition, int]) -> None:
        for note in self._read_new(self._feed.notifications, marks):
            if isinstance(note, Notification) and note.aggregate_type == "Initial Snapshot":
                self._snapshot_completed |= note.type == "COMPLETED"

    def _pin_commands(self) -> None:
        """Write down, for each new command of this translator, the feed offset at which it is executed."""
        pins = {pin.command for pin in self._pins}
        after = max(pins, default=-1) + 1
        while commands := control.read(self._log, after):
            after = commands[-1].id + 1
            for command in commands:
                if command.translator == self.translator.name and command.id not in pins:
                    self._pin(command)

    def _pin(self, command: Command) -> None:
        partition = command.partition if command.partition in self._positions else 0
        ahead = (p.at for p in self._pins if p.partition == partition and not p.result)
        pin = Pin(command=command.id, partition=partition, at=max([self._positions[partition], *ahead]))
        self.store.save(Save(partition=partition, pins=[pin]))
        failpoint("control.after-pin")
        self._pins.append(pin)
        self._commands[command.id] = command

    def _execute_pinned(self, partition: int) -> None:
        """Execute the commands that are pinned where this partition stands."""
        for pin in [p for p in self._pins if p.partition == partition and not p.result]:
            if pin.at <= self._positions[partition]:
                self._execute(pin)

    def _execute(self, pin: Pin) -> None:
        command = self._commands.get(pin.command) or control.read(self._log, pin.command)[0]
        waiting = self.store.waiting(command.key)
        batch = self._batch(pin.partition)
        if waiting:
            result = str(release(batch, waiting, discard_first=command.action == "discard"))
        else:
            result = "nothing waits for this key"
        done = msgspec.structs.replace(pin, result=result)
        batch.save.pins.append(done)
        flush(self._log, self.store, self._group, batch, None)
        self._pins[self._pins.index(pin)] = done

    def _producer_of(self, life: Lifecycle) -> Producer:
        return Producer(
            namespace=self._identity.namespace,
            context=self.translator.context,
            source=self._identity.source,
            source_epoch=life.source_epoch,
            translator=self.translator.name,
            state_epoch=life.state_epoch,
            generation=life.generation,
            mapping_version=life.mapping_version,
            producer_version=self._identity.version,
            events_topic=self._curated.events.name,
            state_topic=self._curated.state.name,
        )
