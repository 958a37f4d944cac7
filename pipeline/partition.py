"""One feed partition of one translator at work: its position, its open transactions, its commands, its batches.

Nothing here knows of other partitions, so a partition can be taken over by another worker as it stands in store and log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.batch import Batch
from pipeline.cloudevents import Producer
from pipeline.commands import Commands
from pipeline.control import Command
from pipeline.failpoint import failpoint
from pipeline.grouping import Grouping
from pipeline.job import Job
from pipeline.loading import newest_pass, publish_loaded
from pipeline.log.port import Page, Record
from pipeline.publish import flush
from pipeline.state.port import Save
from pipeline.step import Arrived, settle, step
from translators.change import UNREAD, Change


class Proof(NamedTuple):
    """What holds of a partition once it was read up to `high`, which was asked for after the marks had been read.

    `ended` are transactions that are over, `loaded` says that the initial snapshot is.
    """

    high: int
    ended: frozenset[str]
    loaded: bool


class PartitionWorker:
    """Reads one feed partition from `position` on. `newest` is the position of the last snapshot whose rows it read."""

    def __init__(self, job: Job, producer: Producer, partition: int, position: int) -> None:
        self.partition = partition
        self.position = position
        self.live = job.feed.begins == "empty" or job.store.is_live(partition)
        self.commands = Commands(job, partition)
        self._job = job
        self._producer = producer
        self._grouping = Grouping()
        self._uncounted: Counter[str] = Counter()
        self._proofs: list[Proof] = []
        self.newest = UNREAD if self.live else self._newest_kept()
        self._waiting = set(job.store.waiting_keys())

    @property
    def in_flight(self) -> Counter[str]:
        """Changes of open steps, by table."""
        transactions = self._grouping.open
        return Counter(change.table for transaction in transactions for _, change in transaction.changes.values())

    @property
    def high(self) -> int:
        """The feed's high watermark now."""
        return self._job.log.end(self._job.feed.topic, self.partition)

    def load(self) -> int:
        """Read the snapshot rows that are there, up to the first streamed one; the number of records read."""
        records = 0
        while batch := self._read(self._job.batch_size).records:
            arrived = self._decode(batch)
            cut = self._first_streamed(arrived)
            if cut == 0:
                return records
            self._take(arrived[:cut], batch[cut].offset if cut else batch[-1].offset + 1)
            records += len(batch) if cut is None else cut
        return records

    def read(self, proof: Proof, newest: int) -> int:
        """Read up to the proof's watermark, or to where a transaction of the source's producer is open; how many records.

        `newest`: the last snapshot that any partition showed. A proof holds once its watermark is reached, in any turn.
        """
        self._proofs.append(proof)
        records = 0
        while self.position < proof.high:
            self._execute_commands()
            limit = min([proof.high, *self.commands.ahead()])
            page = self._read(min(self._job.batch_size, limit - self.position))
            if page.next <= self.position:
                break
            batch = [record for record in page.records if record.offset < limit]
            self._take_batch(batch, min(page.next, limit), newest)
            records += len(batch)
        self._execute_commands()
        self._act_on_proofs(newest)
        return records

    @property
    def waits(self) -> bool:
        """Whether a proof was given whose watermark is not reached yet."""
        return bool(self._proofs)

    def go_live(self, newest: int) -> None:
        """The partition is loaded: publish the state of each loaded key once, then take its changes as news."""
        store = self._job.store
        while loaded := store.loading(self.partition, self._job.batch_size):
            batch = self._batch()
            for key, stored in loaded:
                publish_loaded(batch, self._job.feed.topic, key, stored, newest)
            flush(self._job.log, store, self._job.group, batch, None)
            failpoint("loading.after-publish")
        store.save(Save(partition=self.partition, live=True))
        self.live = True

    def pin(self, command: Command) -> None:
        """Give a new command its place in the feed."""
        self.commands.pin(command, self.position)

    def _act_on_proofs(self, newest: int) -> None:
        reached = [proof for proof in self._proofs if proof.high <= self.position]
        self._proofs = [proof for proof in self._proofs if proof.high > self.position]
        if not self.live and any(proof.loaded for proof in reached):
            self.go_live(max(newest, self.newest))
        closed = self._grouping.closed_by_ends(frozenset().union(*(proof.ended for proof in reached)))
        if closed:
            batch = self._batch()
            settle(batch, closed)
            self._flush(batch)

    def _read(self, limit: int) -> Page:
        return self._job.log.read(self._job.feed.topic, self.partition, self.position, limit)

    def _decode(self, records: Sequence[Record]) -> list[Arrived]:
        return [(self._job.decode(record), record.timestamp) for record in records]

    def _take_batch(self, records: Sequence[Record], following: int, newest: int) -> None:
        """Decode and take one batch; cut before the first streamed row of a partition that is still loading."""
        arrived = self._decode(records)
        cut = self._first_streamed(arrived)
        if cut is not None:
            self._take(arrived[:cut], records[cut].offset)
            self.go_live(max(newest, self.newest))
            arrived, records = arrived[cut:], records[cut:]
        self._take(arrived, following)

    def _take(self, arrived: Sequence[Arrived], next_offset: int) -> None:
        batch = self._batch()
        step(batch, self._grouping, arrived)
        read_at = (d.position for d, _ in arrived if isinstance(d, Change) and d.is_snapshot)
        self.newest = max([self.newest, *read_at])
        failpoint("batch.middle")
        self.position = next_offset
        self._flush(batch)
        self._job.progress(self._job.translator.name, len(arrived))

    def _flush(self, batch: Batch) -> None:
        """Write a batch. The offset is that of the first row of an open step, never beyond; open rows are not counted."""
        first_open = self._grouping.first_offset
        offset = self.position if first_open is None else first_open
        self._uncount_open(batch)
        place = (self._job.feed.topic, self.partition)
        flush(self._job.log, self._job.store, self._job.group, batch, (place, offset))

    def _uncount_open(self, batch: Batch) -> None:
        """Rows of open steps are read again after a restart, so what is kept counts them only once their step is over."""
        before, now = self._uncounted, self.in_flight
        for table in before.keys() | now.keys():
            grown = now[table] - before[table]
            if grown:
                batch.count(table, "read", -grown)
        self._uncounted = now

    def _newest_kept(self) -> int:
        kept = (stored for _, stored in self._job.store.scan() if stored.partition == self.partition and stored.loading)
        return newest_pass(kept)

    def _batch(self) -> Batch:
        job = self._job
        letters = job.curated.dead_letters.name
        return Batch(job.translator, self._producer, job.store, self.partition, self._waiting, letters, self.live)

    def _first_streamed(self, arrived: Sequence[Arrived]) -> int | None:
        """Where news begins in a partition that is still loading: all rows of its snapshot stand before."""
        if self.live:
            return None
        streamed = (i for i, (d, _) in enumerate(arrived) if isinstance(d, Change) and not d.is_snapshot)
        return next(streamed, None)

    def _execute_commands(self) -> None:
        """Execute the commands that are pinned where this partition stands."""
        for pin in self.commands.due(self.position):
            batch = self._batch()
            executed = self.commands.execute(pin, batch)
            flush(self._job.log, self._job.store, self._job.group, batch, None)
            self.commands.done(pin, executed)
