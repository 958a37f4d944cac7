"""The log in memory: the twin of the embedded log for tests and dry runs, and what both share.

It keeps every promise of the port except durability: what it holds ends with the process.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline.log.port import (
    Fenced,
    FencedWriter,
    LogError,
    LogFenced,
    OffsetExpired,
    Outgoing,
    Page,
    Record,
    TopicConflict,
    TopicPartition,
    TopicSpec,
    TopicUnknown,
)

MAX_PARTITIONS = 10_000
# The embedded log packs partition and offset into one 64-bit row id; the twin must refuse the same offsets.
MAX_OFFSET = (1 << 44) - 2
MAX_TIMESTAMP = (1 << 63) - 1


class RecordRefused(LogError):
    """A record for topic {topic} cannot be taken by the log {path}: {reason}."""

    code: ClassVar[str] = "log.record-refused"
    hint: ClassVar[str] = "Nothing of the batch was appended. Correct what makes the record, then append it again."


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition of a key: CRC-32 (the polynomial of zlib) of its bytes modulo the count; a null key is on 0.

    This is what librdkafka calls the `consistent` partitioner. It is for ever: a log that exists was laid out by it.
    """
    return 0 if key is None else zlib.crc32(key) % partitions


def place_of(
    record: Outgoing, spec: TopicSpec, path: object, by_key: Callable[[bytes | None, int], int] = partition_of
) -> int:
    """The partition that the record goes to; `log.record-refused` or `log.topic-unknown` if it can go nowhere."""
    if spec.compacted and record.key is None:
        raise RecordRefused(path=path, topic=spec.name, reason="a compacted topic takes no record without a key")
    if record.offset is not None and not 0 <= record.offset <= MAX_OFFSET:
        raise RecordRefused(path=path, topic=spec.name, reason=f"its offset {record.offset} is out of range")
    if not -MAX_TIMESTAMP <= record.timestamp <= MAX_TIMESTAMP:
        raise RecordRefused(path=path, topic=spec.name, reason=f"its timestamp {record.timestamp} is out of range")
    if record.partition is None:
        return by_key(record.key, spec.partitions)
    check_partition(spec, record.partition, path)
    return record.partition


def page_of(records: list[Record], offset: int, limit: int, end: int) -> Page:
    """A page of a log whose records are all readable up to `end`: a short one goes on there."""
    following = records[-1].offset + 1 if records else offset
    return Page(records, following if len(records) >= limit else max(following, end))


def check_partition(spec: TopicSpec, partition: int, path: object) -> None:
    """`log.topic-unknown` if the topic has no such partition."""
    if not 0 <= partition < spec.partitions:
        raise TopicUnknown(path=path, topic=f"{spec.name} partition {partition}")


def check_shape(found: TopicSpec | None, wanted: TopicSpec) -> None:
    """`log.topic-conflict` if the topic exists with another shape; `ValueError` for a count that no topic can have."""
    if not 1 <= wanted.partitions <= MAX_PARTITIONS:
        raise ValueError(f"{wanted.name}: a topic has 1 to {MAX_PARTITIONS} partitions, not {wanted.partitions}")
    if found is not None and found != wanted:
        raise TopicConflict(topic=wanted.name, found=_shape(found), wanted=_shape(wanted))


def _shape(spec: TopicSpec) -> str:
    count = "1 partition" if spec.partitions == 1 else f"{spec.partitions} partitions"
    return f"{count} of kind {spec.kind}, {'compacted' if spec.compacted else 'not compacted'}"


@dataclass(slots=True)
class _Partition:
    """`offsets` is the sorted twin of `records`; `first` the lowest offset that may be read, `end` the next one given,
    `cleaned` the end at the latest compaction."""

    records: list[Record] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    first: int = 0
    end: int = 0
    cleaned: int = 0

    def keep(self, records: list[Record]) -> None:
        self.records = records
        self.offsets = [record.offset for record in records]


class _MemoryWriter:
    """A `FencedWriter`: the epoch counts the writers of its name."""

    def __init__(self, log: MemoryLog, name: str, epoch: int) -> None:
        self._log = log
        self._name = name
        self._epoch = epoch

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port."""
        if not self._log.is_newest(self._name, self._epoch):
            raise LogFenced(path=self._log.path, name=self._name)
        return self._log.append(records)

    def close(self) -> None:
        """See the port."""


class MemoryLog:
    """A `Log` that lives in this process. Not for use by several threads at once.

    `close` gives back nothing, so that a test may close it and go on with the same log as after a restart.
    """

    path = "(in memory)"

    def __init__(self) -> None:
        self._topics: dict[str, TopicSpec] = {}
        self._partitions: dict[TopicPartition, _Partition] = {}
        self._committed: dict[str, dict[TopicPartition, int]] = {}
        self._writers: dict[str, int] = {}

    def create(self, topic: TopicSpec) -> None:
        """See the port."""
        check_shape(self._topics.get(topic.name), topic)
        self._topics[topic.name] = topic
        for number in range(topic.partitions):
            self._partitions.setdefault((topic.name, number), _Partition())

    def topics(self) -> Mapping[str, TopicSpec]:
        """See the port."""
        return dict(self._topics)

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port; `log.record-refused` for a record that no log could take."""
        places: list[TopicPartition] = []
        accepted: list[Record] = []
        ends: dict[TopicPartition, int] = {}
        for record in records:
            place = (record.topic, place_of(record, self._spec(record.topic), self.path))
            end = ends.get(place, self._partitions[place].end)
            places.append(place)
            offset = end if record.offset is None else record.offset
            if offset >= end:
                accepted.append(_kept(record, place[1], offset))
                ends[place] = offset + 1
        for kept in accepted:
            partition = self._partitions[kept.topic, kept.partition]
            partition.records.append(kept)
            partition.offsets.append(kept.offset)
            partition.end = kept.offset + 1
        return places

    def writer(self, name: str) -> FencedWriter:
        """See the port."""
        self._writers[name] = self._writers.get(name, 0) + 1
        return _MemoryWriter(self, name, self._writers[name])

    def append_each(self, batches: Collection[Fenced]) -> None:
        """See the port; one after the other."""
        for writer, records in batches:
            writer.append(records)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        found = self._partition(topic, partition)
        if offset < found.first:
            raise OffsetExpired(offset=offset, topic=topic, partition=partition, first=found.first)
        start = bisect_left(found.offsets, offset)
        return page_of(found.records[start : start + max(limit, 0)], offset, limit, found.end)

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        return self._partition(topic, partition).end

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """See the port."""
        return {place: self.end(*place) for place in places}

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        return dict(self._committed.get(group, {}))

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port; `ValueError` for a negative offset."""
        for (topic, partition), offset in offsets.items():
            self._partition(topic, partition)
            check_committed(offset)
        if offsets:
            self._committed.setdefault(group, {}).update(offsets)

    def groups(self) -> list[str]:
        """See the port; in alphabetical order."""
        return sorted(self._committed)

    def compact(self, topic: str) -> int:
        """Keep the last record of each key and partition; the count of records that went.

        A tombstone outlives the first compaction that sees it and goes with the next one. `end` does not move.
        A topic that is not compacted is left as it is.
        """
        spec = self._spec(topic)
        gone = 0
        for number in range(spec.partitions if spec.compacted else 0):
            partition = self._partitions[topic, number]
            last = {record.key: record.offset for record in partition.records}
            keep = [r for r in partition.records if last[r.key] == r.offset and not _is_dead(r, partition.cleaned)]
            gone += len(partition.records) - len(keep)
            partition.keep(keep)
            partition.cleaned = partition.end
        return gone

    def expire(self, topic: str, partition: int, before: int) -> int:
        """Retention: drop the records below `before` (at most the end); the count of records that went.

        Reading below it is `log.offset-expired` from now on. A compacted topic has no retention: `ValueError`.
        """
        found = self._partition(topic, partition)
        check_retained(self._topics[topic])
        found.first = max(found.first, min(before, found.end))
        keep = [record for record in found.records if record.offset >= found.first]
        gone = len(found.records) - len(keep)
        found.keep(keep)
        return gone

    def close(self) -> None:
        """See the port; the log may still be used."""

    def is_newest(self, name: str, epoch: int) -> bool:
        """Whether the writer `epoch` of this name has no newer one."""
        return self._writers[name] == epoch

    def _spec(self, topic: str) -> TopicSpec:
        spec = self._topics.get(topic)
        if spec is None:
            raise TopicUnknown(path=self.path, topic=topic)
        return spec

    def _partition(self, topic: str, partition: int) -> _Partition:
        check_partition(self._spec(topic), partition, self.path)
        return self._partitions[topic, partition]


def check_committed(offset: int) -> None:
    """`ValueError` for a negative offset: a caller that commits one has lost count."""
    if offset < 0:
        raise ValueError(f"cannot commit the offset {offset}")


def check_retained(spec: TopicSpec) -> None:
    """`ValueError` for a compacted topic: whatever is the last of its key stays."""
    if spec.compacted:
        raise ValueError(f"{spec.name} is compacted: its records do not expire")


def _is_dead(record: Record, cleaned: int) -> bool:
    return record.value is None and record.offset < cleaned


def _kept(record: Outgoing, partition: int, offset: int) -> Record:
    return Record(
        topic=record.topic,
        partition=partition,
        offset=offset,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )
