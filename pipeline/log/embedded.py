"""The embedded log: one SQLite file in place of a broker.

Durability: write-ahead log with `synchronous=FULL`, one transaction per append or commit, so that what a call
acknowledged is on disk and a killed process leaves no half of a batch. Each record carries a CRC-32 that is proven when
it is read: SQLite notices a damaged page structure, but not a flipped bit in a value.

Processes: any number may have the file open. One at a time is the *worker*; it holds an exclusive `flock` on
`<path>.lock`, which the kernel gives back when the process ends, however it ends. A log object belongs to one thread.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import cast
from zlib import crc32

import msgspec

from pipeline.log.file import KIND, connect, create, lock_worker, size_of
from pipeline.log.memory import check_committed, check_partition, check_retained, check_shape, page_of, place_of
from pipeline.log.port import (
    Fenced,
    FencedWriter,
    Headers,
    Kind,
    LogCorrupt,
    LogFenced,
    OffsetExpired,
    Outgoing,
    Page,
    Record,
    TopicPartition,
    TopicSpec,
    TopicUnknown,
)
from pipeline.sqlite import check_identity, check_pages, translated

# Checked page by page at open up to this size (bytes): some milliseconds; a bigger file is checked where it is read.
QUICK_CHECK_LIMIT = 16 * 1024 * 1024

_OFFSET_BITS = 44
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1
_SQL = Path(__file__).parent / "sql"
_QUERY = re.compile(r"^-- :name (\w+)\n((?:.(?!^-- :name ))*)", re.MULTILINE | re.DOTALL)
_queries: dict[str, str] = dict(_QUERY.findall((_SQL / "queries.sql").read_text("utf-8")))
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Headers).decode

_Row = tuple[int, int, int, bytes | None, bytes | None, bytes | None]


class _Topic(msgspec.Struct, frozen=True):
    """A topic and the slot of each of its partitions; neither ever changes, so it is looked up once."""

    spec: TopicSpec
    slots: tuple[int, ...]


class EmbeddedLog:
    """A `Log` on the SQLite file `path`, which is made if it does not exist.

    With `worker` it is the one worker of this log until it is closed, or its process ends; else `log.in-use`.
    Opening reads no more than `QUICK_CHECK_LIMIT`. Not for use by several threads.
    """

    def __init__(self, path: Path, *, worker: bool = False) -> None:
        self.path = path
        # Lock and write-ahead log lie beside the real file, or two names of one file would be two logs.
        self._file = Path(os.path.realpath(path))
        self._known: dict[str, _Topic] = {}
        with ExitStack() as held, self._translated():
            if worker:
                held.callback(os.close, lock_worker(self._file, path))
            if not self._file.exists():
                create(self._file, path)
            size = size_of(self._file, path)
            self._db = held.enter_context(closing(connect(self._file)))
            check_identity(self._db, path, KIND)
            self.topics()
            if worker:
                self._check_worker(size)
            self._held = held.pop_all()

    def create(self, topic: TopicSpec) -> None:
        """See the port."""
        found = self.topics().get(topic.name)
        check_shape(found, topic)
        if found is None:
            with self._transaction() as db:
                found = self.topics().get(topic.name)
                check_shape(found, topic)
                if found is None:
                    db.execute(_queries["add_topic"], (topic.name, topic.kind, topic.partitions, topic.compacted))
                    numbers = [(topic.name, number) for number in range(topic.partitions)]
                    db.executemany(_queries["add_partition"], numbers)

    def topics(self) -> Mapping[str, TopicSpec]:
        """See the port."""
        with self._translated():
            rows = self._db.execute(_queries["topics"]).fetchall()
        return {
            name: TopicSpec(name=name, kind=cast(Kind, kind), partitions=partitions, compacted=bool(compacted))
            for name, kind, partitions, compacted in rows
        }

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port; `log.record-refused` for a record that no log could take."""
        if not records:
            return []
        with self._transaction() as db:
            return self._append(db, records)

    def writer(self, name: str) -> FencedWriter:
        """See the port."""
        with self._transaction() as db:
            db.execute(_queries["make_writers"])
            ((epoch,),) = db.execute(_queries["take_over"], (name,)).fetchall()
        return _EmbeddedWriter(self, name, epoch)

    def append_each(self, batches: Collection[Fenced]) -> None:
        """See the port; one after the other."""
        for writer, records in batches:
            writer.append(records)

    def append_as(self, name: str, epoch: int, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """Append as the writer `epoch` of this name; `log.fenced` if there is a newer one."""
        with self._transaction() as db:
            if db.execute(_queries["writer"], (name,)).fetchone() != (epoch,):
                raise LogFenced(path=self.path, name=name)
            return self._append(db, records)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        slot = self._slot(topic, partition)
        # Asked before the rows: what is appended in between is not passed over.
        end = self._number("end", slot)
        low, high = slot << _OFFSET_BITS, (slot + 1) << _OFFSET_BITS
        start = low + min(max(offset, 0), _OFFSET_MASK)
        with self._translated():
            rows = self._db.execute(_queries["read"], (start, high, max(limit, 0))).fetchall()
            # Asked after the rows: what expired in between can only make this refuse, never skip.
            first = self._number("first", slot)
            if offset < first:
                raise OffsetExpired(offset=offset, topic=topic, partition=partition, first=first)
            return page_of(self._from_rows(rows, topic, partition), offset, limit, end)

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        return self._number("end", self._slot(topic, partition))

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """See the port."""
        return {place: self.end(*place) for place in places}

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        with self._translated():
            rows = self._db.execute(_queries["committed"], (group,)).fetchall()
        return {(topic, partition): position for topic, partition, position in rows}

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port; `ValueError` for a negative offset."""
        rows = []
        for (topic, partition), offset in offsets.items():
            check_committed(offset)
            rows.append((group, self._slot(topic, partition), offset))
        if rows:
            with self._transaction() as db:
                db.executemany(_queries["commit"], rows)

    def groups(self) -> list[str]:
        """See the port; in alphabetical order."""
        with self._translated():
            return [group for (group,) in self._db.execute(_queries["groups"])]

    def compact(self, topic: str) -> int:
        """Keep the last record of each key and partition; the count of records that went.

        A tombstone outlives the first compaction that sees it and goes with the next one. `end` does not move.
        A topic that is not compacted is left as it is. One transaction per partition; writers wait for it.
        """
        found = self._topic(topic)
        gone = 0
        for slot in found.slots if found.spec.compacted else ():
            with self._transaction() as db:
                low = slot << _OFFSET_BITS
                cleaned = low + self._number("cleaned", slot)
                bounds = {"low": low, "high": (slot + 1) << _OFFSET_BITS, "cleaned": cleaned}
                gone += db.execute(_queries["compact"], bounds).rowcount
                db.execute(_queries["set_cleaned"], (slot,))
        return gone

    def expire(self, topic: str, partition: int, before: int) -> int:
        """Retention: drop the records below `before` (at most the end); the count of records that went.

        Reading below it is `log.offset-expired` from now on. A compacted topic has no retention: `ValueError`.
        """
        slot = self._slot(topic, partition)
        check_retained(self._topic(topic).spec)
        low = slot << _OFFSET_BITS
        with self._transaction() as db:
            db.execute(_queries["set_first"], (before, slot))
            return db.execute(_queries["expire"], (low, low + self._number("first", slot))).rowcount

    def close(self) -> None:
        """See the port; a closed log refuses everything else."""
        self._held.close()

    def _append(self, db: sqlite3.Connection, records: Sequence[Outgoing]) -> list[TopicPartition]:
        places: list[TopicPartition] = []
        rows: list[_Row] = []
        ends: dict[int, int] = {}
        for record in records:
            topic = self._known.get(record.topic) or self._topic(record.topic)
            number = place_of(record, topic.spec, self.path)
            places.append((record.topic, number))
            slot = topic.slots[number]
            end = ends[slot] if slot in ends else self._number("end", slot)
            offset = end if record.offset is None else record.offset
            if offset >= end:
                rows.append(_to_row(record, slot << _OFFSET_BITS | offset))
                end = offset + 1
            ends[slot] = end
        db.executemany(_queries["append"], rows)
        db.executemany(_queries["set_end"], [(end, slot) for slot, end in ends.items()])
        return places

    def _check_worker(self, size: int) -> None:
        if size <= QUICK_CHECK_LIMIT:
            check_pages(self._db, self.path, KIND, "quick_check")
        # A worker that cannot write is told now, not after its first batch.
        with self._transaction() as db:
            db.execute(_queries["touch"])

    def _topic(self, name: str) -> _Topic:
        if name not in self._known:
            spec = self.topics().get(name)
            if spec is None:
                raise TopicUnknown(path=self.path, topic=name)
            with self._translated():
                slots = tuple(slot for (slot,) in self._db.execute(_queries["slots"], (name,)))
            if len(slots) != spec.partitions:
                raise LogCorrupt(path=self.path, reason=f"{name} has {len(slots)} of {spec.partitions} partitions")
            self._known[name] = _Topic(spec, slots)
        return self._known[name]

    def _slot(self, topic: str, partition: int) -> int:
        found = self._topic(topic)
        check_partition(found.spec, partition, self.path)
        return found.slots[partition]

    def _number(self, query: str, slot: int) -> int:
        with self._translated():
            row = self._db.execute(_queries[query], (slot,)).fetchone()
        if row is None:
            raise LogCorrupt(path=self.path, reason=f"partition slot {slot} is missing")
        return int(row[0])

    def _from_rows(self, rows: list[_Row], topic: str, partition: int) -> list[Record]:
        records = []
        for row in rows:
            offset = row[0] & _OFFSET_MASK
            try:
                records.append(_to_record(row, topic, partition, offset))
            except (TypeError, ValueError) as error:
                reason = f"the record {topic} {partition} {offset} is not what was written"
                raise LogCorrupt(path=self.path, reason=reason) from error
        return records

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: committed to disk, or nothing of it."""
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                # SQLite has already rolled back after some errors, for example a full disk.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _translated(self) -> AbstractContextManager[None]:
        return translated(self.path, KIND, self._file)


class _EmbeddedWriter:
    """A `FencedWriter`: the epoch counts the writers of its name, and is proven in the transaction that appends."""

    def __init__(self, log: EmbeddedLog, name: str, epoch: int) -> None:
        self._log = log
        self._name = name
        self._epoch = epoch

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port."""
        return self._log.append_as(self._name, self._epoch, records)

    def close(self) -> None:
        """See the port."""


def _to_row(record: Outgoing, row_id: int) -> _Row:
    headers = _pack(record.headers) if record.headers else None
    checksum = _checksum(row_id, record.timestamp, record.key, headers, record.value)
    return row_id, record.timestamp, checksum, record.key, headers, record.value


def _to_record(row: _Row, topic: str, partition: int, offset: int) -> Record:
    row_id, timestamp, checksum, key, headers, value = row
    if checksum != _checksum(row_id, timestamp, key, headers, value):
        raise ValueError("checksum")
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        key=key,
        value=value,
        headers=_unpack(headers) if headers else (),
    )


def _checksum(row_id: int, timestamp: int, key: bytes | None, headers: bytes | None, value: bytes | None) -> int:
    """CRC-32 over the row. Its place is part of it (a row found elsewhere is damage), and null is not empty."""
    total = (row_id ^ row_id >> 32 ^ timestamp) & 0xFFFFFFFF
    total = ~total & 0xFFFFFFFF if key is None else crc32(key, total)
    if headers:
        total = crc32(headers, total)
    return ~total & 0xFFFFFFFF if value is None else crc32(value, total)
