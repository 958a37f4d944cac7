"""The order of durability: publish, then state, then offsets. A crash between two of them can only repeat."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.batch import Batch
from pipeline.failpoint import failpoint
from pipeline.job import Job
from pipeline.log.port import Outgoing
from pipeline.state import changelog
from pipeline.state.entries import entries_of, lifecycle_entry
from pipeline.state.port import Entry, Lifecycle, Save


class Publisher:
    """Writes what becomes of one feed partition. Making it fences whoever did before, and brings the store up to date.

    State stream and changelog are written by one fenced writer, since in both the last record wins: a worker that was
    paused and wakes up cannot put old rows last. Events need no fence, late repeats do no harm there.
    """

    def __init__(self, job: Job, partition: int) -> None:
        self._job = job
        self._partition = partition
        self._writer = job.log.writer(f"{job.group}.{partition}")
        self._topic = job.curated.changelog.name
        if job.changelog:
            changelog.recover(job.store, job.log, self._topic, partition)
        life = job.store.lifecycle(partition)
        self._epoch = 1 if life is None else life.state_epoch

    def begin(self, lifecycle: Lifecycle) -> None:
        """Write the facts of this worker's life, before its first output."""
        if self._job.changelog and lifecycle != self._job.store.lifecycle(self._partition):
            self._writer.append(self._records(lifecycle.state_epoch, [lifecycle_entry(lifecycle)]))
        self._job.store.begin(self._partition, lifecycle)
        self._epoch = lifecycle.state_epoch

    def flush(self, batch: Batch, offset: int | None) -> None:
        """Write a batch: 1. events and dead letters, 2. state stream and changelog, 3. state, 4. the feed offset.

        Each is acknowledged before the next begins. A crash after any of them repeats the batch from the old offset; the
        repeat has the same ids and bytes, since state is never ahead of what was published.
        """
        if batch.events or batch.dead_letters:
            self._job.log.append(batch.events + batch.dead_letters)
            failpoint("publish.after-events")
        if not batch.is_empty:
            self._write(batch.states, batch.save)
        if offset is not None:
            self._job.log.commit(self._job.group, {(self._job.feed.topic, self._partition): offset})
            failpoint("offsets.after-commit")

    def save(self, save: Save) -> None:
        """Write what is of the state alone."""
        self._write([], save)

    def close(self) -> None:
        """Write nothing more. The next owner fences this one all the same."""
        self._writer.close()

    def _write(self, states: Sequence[Outgoing], save: Save) -> None:
        """State stream and changelog in one transaction, then the store; where there is no changelog, the store is it."""
        store, log = self._job.store, self._job.log
        if not self._job.changelog:
            if states:
                self._writer.append(states)
                failpoint("publish.after-state-stream")
            store.save(save)
        else:
            entries = entries_of(save, store.counts(self._partition))
            # Nobody else has written below this offset, or the append will fail; so at most these records are read again.
            logged = log.end(self._topic, self._partition)
            self._writer.append([*states, *self._records(self._epoch, entries)])
            failpoint("publish.after-state-stream")
            store.restore(self._partition, entries, logged)
        failpoint("state.after-commit")

    def _records(self, epoch: int, entries: Sequence[Entry]) -> list[Outgoing]:
        return changelog.records_of(self._topic, self._partition, epoch, entries)
