"""Recorded feeds for the tests: real excerpts, and files made on the spot."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Record, TopicPartition

DATA = Path(__file__).parents[2] / "data"
ORDERS = DATA / "orders-excerpt.jsonl.gz"
DEBEZIUM = DATA / "debezium" / "pg1.jsonl.gz"
MINIMAL: dict[str, Any] = {"topic": "t", "key": None, "value": None}


def raw_lines(path: Path) -> list[dict[str, Any]]:
    """The file as the standard library reads it."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def file_of(folder: Path, *lines: dict[str, Any] | str, name: str = "feed.jsonl") -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) + "\n" for line in lines]
    content = "".join(texts).encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def contents(log: MemoryLog | EmbeddedLog) -> dict[TopicPartition, list[Record]]:
    return {
        (name, number): log.read(name, number, 0, 1_000_000).records
        for name, spec in log.topics().items()
        for number in range(spec.partitions)
    }
