"""Topics of a cluster: found, and made with the settings that keep our promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import errors as kafka
from aiokafka.protocol.admin import CreateTopicsRequest, DescribeConfigsRequest

from pipeline.log.kafka.connection import FORGETFUL, Connection, check
from pipeline.log.kafka.naming import check_name, kind_of
from pipeline.log.memory import check_shape
from pipeline.log.port import TopicSpec

_TOPIC_RESOURCE = 2
_POLICY = "cleanup.policy"
# Timestamps are the appender's, whenever that was or will be; nothing expires before an operator says so.
_SETTINGS = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str((1 << 63) - 1)}
_RETAINED = {_POLICY: "delete", "retention.ms": "-1"}
_COMPACTED = {_POLICY: "compact"}
# Only a segment that has ended is compacted, and a changelog's records have no time by which one would end.
_CHANGELOG = {**_COMPACTED, "segment.bytes": str(64 << 20)}
# What is kept of an aggregate, or waits, may be larger than anything that is published of it.
_LARGE = {"max.message.bytes": str(64 * 1024 * 1024)}
_LARGE_KINDS = ("changelog", "dead-letters")
# Seconds until topics are asked for again.
_PAUSE = 0.05


async def find(connection: Connection, known: Iterable[str] = ()) -> dict[str, TopicSpec]:
    """All topics but the broker's own. One that is `known` is missed only if it stays away for a while."""
    forgotten = time.monotonic() + FORGETFUL
    while True:
        found = await connection.patiently(lambda: _find(connection))
        if found.keys() >= set(known) or time.monotonic() > forgotten:
            return found
        await asyncio.sleep(_PAUSE)


async def make(connection: Connection, topic: TopicSpec, found: Mapping[str, TopicSpec]) -> None:
    """Make it if it is not there, and wait until every partition has a leader; `log.topic-conflict`."""
    check_shape(found.get(topic.name), topic)
    check_name(topic)
    if topic.name in found:
        return
    if not await connection.patiently(lambda: _create(connection, topic), topic=topic.name):
        check_shape((await find(connection)).get(topic.name), topic)
    await connection.patiently(lambda: _wait(connection, topic), topic=topic.name)


def settings_of(topic: TopicSpec) -> dict[str, str]:
    """The settings that a topic is made with."""
    cleaned = _CHANGELOG if topic.kind == "changelog" else _COMPACTED
    settings = {**_SETTINGS, **(cleaned if topic.compacted else _RETAINED)}
    return settings | _LARGE if topic.kind in _LARGE_KINDS else settings


async def _find(connection: Connection) -> dict[str, TopicSpec]:
    cluster = await connection.metadata()
    names = sorted(cluster.topics(exclude_internal_topics=True))
    policies = await _policies(connection, names)
    return {
        name: TopicSpec(
            name=name,
            kind=kind_of(name),
            partitions=len(cluster.partitions_for_topic(name)),
            compacted="compact" in policies[name],
        )
        for name in names
        if name in policies
    }


async def _policies(connection: Connection, names: list[str]) -> dict[str, list[str]]:
    """The cleanup policy by topic; a topic that went away meanwhile is left out."""
    if not names:
        return {}
    resources = [(_TOPIC_RESOURCE, name, [_POLICY]) for name in names]
    response = await connection.to_any(DescribeConfigsRequest(resources, False))
    found = {}
    for code, _, _, name, entries in response.resources:
        if code == kafka.UnknownTopicOrPartitionError.errno:
            continue
        check(code)
        found[name] = str(entries[0][1]).split(",")
    return found


async def _create(connection: Connection, topic: TopicSpec) -> bool:
    """Whether it was made now; else another was faster. Replicas are what the cluster has by default."""
    wanted: Any = (topic.name, topic.partitions, -1, [], list(settings_of(topic).items()))
    response = await connection.to_controller(
        CreateTopicsRequest(create_topic_requests=[wanted], timeout=connection.request_ms, validate_only=False)
    )
    ((_, code, reason),) = response.topic_errors
    if code == kafka.TopicAlreadyExistsError.errno:
        return False
    if code:
        raise kafka.for_code(code)(reason)
    return True


async def _wait(connection: Connection, topic: TopicSpec) -> None:
    while not _is_led(await connection.metadata(), topic):
        await asyncio.sleep(_PAUSE)


def _is_led(cluster: Any, topic: TopicSpec) -> bool:
    partitions = cluster.partitions_for_topic(topic.name) or ()
    led = cluster.available_partitions_for_topic(topic.name) or ()
    return len(partitions) == len(led) == topic.partitions
