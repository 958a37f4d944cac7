"""The capture of a legacy SQLite database: a snapshot once, then committed changes from a position on.

It only reads, and it keeps no position: the caller appends what it is given and then notes the position, so that a
crash in between repeats records, with the same transaction, position and sequence, and never loses one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from string import Template

from connectors.capture.errors import DatabaseMissing, PositionAhead, RowUnreadable, translated
from connectors.capture.records import Change, Row, Teller
from connectors.capture.spec import Captured, CaptureSpec
from connectors.capture.triggers import SQL, quoted, verify
from connectors.capture.wire import canonical
from translators.schema import Table
from translators.values import key_parts

Clock = Callable[[], datetime]

_BATCH = 1000
"""Records in one batch of a snapshot."""


class SqliteCapture:
    """Reads one legacy database whose triggers `install` made. `clock` gives the time of reading, with its zone.

    Opens the database when first asked. Every method may raise a `CaptureError`; `capture.locked` is transient. Before
    anything is read, and whenever the database's schema has changed since, its tables and triggers are compared with
    `spec`. Not to be shared between threads.
    """

    def __init__(self, database: Path, spec: CaptureSpec, clock: Clock) -> None:
        self._database = database
        self._spec = spec
        self._clock = clock
        self._teller = Teller(spec, str(database), database.stem)
        self._connection: sqlite3.Connection | None = None
        self._verified: int | None = None

    def close(self) -> None:
        """Give back the connection. Safe to repeat; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection, self._verified = None, None

    def position(self) -> int:
        """The position of the last change that is committed now; 0 if there is none."""
        with translated(self._database):
            return _end(self._checked())

    def changes(self, after: int, limit: int) -> tuple[list[Captured], int]:
        """The committed changes behind `after`, in order, and the position up to which they go.

        About `limit` rows: the last transaction is always whole. First all rows, then for each transaction BEGIN and
        END. Empty, with `after` itself, when there is nothing new.
        """
        found = self._read(after, limit)
        now = self._clock()
        rows: list[Captured] = []
        markers: list[Captured] = []
        for _, changes in groupby(found, key=self._teller.transaction_of):
            told, ends = self._teller.transaction(list(changes), now)
            rows += told
            markers += ends
        return rows + markers, found[-1].position if found else after

    @contextmanager
    def still(self) -> Iterator[int]:
        """The database as it is now, for all that is read inside; gives the position of its last change."""
        with translated(self._database):
            connection = self._checked()
            connection.execute("BEGIN")
            position = _end(connection)
        try:
            yield position
        finally:
            connection.execute("ROLLBACK")

    def reread(self, run: str, key: str, tables: Mapping[str, tuple[str, ...]]) -> list[Captured]:
        """The rows of one key, as an incremental snapshot called `run` tells them, and that it is complete.

        `tables` has the columns of each table that hold the key. To be called inside `still`, behind all changes.
        """
        now = self._clock()
        told: list[Captured] = []
        counts: dict[str, int] = {}
        with translated(self._database):
            connection = self._checked()
            position = _end(connection)
            for name, columns in tables.items():
                rows = list(_rows_of(connection, self._spec.schema.tables[name], columns, key))
                counts[name] = len(rows)
                told += [self._teller.snapshot_row(*row, "incremental", position, now) for row in rows]
        return told + self._teller.reread_completed(run, counts, now)

    def snapshot(self) -> Snapshot:
        """All rows of all captured tables as they are now, for the caller to iterate over once, and then to close.

        In a database that is not in WAL mode, writers wait while the snapshot is open.
        """
        with translated(self._database):
            connection = self._open()
            try:
                connection.execute("BEGIN")
                verify(connection, self._spec.tables, self._spec.marker_table)
                position = _end(connection)
            except BaseException:
                connection.close()
                raise
        return Snapshot(connection, position, self._snapshot_batches(connection, position))

    def _snapshot_batches(self, connection: sqlite3.Connection, position: int) -> Iterator[list[Captured]]:
        now = self._clock()
        batch: list[Captured] = []
        for table, row, mark in _marked(self._rows(connection, position)):
            batch.append(self._teller.snapshot_row(table, row, mark, position, now))
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield [*batch, self._teller.snapshot_completed(position, now)]

    def _rows(self, connection: sqlite3.Connection, position: int) -> Iterator[tuple[Table, Row]]:
        for table in self._spec.tables:
            sql = Template(SQL["rows"]).substitute(
                columns=", ".join(map(quoted, table.columns)),
                table=quoted(table.name),
                key=", ".join(map(quoted, table.key)),
            )
            try:
                with translated(self._database):
                    for values in connection.execute(sql):
                        yield table, dict(zip(table.columns, values, strict=True))
            except UnicodeDecodeError as error:
                raise RowUnreadable(
                    database=self._database, table=table.name, position=position, reason=error
                ) from error

    def _read(self, after: int, limit: int) -> list[Change]:
        with translated(self._database):
            connection = self._checked()
            if after > (end := _end(connection)):
                raise PositionAhead(database=self._database, position=after, end=end)
            found = [Change(*row) for row in connection.execute(SQL["changes"], (after, limit))]
            if found and len(found) == limit:
                rest = (found[-1].position, found[-1].txid)
                found += [Change(*row) for row in connection.execute(SQL["rest"], rest)]
        return found

    def _checked(self) -> sqlite3.Connection:
        """The connection, its tables and triggers compared with the spec since its schema last changed."""
        if self._connection is None:
            self._connection = self._open()
        version: int = self._connection.execute("PRAGMA schema_version").fetchone()[0]
        if version != self._verified:
            verify(self._connection, self._spec.tables, self._spec.marker_table)
            self._verified = version
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if not self._database.is_file():
            raise DatabaseMissing(database=self._database)
        uri = f"{self._database.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        connection.text_factory = bytes.decode
        return connection


class Snapshot:
    """A consistent read of all captured tables: iterate for its records in batches, the last one says COMPLETED.

    `position` is the change up to which it holds everything: changes are read from there on. Iterating a second time
    gives nothing.
    """

    def __init__(self, connection: sqlite3.Connection, position: int, batches: Iterator[list[Captured]]) -> None:
        self.position = position
        self._connection = connection
        self._batches = batches

    def __iter__(self) -> Iterator[list[Captured]]:
        try:
            yield from self._batches
        finally:
            self.close()

    def close(self) -> None:
        """End the read, finished or not. Safe to repeat."""
        self._connection.close()


def _rows_of(
    connection: sqlite3.Connection, table: Table, columns: Sequence[str], key: str
) -> Iterator[tuple[Table, Row]]:
    """The rows of a table whose columns make up this key. What SQLite cannot be asked exactly is compared here."""
    parts = dict(zip(columns, key_parts(key), strict=False))
    asked = {c: part for c, part in parts.items() if table.columns[c].kind in ("integer", "text")}
    condition = " AND ".join(
        f"rtrim({quoted(c)}, ' ') = ?" if table.columns[c].padded else f"{quoted(c)} = ?" for c in asked
    )
    sql = Template(SQL["rows_of"]).substitute(
        columns=", ".join(map(quoted, table.columns)),
        table=quoted(table.name),
        condition=condition or "1",
        key=", ".join(map(quoted, table.key)),
    )
    for values in connection.execute(sql, tuple(asked.values())):
        row = dict(zip(table.columns, values, strict=True))
        try:
            if canonical(table, columns, row) == key:
                yield table, row
        except ValueError:
            continue  # a null is no key


def _end(connection: sqlite3.Connection) -> int:
    position: int = connection.execute(SQL["end"]).fetchone()[0]
    return position


def _marked(rows: Iterable[tuple[Table, Row]]) -> Iterator[tuple[Table, Row, str]]:
    """Each row with Debezium's snapshot mark, which needs to know the row before and the row after."""
    source = iter(rows)
    before, current = None, next(source, None)
    overall = True
    while current is not None:
        after = next(source, None)
        table, row = current
        yield table, row, _mark(overall, before is not table, after is None, after is None or after[0] is not table)
        before, current, overall = table, after, False


def _mark(first: bool, first_of_table: bool, last: bool, last_of_table: bool) -> str:
    if last:
        return "last"
    if first:
        return "first"
    if last_of_table:
        return "last_in_data_collection"
    return "first_in_data_collection" if first_of_table else "true"
