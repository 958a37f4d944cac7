"""A translator's worker in its group, with Faust: the group runner over a log whose feed comes in polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.engine.faust.inbox import Taken
from pipeline.engine.faust.member import FaustMember
from pipeline.engine.kafka import GroupRunner, MemberOffsets
from pipeline.engine.membership import MemberLog
from pipeline.feed import group_of
from pipeline.life import FeedMissing
from pipeline.log.kafka.errors import LogUnreachable
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log, Page, Record
from pipeline.worker import TranslatorWorker

# Seconds between two looks whether the worker has to stop while it waits for the consumer.
_LOOK = 0.05


class PolledLog(MemberLog):
    """A member's log whose feed is read by the member itself. A page is empty only where nothing stands now, as everywhere."""

    def __init__(
        self,
        log: KafkaLog,
        group: str,
        feed: str,
        member: FaustMember,
        stop: Callable[[], bool],
    ) -> None:
        super().__init__(log, group, feed, MemberOffsets(log, member, feed))
        self._member = member
        self._connection = log.connection
        self._stop = stop

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        if topic != self._feed:
            return super().read(topic, partition, offset, limit)
        taken = self._member.inbox.take(partition, offset, limit)
        if not taken.records:
            taken = self._awaited(partition, offset, limit)
        if not taken.records and self._member.inbox.is_outside(partition):
            return super().read(topic, partition, offset, limit)
        return Page([_record(one) for one in taken.records], taken.following)

    def _awaited(self, partition: int, offset: int, limit: int) -> Taken:
        """Wait for what stands there now: until records come, the end that the broker names is reached, or a batch's end."""
        high = self.end(self._feed, partition)
        patience = self._connection.seconds
        deadline = time.monotonic() + patience
        inbox = self._member.inbox
        while True:
            taken = inbox.take(partition, offset, limit)
            if taken.records or _is_reached(taken, high) or inbox.is_outside(partition):
                return taken
            if self._member.must_let_go or self._stop():
                return taken
            if time.monotonic() > deadline:
                reason = f"partition {partition} of {self._feed} was not fetched up to {high}"
                raise LogUnreachable(path=self._connection.path, seconds=patience, reason=reason)
            inbox.wait(_LOOK)


def _is_reached(taken: Taken, high: int) -> bool:
    """Whether nothing more can be read below `high` now. Behind an open transaction nothing can."""
    if taken.following >= high:
        return True
    reach = taken.reach
    return (
        reach.high is not None and reach.stable is not None and reach.high >= high and taken.following >= reach.stable
    )


def _record(one: Any) -> Record:
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp=one.timestamp,
        key=one.key,
        value=one.value,
        headers=tuple(one.headers) if one.headers else (),
    )


def join(
    log: KafkaLog,
    translator: str,
    feed: str,
    worker: Callable[[Log], TranslatorWorker],
    folder: Path,
    *,
    wake: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> GroupRunner:
    """A worker in the translator's group, over the partitions of the feed's topic. `wake` is called on another thread."""
    if feed not in log.topics():
        raise FeedMissing(translator=translator, topic=feed)
    group = group_of(translator)
    member = FaustMember(log.connection, group, feed, wake, folder)
    try:
        return GroupRunner(PolledLog(log, group, feed, member, stop), member, worker, stop)
    except BaseException:
        member.close()
        raise
