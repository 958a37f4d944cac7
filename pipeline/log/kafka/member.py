"""One member of a consumer group: which partitions it has, its heartbeats, and offsets committed in its own name.

It reads nothing: aiokafka's consumer keeps the membership on a thread of its own, so no heartbeat waits for work that takes
long. A rebalance waits until the owner has let go, for at most the rebalance timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as Place
from aiokafka import errors as kafka
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from pipeline.log.kafka.connection import Connection, quietly
from pipeline.log.kafka.errors import MembershipLost, translated
from pipeline.log.kafka.loop import LoopThread

SESSION_SECONDS = 10.0
"""Without a heartbeat for so long, a member's partitions go to others."""
REBALANCE_SECONDS = 60.0
"""For so long a rebalance waits for a member that is in the middle of a batch."""
# A planned hand-over stalls the partitions that move for about one heartbeat.
_HEARTBEAT_MS = 1_000
_POLL_MS = 500
# Seconds for leaving the group; who does not get through is given up after a session.
_LEAVING = 3.0
_NEVER_MS = 2**31 - 1


class Assignment(NamedTuple):
    """The partitions that a member has in one generation of its group. Generations count up by one."""

    generation: int
    partitions: frozenset[int]


class GroupMember:
    """A member of `group`, over the partitions of one topic. `changed` is called, on another thread, when there is news.

    The owner asks `must_let_go` between batches. When it says so, the owner stops where it is, calls `let_go`, and works
    on when `assigned` tells what it has now.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topic: str,
        changed: Callable[[], None],
        session: float = SESSION_SECONDS,
    ) -> None:
        self.group = group
        self._path = connection.path
        self._seconds = connection.seconds
        self._topic = topic
        self._changed = changed
        self._lock = Lock()
        self._news: Assignment | None = None
        self._asked: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._closing = False
        self._loop = LoopThread()
        self._consumer: Any = None
        self._polling: Any = None
        try:
            self._loop.call(self._join(connection, session))
        except BaseException:
            self.close()
            raise

    @property
    def must_let_go(self) -> bool:
        """Whether a rebalance waits for `let_go`, or the membership has failed and the next call says why."""
        return self._asked is not None or self._failure is not None

    def let_go(self) -> None:
        """Nothing is worked on any more: the rebalance goes on. Does nothing if none waits; raises why membership failed."""
        if self._failure is not None:
            raise translated(self._failure, self._path, seconds=self._seconds, group=self.group) from self._failure
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
        """Commit offsets of partitions that it has, each with a note; `log.membership-lost` if they may be another's now."""
        places = {Place(self._topic, partition): (offset, note) for partition, offset in offsets.items()}
        self._loop.call(self._commit(places))

    def close(self) -> None:
        """Leave the group. Safe to repeat."""
        if not self._loop.is_closed:
            self._closing = True
            self._loop.call(self._leave())
            self._loop.close()

    async def _join(self, connection: Connection, session: float) -> None:
        # One class per member: this assignor keeps what it has in its class.
        assignor = type("Sticky", (StickyPartitionAssignor,), {})
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=connection.bootstrap,
            client_id="dragoman",
            group_id=self.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(session * 1_000),
            heartbeat_interval_ms=_HEARTBEAT_MS,
            rebalance_timeout_ms=int(REBALANCE_SECONDS * 1_000),
            max_poll_interval_ms=_NEVER_MS,
            request_timeout_ms=connection.request_ms,
            partition_assignment_strategy=[assignor],
        )
        self._consumer.subscribe([self._topic], listener=_Listener(self, assignor))
        await connection.patiently(self._consumer.start, refresh=False)
        self._polling = asyncio.ensure_future(self._poll())

    async def _poll(self) -> None:
        """aiokafka tells the failures of its background only to who asks it for records; there are none."""
        try:
            while True:
                with suppress(kafka.RecordTooLargeError):
                    await self._consumer.getmany(timeout_ms=_POLL_MS)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - kept, and raised to the owner by its next call
            self._failure = error
            self._changed()

    async def revoked(self) -> None:
        """Wait until the owner has let go."""
        if self._closing:
            return
        asked = asyncio.get_running_loop().create_future()
        with self._lock:
            self._news, self._asked = None, asked
        self._changed()
        await asked

    def took(self, partitions: frozenset[int], assignor: Any) -> None:
        """Note what the group gave it; the places are not read here."""
        self._consumer.pause(*(Place(self._topic, partition) for partition in partitions))
        generation = self._consumer._coordinator.generation
        assignor.on_generation_assignment(generation)
        with self._lock:
            self._news = Assignment(generation, partitions)
        self._changed()

    async def _commit(self, places: Mapping[Place, tuple[int, str]]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._consumer.commit(dict(places))
        except (kafka.CommitFailedError, kafka.IllegalStateError) as error:
            raise MembershipLost(path=self._path, group=self.group) from error
        except (kafka.KafkaError, OSError) as error:
            raise translated(error, self._path, seconds=self._seconds, topic=self._topic, group=self.group) from error

    async def _leave(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, None
        if asked is not None:
            asked.set_result(None)
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])
        if self._consumer is not None:
            await quietly(self._consumer.stop(), _LEAVING)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """What aiokafka calls; a rebalance waits for it."""

    def __init__(self, member: GroupMember, assignor: Any) -> None:
        self._member = member
        self._assignor = assignor

    async def on_partitions_revoked(self, revoked: set[Place]) -> None:
        """See `GroupMember.revoked`. With none there is nothing to let go."""
        if revoked:
            await self._member.revoked()

    async def on_partitions_assigned(self, assigned: set[Place]) -> None:
        """See `GroupMember.took`."""
        self._member.took(frozenset(place.partition for place in assigned), self._assignor)


async def _answer(asked: asyncio.Future[None]) -> None:
    if not asked.done():
        asked.set_result(None)
