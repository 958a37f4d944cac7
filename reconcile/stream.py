"""The state stream as a side of its own: its last record of each key, for checks of what was published and nothing after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import msgspec

from pipeline.log.port import Log, TopicPartition
from reconcile.content import ViewShape, content_of, masked_paths
from reconcile.evidence import Published, records_of
from reconcile.streams import WHOLE, KeyRange
from reconcile.view import ViewParked, ViewRow
from translators.contract import Shape

_BATCH = 1_000
_TABLE = "CREATE TABLE last (key TEXT PRIMARY KEY, sequence TEXT NOT NULL, record BLOB NOT NULL) WITHOUT ROWID"
_PUT = (
    "INSERT INTO last VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET sequence = excluded.sequence, "
    "record = excluded.record WHERE excluded.sequence >= last.sequence"
)
_IN_ORDER = (
    "SELECT key, record FROM last WHERE (:after IS NULL OR key > :after) AND (:through IS NULL OR key <= :through) "
    "ORDER BY key"
)


class StreamView:
    """What the state stream `topic` says of each key, shown whole as its contract promises it."""

    def __init__(self, log: Log, topic: str, shape: Mapping[str, Shape]) -> None:
        self._log = log
        self._topic = topic
        self.shape = shape_of_stream(shape)

    @contextmanager
    def rows(self, keys: KeyRange = WHOLE) -> Iterator[Iterator[ViewRow]]:
        """See `reconcile.view.ViewSide`. The stream is in the order of its offsets: a file beside puts it in that of keys."""
        with closing(sqlite3.connect("", isolation_level=None)) as beside:
            beside.execute(_TABLE)
            beside.execute("BEGIN")
            batch: list[tuple[str, str, bytes]] = []
            for key, record in records_of(self._log, self._topic, None):
                batch.append((key, record.sequence, msgspec.msgpack.encode(record)))
                if len(batch) == _BATCH:
                    beside.executemany(_PUT, batch)
                    batch.clear()
            beside.executemany(_PUT, batch)
            yield self._ordered(beside, keys)

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """See `reconcile.view.ViewSide`. Reads the stream once."""
        last: dict[str, Published] = {}
        for key, record in records_of(self._log, self._topic, frozenset(keys)):
            if key not in last or record.sequence >= last[key].sequence:
                last[key] = record
        return {key: self._row(key, record) for key, record in last.items() if record.data is not None}

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        """See `reconcile.view.ViewSide`: it is read to its end each time."""
        partitions = self._log.topics()[self._topic].partitions
        return {(self._topic, number): self._log.end(self._topic, number) for number in range(partitions)}

    def parked(self) -> Mapping[str, ViewParked]:
        """See `reconcile.view.ViewSide`: nobody sets anything aside here."""
        return {}

    def _ordered(self, beside: sqlite3.Connection, keys: KeyRange) -> Iterator[ViewRow]:
        after, through = (None if key is None else key[-1] for key in (keys.after, keys.through))
        for key, found in beside.execute(_IN_ORDER, {"after": after, "through": through}):
            record = msgspec.msgpack.decode(found, type=Published)
            if record.data is not None:
                yield self._row(key, record)

    def _row(self, key: str, record: Published) -> ViewRow:
        unsent = frozenset(path.replace("[]", "") for path in record.absent)
        return ViewRow(
            key=key,
            content=content_of(record.data or {}, self.shape, unsent),
            sequence=record.sequence,
            event_id=record.id,
            commit_time=record.time,
            applied_time=record.time or datetime.min.replace(tzinfo=UTC),
            intact=True,
        )


def shape_of_stream(shapes: Mapping[str, Shape]) -> ViewShape:
    """Every field that a contract has."""
    return ViewShape(
        fields=tuple(path for path, shape in _leaves(shapes) if shape.kind != "list"),
        lists={
            path: tuple(inner for inner, _ in _leaves(shape.fields))
            for path, shape in _leaves(shapes)
            if shape.kind == "list"
        },
        masked=masked_paths(shapes),
    )


def _leaves(shapes: Mapping[str, Shape], prefix: str = "") -> Iterator[tuple[str, Shape]]:
    for name, shape in shapes.items():
        if shape.kind == "object":
            yield from _leaves(shape.fields, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", shape
