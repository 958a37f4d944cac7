"""The rows of raw tables in DuckDB as the decoder would give them."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import cast

import duckdb

from translators.aggregate import Rows
from translators.expression.dialect import quote
from translators.expression.duckdb import DuckDB
from translators.schema import Table, Type
from translators.values import Opaque, OutOfRange, Value, key_text

_PLAIN = re.compile(r"-?[0-9]+([.][0-9]+)?")
_AS_TEXT = ("date", "timestamp", "timestamptz")
"""DuckDB's Python values leave out which of these cannot be told, so that their texts are read."""


def column_type(kind: Type) -> str:
    """DuckDB's type for a raw column. What the language has no type for there is text."""
    name = DuckDB.kinds.get(kind.kind)
    if name is None:
        return "VARCHAR"
    told = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}.get(name, name)
    return f"{told}({kind.precision},{kind.scale})" if kind.kind == "decimal" else told


def read_rows(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Table],
    relations: Mapping[str, str],
    key: str,
    root: str,
) -> Iterator[tuple[str, Rows]]:
    """The rows of each business key that `root` has, in the order of the keys; the column `key` holds it."""
    found: defaultdict[str, Rows] = defaultdict(dict)
    for name, table in tables.items():
        listed = ", ".join(_selected(column, kind) for column, kind in table.columns.items())
        rows = connection.execute(f"SELECT {quote(key)}, {listed} FROM {relations[name]}").fetchall()
        readers = [_reader(kind) for kind in table.columns.values()]
        for number, (business_key, *raw) in enumerate(rows):
            values = [read(value) for read, value in zip(readers, raw, strict=True)]
            row = dict(zip(table.columns, values, strict=True))
            row_key = key_text(tuple([row[column] for column in table.key])) if table.key else str(number)
            found[business_key].setdefault(name, {})[row_key] = row
    for business_key in sorted(found):
        if root in found[business_key]:
            yield business_key, found[business_key]


def _selected(column: str, kind: Type) -> str:
    return f"CAST({quote(column)} AS VARCHAR)" if kind.kind in _AS_TEXT else quote(column)


def _reader(kind: Type) -> Callable[[object], Value]:
    """From what DuckDB gives for a column of this type to a value of the language."""
    reader: Callable[[str], Value]
    match kind.kind:
        case "text" if kind.padded:
            reader = _padded
        case "date":
            reader = _date
        case "timestamp" | "timestamptz":
            reader = _time
        case "wide":
            reader = _wide
        case "float":
            return _float
        case "opaque":
            reader = Opaque
        case _:
            return _same
    return lambda value: None if value is None else reader(str(value))


def _same(value: object) -> Value:
    return cast(Value, value)  # DuckDB's own types are the language's


def _padded(text: str) -> Value:
    return text.rstrip(" ")


def _date(text: str) -> Value:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return OutOfRange(text)


def _time(text: str) -> Value:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return OutOfRange(text)
    return found if found.tzinfo is None else found.astimezone(UTC)


def _wide(text: str) -> Value:
    return Decimal(text) if _PLAIN.fullmatch(text) else OutOfRange(text)


def _float(value: object) -> Value:
    if not isinstance(value, float):
        return None
    return value + 0.0 if math.isfinite(value) else OutOfRange(str(value))
