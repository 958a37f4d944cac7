"""Faust as it comes: an agent that handles one message at a time, and one that takes a thousand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust

from bench.kafka.rung import Job, Meter
from bench.kafka.small import transform

_TAKEN = 1_000


def one_by_one(job: Job, meter: Meter) -> None:
    """A plain agent, with the settings that make it faster."""
    app = _app(job)
    target = app.topic(job.target, key_serializer="raw", value_serializer="raw")

    async def each(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            await target.send(
                key=message.key,
                value=transform(message.value),
                partition=message.partition,
                timestamp=message.timestamp,
            )
            meter.handled(1)
            if meter.count >= job.total:
                await _finish(app, meter)

    _run(app, job, each)


def take(job: Job, meter: Meter) -> None:
    """An agent over batches that sends whole batches."""
    app = _app(job)

    async def some(stream: Any) -> None:
        async for events in stream.take_events(_TAKEN, within=0.2):
            await _send(app, job.target, events)
            meter.handled(len(events))
            if meter.count >= job.total:
                await _finish(app, meter)

    _run(app, job, some)


async def _send(app: Any, topic: str, events: Any) -> None:
    """All of them, acknowledged before Faust counts them as done."""
    producer: Any = app.producer._producer
    batches: dict[int, Any] = {}
    sent = []
    for event in events:
        message = event.message
        told = {"timestamp": message.timestamp, "key": message.key, "value": transform(message.value)}
        batch = batches.get(message.partition) or batches.setdefault(message.partition, producer.create_batch())
        if batch.append(**told) is None:
            sent.append(await producer.send_batch(batch, topic, partition=message.partition))
            batches[message.partition] = batch = producer.create_batch()
            batch.append(**told)
    sent += [await producer.send_batch(batch, topic, partition=place) for place, batch in batches.items()]
    await asyncio.gather(*sent)


def _app(job: Job) -> Any:
    return faust.App(
        job.group,
        broker=f"kafka://{job.at}",
        datadir=Path(job.folder),
        broker_commit_interval=0.5,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_compression_type="zstd",
        producer_linger=0.02,
        producer_max_batch_size=256 * 1024,
        stream_buffer_maxsize=65_536,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )


def _run(app: Any, job: Job, handler: Callable[[Any], Any]) -> None:
    app.agent(app.topic(job.source, key_serializer="raw", value_serializer="raw"))(handler)

    async def main() -> None:
        await app.start()
        await app.wait()

    asyncio.run(main())


async def _finish(app: Any, meter: Meter) -> None:
    await app.producer.flush()
    await app.consumer.commit()
    meter.end()
