"""Reading a partition through, for whoever wants all of it and keeps no position."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.log.port import Log, Record


def read_through(log: Log, topic: str, partition: int, limit: int = 1_000) -> Iterator[list[Record]]:
    """All records of a partition that can be read now, `limit` at a time."""
    offset = 0
    while (page := log.read(topic, partition, offset, limit)).records:
        yield page.records
        offset = page.next
