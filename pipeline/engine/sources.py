"""How changes come into the embedded log: from a recorded feed, or from a SQLite legacy captured by triggers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from connectors.capture import Captured, SqliteCapture
from pipeline.failpoint import failpoint
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.log.recording import Encoding, ingest, read_recording

POSITION_TOPIC = "dragoman.capture"
"""An empty topic that a capture's own position is committed for: (POSITION_TOPIC, 0) of the group `capture.<source>`."""

SNAPSHOT_PENDING = -1


def capture_group(source: str) -> str:
    """The group under which the capture of a source commits its position."""
    return f"capture.{source}"


class RecordingSource:
    """A recorded feed: everything in it is appended once."""

    def __init__(self, path: Path, encoding: Encoding, log: Log, notification_topic: str | None) -> None:
        self._path = path
        self._encoding = encoding
        self._log = log
        self._notification_topic = notification_topic
        self._done = False

    def turn(self) -> int:
        """Append what the log does not have yet; nothing after the first time."""
        if self._done:
            return 0
        recording = read_recording(self._path, self._encoding)
        done = ingest(recording, self._log, notification=self._notification_topic)
        self._done = True
        return done.appended.total()


class CaptureSource:
    """A SQLite legacy: its snapshot once, then its committed changes, each appended before the position moves."""

    def __init__(
        self, capture: SqliteCapture, source: str, topics: Iterable[TopicSpec], log: Log, limit: int = 1_000
    ) -> None:
        self._capture = capture
        self._group = capture_group(source)
        self._topics = list(topics)
        self._log = log
        self._limit = limit
        self._position: int | None = None

    def turn(self) -> int:
        """Append the next committed transactions; the number of records."""
        if self._position is None:
            for topic in (*self._topics, TopicSpec(name=POSITION_TOPIC, kind="control", partitions=1)):
                self._log.create(topic)
            self._position = self._log.committed(self._group).get((POSITION_TOPIC, 0), SNAPSHOT_PENDING)
        if self._position == SNAPSHOT_PENDING:
            return self._snapshot()
        records, position = self._capture.changes(self._position, self._limit)
        return self._append(records, position) if position != self._position else 0

    def reread(self, tables: Mapping[str, tuple[str, ...]], run: str, key: str) -> None:
        """Append the rows of one key as they are now, behind all changes that are committed by now.

        `tables` has the columns of each table that hold the key. Asked twice it appends them twice, which does no harm.
        """
        with self._capture.still():
            while self.turn():
                pass
            records = self._capture.reread(run, key, tables)
        self._append_only(records)

    def _snapshot(self) -> int:
        """All rows, then the notification that this was all. A snapshot cut by a crash is appended again, whole."""
        snapshot = self._capture.snapshot()
        appended = sum(self._append_only(records) for records in snapshot)
        self._commit(snapshot.position)
        return appended

    def _append(self, records: Sequence[Captured], position: int) -> int:
        appended = self._append_only(records)
        self._commit(position)
        return appended

    def _append_only(self, records: Sequence[Captured]) -> int:
        self._log.append([_outgoing(record) for record in records])
        failpoint("capture.after-append")
        return len(records)

    def _commit(self, position: int) -> None:
        self._log.commit(self._group, {(POSITION_TOPIC, 0): position})
        self._position = position


def _outgoing(record: Captured) -> Outgoing:
    return Outgoing(
        topic=record.topic,
        partition=record.partition,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )
