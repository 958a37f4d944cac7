"""Committed offsets, set and read from outside of the groups: by whoever is alone in one, or looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.admin import ListGroupsRequest
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest

from pipeline.log.kafka.connection import Connection, check
from pipeline.log.port import TopicPartition

# Of a committer who is no member; the offsets are kept as long as the broker is set to.
_NO_GENERATION, _NO_MEMBER, _BROKER_RETENTION = -1, "", -1


async def committed(connection: Connection, group: str) -> dict[TopicPartition, int]:
    """The offsets of all partitions that the group has committed."""

    async def ask() -> dict[TopicPartition, int]:
        response = await connection.to_coordinator(group, OffsetFetchRequest(group, None))
        check(response.error_code)
        return _offsets(response)

    return await connection.patiently(ask, group=group)


async def commit(connection: Connection, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set the offsets, at once; `log.group-in-use` while the group has members."""
    topics: dict[str, list[tuple[int, int, str]]] = {}
    for (topic, partition), offset in offsets.items():
        topics.setdefault(topic, []).append((partition, offset, ""))
    request = OffsetCommitRequest(group, _NO_GENERATION, _NO_MEMBER, _BROKER_RETENTION, list(topics.items()))

    async def ask() -> None:
        response = await connection.to_coordinator(group, request)
        for _, partitions in response.topics:
            for _, code in partitions:
                check(code)

    await connection.patiently(ask, group=group)


async def names(connection: Connection) -> list[str]:
    """All groups that have committed offsets, in alphabetical order."""

    async def ask() -> list[str]:
        found = set()
        for response in await connection.to_all(ListGroupsRequest):
            check(response.error_code)
            found |= {group for group, *_ in response.groups}
        return sorted(found)

    return [group for group in await connection.patiently(ask) if await committed(connection, group)]


def _offsets(response: Any) -> dict[TopicPartition, int]:
    found = {}
    for topic, partitions in response.topics:
        for partition, offset, _, code in partitions:
            check(code)
            if offset >= 0:
                found[topic, partition] = offset
    return found
