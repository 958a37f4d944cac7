"""The order of durability: publish, then state, then offsets. A crash between two of them can only repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

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
    paused and wakes up cannot put old rows last. Events need no fence, late repeats do no harm there. `topic` is the
    changelog's.
    """

    def __init__(self, job: Job, partition: int) -> None:
        self._job = job
        self.partition = partition
        self.writer = job.log.writer(f"{job.group}.{partition}")
        self.topic = job.curated.changelog.name
        if job.changelog:
            changelog.recover(job.store, job.log, self.topic, partition)
        life = job.store.lifecycle(partition)
        self._epoch = 1 if life is None else life.state_epoch

    def begin(self, lifecycle: Lifecycle) -> None:
        """Write the facts of this worker's life, before its first output."""
        if self._job.changelog and lifecycle != self._job.store.lifecycle(self.partition):
            self._epoch = lifecycle.state_epoch
            self.writer.append(self.records_of([lifecycle_entry(lifecycle)]))
        self._job.store.begin(self.partition, lifecycle)
        self._epoch = lifecycle.state_epoch

    def save(self, save: Save) -> None:
        """Write what is of the state alone."""
        _keep(self._job, [(self, [], save)])

    def close(self) -> None:
        """Write nothing more. The next owner fences this one all the same."""
        self.writer.close()

    def records_of(self, entries: Sequence[Entry]) -> list[Outgoing]:
        """The records of the changelog that say `entries`."""
        return changelog.records_of(self.topic, self.partition, self._epoch, entries)


class Write(NamedTuple):
    """A batch of one partition that is to be written, and the feed offset behind it if that is another than before.

    `done` is called once it is written; what it raises ends the turn.
    """

    out: Publisher
    batch: Batch
    offset: int | None
    done: Callable[[], None]

    @property
    def size(self) -> int:
        """How many keys and dead letters it is about."""
        return len(self.batch.save.aggregates) + len(self.batch.dead_letters)


def write(job: Job, writes: Sequence[Write]) -> None:
    """Write batches of different partitions: 1. events and dead letters, 2. state stream and changelog, 3. state, 4. offsets.

    Each is acknowledged for all partitions before the next begins, and takes about as long for all as for one. A crash after
    any of them repeats the batches from the old offsets; a repeat has the same ids and bytes, since state is never ahead of
    what was published.
    """
    said = [record for one in writes for record in (*one.batch.events, *one.batch.dead_letters)]
    if said:
        job.log.append(said)
        failpoint("publish.after-events")
    kept = [(one.out, one.batch.states, one.batch.save) for one in writes if not one.batch.is_empty]
    if kept:
        _keep(job, kept)
    offsets = {(job.feed.topic, one.out.partition): one.offset for one in writes if one.offset is not None}
    if offsets:
        job.log.commit(job.group, offsets)
        failpoint("offsets.after-commit")
    for one in writes:
        one.done()


def _keep(job: Job, kept: Sequence[tuple[Publisher, Sequence[Outgoing], Save]]) -> None:
    """State stream and changelog in one transaction of each partition, then the store."""
    if job.changelog:
        _keep_with_changelog(job, kept)
        return
    for out, states, _ in kept:
        if states:
            out.writer.append(states)
            failpoint("publish.after-state-stream")
    for _, _, save in kept:
        job.store.save(save)
        failpoint("state.after-commit")


def _keep_with_changelog(job: Job, kept: Sequence[tuple[Publisher, Sequence[Outgoing], Save]]) -> None:
    entries = [(out, states, entries_of(save, job.store.counts(out.partition))) for out, states, save in kept]
    # Nobody else has written below these offsets, or the append will fail; so at most these records are read again.
    logged = job.log.ends([(out.topic, out.partition) for out, _, _ in entries])
    job.log.append_each([(out.writer, [*states, *out.records_of(some)]) for out, states, some in entries])
    for out, _, some in entries:
        failpoint("publish.after-state-stream")
        job.store.restore(out.partition, some, logged[out.topic, out.partition])
        failpoint("state.after-commit")
