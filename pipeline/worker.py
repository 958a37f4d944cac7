"""One translator at work: the partitions that this worker owns, the marks that concern all of them, and commands.

Knows a log and a store, no engine: `turn` does what there is to do now and comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from connectors.debezium.decode import Decoder
from pipeline import control
from pipeline.control import CONTROL_TOPIC
from pipeline.feed import Curated, Feed, Identity
from pipeline.job import BATCH, Job
from pipeline.life import FeedMissing, StateAndLogApart, next_life
from pipeline.loading import load_anew
from pipeline.log.port import Log, TopicSpec
from pipeline.marks import Marks
from pipeline.partition import PartitionWorker, Proof
from pipeline.publish import Publisher
from pipeline.state.port import StateStore
from translators.change import UNREAD
from translators.translator import Translator


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
        changelog: bool = False,
        passed: Callable[[], int | None] = lambda: None,
        source: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.translator = translator
        self.store = store
        self._log = log
        self._job = Job(
            log=log,
            store=store,
            translator=translator,
            decoder=decoder,
            feed=feed,
            identity=identity,
            curated=Curated.of(translator.name, 1),
            batch_size=batch_size,
            progress=progress,
            changelog=changelog,
            passed=passed,
            source=source,
        )
        self._partitions: dict[int, PartitionWorker] = {}
        self._marks: Marks | None = None
        self._source: str | None = None
        self._failed = False

    def begin(self) -> None:
        """Take over: make the topics, find the positions, raise the mapping generation if the mapping is another."""
        job, topics = self._job, self._log.topics()
        if job.feed.topic not in topics:
            raise FeedMissing(translator=self.translator.name, topic=job.feed.topic)
        partitions = topics[job.feed.topic].partitions
        self._job = job = msgspec.structs.replace(job, curated=Curated.of(self.translator.name, partitions))
        self._check_together(topics)
        if job.changelog:
            self._log.create(job.curated.changelog)
        for topic in (job.curated.events, job.curated.state, job.curated.dead_letters, CONTROL_TOPIC):
            self._log.create(topic)
        self._source = job.source()
        committed = self._log.committed(job.group)
        for partition in range(partitions):
            self._take_over(partition, committed.get((job.feed.topic, partition), 0))
        self._marks = Marks(job, topics)

    def _check_together(self, topics: Mapping[str, TopicSpec]) -> None:
        """State and log belong to one life; where there is a changelog, that is the state, and the store may be new."""
        job, has_log = self._job, self._job.curated.state.name in topics
        has_state = job.curated.changelog.name in topics if job.changelog else bool(self.store.lives())
        if (has_log and not has_state) or (has_state and not has_log and not job.changelog):
            raise StateAndLogApart(translator=self.translator.name, there="state" if has_state else "log")

    def _take_over(self, partition: int, position: int) -> None:
        """Begin this worker's life of one partition; its first output comes after that."""
        job, out = self._job, Publisher(self._job, partition)
        kept = self.store.lifecycle(partition)
        lifecycle = next_life(kept, self.translator.version, job.identity.source_epoch, self._source)
        if kept is not None and kept.source_epoch != lifecycle.source_epoch:
            out.save(load_anew(job, partition))
        out.begin(lifecycle)
        self._partitions[partition] = PartitionWorker(job, out, job.producer(lifecycle), partition, position)

    def turn(self) -> int:
        """Read every partition up to the high watermark that it has now; the number of records read.

        A turn that raised is the last one: what it took out of its hands is read again by the next worker.
        ENDs are read, and the connector is asked how far it came, before the watermarks are asked: a transaction that is
        known to be over by either is over on every partition that was read up to its watermark.
        """
        if self._failed:
            raise RuntimeError("a worker whose turn failed does not know where it stands: make a new one")
        if self._marks is None:
            raise RuntimeError("begin was not called")
        self._failed = True
        self._pin_commands()
        passed = self._job.passed()
        ended = self._marks.read_ends()
        completed = tuple(self._marks.read_notifications())
        loaded = self._marks.snapshot_completed
        # All snapshot rows that are there, before any partition goes live: another may hold a newer snapshot's.
        records = sum(self._partitions[partition].load() for partition in self.loading)
        newest = max((p.newest for p in self._partitions.values()), default=UNREAD)
        taken = sum(partition.records for partition in self._partitions.values())
        for partition in self._partitions.values():
            partition.expect(Proof(partition.high, ended, loaded, passed, completed), self._marks.ends)
        busy = list(self._partitions.values())
        while busy:
            busy = [partition for partition in busy if partition.work(newest)]
        records += sum(partition.records for partition in self._partitions.values()) - taken
        if not any(partition.waits for partition in self._partitions.values()):
            self._marks.commit(passed)
        self._failed = False
        return records

    @property
    def in_flight(self) -> Counter[str]:
        """Changes of open steps, by table."""
        return sum((partition.in_flight for partition in self._partitions.values()), Counter())

    @property
    def loading(self) -> list[int]:
        """The partitions that are not loaded yet."""
        return [number for number, partition in self._partitions.items() if not partition.live]

    def _pin_commands(self) -> None:
        """Give each new command of this translator its place in the feed partition that it concerns."""
        after = max((p.commands.newest for p in self._partitions.values()), default=-1) + 1
        while commands := control.read(self._log, after):
            after = commands[-1].id + 1
            for command in commands:
                if command.translator == self.translator.name:
                    self._partitions.get(command.partition, self._partitions[0]).pin(command)
