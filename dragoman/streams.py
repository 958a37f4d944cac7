"""Curated streams as they are read to be looked at: records of a topic, the last ones, and their data as lines."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import Any

from dragoman.rows import CLASSIFIED, MASK
from pipeline.cloudevents import CloudEvent
from pipeline.log.port import Log, Record
from pipeline.log.reading import read_through
from translators.contract import Shape

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


def masked(data: Any, shape: Mapping[str, Shape] | None) -> Any:
    """The data with `MASK` in place of personal and sensitive fields, and of all that `shape` does not know."""
    if isinstance(data, dict):
        return {name: _masked(value, None if shape is None else shape.get(name)) for name, value in data.items()}
    return None if data is None else MASK


def _masked(value: Any, promised: Shape | None) -> Any:
    if promised is None or promised.data_class in CLASSIFIED:
        return MASK
    if promised.kind == "list" and isinstance(value, list):
        return [masked(item, promised.fields) for item in value]
    return masked(value, promised.fields) if promised.kind == "object" else value


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
