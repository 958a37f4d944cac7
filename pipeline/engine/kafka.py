"""The group runner: the worker of one translator as a member of its consumer group, any number of them side by side.

A partition that comes is taken over (its fenced writer first, so that nobody else can write any more), one that goes is let
go at the end of a batch. Heartbeats are sent from another thread and wait for no batch. Whoever finds itself fenced ends its
process: another owns the partition.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from pipeline.engine.membership import MemberLog, Standing
from pipeline.feed import group_of
from pipeline.life import FeedMissing
from pipeline.log.kafka.errors import MembershipLost
from pipeline.log.kafka.groups import note_of
from pipeline.log.kafka.hand_over import Assignment, Member
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log, TopicPartition
from pipeline.worker import TranslatorWorker

_log = logging.getLogger(__name__)


class Membership(Protocol):
    """What the runner asks of its membership; see `Member`."""

    @property
    def must_let_go(self) -> bool:
        """Whether to stop at the next batch's end."""

    def let_go(self) -> None:
        """Nothing is worked on."""

    def assigned(self) -> Assignment | None:
        """What is new."""

    def close(self) -> None:
        """Leave."""


class GroupRunner:
    """One translator's worker in its group. `turn` whenever there may be something to do, `close` in the end.

    `work` makes the worker over the log that it is given; `stop` is asked between batches, too.
    """

    def __init__(
        self,
        log: MemberLog,
        member: Membership,
        worker: Callable[[Log], TranslatorWorker],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log = log
        self._member = member
        self._stop = stop
        self._generation = -1
        self._ours: frozenset[int] = frozenset()
        self._resting = True
        self.worker = worker(log)
        self.worker.prepare()

    @property
    def has_joined(self) -> bool:
        """Whether the group has given it its partitions, were it none, and wants none of them back."""
        return self._generation >= 0 and not self._resting

    def turn(self) -> int:
        """Hand over what is to be handed over, then do what there is to do; the number of records read.

        Whoever was no member any more when it committed gives everything back: it repeats nothing that counts, since
        another has the writers, and joins again.
        """
        try:
            if not self._hand_over():
                return 0
            records = self.worker.turn(lambda: self._member.must_let_go or self._stop())
            if not records:
                self._log.settle()
        except MembershipLost as lost:
            _log.warning(
                "%s All partitions are given back.", lost.message, extra={"action": "group.lost", "group": lost.code}
            )
            self._give_back(self.worker.partitions)
            self._generation, self._resting = -1, True
            return 0
        return records

    def close(self) -> None:
        """Leave the group: its partitions are taken over by others at once, as they stand."""
        self._give_back(self.worker.partitions)
        self._member.close()

    def _hand_over(self) -> bool:
        """Whether the partitions are ours to work on."""
        if self._member.must_let_go:
            self._resting = True
            self._member.let_go()
        found = self._member.assigned()
        if found is not None:
            self._resting = False
            self._become(found)
        if self._resting:
            return False
        for partition in sorted(self._ours - self.worker.partitions):
            if self._member.must_let_go or self._stop():
                return False
            self._log.hold([partition])
            self.worker.take([partition])
        return True

    def _become(self, found: Assignment) -> None:
        """Keep what nobody else can have had meanwhile, and give the rest back."""
        kept = found.partitions if found.generation == self._generation + 1 else frozenset()
        self._give_back(self.worker.partitions - kept)
        self._generation, self._ours = found

    def _give_back(self, partitions: frozenset[int]) -> None:
        self.worker.give_back(partitions)
        self._log.let_go(partitions)


class MemberOffsets:
    """The offsets of a group, committed by one of its members."""

    def __init__(self, log: KafkaLog, member: Member, feed: str) -> None:
        self._log = log
        self._member = member
        self._feed = feed

    def standing(self) -> Mapping[int, Standing]:
        """See `Offsets`."""
        found = self._log.standing(self._member.group)
        return {partition: one for (topic, partition), one in found.items() if topic == self._feed}

    def commit(self, offsets: Mapping[int, int], beside: Mapping[TopicPartition, int]) -> None:
        """See `Offsets`."""
        self._member.commit(offsets, note_of(beside))


def join(
    log: KafkaLog,
    translator: str,
    feed: str,
    worker: Callable[[Log], TranslatorWorker],
    *,
    wake: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> GroupRunner:
    """A worker in the translator's group, over the partitions of the feed's topic. `wake` is called on another thread."""
    if feed not in log.topics():
        raise FeedMissing(translator=translator, topic=feed)
    group = group_of(translator)
    member = log.join(group, feed, wake)
    try:
        return GroupRunner(MemberLog(log, group, feed, MemberOffsets(log, member, feed)), member, worker, stop)
    except BaseException:
        member.close()
        raise
