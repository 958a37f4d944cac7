"""One member of a consumer group: which partitions it has, its heartbeats, and offsets committed in its own name.

It reads nothing: aiokafka's consumer keeps the membership on a thread of its own, so no heartbeat waits for work that takes
long. A rebalance waits until the owner has let go, for at most the rebalance timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as Place
from aiokafka import errors as kafka
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from pipeline.log.kafka.connection import Connection, quietly
from pipeline.log.kafka.hand_over import (
    HEARTBEAT_SECONDS,
    LEAVING_SECONDS,
    NEVER_MS,
    REBALANCE_SECONDS,
    SESSION_SECONDS,
    Member,
)

_POLL_MS = 500


class GroupMember(Member):
    """A `Member` that is aiokafka's consumer and nothing else."""

    def __init__(
        self,
        connection: Connection,
        group: str,
        topic: str,
        changed: Callable[[], None],
        session: float = SESSION_SECONDS,
    ) -> None:
        super().__init__(connection, group, topic, changed)
        self._consumer: Any = None
        self._polling: Any = None
        try:
            self._loop.call(self._join(connection, session))
        except BaseException:
            self.close()
            raise

    async def _join(self, connection: Connection, session: float) -> None:
        assignor = own_assignor()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=connection.bootstrap,
            client_id="dragoman",
            group_id=self.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(session * 1_000),
            heartbeat_interval_ms=int(HEARTBEAT_SECONDS * 1_000),
            rebalance_timeout_ms=int(REBALANCE_SECONDS * 1_000),
            max_poll_interval_ms=NEVER_MS,
            request_timeout_ms=connection.request_ms,
            partition_assignment_strategy=[assignor],
            **connection.security.options(),
        )
        self._consumer.subscribe([self.topic], listener=_Listener(self, assignor))
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
            self.failed(error)

    def took_places(self, partitions: frozenset[int], assignor: Any) -> None:
        """Note what the group gave it; the places are not read here."""
        self._consumer.pause(*(Place(self.topic, partition) for partition in partitions))
        generation = self._consumer._coordinator.generation
        assignor.on_generation_assignment(generation)
        self.took(generation, partitions)

    async def _send_commit(self, places: dict[Place, tuple[int, str]]) -> None:
        await self._consumer.commit(places)

    async def _leave(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])
        if self._consumer is not None:
            await quietly(self._consumer.stop(), LEAVING_SECONDS)


def own_assignor() -> Any:
    """One class per member: this assignor keeps what it has in its class. The same for all kinds of members of a group."""
    return type("Sticky", (StickyPartitionAssignor,), {})


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """What aiokafka calls; a rebalance waits for it."""

    def __init__(self, member: GroupMember, assignor: Any) -> None:
        self._member = member
        self._assignor = assignor

    async def on_partitions_revoked(self, revoked: set[Place]) -> None:
        """See `Member.revoked`. With none there is nothing to let go."""
        if revoked:
            await self._member.revoked()

    async def on_partitions_assigned(self, assigned: set[Place]) -> None:
        """See `GroupMember.took_places`."""
        self._member.took_places(frozenset(place.partition for place in assigned), self._assignor)
