"""Appending: whole batches to each partition in order, all acknowledged before the call returns."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.codec import has_zstd

from pipeline.log.kafka.connection import Connection, quietly
from pipeline.log.kafka.errors import translated
from pipeline.log.port import Outgoing, TopicPartition

# Bytes of a batch before compression; brokers refuse batches above 1 MB after it unless told otherwise.
_BATCH_BYTES = 512 * 1024
# Seconds for a producer to end by itself: nothing is waiting to be sent when it is asked to.
_CLOSING = 2.0

Places = Mapping[TopicPartition, Sequence[Outgoing]]


async def start_producer(connection: Connection, transactional_id: str | None, transaction_ms: int) -> Any:
    """An idempotent producer that has its producer id, and so has fenced whoever had the transactional id before."""
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap,
        client_id="dragoman",
        acks="all",
        enable_idempotence=True,
        transactional_id=transactional_id,
        transaction_timeout_ms=transaction_ms,
        compression_type="zstd" if has_zstd() else None,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=connection.request_ms,
        **connection.security.options(),
    )
    try:
        await connection.patiently(producer.start, refresh=False)
    except BaseException:
        await discard(producer)
        raise
    return producer


async def discard(producer: Any) -> None:
    """End a producer whose batches nobody waits for any more. By itself it would go on sending them for ever."""
    # Stopping would first wait until everything is sent.
    producer._closed = True
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
    await quietly(producer.client.close(), _CLOSING)
    if sender is not None:
        await asyncio.wait([sender], timeout=_CLOSING)
        if sender.done() and not sender.cancelled():
            sender.exception()


async def stop(producer: Any) -> None:
    """End a producer that has nothing to send."""
    await quietly(producer.stop(), _CLOSING)
    await discard(producer)


async def all_ended(sending: Sequence[Awaitable[object]]) -> None:
    """Wait until all have ended; the first failure is raised then."""
    for result in await asyncio.gather(*sending, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


class Locks:
    """One first-in-first-out lock per partition: two appends that need several batches each must not interleave."""

    def __init__(self) -> None:
        self._locks: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(self, producer: Any, places: Places) -> None:
        """Send to all partitions and wait for every acknowledgement; the first failure is raised once all have ended."""
        await all_ended([self._send(producer, place, records) for place, records in places.items()])

    async def _send(self, producer: Any, place: TopicPartition, records: Sequence[Outgoing]) -> None:
        topic, partition = place
        async with self._locks[place]:
            sent = [
                await producer.send_batch(batch, topic, partition=partition) for batch in _batches(producer, records)
            ]
            await all_ended(sent)


class Appender:
    """Appends outside transactions. A producer that has failed is not used again: its numbering would have a hole."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._locks = Locks()
        self._starting = asyncio.Lock()
        self._producer: Any = None

    async def append(self, places: Places) -> None:
        """Send all and wait for the acknowledgements; a `LogError` means that some of it may be there."""
        async with self._starting:
            if self._producer is None:
                self._producer = await start_producer(self._connection, None, 0)
            producer = self._producer
        try:
            async with asyncio.timeout(self._connection.seconds):
                await self._locks.send(producer, places)
        except (kafka.KafkaError, OSError) as error:
            if self._producer is producer:
                self._producer = None
            await discard(producer)
            topic = next(iter(places))[0]
            raise translated(error, self._connection.path, seconds=self._connection.seconds, topic=topic) from error

    async def close(self) -> None:
        """Give back the sockets."""
        if self._producer is not None:
            await stop(self._producer)


def _batches(producer: Any, records: Sequence[Outgoing]) -> Iterator[Any]:
    batch = producer.create_batch()
    for record in records:
        if not _add(batch, record):
            yield batch
            batch = producer.create_batch()
            _add(batch, record)
    yield batch


def _add(batch: Any, record: Outgoing) -> bool:
    """Whether the batch had room; the first record of a batch always has."""
    added = batch.append(timestamp=record.timestamp, key=record.key, value=record.value, headers=list(record.headers))
    return added is not None
