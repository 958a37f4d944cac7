"""Reading and appending on a real Kafka, and what bare aiokafka takes for the same records in the same run."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, TopicSpec

RECORDS = 60_000
PARTITIONS = 4
ROUNDS = 4
# Records of one append and of one page: a batch of the worker.
BATCH = 1_000
VALUE = (b'{"before":null,"after":{"id":%d,"status":"A","amount":"12.50"},"op":"c"}' * 9)[:600]


@dataclass
class Result:
    """Records a second, wall time, medians; `*_times` are bare aiokafka's rate as a multiple of ours, in the same round.

    Bare aiokafka reads whole polls (`getmany`) and appends whole batches (`send_batch`), a thousand records at a time.
    `written` is the fenced writer's rate: one transaction for each thousand records.
    """

    records: int
    read: float
    read_times: float
    appended: float
    append_times: float
    written: float
    write_times: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"log on Kafka       read {self.read:>9,.0f}/s ({self.read_times:.2f} x bare aiokafka's time), "
            f"append {self.appended:,.0f}/s ({self.append_times:.2f} x), "
            f"fenced {self.written:,.0f}/s ({self.write_times:.2f} x)"
        )


def run() -> Result:
    """Ours and bare by turns, on topics of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        shared(parts.kafka(fetch(cache_folder(os.environ))), Path(folder) / "kafka") as broker,
        closing(KafkaLog(broker.at)) as log,
        asyncio.Runner() as bare,
    ):
        rounds = [_round(log, broker.at, bare, number) for number in range(ROUNDS)]
    mine, floors = zip(*rounds[1:], strict=True)
    rate = [RECORDS / median(taken[place] for taken in mine) for place in range(3)]
    times = [
        median(taken[place] / floor[place] for taken, floor in zip(mine, floors, strict=True)) for place in range(3)
    ]
    return Result(RECORDS, rate[1], times[1], rate[0], times[0], rate[2], times[2])


def _round(log: KafkaLog, at: str, bare: asyncio.Runner, number: int) -> tuple[list[float], list[float]]:
    """Seconds of ours and of bare aiokafka: append, read, write fenced."""
    for name in ("ours", "bare", "fenced", "bare-fenced"):
        log.create(TopicSpec(name=f"{name}-{number}", kind="feed", partitions=PARTITIONS))
    ours = [
        _timed(lambda: _append(log.append, f"ours-{number}")),
        _timed(lambda: _read(log, f"ours-{number}")),
    ]
    writer = log.writer("bench")
    ours.append(_timed(lambda: _append(writer.append, f"fenced-{number}")))
    floor = [
        bare.run(_bare_append(at, f"bare-{number}", None)),
        bare.run(_bare_read(at, f"bare-{number}")),
        bare.run(_bare_append(at, f"bare-fenced-{number}", "bare")),
    ]
    return ours, floor


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _append(append: Callable[[list[Outgoing]], object], topic: str) -> None:
    for first in range(0, RECORDS, BATCH):
        append(
            [
                Outgoing(topic=topic, timestamp=n, key=b"%d" % n, value=VALUE, partition=n % PARTITIONS)
                for n in range(first, first + BATCH)
            ]
        )


def _read(log: KafkaLog, topic: str) -> None:
    read = 0
    for partition in range(PARTITIONS):
        position, high = 0, log.end(topic, partition)
        while position < high:
            page = log.read(topic, partition, position, BATCH)
            read += len(page.records)
            position = page.next
    assert read == RECORDS


async def _bare_append(at: str, topic: str, transactional_id: str | None) -> float:
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=at,
        acks="all",
        enable_idempotence=True,
        transactional_id=transactional_id,
        compression_type="zstd",
        max_batch_size=512 * 1024,
    )
    await producer.start()
    begun = time.perf_counter()
    for first in range(0, RECORDS, BATCH):
        if transactional_id:
            await producer.begin_transaction()
        batches = [producer.create_batch() for _ in range(PARTITIONS)]
        for n in range(first, first + BATCH):
            batches[n % PARTITIONS].append(timestamp=n, key=b"%d" % n, value=VALUE)
        sent = [await producer.send_batch(batch, topic, partition=place) for place, batch in enumerate(batches)]
        await asyncio.gather(*sent)
        if transactional_id:
            await producer.commit_transaction()
    taken = time.perf_counter() - begun
    await producer.stop()
    return taken


async def _bare_read(at: str, topic: str) -> float:
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=at, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    begun = time.perf_counter()
    read = 0
    while read < RECORDS:
        found = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
        read += sum(len(records) for records in found.values())
    taken = time.perf_counter() - begun
    await consumer.stop()
    return taken
