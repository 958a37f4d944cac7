"""What a partition holds: whole batches fetched at once, decoded without aiokafka's consumer, offsets of both ends."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import msgspec
from aiokafka import errors as kafka
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.memory_records import MemoryRecords

from pipeline.log.kafka.connection import Connection, check
from pipeline.log.port import LogCorrupt, Record, TopicPartition

# Bytes of one answer: some thousand records. A bigger batch still comes whole.
_FETCH_BYTES = 1 << 20
_READ_UNCOMMITTED, _READ_COMMITTED = 0, 1
_LATEST, _EARLIEST = -1, -2


class Fetched(msgspec.Struct, frozen=True):
    """An answer as it came. Up to `stable` every transaction is over; `aborted` are producer and first offset."""

    offset: int
    stable: int
    aborted: list[tuple[int, int]]
    payload: bytes


async def fetch(connection: Connection, topic: str, partition: int, offset: int) -> Fetched | None:
    """What stands from `offset` on; `None` where the partition keeps nothing (expired, or above its end). Does not wait."""
    request = FetchRequest(0, 0, _FETCH_BYTES, _READ_COMMITTED, [(topic, [(partition, max(offset, -1), _FETCH_BYTES)])])

    async def ask() -> Fetched | None:
        response = await connection.to_leader(topic, partition, request)
        ((_, ((_, code, _, stable, *more),)),) = response.topics
        if code == kafka.OffsetOutOfRangeError.errno:
            return None
        check(code)
        # The marks of aborted transactions and the records are third and first from the end; between is a replica.
        aborted = more[-3 if response.API_VERSION >= 11 else -2] or []
        return Fetched(offset, stable, [(producer, first) for producer, first in aborted], more[-1] or b"")

    return await connection.patiently(ask, topic=topic)


async def watermarks(connection: Connection, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
    """The high watermarks, asked for at once: rows of an open transaction may stand below them, and count."""
    topics: dict[str, list[int]] = {}
    for topic, partition in places:
        topics.setdefault(topic, []).append(partition)
    asked = [_bounds(connection, topic, partitions, _LATEST) for topic, partitions in topics.items()]
    return {place: bound for found in await asyncio.gather(*asked) for place, bound in found.items()}


async def first_offset(connection: Connection, topic: str, partition: int) -> int:
    """The lowest offset that is still kept."""
    return (await _bounds(connection, topic, [partition], _EARLIEST))[topic, partition]


async def _bounds(
    connection: Connection, topic: str, partitions: Collection[int], which: int
) -> dict[TopicPartition, int]:
    def request(led: Collection[int]) -> OffsetRequest:
        # Asked read_committed, a broker would answer with the last stable offset.
        return OffsetRequest(-1, _READ_UNCOMMITTED, [(topic, [(partition, which) for partition in led])])

    async def ask() -> dict[TopicPartition, int]:
        found = {}
        for response in await connection.to_leaders(topic, partitions, request):
            for name, bounds in response.topics:
                for partition, code, _, offset in bounds:
                    check(code)
                    found[name, partition] = int(offset)
        return found

    return await connection.patiently(ask, topic=topic)


def decode(fetched: Fetched, topic: str, partition: int, path: str) -> tuple[list[Record], int]:
    """The records of transactions that were committed or of none, and the offset behind all that was looked at.

    Format and the rule for aborted transactions: KIP-98; https://kafka.apache.org/documentation/#recordbatch.
    """
    records: list[Record] = []
    following = fetched.offset
    pending = sorted(fetched.aborted, key=lambda found: found[1], reverse=True)
    aborting: set[int] = set()
    batches = MemoryRecords(fetched.payload)
    while batches.has_next():
        batch = batches.next_batch()
        if not batch.validate_crc():
            raise LogCorrupt(
                path=path, reason=f"a batch of {topic} {partition} at {batch.base_offset} fails its checksum"
            )
        while pending and pending[-1][1] <= batch.base_offset:
            aborting.add(pending.pop()[0])
        if batch.is_control_batch:
            _mark(batch, aborting)
        elif not (batch.is_transactional and batch.producer_id in aborting):
            _unpack(batch, records, topic, partition, fetched.offset)
        following = max(following, batch.next_offset)
    return records, following


def _mark(batch: Any, aborting: set[int]) -> None:
    """The abort that a control batch tells ends here; an abort may stand in a partition that got none of the rows."""
    for record in batch:
        if ControlRecord.parse(record.key) == ABORT_MARKER:
            aborting.discard(batch.producer_id)


def _unpack(batch: Any, records: list[Record], topic: str, partition: int, offset: int) -> None:
    records += [
        Record(
            topic=topic,
            partition=partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers) if record.headers else (),
        )
        for record in batch
        # An answer begins with the batch that holds the offset, not with the offset.
        if record.offset >= offset
    ]
