"""Signals to a connector: what its signal topic or table is given. Pure.

Format: Debezium's documentation, "Sending signals to a Debezium connector".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from translators.schema import LegacySchema
from translators.values import key_parts

_NUMBERS = ("integer", "decimal")


def condition(schema: LegacySchema, table: str, columns: tuple[str, ...], key: str) -> str:
    """SQL for the rows of a table whose `columns` make up a business key; `ValueError` if the text is no such key."""
    parts = key_parts(key)
    if len(parts) != len(columns):
        raise ValueError(f"{key!r} has {len(parts)} parts, not {len(columns)}")
    types = schema.tables[table].columns
    return " AND ".join(
        f"{column} = {_literal(types[column].kind, part)}" for column, part in zip(columns, parts, strict=True)
    )


def reread(
    schema: LegacySchema, prefix: str, run: str, tables: Mapping[str, tuple[str, ...]], key: str
) -> tuple[bytes, bytes]:
    """Key and value of the signal for an incremental snapshot of one business key; its notifications have the id `run`.

    `tables` has the columns of each table that hold the key; `prefix` is the connector's `topic.prefix`.
    """
    names = {table: f"{schema.namespace}.{table}" for table in tables}
    conditions = [
        {"data-collection": names[table], "filter": condition(schema, table, columns, key)}
        for table, columns in tables.items()
    ]
    return _signal(prefix, run, "execute-snapshot", list(names.values()), {"additional-conditions": conditions})


def snapshot(
    schema: LegacySchema, prefix: str, run: str, tables: Sequence[str], where: str = ""
) -> tuple[bytes, bytes]:
    """Key and value of the signal for an incremental snapshot of tables, of the rows `where` (SQL) holds if that is said."""
    names = [f"{schema.namespace}.{table}" for table in tables]
    conditions = [{"data-collection": name, "filter": where} for name in names]
    return _signal(prefix, run, "execute-snapshot", names, {"additional-conditions": conditions} if where else {})


def stop(schema: LegacySchema, prefix: str, run: str, tables: Sequence[str] = ()) -> tuple[bytes, bytes]:
    """Key and value of the signal that ends an incremental snapshot: of all its tables, or of these."""
    return _signal(prefix, run, "stop-snapshot", [f"{schema.namespace}.{table}" for table in tables], {})


def _signal(prefix: str, run: str, kind: str, names: list[str], more: dict[str, Any]) -> tuple[bytes, bytes]:
    """Tables are named by patterns."""
    data = {"type": "INCREMENTAL", **more}
    if names:
        data["data-collections"] = [name.replace(".", "\\.") for name in names]
    return prefix.encode(), msgspec.json.encode({"id": run, "type": kind, "data": data})


def _literal(kind: str, part: str) -> str:
    if kind in _NUMBERS:
        if not part.removeprefix("-").replace(".", "", 1).isdigit() or not part.isascii():
            raise ValueError(f"{part!r} is no number")
        return part
    return "'" + part.replace("'", "''") + "'"
