"""One translator at work: the partitions that this worker owns, the marks that concern all of them, and commands.

Knows a log and a store, no engine: `turn` does what there is to do now and comes back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from connectors.debezium.decode import Decoder
from pipeline import control
from pipeline.bounds import Limits
from pipeline.control import CONTROL, CONTROL_TOPIC
from pipeline.elsewhere import Elsewhere
from pipeline.epochs import load_anew
from pipeline.feed import Curated, Feed, Identity
from pipeline.job import BATCH, Job
from pipeline.life import FeedMissing, StateAndLogApart, layout_pin, next_life
from pipeline.log.port import Log, LogError
from pipeline.marks import Marks
from pipeline.partition import PartitionWorker
from pipeline.proofs import Proof
from pipeline.publish import Publisher, Write, write
from pipeline.state.port import Save, StateStore
from translators.change import SNAPSHOT_POSITION, UNREAD
from translators.errors import DragomanError
from translators.translator import Translator

# Batches of this size that may be held at once, of several partitions, to be written side by side.
_TOGETHER = 4


class TranslatorWorker:
    """The worker of one translator: takes partitions over, turns as often as wanted, gives them back.

    Any of it may raise any coded error.
    """

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
        parking: Limits | None = None,
        reread: Callable[[str, str], None] | None = None,
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
            parking=parking or Limits(),
            reread=reread,
        )
        self._partitions: dict[int, PartitionWorker] = {}
        self._marks: Marks | None = None
        self._elsewhere: Elsewhere | None = None
        self._source: str | None = None
        self._commands_from = 0
        self._failed = False

    def begin(self) -> None:
        """Take over all partitions: for a worker that is alone, with a store that outlives it."""
        has_state = bool(self.store.lives())
        if not self._job.changelog and has_state != (self._job.curated.state.name in self._log.topics()):
            raise StateAndLogApart(translator=self.translator.name, there="state" if has_state else "log")
        self.prepare()
        self.take(range(self._job.curated.events.partitions))

    def prepare(self) -> None:
        """Make the topics. Once, before anything is taken over."""
        job, topics = self._job, self._log.topics()
        if job.feed.topic not in topics:
            raise FeedMissing(translator=self.translator.name, topic=job.feed.topic)
        partitions = topics[job.feed.topic].partitions
        self._job = job = msgspec.structs.replace(job, curated=Curated.of(self.translator.name, partitions))
        if job.changelog:
            if job.curated.state.name in topics and job.curated.changelog.name not in topics:
                raise StateAndLogApart(translator=self.translator.name, there="log")
            self._log.create(job.curated.changelog)
        for topic in (job.curated.events, job.curated.state, job.curated.dead_letters, CONTROL_TOPIC):
            self._log.create(topic)
        self._source = job.source()

    def take(self, partitions: Iterable[int]) -> None:
        """Take partitions over as they stand in store and log, and raise the generation if the mapping is another.

        Marks and commands are read again from where the last of them stood: what they say twice changes nothing.
        """
        job = self._job
        committed = self._log.committed(job.group)
        for partition in partitions:
            self._take_over(partition, committed.get((job.feed.topic, partition), 0))
        self._marks, self._elsewhere = Marks(job, self._log.topics()), None
        self._commands_from = min((p.commands.taken for p in self._partitions.values()), default=0)

    def give_back(self, partitions: Iterable[int]) -> None:
        """Let partitions go as they stand: their next owner goes on from what is in store and log. Safe after a failed turn."""
        for partition in partitions:
            self._partitions.pop(partition).close()
        self._failed = self._failed and bool(self._partitions)

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that were taken over."""
        return frozenset(self._partitions)

    def _take_over(self, partition: int, position: int) -> None:
        """Begin this worker's life of one partition; its first output comes after that."""
        job, out = self._job, Publisher(self._job, partition)
        kept = self.store.lifecycle(partition)
        layout = layout_pin(self.store.pins(partition), self.translator, partition)
        epoch = self._epoch(partition)
        if kept is not None and epoch > kept.source_epoch:
            self._source = job.source()
        lifecycle = next_life(kept, self.translator.version, epoch, self._source)
        if kept is not None and kept.source_epoch != lifecycle.source_epoch:
            out.save(load_anew(job, partition, position))
        out.begin(lifecycle)
        if layout is not None:
            out.save(Save(partition=partition, pins=[layout]))
        self._partitions[partition] = PartitionWorker(job, out, job.producer(lifecycle), partition, position)

    def _epoch(self, partition: int) -> int:
        """The source epoch to work in: what the source's file says, or what a command has raised it to."""
        job = self._job
        said = job.identity.source_epoch
        if job.feed.begins == "empty":
            return said
        return max(said, control.raised_to(self._log, self.translator.name, partition))

    def _begin_anew(self) -> int:
        """Take over again what a command has raised to another source epoch; how many partitions."""
        raised = [number for number, partition in self._partitions.items() if partition.begins_anew]
        if raised:
            for number in raised:
                self._partitions.pop(number).close()
            self.take(raised)
        return len(raised)

    def turn(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Read every partition up to the high watermark that it has now; the number of records read.

        `stop` is asked between batches: when it says so the turn ends there, and the next one goes on. After a turn that
        raised all partitions have to be given back: what it had in its hands is read again by their next owner.
        ENDs are read, and the connector is asked how far it came, before the watermarks are asked: a transaction that is
        known to be over by either is over on every partition that was read up to its watermark.
        """
        if self._failed:
            raise RuntimeError("a worker whose turn failed does not know where it stands: give all partitions back")
        if not self._partitions:
            return 0
        self._failed = True
        log, marks, passed = self._job.log, self._marks_of(), self._job.passed()
        beside = log.ends([CONTROL, *marks.places()])
        if self._pin_commands(beside[CONTROL]):
            # What was asked of the source may have been answered.
            beside = log.ends([CONTROL, *marks.places()])
        ended = marks.read_ends(beside)
        completed = tuple(marks.read_notifications(beside))
        # Where COMPLETED may be readable before the last rows, the connector has to have written down a place of the stream.
        loaded = marks.snapshot_completed and (self._job.feed.exactly_once or passed is not None)
        # All snapshot rows that are there, before any partition goes live: another may hold a newer snapshot's.
        taken = sum(partition.records for partition in self._partitions.values())
        self._load(stop)
        highs = log.ends([partition.place for partition in self._partitions.values()])
        for partition in self._partitions.values():
            partition.proofs.expect(Proof(highs[partition.place], ended, loaded, passed, completed), marks.ends)
        records = self._look_elsewhere(marks)
        self._work(stop, self._newest(marks))
        records += sum(partition.records for partition in self._partitions.values()) - taken
        # As long as a partition is loading it needs COMPLETED, and so does whoever takes it over.
        needed = marks.snapshot_completed and bool(self.loading)
        if not needed and not any(partition.waits for partition in self._partitions.values()):
            marks.commit(passed, loading=bool(self.loading))
        records += self._begin_anew()
        self._failed = False
        return records

    def _load(self, stop: Callable[[], bool]) -> None:
        busy = [self._partitions[number] for number in self.loading]
        while busy and not stop():
            busy = self._round(busy, PartitionWorker.load)

    def _look_elsewhere(self, marks: Marks) -> int:
        """Read what a snapshot that was begun again showed on the partitions of others; the number of records read."""
        if not (marks.cut and marks.snapshot_completed and self.loading) or self._is_raised:
            return 0  # behind another epoch the feed does not begin with this snapshot
        if self._elsewhere is None:
            everywhere = range(self._job.curated.events.partitions)
            self._elsewhere = Elsewhere(self._job, set(everywhere) - self._partitions.keys())
        return self._elsewhere.read()

    @property
    def _is_raised(self) -> bool:
        return any(partition.source_epoch > 1 for partition in self._partitions.values())

    def _newest(self, marks: Marks) -> int | None:
        """The position of the last snapshot that any partition showed, `None` as long as it is not known."""
        newest = max((p.newest for p in self._partitions.values()), default=UNREAD)
        if not marks.cut:
            return newest
        if not marks.snapshot_completed or (self._elsewhere is not None and not self._elsewhere.done):
            return None
        if marks.found_nothing:
            return SNAPSHOT_POSITION
        return max(newest, UNREAD if self._elsewhere is None else self._elsewhere.newest)

    def _work(self, stop: Callable[[], bool], newest: int | None) -> None:
        busy = list(self._partitions.values())
        cut = self._marks_of().cut
        for partition in busy:
            partition.cut = cut
        while busy and not stop():
            busy = self._round(busy, lambda partition: partition.work(newest))

    def _round(self, busy: Iterable[PartitionWorker], act: Callable[[PartitionWorker], bool]) -> list[PartitionWorker]:
        """Let each partition do a batch's worth, and write side by side what came of it; which of them have more to do."""
        more: list[PartitionWorker] = []
        due: list[Write] = []
        try:
            for partition in busy:
                if act(partition):
                    more.append(partition)
                due += partition.taken()
                if sum(one.size for one in due) >= _TOGETHER * self._job.batch_size:
                    write(self._job, due)
                    due = []
        except LogError:
            raise
        except DragomanError:
            # What stops one partition keeps back nothing of the others.
            write(self._job, due)
            raise
        write(self._job, due)
        return more

    def _marks_of(self) -> Marks:
        if self._marks is None:
            raise RuntimeError("nothing was taken over")
        return self._marks

    @property
    def in_flight(self) -> Counter[str]:
        """Changes of open steps, by table."""
        return sum((partition.in_flight for partition in self._partitions.values()), Counter())

    @property
    def loading(self) -> list[int]:
        """The partitions that are not loaded yet."""
        return [number for number, partition in self._partitions.items() if not partition.live]

    def _pin_commands(self, end: int) -> bool:
        """Give each new command its place in the feed partition that it concerns, if that is here; whether there were any."""
        begun = self._commands_from
        while self._commands_from < end and (commands := control.read(self._log, self._commands_from)):
            for command in commands:
                for partition in self._partitions.values():
                    partition.take(command)
            self._commands_from = commands[-1].id + 1
        for partition in self._partitions.values():
            partition.commands.ask()
        return self._commands_from > begun
