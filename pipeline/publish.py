"""The order of durability: publish, then state, then offsets. A crash between two of them can only repeat."""

from __future__ import annotations

from pipeline.batch import Batch
from pipeline.failpoint import failpoint
from pipeline.log.port import Log, TopicPartition
from pipeline.state.port import StateStore


def flush(log: Log, store: StateStore, group: str, batch: Batch, offset: tuple[TopicPartition, int] | None) -> None:
    """Write a batch: 1. events and dead letters, 2. state stream, 3. state, 4. the feed offset.

    Each is acknowledged before the next begins. A crash after any of them repeats the batch from the old offset; the
    repeat has the same ids and bytes, since state is never ahead of what was published.
    """
    if batch.events or batch.dead_letters:
        log.append(batch.events + batch.dead_letters)
        failpoint("publish.after-events")
    if batch.states:
        log.append(batch.states)
        failpoint("publish.after-state-stream")
    if not batch.is_empty:
        store.save(batch.save)
        failpoint("state.after-commit")
    if offset is not None:
        log.commit(group, dict([offset]))
        failpoint("offsets.after-commit")
