"""One feed partition of one translator at work: its position, its open transactions, its commands, its batches.

Nothing here knows of other partitions, so a partition can be taken over by another worker as it stands in store and log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from pipeline.aside import aside
from pipeline.batch import Batch
from pipeline.bounds import Bound
from pipeline.cloudevents import Producer
from pipeline.commands import Commands
from pipeline.control import Command
from pipeline.elsewhere import is_streamed
from pipeline.epochs import EpochBefore
from pipeline.failpoint import failpoint
from pipeline.grouping import HELD, Grouping
from pipeline.job import Job
from pipeline.loading import (
    REREAD,
    forget_gone,
    newest_pass,
    publish_loaded,
    publish_reread,
    settle_partial,
)
from pipeline.log.port import Page, Record, TopicPartition
from pipeline.moves import Stopped
from pipeline.proofs import Proofs
from pipeline.publish import Publisher, Write, write
from pipeline.reload import Reloads
from pipeline.state.port import Pin, Save, Stored
from pipeline.stateless import RowBatch, not_shown, take_rows
from pipeline.step import Arrived, Settling, step
from translators.change import UNREAD, Change, Coordinate

AnyBatch = TypeVar("AnyBatch", bound=Batch)


class PartitionWorker:
    """Reads one feed partition from `position` on.

    `newest` is the position of the last snapshot whose rows it read, `records` how many records it took. `cut`: an initial
    snapshot of the feed was begun again before it was complete.
    """

    def __init__(self, job: Job, out: Publisher, producer: Producer, partition: int, position: int) -> None:
        self.partition = partition
        self.position = position
        self.live = job.feed.begins == "empty" or job.store.is_live(partition)
        self.commands = Commands(job, out, partition, producer.state_epoch)
        self._reloads = Reloads(job, out, self.commands, partition)
        self._bound = Bound(job.parking, job.store, job.translator.name, partition)
        self._job = job
        self._out = out
        self._producer = producer
        self._grouping = Grouping(HELD)
        self._settling = Settling(self._grouping, self._scan, job.alone)
        self.records = 0
        self.cut = False
        self.begins_anew = False
        """Whether a command has raised the source epoch: the partition is to be taken over again, and then executes it."""
        self._committed = position
        self._uncounted: Counter[str] = Counter()
        self._due: list[Write] = []
        self.proofs = Proofs(self._grouping)
        self._completed: list[frozenset[str]] = []
        self._pinned = self._open_pin(REREAD)
        self._before = EpochBefore(job, partition)
        self._going_live: int | None = None
        self.newest = UNREAD if self.live else self._newest_kept()
        self._waiting = set(job.store.waiting_keys(partition))

    @property
    def in_flight(self) -> Counter[str]:
        """Changes of open steps, by table."""
        return self._grouping.in_flight

    @property
    def place(self) -> TopicPartition:
        """The partition of the feed."""
        return self._job.feed.topic, self.partition

    @property
    def source_epoch(self) -> int:
        """The source epoch that it is worked on in."""
        return self._producer.source_epoch

    def taken(self) -> list[Write]:
        """What is to be written before this partition does anything else, taken out of its hands."""
        due, self._due = self._due, []
        return due

    def load(self) -> bool:
        """Read a batch of the snapshot rows that are there, up to the first streamed one; whether there were any."""
        if self._going_live is not None:
            return False
        batch = self._read(self._job.batch_size).records
        arrived = self._decode(batch)
        cut = self._first_streamed(arrived)
        if cut == 0 or not batch:
            return False
        self._take(arrived[:cut], batch[cut].offset if cut else batch[-1].offset + 1)
        self.records += len(batch) if cut is None else cut
        return True

    def work(self, newest: int | None) -> bool:
        """Do a batch's worth; whether more is left below the watermark that was last expected.

        `newest`: the last snapshot that any partition showed; without it no partition goes live. One call takes bounded time
        and memory, so that other partitions go on beside a huge transaction.
        """
        if self._pinned is not None:
            self._publish_reread(self._pinned)
        elif self._reloads.pinned is not None:
            self._reload(self._reloads.pinned)
        elif self._going_live is not None:
            self._publish_loaded(self._going_live)
        elif self._grouping.over:
            self._flush(self._settled(self._batch()), self._bound.check)
        else:
            self._execute_commands()
            if self.begins_anew:
                return False
            if not self.commands.ahead():
                self._bound.check()
            if not self._read_page(newest):
                self._act_on_proofs(newest)
                if self._completed and not self._grouping.rereads and not self._grouping.over:
                    self._finish_snapshots()
                elif self._reloads.waits and not self._grouping.rereads and not self._grouping.over:
                    self._reloads.pin(self.position, self.live)
                return self._has_work
        return True

    @property
    def _has_work(self) -> bool:
        """Whether there is more to do before anything else is read."""
        pinned = self._pinned or self._reloads.pinned
        return pinned is not None or self._going_live is not None or bool(self._grouping.over)

    @property
    def waits(self) -> bool:
        """Whether a proof was given whose watermark is not reached yet, or a snapshot's rows wait for their place."""
        return bool(self.proofs or self._completed or self._reloads.waits or self._grouping.rereads)

    def _publish_loaded(self, newest: int) -> None:
        """The partition is loaded: publish the state of each loaded key once, then take its changes as news."""
        store = self._job.store
        loaded = store.loading(self.partition, self._job.batch_size)
        if not loaded:
            if not self._job.translator.keeps_rows and (self.cut or self._before.is_open):
                self._take_back(newest)
            elif self._before.is_open:
                self._forget_gone()
            self._out.save(Save(partition=self.partition, live=True, pins=list(self._before.loaded())))
            self.live, self._going_live = True, None
            return
        batch = self._batch()
        for key, stored in loaded:
            publish_loaded(batch, self._job.feed.topic, key, stored, newest)
        self._write(batch)
        failpoint("loading.after-publish")
        self._bound.check()

    def _take_back(self, newest: int) -> None:
        """What the complete snapshot did not show is gone; where no rows are kept, the state stream says what there was."""
        batch = self._row_batch()
        for key in not_shown(self._job, self.partition, newest, self._before.since):
            batch.take_back(key, self.position - 1)
            if len(batch.states) >= self._job.batch_size:
                self._write(batch)
                batch = self._row_batch()
        self._write(batch)

    def _forget_gone(self) -> None:
        """What is kept of the epoch before and was not shown in this one is gone."""
        batch = self._batch()
        for key, stored in self._scan():
            if stored.epoch != self.source_epoch and (stored.rows or stored.published or batch.waits(key)):
                forget_gone(batch, key, batch.stored(key))
                if len(batch.save.aggregates) >= self._job.batch_size:
                    self._write(batch)
                    batch = self._batch()
        self._write(batch)

    def _reload(self, end: Pin) -> None:
        """Replace the rows of a key that were read again."""
        batch = self._batch()
        done = self._reloads.execute(end, batch, self._committed)
        self._write(batch)
        self._reloads.done(done)

    def close(self) -> None:
        """The partition is let go as it stands."""
        self._out.close()

    def take(self, command: Command) -> None:
        """Look at a new command; one for this partition gets its place in the feed."""
        if command.id >= self.commands.taken:
            self.commands.take(command, self.position)

    def _read_page(self, newest: int | None) -> bool:
        """Read some records; false at the watermark, and where a transaction of the log is open."""
        high = self.proofs.high(self.position)
        if self.position >= high:
            return False
        limit = min([high, *self.commands.ahead()])
        page = self._read(min(self._job.batch_size, limit - self.position))
        if page.next <= self.position:
            return False
        batch = [record for record in page.records if record.offset < limit]
        taken = self._take_batch(batch, min(page.next, limit), newest)
        self.records += taken
        return bool(taken) or self._going_live is not None or not batch

    def _act_on_proofs(self, newest: int | None) -> None:
        self.proofs.close(self.position)
        reached = self.proofs.reached(self.position)
        completed = [done for proof in reached for done in proof.completed if not self._reloads.tell(done)]
        if not self.live and newest is not None and any(proof.loaded for proof in reached):
            self._going_live = max(newest, self.newest)
        elif self.live:
            self._completed += [done.tables for done in completed]

    def _finish_snapshots(self) -> None:
        """Snapshots of the live partition are complete, and their rows compared: pin that, then publish what differed."""
        scanned = frozenset[str]().union(*self._completed)
        batch = self._batch()
        for key, stored in self._scan():
            if stored.partial:
                settle_partial(batch, key, stored, scanned)
        batch.save.pins.append(Pin(command=REREAD, partition=self.partition, at=self.position))
        self._write(batch)
        failpoint("reread.after-pin")
        self._completed = []
        self._pinned = batch.save.pins[0]

    def _open_pin(self, of: int) -> Pin | None:
        pins = (pin for pin in self._job.store.pins(self.partition) if pin.command == of)
        return next((pin for pin in pins if not pin.result), None)

    def _publish_reread(self, pin: Pin) -> None:
        """What a complete snapshot changed is published before anything else is read, also after a crash in its midst."""
        store = self._job.store
        loaded = store.loading(self.partition, self._job.batch_size)
        if not loaded:
            self._out.save(Save(partition=self.partition, pins=[msgspec.structs.replace(pin, result="published")]))
            self._pinned = None
            return
        batch = self._batch()
        for key, stored in loaded:
            publish_reread(batch, key, stored)
        self._write(batch)
        failpoint("reread.after-publish")

    def _settled(self, batch: Batch) -> Batch:
        self._settling.fill(batch, self._job.batch_size)
        return batch

    def _read(self, limit: int) -> Page:
        return self._job.log.read(self._job.feed.topic, self.partition, self.position, limit)

    def _decode(self, records: Sequence[Record]) -> list[Arrived]:
        decoded = self._before.without(
            [(self._job.decode(record), record) for record in records], self.newest != UNREAD
        )
        if self._job.feed.unreadable == "stop":
            return [(one, record.timestamp) for one, record in decoded]
        return [(aside(one, record, self._job.translator), record.timestamp) for one, record in decoded]

    def _take_batch(self, records: Sequence[Record], following: int, newest: int | None) -> int:
        """Decode and take one batch, up to the first streamed row of a partition that is still loading; how many it took."""
        arrived = self._decode(records)
        cut = self._first_streamed(arrived)
        self._take(arrived[:cut], following if cut is None else records[cut].offset)
        if cut is not None and newest is not None:
            self._going_live = max(newest, self.newest)
        return len(records) if cut is None else cut

    def _take(self, arrived: Sequence[Arrived], next_offset: int) -> None:
        batch = self._batch()
        try:
            self._step(batch, arrived)
        except Stopped as stopped:
            self._stop_before(stopped.at, batch)
            raise
        read_at = (d.position for d, _ in arrived if isinstance(d, Change) and d.is_snapshot)
        self.newest = max([self.newest, *read_at])
        failpoint("batch.middle")
        self.position = next_offset
        if self.live and not self.commands.due(next_offset):
            # Now and not in a batch of their own, which would take as long as this one.
            self.proofs.close(next_offset)
        self._flush(self._settled(batch), partial(self._job.progress, self._job.translator.name, len(arrived)))

    def _step(self, batch: Batch, arrived: Sequence[Arrived]) -> None:
        if not isinstance(batch, RowBatch):
            step(batch, self._grouping, arrived, self._job.alone)
            return
        self._before.begin(batch.save, [decoded for decoded, _ in arrived])
        take_rows(batch, arrived, self._grouping.told, self._job.alone)

    def _stop_before(self, at: Coordinate, batch: Batch) -> None:
        """Settle and write what stands before a record that stops the partition, or it would be held up for ever."""
        self.position = at.offset
        self._flush(self._settled(batch))
        while self._grouping.over:
            write(self._job, self.taken())
            self._flush(self._settled(self._batch()))
        write(self._job, self.taken())

    def _flush(self, batch: Batch, then: Callable[[], None] = lambda: None) -> None:
        """A batch is to be written, and `then` called.

        The offset is that of the first row of an open step, never beyond; open rows are not counted.
        """
        first_open = self._grouping.first_offset
        offset = self.position if first_open is None else first_open
        self._uncount_open(batch)
        self._before.count(batch, self.source_epoch)
        self._put(batch, offset if offset != self._committed else None, then)
        self._committed = offset

    def _write(self, batch: Batch) -> None:
        self._put(batch)
        for one in self.taken():
            write(self._job, [one])

    def _put(self, batch: Batch, offset: int | None = None, then: Callable[[], None] = lambda: None) -> None:
        self._bound.count(batch.save)

        def done() -> None:
            self._bound.written(batch.save)
            then()

        self._due.append(Write(self._out, batch, offset, done))

    def _uncount_open(self, batch: Batch) -> None:
        """Rows of open steps are read again after a restart, so what is kept counts them only once their step is over."""
        before, now = self._uncounted, self.in_flight
        for table in before.keys() | now.keys():
            grown = now[table] - before[table]
            if grown:
                batch.count(table, "read", -grown)
        self._uncounted = now
        # A batch that only opened steps changes nothing, and is not worth a transaction of the log.
        batch.save.counts = {count: by for count, by in batch.save.counts.items() if by}

    def _newest_kept(self) -> int:
        return newest_pass(stored for _, stored in self._scan() if stored.loading)

    def _scan(self) -> Iterator[tuple[str, Stored]]:
        """All that is kept of this partition."""
        return self._job.store.scan(self.partition)

    def _batch(self) -> Batch:
        return self._made(Batch) if self._job.translator.keeps_rows else self._row_batch()

    def _row_batch(self) -> RowBatch:
        return self._made(RowBatch)

    def _made(self, kind: type[AnyBatch]) -> AnyBatch:
        job = self._job
        letters = job.curated.dead_letters.name
        return kind(job.translator, self._producer, job.store, self.partition, self._waiting, letters, self.live)

    def _first_streamed(self, arrived: Sequence[Arrived]) -> int | None:
        """Where news begins in a partition that is still loading: all rows of its snapshot stand before."""
        if self.live:
            return None
        return next((at for at, (decoded, _) in enumerate(arrived) if is_streamed(decoded)), None)

    def _execute_commands(self) -> None:
        """Execute the commands that are pinned where this partition stands."""
        for pin in self.commands.due(self.position):
            if self.commands.raises(pin, self.source_epoch):
                self.begins_anew = True
                return
            batch = self._batch()
            executed = self.commands.execute(pin, batch)
            self._write(batch)
            self.commands.done(executed)
