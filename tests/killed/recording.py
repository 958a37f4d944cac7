"""Runs in files: what a killed connector sent, and what the database did, one JSON object a line.

First the names; then the rows that the connector's snapshot shows; the journal (`tests/model/journal.py`); what was told of
the connector's offset, with the watermarks behind it; the records, partition by partition.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.log.port import Outgoing
from tests.killed.product import Names
from tests.killed.run import Passed, Run
from tests.model import journal


def write(run: Run, path: Path) -> None:
    """Write a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for line in _lines(run):
            file.write(line.encode() + b"\n")


def _lines(run: Run) -> Iterator[str]:
    yield json.dumps({"names": asdict(run.names), "kills": run.kills, "loaded": run.loaded})
    yield from journal.write(run.journal)
    for passed in run.passed:
        highs = [[topic, partition, high] for (topic, partition), high in passed.highs.items()]
        yield json.dumps({"passed": passed.position, "highs": highs})
    for one in run.records:
        key, value = (None if data is None else data.decode() for data in (one.key, one.value))
        headers = [[name, None if data is None else data.decode()] for name, data in one.headers]
        yield json.dumps([one.topic, one.partition, one.timestamp, key, value, headers])


def read(path: Path) -> Run:
    """Read a run."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        head = json.loads(next(lines))
        run = Run(Names(**head["names"]), head["loaded"], head["kills"])
        told: list[str] = []
        for line in lines:
            if line.startswith('{"transaction"'):
                told.append(line)
                continue
            found = json.loads(line)
            if isinstance(found, list):
                run.records.append(_record(found))
            else:
                highs = {(topic, partition): high for topic, partition, high in found["highs"]}
                run.passed.append(Passed(found["passed"], highs))
    run.journal = list(journal.read(told))
    return run


def _record(found: list[Any]) -> Outgoing:
    topic, partition, timestamp, key, value, headers = found
    return Outgoing(
        topic=topic,
        partition=partition,
        timestamp=timestamp,
        key=None if key is None else key.encode(),
        value=None if value is None else value.encode(),
        headers=tuple((name, None if data is None else data.encode()) for name, data in headers),
    )
