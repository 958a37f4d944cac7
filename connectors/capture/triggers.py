"""The triggers: made from the schema, installed into the legacy database, and compared with what is there.

An image of a row is a JSON array: the storage class of each column (`i` integer, `r` real, `t` text, `b` blob,
`n` null), then objects of column -> value. Blobs are hex and reals 21 digits, both as text: 17 as SQLite prints them
do not always give the same number back.

What is not seen: a row that REPLACE removes because of a unique index that is partial or over an expression (while
`recursive_triggers` is off). A trigger of the legacy itself that changes the row which fired it may be told in either
order, since SQLite leaves the order of triggers open.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from string import Template

from connectors.capture.errors import SchemaDrift, TriggersMissing, translated
from connectors.capture.spec import marker_columns
from translators.schema import Table

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
_OBJECT_COLUMNS = 50
"""Columns per JSON object: SQLite allows a function 100 arguments at least."""


def _load() -> Mapping[str, str]:
    text = resources.files(__package__ or "").joinpath("triggers.sql").read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in text.split("-- name: ")[1:])
    return {name.strip(): _uncommented(body) for name, body in parts}


def _uncommented(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()


SQL = _load()


def install(connection: sqlite3.Connection, tables: Iterable[Table], marker: Table | None = None) -> None:
    """Make the triggers that write down every change of `tables`, replacing those of an earlier installation.

    Happens wholly or not at all. `marker` is the table whose row opens each transaction. Raises `SchemaDrift` if a
    table is not as the schema says, `MarkerUnusable` if the marker table holds no id and time.
    """
    database = _path(connection)
    with translated(database):
        wanted = triggers(connection, tables, marker)
        connection.execute("SAVEPOINT _dragoman_install")
        try:
            for statement in SQL["tables"].split(";"):
                connection.execute(statement)
            _drop(connection)
            for sql in wanted.values():
                connection.execute(sql)
        except BaseException:
            connection.execute("ROLLBACK TO _dragoman_install")
            raise
        finally:
            connection.execute("RELEASE _dragoman_install")


def uninstall(connection: sqlite3.Connection) -> None:
    """Take the triggers and the changes that they wrote out of the database."""
    with translated(_path(connection)):
        connection.execute("SAVEPOINT _dragoman_install")
        _drop(connection)
        for table in ("_dragoman_changes", "_dragoman_marker", "_dragoman_replaced"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute("RELEASE _dragoman_install")


def verify(connection: sqlite3.Connection, tables: Iterable[Table], marker: Table | None) -> None:
    """Prove that the database has exactly these triggers; `SchemaDrift` or `TriggersMissing` if not."""
    database = _path(connection)
    found: dict[str, str] = dict(connection.execute(SQL["ours"]).fetchall())
    wanted = triggers(connection, tables, marker)
    for name, sql in wanted.items():
        if name not in found or found[name].split() != sql.split():
            reason = f"{name} {'is not there' if name not in found else 'is another one'}"
            raise TriggersMissing(database=database, table=name.split("_", 3)[-1], reason=reason)


def triggers(connection: sqlite3.Connection, tables: Iterable[Table], marker: Table | None) -> dict[str, str]:
    """The triggers by name, as SQL, for the tables as the database has them; `SchemaDrift` if the schema differs."""
    made: dict[str, str] = {}
    for table in tables:
        _check_columns(connection, table)
        made |= _of_table(table, _unique(connection, table))
    if marker is not None:
        _check_columns(connection, marker)
        key, time = marker_columns(marker)
        name = f"_dragoman_m_{marker.name}"
        made[name] = Template(SQL["marker"]).substitute(
            trigger=quoted(name), table=quoted(marker.name), id=quoted(key), time=quoted(time)
        )
    return made


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _of_table(table: Table, unique: Sequence[tuple[str, ...]]) -> dict[str, str]:
    columns = tuple(table.columns)
    places = {
        "name": "'" + table.name.replace("'", "''") + "'",
        "table": quoted(table.name),
        "now": _NOW,
        "key": _image("", table.key),
        "row": _image("", columns),
        "new_key": _image("NEW.", table.key),
        "new_row": _image("NEW.", columns),
        "old_key": _image("OLD.", table.key),
        "old_row": _image("OLD.", columns),
        "conflict": _conflict(table, unique),
        "moved": " OR ".join(f"NEW.{quoted(c)} IS NOT OLD.{quoted(c)}" for c in _distinct(unique)),
    }
    made = {}
    for kind, short in _KINDS.items():
        name = f"_dragoman_{short}_{table.name}"
        made[name] = Template(SQL[kind]).substitute(places, trigger=quoted(name))
    return made


_KINDS = {
    "before_insert": "bi",
    "after_insert": "ai",
    "before_update": "bu",
    "after_update": "au",
    "after_delete": "ad",
}


def _image(prefix: str, columns: Sequence[str]) -> str:
    """SQL for the image of some columns."""
    names = [prefix + quoted(c) for c in columns]
    kinds = " || ".join(f"substr(typeof({n}), 1, 1)" for n in names)
    values = [
        f"'{column.replace(chr(39), chr(39) * 2)}', CASE typeof({n}) WHEN 'blob' THEN hex({n}) "
        f"WHEN 'real' THEN printf('%!.20e', {n}) ELSE {n} END"
        for column, n in zip(columns, names, strict=True)
    ]
    chunks = [values[i : i + _OBJECT_COLUMNS] for i in range(0, len(values), _OBJECT_COLUMNS)]
    objects = ", ".join(f"json_object({', '.join(chunk)})" for chunk in chunks)
    return f"json_array({kinds}, {objects})"


def _conflict(table: Table, unique: Sequence[tuple[str, ...]]) -> str:
    """SQL: a row cannot be there beside NEW. In a BEFORE trigger a key that SQLite has yet to choose is -1."""
    rules = [" AND ".join(f"{quoted(c)} = NEW.{quoted(c)}" for c in columns) for columns in unique]
    if len(table.key) == 1 and table.columns[table.key[0]].kind == "integer":
        rules[0] += f" AND NEW.{quoted(table.key[0])} <> -1"
    return " OR ".join(f"({rule})" for rule in rules)


def _unique(connection: sqlite3.Connection, table: Table) -> list[tuple[str, ...]]:
    """The key and the columns of each unique index, the key first."""
    indexes: dict[str, list[str]] = {}
    for index, column in connection.execute(SQL["unique"], (table.name,)):
        indexes.setdefault(index, []).append(column)
    others = {tuple(columns) for columns in indexes.values()} - {table.key}
    return [table.key, *sorted(others)]


def _distinct(groups: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(column for group in groups for column in group))


def _check_columns(connection: sqlite3.Connection, table: Table) -> None:
    found = [name for (name,) in connection.execute(SQL["columns"], (table.name,))]
    difference = None
    if not found:
        difference = "there is no such table"
    elif extra := [c for c in found if c not in table.columns]:
        difference = f"column {extra[0]} is new"
    elif gone := [c for c in table.columns if c not in found]:
        difference = f"column {gone[0]} is gone"
    if difference:
        raise SchemaDrift(database=_path(connection), table=table.name, difference=difference)


def _drop(connection: sqlite3.Connection) -> None:
    for name, _ in connection.execute(SQL["ours"]).fetchall():
        connection.execute(f"DROP TRIGGER {quoted(name)}")


def _path(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2] or ":memory:")
