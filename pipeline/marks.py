"""The topics beside the feed that every worker reads outside its group: ends of transactions, and notifications.

What they say holds for all partitions, so it is read before the partitions' high watermarks are asked for: a partition
that was then read up to its watermark has everything that was in it when the mark was written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from connectors.debezium.records import Decoded, Notification, TransactionMark, Unreadable
from pipeline import control
from pipeline.job import Job
from pipeline.log.port import Record, TopicPartition, TopicSpec
from pipeline.step import unreadable
from translators.change import Coordinate

_INITIAL = "Initial Snapshot"
"""What the connector calls the snapshot with which it begins, and a blocking one later."""
_SNAPSHOTS = (_INITIAL, "Incremental Snapshot")
# Seconds between two looks for topics that are not there.
_LOOK = 0.3
_SCANNED = ("SUCCEEDED", "EMPTY")
_BEGIN = b'{"status":"BEGIN",'


class Completed(NamedTuple):
    """A snapshot that is complete: its name, and the tables of which it read every row."""

    run: str
    tables: frozenset[str]


class Marks:
    """How far the marks were read, and what they said. `commit` only what was acted upon in every partition."""

    def __init__(self, job: Job, topics: Mapping[str, TopicSpec]) -> None:
        self._job = job
        self._begun = job.log.committed(job.group)
        self._missing = {name for name in (job.feed.transactions, job.feed.notifications) if name is not None}
        self._positions: dict[TopicPartition, int] = {}
        self._find(topics)
        self._committed = dict(self._positions)
        self._looked = time.monotonic()
        self.ends: dict[str, int] = {}
        self._first: dict[str, Coordinate] = {}
        self._scanned: dict[str, set[str]] = {}
        self._began: dict[str, Coordinate] = {}
        self._initial: Coordinate | None = None
        self.cut = False
        """Whether an initial snapshot was begun again before it was complete."""
        self._empty: set[str] = set()
        self.snapshot_completed = False

    @property
    def found_nothing(self) -> bool:
        """Whether the last initial snapshot found all tables of the translator empty."""
        return self._job.translator.tables <= self._empty

    def _look(self) -> None:
        """Look for topics that were not there: a connector makes each with its first record, long after the feed's."""
        if self._missing and time.monotonic() > self._looked + _LOOK:
            self._find(self._job.log.topics())
            self._looked = time.monotonic()

    def _find(self, topics: Mapping[str, TopicSpec]) -> None:
        for name in self._missing & topics.keys():
            for partition in range(topics[name].partitions):
                self._positions[name, partition] = self._begun.get((name, partition), 0)
        self._missing -= topics.keys()

    def places(self) -> list[TopicPartition]:
        """The partitions with marks that are there now."""
        self._look()
        return list(self._positions)

    def read_ends(self, high: Mapping[TopicPartition, int]) -> frozenset[str]:
        """The transactions whose END came in since the last time; none where an END may be readable before its rows.

        `high` are the watermarks of all places, up to which is read. Positions of ENDs are kept in `ends` until the connector
        has passed them.
        """
        ended = set()
        for mark in self._read_new(self._job.feed.transactions, high):
            if isinstance(mark, TransactionMark) and mark.status == "END":
                ended.add(mark.transaction)
                if mark.position is not None and not self._job.feed.exactly_once:
                    self.ends[mark.transaction] = mark.position
                    self._first.setdefault(mark.transaction, mark.at)
        return frozenset(ended) if self._job.feed.exactly_once else frozenset()

    def read_notifications(self, high: Mapping[TopicPartition, int]) -> list[Completed]:
        """The snapshots that were completed since the last time. Those of single keys are told apart from all others."""
        completed = []
        for note in self._read_new(self._job.feed.notifications, high):
            if isinstance(note, Notification) and note.aggregate_type in _SNAPSHOTS:
                if note.aggregate_type == _INITIAL:
                    self._see_initial(note)
                run = note.aggregate_type if control.reload_of(note.id) is None else note.id
                scanned = self._scanned.setdefault(run, set())
                self._began.setdefault(run, note.at)
                if note.type == "TABLE_SCAN_COMPLETED" and note.table and note.data.get("status") in _SCANNED:
                    scanned.add(note.table)
                elif note.type == "TABLE_SCAN_COMPLETED" and note.table:
                    scanned.discard(note.table)
                elif note.type == "COMPLETED":
                    read = frozenset(self._scanned.pop(run))
                    completed.append(Completed(run, frozenset() if control.reads_some(note.id) else read))
                    del self._began[run]
                elif note.type == "ABORTED":
                    del self._scanned[run], self._began[run]
        return completed

    def _see_initial(self, note: Notification) -> None:
        """One that was cut begins anew; an incremental one goes on after a restart, though it says STARTED as well."""
        match note.type:
            case "STARTED":
                self.cut |= self._initial is not None
                self._initial = self._initial or note.at
                self._empty.clear()
                self._scanned.pop(_INITIAL, None)
            case "TABLE_SCAN_COMPLETED" if note.table and note.data.get("status") == "EMPTY":
                self._empty.add(note.table)
            case "COMPLETED":
                self.snapshot_completed, self._initial = True, None

    def commit(self, passed: int | None, *, loading: bool) -> None:
        """What was read has been acted upon in every partition; ENDs up to `passed` are of no use any more.

        `loading`: some partition is, so that it matters where the initial snapshot began.
        """
        for transaction in [t for t, position in self.ends.items() if passed is not None and position <= passed]:
            del self.ends[transaction], self._first[transaction]
        positions = dict(self._positions)
        initial = [self._initial] if loading and self._initial is not None else []
        for at in (*self._first.values(), *self._began.values(), *initial):
            place = (at.topic, at.partition)
            positions[place] = min(positions[place], at.offset)
        if positions != self._committed:
            self._job.log.commit(self._job.group, positions)
            self._committed = positions

    def _read_new(self, name: str | None, high: Mapping[TopicPartition, int]) -> Iterator[Decoded]:
        log, limit = self._job.log, self._job.batch_size
        for topic, partition in [place for place in self._positions if place[0] == name]:
            while (offset := self._positions[topic, partition]) < high[topic, partition]:
                page = log.read(topic, partition, offset, limit)
                if page.next <= offset:
                    break
                for decoded in map(self._job.decode, (r for r in page.records if not _is_begin(r))):
                    if isinstance(decoded, Unreadable):
                        raise unreadable(decoded)
                    yield decoded
                self._positions[topic, partition] = page.next


def _is_begin(record: Record) -> bool:
    """Whether it is a BEGIN by its first bytes: half of all marks, and none of them says anything that is asked for."""
    return record.value is not None and record.value.startswith(_BEGIN)
