"""What a database did, told by the database itself: a witness that knows neither the writers nor the connector.

PostgreSQL's own `test_decoding` plugin and MariaDB's own `mariadb-binlog` print the transactions that were committed, in the
order of their commits. Rows before a change are taken from what is known of the tables, so every row of a journal is whole.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Protocol

import psycopg

from tests.model.journal import Row, RowChange, Transaction
from tests.model.legacy import TABLES as KEYS

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_TEXTS = ("br", "sts", "note", "amt")
_UNCHANGED = "unchanged-toast-datum"


class Witness(Protocol):
    """Sees every transaction from the moment it was made."""

    def journal(self) -> list[Transaction]:
        """All that was committed since, in the order of the commits."""

    @property
    def rows(self) -> Rows:
        """The tables as they are behind the last transaction of the journal."""

    def close(self) -> None:
        """Give up what it holds."""


class Rows:
    """The rows of the tables, kept up to date change by change."""

    def __init__(self, columns: Mapping[str, Sequence[str]], shown: Mapping[str, Iterable[Row]]) -> None:
        self.columns = columns
        self.tables = {table: {_key(table, row): row for row in shown[table]} for table in columns}

    @property
    def shown(self) -> dict[str, list[Row]]:
        """The rows of each table."""
        return {table: list(rows.values()) for table, rows in self.tables.items()}

    def change(self, table: str, old: Row | None, new: Row | None) -> RowChange:
        """Take in a change. `old` has at least the key, unless it is the key of `new`; what `new` leaves out is as before."""
        rows = self.tables[table]
        before = None
        if old is not None:
            before = rows.pop(_key(table, old))
        after = None
        if new is not None:
            after = {column: new[column] if column in new else (before or {})[column] for column in self.columns[table]}
            assert _key(table, after) not in rows, f"{table}: {after} is there already"
            rows[_key(table, after)] = after
        return RowChange(table, before, after)


def _key(table: str, row: Row) -> tuple[Any, ...]:
    return tuple(row[column] for column in KEYS[table])


def _value(column: str, text: str) -> Any:
    """A value as both print it."""
    if text.lower() == "null":
        return None
    plain = text[1:-1] if text.startswith("'") else text
    return plain if column in _TEXTS else int(plain)


class TestDecoding:
    """A logical slot of its own, read as text: https://www.postgresql.org/docs/15/test-decoding.html"""

    __test__ = False
    _CHANGE = re.compile(r"table \w+\.(\w+): (INSERT|UPDATE|DELETE): (.*)", re.DOTALL)
    _VALUE = re.compile(r"(\w+)\[[^\]]*\]:('(?:[^']|'')*'|\S+)")

    def __init__(self, connection: psycopg.Connection, slot: str, rows: Rows) -> None:
        self._connection = connection
        self._slot = slot
        self._found: list[Transaction] = []
        self.rows = rows
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", [slot])

    def journal(self) -> list[Transaction]:
        """See `Witness`."""
        query = "SELECT data FROM pg_logical_slot_get_changes(%s, NULL, NULL, 'include-timestamp', '1')"
        changes: list[RowChange] = []
        for (line,) in self._connection.execute(query, [self._slot]).fetchall():
            if line.startswith("COMMIT"):
                name, _, time = line.removeprefix("COMMIT ").partition(" (at ")
                if changes:
                    self._found.append(Transaction(name, _micros(time.rstrip(")")), tuple(changes)))
                changes = []
            elif (match := self._CHANGE.fullmatch(line)) and match[1] in KEYS:
                changes.append(self._change(*match.groups()))
        return self._found

    def close(self) -> None:
        """See `Witness`."""
        self._connection.execute("SELECT pg_drop_replication_slot(%s)", [self._slot])
        self._connection.close()

    def _change(self, table: str, op: str, text: str) -> RowChange:
        old, marked, new = text.partition(" new-tuple: ")
        if op == "INSERT":
            return self.rows.change(table, None, self._row(text))
        if op == "DELETE":
            return self.rows.change(table, self._row(text), None)
        after = self._row(new if marked else text)
        return self.rows.change(table, self._row(old) if marked else after, after)

    def _row(self, text: str) -> Row:
        found = self._VALUE.findall(text.removeprefix("old-key: "))
        return {column: _value(column, value) for column, value in found if value != _UNCHANGED}


def _micros(time: str) -> int:
    """`2026-11-27 23:29:34.123456+00` as microseconds since the epoch."""
    since = datetime.fromisoformat(time) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class BinaryLog:
    """The binary log of a MariaDB from a position on: https://mariadb.com/kb/en/mariadb-binlog/"""

    _GTID = re.compile(r"\tGTID (\d+-\d+-\d+)")
    _HEAD = re.compile(r"### (INSERT INTO|UPDATE|DELETE FROM) `(\w+)`\.`(\w+)`")
    _VALUE = re.compile(r"###   @(\d+)=(.*)")

    def __init__(self, host: str, port: int, database: str, begin: tuple[str, int], rows: Rows) -> None:
        self._command = [
            "mariadb-binlog", "--no-defaults", "--read-from-remote-server", f"--host={host}", f"--port={port}", "--user=root",
            "--verbose", "--base64-output=DECODE-ROWS", "--to-last-log", f"--start-position={begin[1]}", begin[0],
        ]  # fmt: skip
        self._database = database
        self._begin = rows
        self.rows = rows

    def journal(self) -> list[Transaction]:
        """See `Witness`."""
        done = subprocess.run(self._command, capture_output=True, check=True, text=True)
        self.rows = Rows(self._begin.columns, self._begin.shown)
        found: list[Transaction] = []
        for name, lines in self._transactions(done.stdout.splitlines()):
            changes = tuple(self._changes(lines))
            if changes:
                found.append(Transaction(name, None, changes))
        return found

    def close(self) -> None:
        """See `Witness`."""

    def _transactions(self, lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
        name, found = "", list[str]()
        for line in lines:
            if match := self._GTID.search(line):
                name, found = match[1], []
            elif line.startswith("COMMIT"):
                yield name, found
            elif line.startswith("###"):
                found.append(line)

    def _changes(self, lines: Sequence[str]) -> Iterator[RowChange]:
        """One change a head; the values before stand behind WHERE, those after behind SET."""
        heads = [number for number, line in enumerate(lines) if self._HEAD.match(line)]
        for begin, end in pairwise([*heads, len(lines)]):
            head = self._HEAD.match(lines[begin])
            if head and head[2] == self._database and head[3] in KEYS:
                images = self._images(head[3], lines[begin + 1 : end])
                yield self.rows.change(head[3], images.get("WHERE"), images.get("SET"))

    def _images(self, table: str, lines: Iterable[str]) -> dict[str, Row]:
        images: dict[str, Row] = {}
        for line in lines:
            if line in ("### SET", "### WHERE"):
                images[line[4:]] = {}
            elif match := self._VALUE.fullmatch(line):
                column = self.rows.columns[table][int(match[1]) - 1]
                images[next(reversed(images))][column] = _value(column, match[2])
        return images
