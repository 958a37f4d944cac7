"""How long after a step could be known to be over its event can be read, through the worker's own process.

Source transactions are replayed at a pace that waits for nobody, in transactions of Kafka as an exactly-once connector's are:
rows and END become readable together. Both sides are read as a consumer of committed records sees them.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.kafka.climb import Field
from bench.kafka.insurer import FEED, TRANSACTIONS, Corpus, fill, project
from pipeline.feed import Curated
from pipeline.log.port import Record

WARM_SECONDS = 3.0
_PATIENCE = 60.0
_TICK = 0.005


@dataclass
class Latency:
    """Milliseconds from the last row and the END being readable to the event being readable."""

    changes_per_second: int
    events: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


@dataclass(frozen=True)
class Step:
    """One source transaction: its rows in the feed and its END."""

    id: str
    rows: Sequence[Record]
    end: Record


def steps(corpus: Corpus) -> list[Step]:
    """The live transactions that touch policies, in the order of their ENDs."""
    rows: dict[str, list[Record]] = {}
    for record in corpus.live[FEED]:
        if record.value is not None:
            rows.setdefault(orjson.loads(record.value)["transaction"]["id"], []).append(record)
    found = []
    for record in corpus.live[TRANSACTIONS]:
        told = orjson.loads(record.value or b"{}")
        if told.get("status") == "END" and told["id"] in rows:
            found.append(Step(told["id"], rows[told["id"]], record))
    return found


def measure(field: Field, corpus: Corpus, rate: int, seconds: float) -> Latency:
    """At so many changes a second, for so long behind the warm-up."""
    prefix, name = f"{field.prefix}.rate{rate}", f"{field.prefix.replace('.', '-')}-rate{rate}"
    fill(field.log, corpus, prefix, live=False)
    folder = project(field.folder / name, field.at, prefix, name, corpus.partitions)
    chosen, changes = [], 0
    for step in steps(corpus):
        if changes >= rate * (WARM_SECONDS + seconds):
            break
        chosen.append(step)
        changes += len(step.rows)
    with worker(folder, name, field.environment):
        return asyncio.run(_measured(field.at, prefix, Curated.of(name, 1).events.name, chosen, rate))


@contextmanager
def worker(folder: Path, name: str, environment: dict[str, str]) -> Iterator[None]:
    """The process that `dragoman run` starts for a translator, loaded and waiting."""
    command = [sys.executable, "-m", "dragoman.translator_process", str(folder), name, "--follow"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            deadline = time.monotonic() + _PATIENCE
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                if told["joined"] and told["partitions"] and not told["loading"]:
                    break
                if time.monotonic() > deadline:
                    raise RuntimeError("the worker was not loaded in time")
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield
        finally:
            process.terminate()
            process.wait()


class Seen:
    """When each transaction's rows and END, and the events of it, could be read."""

    def __init__(self, warm: float) -> None:
        self.after = warm
        self.known: dict[str, float] = {}
        self.events: list[tuple[str, float]] = []

    async def inputs(self, consumer: Any) -> None:
        """Rows and ENDs as they come."""
        while True:
            found = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in found.values():
                for record in records:
                    if record.value is not None:
                        told = orjson.loads(record.value)
                        of = told["id"] if "status" in told else told["transaction"]["id"]
                        self.known[of.partition(":")[0]] = now

    async def outputs(self, consumer: Any) -> None:
        """Events as they come; a transaction is what they say they correlate with."""
        while True:
            found = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in found.values():
                for record in records:
                    told = dict(record.headers)["ce_correlationid"].decode()
                    self.events.append((told.split(":", 2)[2], now))

    def latencies(self) -> list[float]:
        """Milliseconds, of events of transactions that came behind the warm-up."""
        known = self.known
        return [1_000 * (at - known[of]) for of, at in self.events if of in known and known[of] > self.after]


async def _measured(at: str, prefix: str, events: str, chosen: Sequence[Step], rate: int) -> Latency:
    inputs, outputs = _consumer(at, f"{prefix}.{FEED}", f"{prefix}.{TRANSACTIONS}"), _consumer(at, events)
    await asyncio.gather(inputs.start(), outputs.start())
    await asyncio.gather(inputs.seek_to_end(), outputs.seek_to_end())
    seen = Seen(time.perf_counter() + WARM_SECONDS)
    reading = [asyncio.create_task(seen.inputs(inputs)), asyncio.create_task(seen.outputs(outputs))]
    await _replay(at, prefix, chosen, rate)
    deadline, before = time.monotonic() + _PATIENCE, -1
    while len(seen.events) != before and time.monotonic() < deadline:
        before = len(seen.events)
        await asyncio.sleep(1.5)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    await asyncio.gather(inputs.stop(), outputs.stop())
    found = seen.latencies()
    cut = quantiles(found, n=100)
    return Latency(rate, len(found), round(median(found), 1), round(cut[98], 1), round(max(found), 1))


async def _replay(at: str, prefix: str, chosen: Sequence[Step], rate: int) -> None:
    """Each transaction when it is due, however long those before it take; all that are due at once."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=at, acks="all", transactional_id=f"{prefix}.connector")
    await producer.start()
    begun, changes, waiting = time.perf_counter(), 0, list(chosen)
    waiting.reverse()
    while waiting:
        due = []
        while waiting and begun + changes / rate <= time.perf_counter():
            due.append(waiting.pop())
            changes += len(due[-1].rows)
        if not due:
            await asyncio.sleep(_TICK)
            continue
        await producer.begin_transaction()
        sent = [await _send(producer, f"{prefix}.{FEED}", row) for step in due for row in step.rows]
        sent += [await _send(producer, f"{prefix}.{TRANSACTIONS}", step.end) for step in due]
        await asyncio.gather(*sent)
        await producer.commit_transaction()
    await producer.stop()


async def _send(producer: Any, topic: str, record: Record) -> Any:
    return await producer.send(
        topic, key=record.key, value=record.value, partition=record.partition, timestamp_ms=record.timestamp
    )


def _consumer(at: str, *topics: str) -> Any:
    return AIOKafkaConsumer(*topics, bootstrap_servers=at, isolation_level="read_committed", auto_offset_reset="latest")
