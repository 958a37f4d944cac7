"""Bare aiokafka, as fast as it goes: whole polls in, whole batches out, acknowledged before their offsets are committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.kafka.rung import Job, Meter
from bench.kafka.small import transform

POLL_RECORDS = 4_000
BATCH_BYTES = 512 * 1024
_COMMIT_SECONDS = 0.5

Handle = Callable[[bytes], bytes]


def copy(job: Job, meter: Meter) -> None:
    """The floor: the same bytes again."""
    asyncio.run(_run(job, meter, lambda value: value))


def by_hand(job: Job, meter: Meter) -> None:
    """The small transform in the same loop."""
    asyncio.run(_run(job, meter, transform))


async def clients(job: Job) -> tuple[Any, Any]:
    """A consumer and a producer that are connected, set alike for all that is written by hand."""
    consumer: Any = AIOKafkaConsumer(
        job.source,
        bootstrap_servers=job.at,
        group_id=job.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=job.at,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES,
    )
    await asyncio.gather(consumer.start(), producer.start())
    return consumer, producer


async def _run(job: Job, meter: Meter, handle: Handle) -> None:
    consumer, producer = await clients(job)
    offsets: dict[Any, int] = {}
    sent: list[Any] = []
    committed = time.monotonic()
    while meter.count < job.total:
        found = await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)
        sending = [
            one
            for place, records in found.items()
            for one in await _sent(producer, job.target, place.partition, records, handle)
        ]
        # One poll's output is on its way while the next one's is made.
        await asyncio.gather(*sent)
        if time.monotonic() > committed + _COMMIT_SECONDS and offsets:
            await consumer.commit(offsets)
            committed = time.monotonic()
        offsets.update({place: records[-1].offset + 1 for place, records in found.items()})
        sent = sending
        meter.handled(sum(len(records) for records in found.values()))
    await asyncio.gather(*sent)
    await consumer.commit(offsets)
    meter.end()


async def _sent(producer: Any, topic: str, partition: int, records: Any, handle: Handle) -> list[Any]:
    """The batches of one partition, on their way; what tells that each has arrived."""
    sent = []
    batch = producer.create_batch()
    append = batch.append
    for record in records:
        value = handle(record.value)
        if append(timestamp=record.timestamp, key=record.key, value=value) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            append = batch.append
            append(timestamp=record.timestamp, key=record.key, value=value)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent
