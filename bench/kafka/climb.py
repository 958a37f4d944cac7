"""How rungs are run: topics filled once, each rung a process, what came out compared with what should have."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from bench.kafka.rung import Job, Reading
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.kafka.placing import partition_of
from pipeline.log.port import TopicSpec
from pipeline.log.reading import read_through

# Records of a batch to fill with: what one partition gets of it is below the bytes of a batch.
_FEW = 200
SECONDS = 400
"""For so long a rung may run."""

Command = Sequence[str]


def here(name: str) -> list[str]:
    """The command of a rung that runs in this environment."""
    return [sys.executable, "-m", "bench.kafka.rung", name]


@dataclass
class Field:
    """One broker with its topics, whose names begin with `prefix`. `folder` is for what rungs keep."""

    log: KafkaLog
    at: str
    folder: Path
    prefix: str = "ladder"
    partitions: int = 8
    runs: int = 0
    environment: dict[str, str] = field(default_factory=dict)

    def topic(self, name: str) -> str:
        """A topic; its whole name."""
        spec = TopicSpec(name=f"{self.prefix}.{name}", kind="feed", partitions=self.partitions)
        self.log.create(spec)
        return spec.name

    def fill(self, name: str, records: Iterable[tuple[bytes, bytes]]) -> str:
        """A topic with these keys and values, uncompressed as Kafka Connect writes them."""
        topic = self.topic(name)
        asyncio.run(_fill(self.at, topic, self.partitions, iter(records)))
        return topic

    def climb(
        self, name: str, command: Command, source: str, warm: int, total: int, project: Path | None = None
    ) -> tuple[Reading, Job]:
        """Run a rung; what it used, and what it was told."""
        self.runs += 1
        own = f"rung-{self.runs}"
        folder = self.folder / own
        folder.mkdir()
        target, group = self.topic(f"{own}.out"), f"{self.prefix}-{own}"
        partitions = self.log.topics()[source].partitions
        job = Job(self.at, source, target, partitions, warm, total, group, str(folder), str(project or ""))
        done = subprocess.run(
            [*command, json.dumps(asdict(job))],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=self.environment,
            check=False,
        )
        if done.returncode or not done.stdout:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-3_000:]}")
        return Reading(**json.loads(done.stdout.splitlines()[-1])), job

    def check(self, name: str, source: str, target: str, each: Callable[[bytes], bytes], limit: int = 200) -> None:
        """The first records of each partition are what they have to be; RuntimeError where they are not."""
        for partition in range(self.partitions):
            wanted = [(r.key, each(r.value or b"")) for r in self._first(source, partition, limit)]
            found = [(r.key, r.value) for r in self._first(target, partition, limit)]
            if not found or found != wanted[: len(found)]:
                raise RuntimeError(f"{name} wrote something else than the others into partition {partition}")

    def digest(self, topic: str) -> int:
        """What was written into a topic, in whatever order; within this process only."""
        partitions = range(self.log.topics()[topic].partitions)
        pages = (page for partition in partitions for page in read_through(self.log, topic, partition))
        return hash(tuple(sorted((record.key or b"", record.value or b"") for page in pages for record in page)))

    def _first(self, topic: str, partition: int, limit: int) -> list[Any]:
        return list(self.log.read(topic, partition, 0, limit).records)


async def _fill(at: str, topic: str, partitions: int, records: Any) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=at, acks="all", max_batch_size=512 * 1024)
    await producer.start()
    stamp = 1_795_166_836_000
    while some := list(islice(records, _FEW * partitions)):
        batches = [producer.create_batch() for _ in range(partitions)]
        for key, value in some:
            stamp += 1
            batches[partition_of(key, partitions)].append(timestamp=stamp, key=key, value=value)
        sent = [await producer.send_batch(b, topic, partition=p) for p, b in enumerate(batches) if b.record_count()]
        await asyncio.gather(*sent)
    await producer.stop()
