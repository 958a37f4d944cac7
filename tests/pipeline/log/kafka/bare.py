"""Bare aiokafka beside the log: an independent reader, and producers that leave transactions open, abort and disturb."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

Row = tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


class Bare:
    """Calls of one event loop, one after the other."""

    def __init__(self, at: str, runner: asyncio.Runner) -> None:
        self._at = at
        self._runner = runner

    def committed_rows(self, topic: str, partition: int, end: int) -> list[Row]:
        """Offset, timestamp, key, value and headers of all that aiokafka's own consumer reads below `end`."""
        return self._runner.run(self._rows(topic, partition, end))

    def producer(self, transactional_id: str) -> Producer:
        return Producer(self._at, self._runner, transactional_id)

    def settings(self, topic: str) -> dict[str, str]:
        return self._runner.run(self._settings(topic))

    def delete_below(self, topic: str, partition: int, offset: int) -> None:
        self._runner.run(self._delete(topic, partition, offset))

    def make_topic(self, name: str, settings: dict[str, str], partitions: int = 1) -> None:
        self._runner.run(self._make(name, settings, partitions))

    @contextmanager
    def member(self, group: str, topic: str) -> Iterator[None]:
        """The group has a running member."""
        consumer = self._runner.run(self._join(group, topic))
        try:
            yield
        finally:
            self._runner.run(consumer.stop())

    async def _rows(self, topic: str, partition: int, end: int) -> list[Row]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._at, isolation_level="read_committed", enable_auto_commit=False, group_id=None
        )
        place = TopicPartition(topic, partition)
        found: list[Row] = []
        await consumer.start()
        try:
            consumer.assign([place])
            consumer.seek(place, 0)
            while await consumer.position(place) < end:
                for record in (await consumer.getmany(place, timeout_ms=200)).get(place, []):
                    found.append((record.offset, record.timestamp, record.key, record.value, tuple(record.headers)))
        finally:
            await consumer.stop()
        return found

    async def _join(self, group: str, topic: str) -> Any:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self._at, group_id=group, auto_offset_reset="earliest")
        await consumer.start()
        await consumer.getmany(timeout_ms=100)
        return consumer

    async def _settings(self, topic: str) -> dict[str, str]:
        async with _admin(self._at) as admin:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}

    async def _delete(self, topic: str, partition: int, offset: int) -> None:
        async with _admin(self._at) as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(offset)})

    async def _make(self, name: str, settings: dict[str, str], partitions: int) -> None:
        async with _admin(self._at) as admin:
            answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
            assert [error[1] for error in answer.topic_errors] == [0]


class Producer:
    """A transactional producer by hand."""

    def __init__(self, at: str, runner: asyncio.Runner, transactional_id: str) -> None:
        self._runner = runner
        self._producer: Any = runner.run(self._start(at, transactional_id))

    def begin(self) -> None:
        self._runner.run(self._producer.begin_transaction())

    def send(self, topic: str, partition: int, *values: bytes) -> None:
        self._runner.run(self._send(topic, partition, values))

    def commit(self) -> None:
        self._runner.run(self._producer.commit_transaction())

    def abort(self) -> None:
        self._runner.run(self._producer.abort_transaction())

    def close(self) -> None:
        self._runner.run(self._producer.stop())

    async def _start(self, at: str, transactional_id: str) -> Any:
        producer = AIOKafkaProducer(bootstrap_servers=at, transactional_id=transactional_id)
        await producer.start()
        return producer

    async def _send(self, topic: str, partition: int, values: tuple[bytes, ...]) -> None:
        for value in values:
            await self._producer.send_and_wait(topic, value, key=value, partition=partition, timestamp_ms=1)


class _admin:
    def __init__(self, at: str) -> None:
        self._at = at

    async def __aenter__(self) -> Any:
        self._client: Any = AIOKafkaAdminClient(bootstrap_servers=self._at)
        await self._client.start()
        return self._client

    async def __aexit__(self, *error: object) -> None:
        await self._client.close()
