"""Committed offsets, set and read from outside of the groups: by whoever is alone in one, or looks at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from aiokafka import errors as kafka
from aiokafka.protocol.admin import DescribeGroupsRequest, ListGroupsRequest
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest

from pipeline.log.kafka.connection import Connection, check
from pipeline.log.port import TopicPartition

# Of a committer who is no member; the offsets are kept as long as the broker is set to.
_NO_GENERATION, _NO_MEMBER, _BROKER_RETENTION = -1, "", -1


class Standing(NamedTuple):
    """The committed offset of one partition, and offsets of topics beside that hold for this partition alone.

    A worker reads marks for all of its partitions. How far they have been acted upon stands in the note of each
    partition's own offset, so that whoever takes the partition over reads them from there.
    """

    offset: int
    beside: Mapping[TopicPartition, int] = {}


async def standing(connection: Connection, group: str) -> dict[TopicPartition, Standing]:
    """Where the group stands in all partitions that it has committed."""

    async def ask() -> dict[TopicPartition, Standing]:
        response = await connection.to_coordinator(group, OffsetFetchRequest(group, None))
        check(response.error_code)
        return _standings(response)

    return await connection.patiently(ask, group=group)


async def committed(connection: Connection, group: str) -> dict[TopicPartition, int]:
    """The offsets of all partitions that the group has committed; of those beside, how far all partitions have come."""
    found = await standing(connection, group)
    beside: dict[TopicPartition, int] = {}
    for one in found.values():
        for place, offset in one.beside.items():
            beside[place] = min(offset, beside.get(place, offset))
    return {place: one.offset for place, one in found.items()} | beside


async def members(connection: Connection, group: str) -> int:
    """How many members a group has now; none where there is no such group."""

    async def ask() -> int:
        response = await connection.to_coordinator(group, DescribeGroupsRequest([group]))
        ((code, _, _, _, _, found, *_),) = response.groups
        if code == kafka.GroupIdNotFound.errno:
            return 0
        check(code)
        return len(found)

    return await connection.patiently(ask, group=group)


def note_of(beside: Mapping[TopicPartition, int]) -> str:
    """The note of an offset that says where topics beside stand."""
    return msgspec.json.encode([(topic, partition, offset) for (topic, partition), offset in beside.items()]).decode()


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


def _standings(response: Any) -> dict[TopicPartition, Standing]:
    found = {}
    for topic, partitions in response.topics:
        for partition, offset, note, code in partitions:
            check(code)
            if offset >= 0:
                found[topic, partition] = Standing(offset, _beside(note or ""))
    return found


def _beside(note: str) -> dict[TopicPartition, int]:
    """What a note says; other programs that commit for the group may write there what they like."""
    try:
        told = msgspec.json.decode(note, type=list[tuple[str, int, int]])
    except msgspec.DecodeError:
        return {}
    return {(topic, partition): offset for topic, partition, offset in told}
