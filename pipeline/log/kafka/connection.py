"""One client of a cluster: requests to whoever has to answer them, repeated while that is somebody else or nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, TypeVar

from aiokafka import TopicPartition as Place
from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.conn import create_conn

from pipeline.log.kafka.errors import is_transient, translated
from pipeline.log.kafka.security import OPEN, Security
from pipeline.log.port import TopicUnknown

Answer = TypeVar("Answer")

# Seconds between two attempts.
_PAUSE = 0.1
# Seconds for which a broker that was started again may not yet know its topics.
FORGETFUL = 5.0
# A request that is not answered is repeated, also on a broker that hangs: well before the bound of a whole call.
_REQUEST_SECONDS = 10.0


# aiokafka logs each host that it cannot begin with, and why; we raise that, once.
logging.getLogger("aiokafka").addFilter(lambda record: not str(record.msg).startswith("Unable "))


class Connection:
    """Lives on one event loop. `path` names the cluster in errors; a call is given up after `seconds`."""

    def __init__(self, bootstrap: str, seconds: float, security: Security = OPEN) -> None:
        self.bootstrap = bootstrap
        self.security = security
        self.path = f"kafka://{bootstrap}"
        self.seconds = seconds
        self.request_ms = int(min(_REQUEST_SECONDS, seconds) * 1000)
        self._client: Any = None
        self._coordinators: dict[str, int] = {}

    async def start(self) -> None:
        """Connect to the cluster; `log.unreachable`, or whatever is wrong with how it is done."""
        self._client = AIOKafkaClient(
            bootstrap_servers=self.bootstrap,
            client_id="dragoman",
            request_timeout_ms=self.request_ms,
            **self.security.options(),
        )
        await self.patiently(self._client.bootstrap, refresh=False)

    async def close(self) -> None:
        """Give back the sockets."""
        if self._client is not None:
            await self._client.close()

    async def patiently(
        self, attempt: Callable[[], Awaitable[Answer]], *, refresh: bool = True, topic: str = "", group: str = ""
    ) -> Answer:
        """Attempt it again while it fails for a reason that may pass; every failure comes out as a `LogError`."""
        last: BaseException | None = None
        forgotten = time.monotonic() + FORGETFUL
        try:
            async with asyncio.timeout(self.seconds):
                while True:
                    try:
                        return await attempt()
                    except (kafka.KafkaError, OSError) as error:
                        if not is_transient(error):
                            raise
                        last = error
                    if not refresh and isinstance(last, kafka.KafkaConnectionError):
                        await self._refusal()
                    self._coordinators.pop(group, None)
                    await asyncio.sleep(_PAUSE)
                    refreshed = refresh and await self._client.force_metadata_update()
                    if not (refreshed and isinstance(last, kafka.UnknownTopicOrPartitionError)) or self._knows(topic):
                        forgotten = time.monotonic() + FORGETFUL
                    elif time.monotonic() > forgotten:
                        raise TopicUnknown(path=self.path, topic=topic)
        except (kafka.KafkaError, OSError) as error:
            # A timeout says less than what was answered before it.
            told = last if last is not None and isinstance(error, TimeoutError) else error
            raise translated(told, self.path, seconds=self.seconds, topic=topic, group=group) from error

    async def to_leader(self, topic: str, partition: int, request: Any) -> Any:
        """The answer of the broker that leads the partition."""
        return await self._client.send(await self._leader(topic, partition), request)

    async def to_leaders(self, topic: str, partitions: Collection[int], request: Callable[[list[int]], Any]) -> Any:
        """The answers of the brokers that lead these partitions, each asked once for all that it leads."""
        led: defaultdict[int, list[int]] = defaultdict(list)
        for partition in partitions:
            led[await self._leader(topic, partition)].append(partition)
        return await asyncio.gather(*(self._client.send(node, request(some)) for node, some in led.items()))

    async def _leader(self, topic: str, partition: int) -> int:
        place = Place(topic, partition)
        node = self._client.cluster.leader_for_partition(place)
        if node is None:
            if not await self._client.force_metadata_update():
                raise kafka.NodeNotReadyError("no broker says who leads what")
            node = self._client.cluster.leader_for_partition(place)
        if node is None and not self._knows(topic):
            raise kafka.UnknownTopicOrPartitionError(topic)
        if node is None or node == -1:
            raise kafka.LeaderNotAvailableError(f"{topic} {partition}")
        return int(node)

    async def to_coordinator(self, group: str, request: Any) -> Any:
        """The answer of the broker that keeps the group."""
        if group not in self._coordinators:
            found = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
            self._coordinators[group] = found
        return await self._client.send(self._coordinators[group], request, group=ConnectionGroup.COORDINATION)

    async def to_controller(self, request: Any) -> Any:
        """The answer of the cluster's controller."""
        controller = self._client.cluster.controller
        if controller is None:
            raise kafka.NodeNotReadyError("the cluster names no controller")
        return await self._client.send(controller.nodeId, request)

    async def to_any(self, request: Any) -> Any:
        """The answer of any broker."""
        return await self._client.send(self._random_node(), request)

    async def to_all(self, request: Callable[[], Any]) -> list[Any]:
        """The answers of all brokers."""
        nodes = [broker.nodeId for broker in self._client.cluster.brokers()]
        return [await self._client.send(node, request()) for node in nodes]

    async def metadata(self) -> Any:
        """The cluster as it is now: its topics, partitions and leaders."""
        try:
            return await self._client.fetch_all_metadata()
        except kafka.KafkaError as error:
            # aiokafka does not say that no broker could be asked, or that one had not yet found the others.
            raise error if error.retriable else kafka.NodeNotReadyError(str(error)) from error

    async def _refusal(self) -> None:
        """Raise why no client can begin, where that will not pass: aiokafka itself only logs it and goes on."""
        for host, port, _ in self._client.hosts:
            try:
                made = await create_conn(
                    host, port, client_id="dragoman", request_timeout_ms=self.request_ms, **self.security.options()
                )
            except (kafka.KafkaError, OSError) as error:
                if not is_transient(error):
                    raise
            else:
                made.close()

    def _knows(self, topic: str) -> bool:
        return self._client.cluster.partitions_for_topic(topic) is not None

    def _random_node(self) -> int:
        node = self._client.get_random_node()
        if node is None:
            raise kafka.NodeNotReadyError("no broker is known")
        return int(node)


async def quietly(closing: Awaitable[object], seconds: float) -> None:
    """Wait for an end that may fail or hang: what was acknowledged does not depend on it."""
    with suppress(kafka.KafkaError, OSError, RuntimeError):
        async with asyncio.timeout(seconds):
            await closing


def check(code: int) -> None:
    """The error that a broker's answer carries, raised."""
    if code:
        raise kafka.for_code(code)()
