"""How far back streams are kept, and reading them from there on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from pipeline.log.port import Log, OffsetExpired, Record

PAGE = 1_000


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far one partition of a stream is kept: from offset `first` to `end`.

    `since` is the time of the first record that is kept, as its appender gave it: the source's commit time, where the
    source says one. Of a compacted stream all offsets are kept, but of each key perhaps only the last record.
    """

    topic: str
    partition: int
    first: int
    end: int
    since: datetime | None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it has expired."""
        return self.first == 0


def reach(log: Log, topic: str, partition: int) -> Reach:
    """How far one partition is kept now."""
    first = 0
    try:
        records = log.read(topic, partition, first, 1).records
    except OffsetExpired as expired:
        first = int(str(expired.fields["first"]))
        records = log.read(topic, partition, first, 1).records
    since = datetime.fromtimestamp(records[0].timestamp / 1000, UTC) if records and records[0].timestamp > 0 else None
    return Reach(topic=topic, partition=partition, first=first, end=log.end(topic, partition), since=since)


def reaches(log: Log, topic: str | None) -> list[Reach]:
    """How far each partition of a topic is kept; nothing for a topic that does not exist."""
    spec = log.topics().get(topic) if topic is not None else None
    return [] if spec is None else [reach(log, spec.name, partition) for partition in range(spec.partitions)]


def kept_records(log: Log, kept: Reach) -> Iterator[Record]:
    """The records of a partition up to the end that it had when its reach was asked for."""
    offset = kept.first
    while offset < kept.end:
        page = log.read(kept.topic, kept.partition, offset, PAGE)
        yield from (record for record in page.records if record.offset < kept.end)
        if page.next <= offset:
            return
        offset = page.next
