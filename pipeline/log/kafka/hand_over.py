"""What a member of a consumer group and its owner say to each other: a rebalance waits until the owner has let go.

The membership lives on an event loop, the owner on a thread of its own. Neither of them waits for the other but here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from aiokafka import TopicPartition as Place
from aiokafka import errors as kafka

from pipeline.log.kafka.connection import Connection
from pipeline.log.kafka.errors import MembershipLost, translated
from pipeline.log.kafka.loop import LoopThread

SESSION_SECONDS = 10.0
"""Without a heartbeat for so long, a member's partitions go to others."""
REBALANCE_SECONDS = 60.0
"""For so long a rebalance waits for a member that is in the middle of a batch."""
HEARTBEAT_SECONDS = 1.0
"""A planned hand-over stalls the partitions that move for about one heartbeat."""
NEVER_MS = 2**31 - 1
"""Members are told alive by heartbeats alone, however long a batch takes."""
LEAVING_SECONDS = 3.0
"""For leaving the group; who does not get through is given up after a session."""


class Assignment(NamedTuple):
    """The partitions that a member has in one generation of its group. Generations count up by one."""

    generation: int
    partitions: frozenset[int]


class Member:
    """A member of `group`, over the partitions of one topic. `changed` is called, on another thread, when there is news.

    The owner asks `must_let_go` between batches. When it says so, the owner stops where it is, calls `let_go`, and works
    on when `assigned` tells what it has now.
    """

    def __init__(self, connection: Connection, group: str, topic: str, changed: Callable[[], None]) -> None:
        self.group = group
        self.topic = topic
        self._path = connection.path
        self._seconds = connection.seconds
        self._changed = changed
        self._lock = Lock()
        self._news: Assignment | None = None
        self._asked: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._closing = False
        self._loop = LoopThread()

    @property
    def must_let_go(self) -> bool:
        """Whether a rebalance waits for `let_go`, or the membership has failed and the next call says why."""
        return self._asked is not None or self._failure is not None

    def let_go(self) -> None:
        """Nothing is worked on any more: the rebalance goes on. Does nothing if none waits; raises why membership failed."""
        self._check()
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is not None:
            self._loop.call(_answer(asked))

    def assigned(self) -> Assignment | None:
        """What it has, where that is new since the last call."""
        with self._lock:
            news, self._news = self._news, None
        return news

    def commit(self, offsets: Mapping[int, int], note: str) -> None:
        """Commit offsets of partitions that it has, each with a note; `log.membership-lost` if they may be another's now.

        After a failure nothing is committed any more.
        """
        self._check()
        places = {Place(self.topic, partition): (offset, note) for partition, offset in offsets.items()}
        self._loop.call(self._commit(places))

    def close(self) -> None:
        """Leave the group. Safe to repeat."""
        if not self._loop.is_closed:
            self._closing = True
            self._loop.call(self._end())
            self._loop.close()

    async def revoked(self) -> None:
        """Wait until the owner has let go."""
        if self._closing:
            return
        asked = asyncio.get_running_loop().create_future()
        with self._lock:
            self._news, self._asked = None, asked
        self._changed()
        await asked

    def took(self, generation: int, partitions: frozenset[int]) -> None:
        """Note what the group gave it."""
        with self._lock:
            self._news = Assignment(generation, partitions)
        self._changed()

    def failed(self, error: BaseException) -> None:
        """The membership is over: the first reason is kept, and raised to the owner by its next call."""
        if self._failure is None:
            self._failure = error
        self._changed()

    def _check(self) -> None:
        if self._failure is not None:
            raise translated(self._failure, self._path, seconds=self._seconds, group=self.group) from self._failure

    async def _commit(self, places: Mapping[Place, tuple[int, str]]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._send_commit(dict(places))
        except (kafka.CommitFailedError, kafka.IllegalStateError) as error:
            raise MembershipLost(path=self._path, group=self.group) from error
        except (kafka.KafkaError, OSError) as error:
            raise translated(error, self._path, seconds=self._seconds, topic=self.topic, group=self.group) from error

    async def _end(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is not None:
            asked.set_result(None)
        await self._leave()

    async def _send_commit(self, places: dict[Place, tuple[int, str]]) -> None:
        """Commit them as this generation's; aiokafka's errors come out as they are."""
        raise NotImplementedError

    async def _leave(self) -> None:
        """End the membership; nobody works on its partitions any more."""
        raise NotImplementedError


async def _answer(asked: asyncio.Future[Any]) -> None:
    if not asked.done():
        asked.set_result(None)
