"""The state in one SQLite file for all translators of a project.

Its tables are the changelog: where the log is embedded there is no topic that repeats them (that topic is for Kafka,
where the new owner of a partition has no file). What `save` acknowledged is on disk, one save in one transaction, so
that a killed process leaves each save whole or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.sqlite import FileKind, named_queries, open_database, transaction, translated
from pipeline.state import entries as kinds
from pipeline.state.codec import decode_stored, decode_waiting, encode_stored, encode_waiting, from_text
from pipeline.state.port import (
    Count,
    Entry,
    Lifecycle,
    Pin,
    Save,
    StateBusy,
    StateCorrupt,
    StateError,
    StateFormat,
    StateReadOnly,
    Stored,
    Waiting,
)

FORMAT = 2
"""The format of the tables; the bodies in them have their own (`pipeline.state.codec.FORMAT`)."""

KEYS_AT_ONCE = 500
"""How many keys one statement loads or one page of a scan holds."""

_SQL = Path(__file__).parent / "sql"
_QUERIES = named_queries(_SQL / "queries.sql")
_KIND = FileKind(
    name="state",
    application_id=0x44525354,
    format=FORMAT,
    schema=(_SQL / "schema.sql").read_text("utf-8"),
    failed=StateError,
    damaged=StateCorrupt,
    newer=StateFormat,
    read_only=StateReadOnly,
    busy=StateBusy,
    older={1: named_queries(_SQL / "format-1.sql")},
    functions={"partition_of": lambda body: decode_waiting(body, "file").partition},
)

_Row = tuple[object, ...]


class SqliteState:
    """A `StateStore` of one translator in the file `path`, which is made if it does not exist.

    With `read_only` nothing is made or written; a writer may be at work meanwhile. Translators of other names in the
    same file are not touched; their writers wait for each other. Not for use by several threads. Every method may raise
    a `StateError` or, where it writes, `DiskFull`.
    """

    def __init__(self, path: Path, translator: str, *, read_only: bool = False) -> None:
        self.path = path
        self.translator = translator
        self._db = open_database(path, _KIND, read_only=read_only)

    def lifecycle(self, partition: int) -> Lifecycle | None:
        """See the port."""
        return self.lives().get(partition)

    def lives(self) -> Mapping[int, Lifecycle]:
        """See the port."""
        return {
            partition: Lifecycle(
                mapping_version=mapping_version,
                generation=generation,
                source_epoch=source_epoch,
                state_epoch=state_epoch,
                source=source,
            )
            for partition, mapping_version, generation, source_epoch, state_epoch, source in self._read("lives")
        }

    def begin(self, partition: int, lifecycle: Lifecycle) -> None:
        """See the port."""
        with translated(self.path, _KIND), transaction(self._db):
            before = self.lifecycle(partition)
            if before is not None and before.state_epoch != lifecycle.state_epoch:
                self._forget(partition)
            self._write("begin", partition, [_facts(lifecycle)])

    def forget(self, partition: int) -> None:
        """See the port."""
        with translated(self.path, _KIND), transaction(self._db):
            self._forget(partition)

    def load(self, keys: Sequence[str], partition: int | None = None) -> Mapping[str, Stored]:
        """See the port."""
        found: dict[str, Stored] = {}
        for number in self._partitions(partition) if keys else ():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                query = _QUERIES["load"].format(keys=", ".join("?" * len(some)))
                with translated(self.path, _KIND):
                    rows = self._db.execute(query, (self.translator, number, *some)).fetchall()
                for key, body in rows:
                    found[key] = decode_stored(key, body, self.path)
        return found

    def save(self, save: Save) -> None:
        """See the port. A step that is both waiting and settled in one save waits no longer."""
        place = save.partition
        aggregates = [(key, stored.loading, encode_stored(key, stored)) for key, stored in save.aggregates.items()]
        waiting = [(step.key, step.version, step.first_seen, encode_waiting(step)) for step in save.waiting]
        with translated(self.path, _KIND), transaction(self._db):
            self._write("keep", place, aggregates)
            self._write("wait", place, waiting)
            self._write("settle", place, save.settled)
            self._write("count", place, [(*count, amount) for count, amount in save.counts.items()])
            self._write("pin", place, [(pin.command, pin.at, pin.result) for pin in save.pins])
            self._write("set_live", place, [] if save.live is None else [(save.live,)])
            self._write("set_logged", place, [] if save.logged is None else [(save.logged,)])

    def restore(self, partition: int, entries: Iterable[Entry], logged: int) -> None:
        """See the port."""
        with translated(self.path, _KIND), transaction(self._db):
            for key, value in entries:
                self._apply(partition, key, value)
            self._write("set_logged", partition, [(logged,)])

    def loading(self, partition: int, limit: int) -> list[tuple[str, Stored]]:
        """See the port."""
        rows = self._read("loading", partition, limit)
        return [(key, decode_stored(key, body, self.path)) for key, body in rows]

    def is_live(self, partition: int) -> bool:
        """See the port."""
        return any(live for live, _ in self._read("progress", partition))

    def logged(self, partition: int) -> int:
        """See the port."""
        return sum(logged for _, logged in self._read("progress", partition))

    def waiting(self, key: str | None = None, partition: int | None = None) -> list[Waiting]:
        """See the port."""
        if key is None:
            rows = self._read("waiting", partition)
        elif partition is None:
            rows = self._read("waiting_of_key_anywhere", key)
        else:
            rows = self._read("waiting_of_key", partition, key)
        return [decode_waiting(body, self.path) for (body,) in rows]

    def waiting_keys(self, partition: int | None = None) -> frozenset[str]:
        """See the port."""
        return frozenset(key for (key,) in self._read("waiting_keys", partition))

    def counts(self, partition: int | None = None) -> Mapping[Count, int]:
        """See the port."""
        return {(subject, label): amount for subject, label, amount in self._read("counts", partition)}

    def pins(self, partition: int | None = None) -> list[Pin]:
        """See the port."""
        rows = self._read("pins", partition)
        return [Pin(command=command, partition=place, at=at, result=result) for command, place, at, result in rows]

    def scan(self, partition: int | None = None) -> Iterator[tuple[str, Stored]]:
        """See the port. A page at a time: what is saved meanwhile is seen if it lies ahead, and saves never wait."""
        for number in self._partitions(partition):
            rows = self._read("scan_first", number, KEYS_AT_ONCE)
            while rows:
                for key, body in rows:
                    yield key, decode_stored(key, body, self.path)
                rows = self._read("scan_next", number, rows[-1][0], KEYS_AT_ONCE)

    def close(self) -> None:
        """See the port; a closed store refuses everything else."""
        with translated(self.path, _KIND):
            self._db.close()

    def _apply(self, place: int, key: bytes, value: bytes) -> None:
        match key[:1]:
            case kinds.AGGREGATE:
                self._write("keep", place, [(from_text(key[1:]), value[0], value[1:])])
            case kinds.WAITING if value:
                step = decode_waiting(value, self.path)
                self._write("wait", place, [(step.key, step.version, step.first_seen, value)])
            case kinds.WAITING:
                self._write("settle", place, [kinds.step_of(key)])
            case kinds.COUNTS:
                self._write("forget_counts", place, [()])
                counts = kinds.counts_of(value, self.path)
                self._write("count", place, [(*count, amount) for count, amount in counts.items()])
            case kinds.PIN:
                pin = kinds.pin_of(key, value, self.path)
                self._write("pin", place, [(pin.command, pin.at, pin.result)])
            case kinds.LIFECYCLE:
                self._write("begin", place, [_facts(kinds.lifecycle_of(value, self.path))])
            case kinds.LIVE:
                self._write("set_live", place, [(value == b"\1",)])

    def _forget(self, partition: int) -> None:
        for kept in ("lifecycle", "aggregates", "waiting", "counts", "pins", "progress"):
            self._write(f"forget_{kept}", partition, [()])

    def _partitions(self, partition: int | None) -> Sequence[int]:
        """This one, or all that have rows."""
        return [number for (number,) in self._read("partitions")] if partition is None else [partition]

    def _read(self, query: str, *parameters: object) -> list[sqlite3.Row]:
        with translated(self.path, _KIND):
            return self._db.execute(_QUERIES[query], (self.translator, *parameters)).fetchall()

    def _write(self, query: str, partition: int, rows: Iterable[_Row]) -> None:
        """Run a statement for each row, inside a transaction; translator and partition come before its values."""
        self._db.executemany(_QUERIES[query], [(self.translator, partition, *row) for row in rows])


def _facts(lifecycle: Lifecycle) -> _Row:
    return (
        lifecycle.mapping_version,
        lifecycle.generation,
        lifecycle.source_epoch,
        lifecycle.state_epoch,
        lifecycle.source,
    )
