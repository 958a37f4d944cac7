"""Topics with all that can be set of them: described, made, set otherwise, removed. For those who plan a cluster's topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Self

import msgspec
from aiokafka import errors as kafka
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
)

from pipeline.log.kafka.connection import Connection, check
from pipeline.log.kafka.loop import LoopThread
from pipeline.log.kafka.security import OPEN, Security

_TOPIC_RESOURCE = 2
_OWN = 1
"""Where a setting comes from: it was given to the topic."""
_PAUSE = 0.05


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it is. `settings` are all in force, `own` those that were given to it."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    own: Mapping[str, str]


class TopicAdmin:
    """The topics of the cluster behind `bootstrap`; `log.unreachable`. A call may be repeated. To be closed."""

    def __init__(self, bootstrap: str, *, security: Security = OPEN, patience: float = 30.0) -> None:
        self._connection = Connection(bootstrap, patience, security)
        self._loop = LoopThread()
        try:
            self._loop.call(self._connection.start())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back what is held. Safe to repeat."""
        if not self._loop.is_closed:
            self._loop.call(self._connection.close())
            self._loop.close()

    def describe(self) -> dict[str, Described]:
        """All topics but the broker's own."""
        return self._loop.call(self._connection.patiently(self._describe))

    def make(self, name: str, partitions: int, replication: int, settings: Mapping[str, str]) -> None:
        """Make a topic, and wait until all of its partitions have a leader; one that is there already stays as it is."""
        wanted: Any = (name, partitions, replication, [], list(settings.items()))
        self._loop.call(self._connection.patiently(lambda: self._make(wanted), topic=name))
        self._loop.call(self._connection.patiently(lambda: self._wait(name, partitions), topic=name))

    def set(self, name: str, own: Mapping[str, str]) -> None:
        """Give a topic its settings: all of them, those that it is to keep too."""
        self._loop.call(self._connection.patiently(lambda: self._set(name, own), topic=name))

    def remove(self, names: Iterable[str]) -> None:
        """Delete topics with all that is in them; those that are not there are passed over."""
        listed = sorted(names)
        if listed:
            self._loop.call(self._connection.patiently(lambda: self._remove(listed)))

    async def _describe(self) -> dict[str, Described]:
        cluster = await self._connection.metadata()
        names = sorted(cluster.topics(exclude_internal_topics=True))
        if not names:
            return {}
        answer = await self._connection.to_any(
            DescribeConfigsRequest([(_TOPIC_RESOURCE, n, None) for n in names], False)
        )
        found = {}
        for code, _, _, name, entries in answer.resources:
            if code == kafka.UnknownTopicOrPartitionError.errno:
                continue
            check(code)
            found[name] = _described(cluster, name, entries)
        return found

    async def _make(self, wanted: Any) -> None:
        request = CreateTopicsRequest([wanted], self._connection.request_ms, False)
        ((_, code, reason),) = (await self._connection.to_controller(request)).topic_errors
        if code and code != kafka.TopicAlreadyExistsError.errno:
            raise kafka.for_code(code)(reason)

    async def _wait(self, name: str, partitions: int) -> None:
        while len((await self._connection.metadata()).available_partitions_for_topic(name) or ()) < partitions:
            await asyncio.sleep(_PAUSE)

    async def _set(self, name: str, own: Mapping[str, str]) -> None:
        request = AlterConfigsRequest([(_TOPIC_RESOURCE, name, list(own.items()))])
        for code, reason, *_ in (await self._connection.to_controller(request)).resources:
            if code:
                raise kafka.for_code(code)(reason)

    async def _remove(self, names: list[str]) -> None:
        answer = await self._connection.to_controller(DeleteTopicsRequest(names, self._connection.request_ms))
        for _, code in answer.topic_error_codes:
            if code != kafka.UnknownTopicOrPartitionError.errno:
                check(code)


def _described(cluster: Any, name: str, entries: Any) -> Described:
    partitions = cluster._partitions[name].values()  # aiokafka shows how many there are, and not their replicas
    return Described(
        name=name,
        partitions=len(partitions),
        replication=min(len(one.replicas) for one in partitions),
        settings={entry[0]: entry[1] for entry in entries if entry[1] is not None},
        own={entry[0]: entry[1] for entry in entries if entry[3] == _OWN and entry[1] is not None},
    )
