"""Curated streams as they are read to be looked at: records of a topic, the last ones, and their data as lines."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from pipeline.cloudevents import CloudEvent
from pipeline.log.port import Log, Record
from pipeline.log.reading import read_through

_PAGE = 1_000


def records_of(log: Log, topic: str) -> Iterator[Record]:
    """Every record of a topic, partition by partition; none if the topic does not exist."""
    spec = log.topics().get(topic)
    for partition in range(0 if spec is None else spec.partitions):
        for records in read_through(log, topic, partition, _PAGE):
            yield from records


def last_records(log: Log, topic: str, key: str | None, limit: int) -> list[Record]:
    """The last records by time, of one key if it is named; within a partition that is their order."""
    wanted = None if key is None else key.encode()
    chosen = (r for r in records_of(log, topic) if wanted is None or r.key == wanted)
    newest = heapq.nlargest(limit, chosen, key=lambda r: (r.timestamp, r.partition, r.offset))
    return newest[::-1]


def structured(event: CloudEvent) -> dict[str, Any]:
    """The event in CloudEvents' structured mode, and where it stands."""
    record = event.record
    attributes = {name: text for name, text in event.attributes.items() if name.isalnum()}
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return {**attributes, "data": event.data, "dragoman": place}


def leaves(data: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of the data with its path; elements of a list are numbered from 1."""
    if isinstance(data, dict) and data:
        for name, value in data.items():
            yield from leaves(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(data, list) and data:
        for number, value in enumerate(data, start=1):
            yield from leaves(value, f"{prefix}[{number}]")
    else:
        yield prefix, word(data)


def word(value: Any) -> str:
    """A value as JSON would have it, without quotes."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
