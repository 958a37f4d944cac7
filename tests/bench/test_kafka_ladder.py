"""The rungs of `make bench-kafka` do the same work: what they are compared for is how, and not how much of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.kafka.climb import Field, here
from bench.kafka.small import changes
from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.reading import read_through

RECORDS = 1_500


@pytest.fixture
def field(kafka: Server, unused_name: str, tmp_path: Path) -> Iterator[Field]:
    """On the shared broker."""
    with closing(KafkaLog(kafka.at)) as log:
        yield Field(log, kafka.at, tmp_path, prefix=unused_name, partitions=3, environment=dict(os.environ))


def test_every_rung_writes_the_same(field: Field) -> None:
    """Those that come with the repository; the others are compared in each run of the benchmark, in part."""
    source = field.fill("small", changes(RECORDS))
    whole: dict[str, list[tuple[bytes | None, bytes | None]]] = {}
    for name in ("by hand", "engine", "take", "faust"):
        reading, job = field.climb(name, here(name), source, 0, RECORDS)
        assert reading.messages == RECORDS and reading.processor > 0 and reading.seconds > 0
        whole[name] = [
            (record.key, record.value)
            for partition in range(field.partitions)
            for page in read_through(field.log, job.target, partition)
            for record in page
        ]
    assert len(whole["by hand"]) == RECORDS
    assert all(written == whole["by hand"] for written in whole.values())
