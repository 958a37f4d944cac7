"""A small legacy database with a table of every shape, and what reads the records that come out of it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.capture import Captured, CaptureSpec, Feed, SqliteCapture, install
from translators.schema import Encoding, LegacySchema, Table, column_type

NOW = datetime(2026, 11, 20, 9, 0, 0, 123456, UTC)
COMMIT = "2026-11-19T22:41:37.500250Z"
COMMIT_MICROS = 1_795_128_097_500_250

DDL = """
CREATE TABLE mark (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL);
CREATE TABLE head (no CHAR(6) PRIMARY KEY NOT NULL, amt TEXT, big INTEGER, tag TEXT UNIQUE, raw BLOB, num REAL);
CREATE TABLE line (no CHAR(6) NOT NULL, seq INTEGER NOT NULL, txt TEXT, PRIMARY KEY (no, seq),
    FOREIGN KEY (no) REFERENCES head (no) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE item (id INTEGER PRIMARY KEY, day TEXT, moment TEXT, short TEXT, zoned TEXT, flag INTEGER);
"""
HEAD = {
    "no": "char(6) not null",
    "amt": "decimal(9,2)",
    "big": "bigint",
    "tag": "varchar(20)",
    "raw": "bytea",
    "num": "double precision",
}
LINE = {"no": "char(6) not null", "seq": "integer not null", "txt": "text"}
ITEM = {
    "id": "integer not null",
    "day": "date",
    "moment": "timestamp",
    "short": "timestamp(3)",
    "zoned": "timestamptz",
    "flag": "boolean",
}
MARK = {"id": "bigint not null", "at": "timestamptz not null"}


def table(name: str, columns: dict[str, str], *key: str) -> Table:
    types = {column: column_type(text) for column, text in columns.items()}
    native = {column: text.removesuffix(" not null") for column, text in columns.items()}
    return Table(name=name, columns=types, native=native, key=key)


def schema() -> LegacySchema:
    tables = [table("head", HEAD, "no"), table("line", LINE, "no", "seq"), table("item", ITEM, "id")]
    return LegacySchema(
        source="old",
        connector="sqlite",
        namespace="main",
        encoding=Encoding(decimal="string"),
        tables={t.name: t for t in [*tables, table("mark", MARK, "id")]},
    )


FEEDS = (
    Feed(name="orders", tables={"head": ("no",), "line": ("no",)}, partitions=3),
    Feed(name="items", tables={"item": ("id",)}, partitions=1),
)


class Legacy:
    """The legacy database, its application, and the capture that reads it."""

    def __init__(self, path: Path, marker: str | None) -> None:
        self.spec = CaptureSpec(schema=schema(), feeds=FEEDS, marker=marker)
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.executescript(DDL)
        install(self.connection, self.spec.tables, self.spec.marker_table)
        self.capture = SqliteCapture(path, self.spec, lambda: NOW)

    def commit(self, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
        """One transaction, its marker row first."""
        self.connection.execute("BEGIN")
        self.connection.execute("INSERT INTO mark (at) VALUES (?)", (COMMIT,))
        for statement in statements:
            sql, values = (statement, ()) if isinstance(statement, str) else statement
            self.connection.execute(sql, values)
        self.connection.execute("COMMIT")

    def read(self, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        return rows(self.capture.changes(after, limit)[0])

    def close(self) -> None:
        self.capture.close()
        self.connection.close()

    def rows(self, name: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()


def rows(records: list[Captured]) -> list[dict[str, Any]]:
    """The values of the row records."""
    return [json.loads(r.value) for r in records if not r.topic.endswith((".transaction", ".notification"))]


def marks(records: list[Captured]) -> list[dict[str, Any]]:
    """The values of the transaction markers."""
    return [json.loads(r.value) for r in records if r.topic.endswith(".transaction")]


def replayed(tables: dict[str, set[tuple[Any, ...]]], changes: list[dict[str, Any]]) -> dict[str, set[tuple[Any, ...]]]:
    """The tables after the changes; an image that is not there, or is there already, is an error."""
    for change in changes:
        here = tables[change["source"]["table"]]
        if change["before"] is not None:
            here.remove(tuple(change["before"].values()))
        if change["after"] is not None:
            assert tuple(change["after"].values()) not in here
            here.add(tuple(change["after"].values()))
    return tables
