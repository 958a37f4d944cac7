"""The legacy database as its own catalogue tells it: tables, types, keys, references, and what cannot be captured and why.

Reads only: the session is made read-only and each statement is given a few seconds before anything is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import Any, ClassVar, Literal, cast

from sqlalchemy import Connection, inspect, text

from connectors.legacy.reading import only_read
from translators.errors import DragomanError
from translators.schema import column_type, source_type

Reflectable = Literal["postgresql", "mariadb", "sqlite"]
Identity = Literal["full", "default", "index", "nothing"]

_SECONDS = 5
_IDENTITIES: Mapping[str, Identity] = {"d": "default", "f": "full", "i": "index", "n": "nothing"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyColumn:
    """A column: its type as `schema.yaml` writes it, and its collation where it has one of its own."""

    name: str
    type: str
    nullable: bool
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A foreign key: `columns` hold `target_columns` of the table `target`."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyTable:
    """A table whose changes can be captured. `unsent` are columns that no connector sends, each with the reason."""

    name: str
    columns: tuple[LegacyColumn, ...]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    replica_identity: Identity = "full"
    is_partitioned: bool = False
    unsent: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reflection:
    """One schema of a database: its tables, and what was left out, each with the reason."""

    connector: Reflectable
    namespace: str
    tables: Mapping[str, LegacyTable]
    left_out: Mapping[str, str]


class DatabaseUnsupported(DragomanError):
    """A database of the kind {dialect} cannot be read here."""

    code: ClassVar[str] = "legacy.unsupported"
    hint: ClassVar[str] = "PostgreSQL, MariaDB and SQLite are: their changes can be captured and are proven."


class NamespaceUnknown(DragomanError):
    """The database has no tables in {namespace!r} that this user may see."""

    code: ClassVar[str] = "legacy.namespace-unknown"
    hint: ClassVar[str] = "Name another one with --schema, or let the user see it: GRANT USAGE ON SCHEMA and SELECT."


class TablesUnknown(DragomanError):
    """{namespace} has no table {tables}."""

    code: ClassVar[str] = "legacy.table-unknown"
    hint: ClassVar[str] = "Write names as the database has them, capital letters included."


def _queries() -> Mapping[str, str]:
    written = resources.files(__package__ or "").joinpath("reflect.sql").read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in written.split("-- name: ")[1:])
    return {name.strip(): body for name, body in parts}


_SQL = _queries()


def reflect(connection: Connection, namespace: str | None = None, wanted: Sequence[str] = ()) -> Reflection:
    """The tables of one schema (the connection's own if none is named), all of them or those that are `wanted`."""
    connector = _connector(connection)
    only_read(connection, connector, _SECONDS)
    place = namespace or _default_namespace(connection, connector)
    short = "postgres" if connector == "postgresql" else connector
    found = _rows(connection, f"{short}_tables", place)
    if not found:
        raise NamespaceUnknown(namespace=place)
    missing = [name for name in wanted if name not in {row["name"] for row in found}]
    if missing:
        raise TablesUnknown(namespace=place, tables=", ".join(missing))
    left_out: dict[str, str] = {}
    kept: dict[str, Mapping[str, Any]] = {}
    for row in found:
        name = str(row["name"])
        reason = "not among those that were named" if wanted and name not in wanted else _unfit(connector, row)
        if reason is None:
            kept[name] = row
        else:
            left_out[name] = reason
    tables = _tables(connection, connector, place, short, kept)
    for name, table in list(tables.items()):
        reason = _unkeyed(connector, table)
        if reason is not None:
            left_out[name] = reason
            del tables[name]
    return Reflection(connector=connector, namespace=place, tables=tables, left_out=left_out)


def _connector(connection: Connection) -> Reflectable:
    dialect = connection.dialect
    if getattr(dialect, "is_mariadb", False):
        return "mariadb"
    if dialect.name in ("postgresql", "sqlite"):
        return cast(Reflectable, dialect.name)
    raise DatabaseUnsupported(dialect=dialect.name)


def _default_namespace(connection: Connection, connector: Reflectable) -> str:
    if connector == "sqlite":
        return "main"
    return str(inspect(connection).default_schema_name or "")


def _rows(connection: Connection, query: str, namespace: str) -> list[Mapping[str, Any]]:
    found = connection.execute(text(_SQL[query]), {"namespace": namespace}).mappings()
    return [{key.lower(): value for key, value in row.items()} for row in found]


_KINDS = {
    "v": "a view", "m": "a materialized view", "f": "a foreign table", "view": "a view", "system view": "a view",
    "virtual": "a virtual table", "shadow": "part of a virtual table", "sequence": "a sequence",
}  # fmt: skip


def _unfit(connector: Reflectable, row: Mapping[str, Any]) -> str | None:
    """Why the changes of a relation cannot be captured, by what its catalogue says of it."""
    name, kind = str(row["name"]), str(row["kind"]).lower()
    if kind in _KINDS:
        return f"{_KINDS[kind]}: it has no changes of its own"
    if connector == "postgresql" and row["is_partition"]:
        return "a partition: it is read through its table"
    if connector == "postgresql" and row["persistence"] != "p":
        return "unlogged: its changes are not written to the log"
    if "." in name or "," in name or "${" in name or _CONTROL.search(name):
        return "its name holds a sign that topics and routing cannot carry"
    return None


def _unkeyed(connector: Reflectable, table: LegacyTable) -> str | None:
    if not table.key:
        return "it has no primary key: equal rows could not be told apart"
    for column in table.columns:
        kind = column_type(source_type(column.type, connector)).kind
        if column.name in table.key and kind in ("opaque", "wide", "float"):
            return f"its key has {column.name}, a {column.type}: equal values have different texts"
    if any(name not in {column.name for column in table.columns} for name in table.key):
        return "its key has a column that no connector sends"
    if table.replica_identity in ("index", "nothing"):
        return f"its replica identity is {table.replica_identity}: deletes would not say which row"
    return None


def _tables(
    connection: Connection, connector: Reflectable, place: str, short: str, kept: Mapping[str, Mapping[str, Any]]
) -> dict[str, LegacyTable]:
    asked = None if connector == "sqlite" else place
    inspector = inspect(connection)
    keys: dict[str, Any] = {
        str(name): one for (_, name), one in inspector.get_multi_pk_constraint(schema=asked).items()
    }
    references: dict[str, Any] = {
        str(name): one for (_, name), one in inspector.get_multi_foreign_keys(schema=asked).items()
    }
    columns: dict[str, list[Mapping[str, Any]]] = {}
    for row in _rows(connection, f"{short}_columns", place):
        columns.setdefault(str(row["table"]), []).append(row)
    tables = {}
    for name, row in kept.items():
        sent, unsent = _columns(connector, columns.get(name, []), row.get("collation"))
        tables[name] = LegacyTable(
            name=name,
            columns=sent,
            key=tuple((keys.get(name) or {}).get("constrained_columns") or ()),
            references=_references(references.get(name) or (), place),
            replica_identity=_IDENTITIES[row["identity"]] if connector == "postgresql" else "full",
            is_partitioned=row.get("kind") == "p",
            unsent=unsent,
        )
    return tables


def _references(found: Iterable[Any], place: str) -> tuple[Reference, ...]:
    return tuple(
        Reference(
            columns=tuple(one["constrained_columns"]),
            target=one["referred_table"],
            target_columns=tuple(one["referred_columns"]),
        )
        for one in found
        if one.get("referred_schema") in (None, place)
    )


def _columns(
    connector: Reflectable, rows: Iterable[Mapping[str, Any]], usual: str | None
) -> tuple[tuple[LegacyColumn, ...], dict[str, str]]:
    """The columns that are sent, and the others with the reason."""
    sent: list[LegacyColumn] = []
    unsent: dict[str, str] = {}
    for row in rows:
        name, written = str(row["name"]), _written(connector, str(row["type"]))
        if row["computed"] and connector != "sqlite":
            unsent[name] = "is computed by the database"
        elif written is None:
            unsent[name] = f"has the type {row['type']}, which no connector sends"
        elif _CONTROL.search(name):
            unsent[name] = "has a name that no file can hold"
        else:
            collation = row["collation"] if row["collation"] != usual else None
            sent.append(LegacyColumn(name=name, type=written, nullable=bool(row["nullable"]), collation=collation))
    return tuple(sent), unsent


def _written(connector: Reflectable, said: str) -> str | None:
    """A type in words that `schema.yaml` takes. SQLite takes any word for a type: there its affinity decides."""
    words = " ".join(said.split())
    with suppress(ValueError):
        column_type(source_type(words, connector))
        return words
    return _affinity(words.upper()) if connector == "sqlite" else None


def _affinity(words: str) -> str:
    """https://sqlite.org/datatype3.html, section 3.1."""
    if "INT" in words:
        return "bigint"
    if any(part in words for part in ("CHAR", "CLOB", "TEXT")):
        return "text"
    if "BLOB" in words or not words:
        return "bytea"
    return "double precision" if any(part in words for part in ("REAL", "FLOA", "DOUB")) else "numeric"
