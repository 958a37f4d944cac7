"""What a mapping says of one table whose columns it only renames, as lines that PostgreSQL writes itself: nothing is mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Select, Text, case, cast, column, func, literal, literal_column, select

from reconcile.blocks import Canonical
from reconcile.copy import copies
from reconcile.duckdb_lines import field_at, fields_of, has_one_text
from reconcile.legacy_lines import legacy_order, mapping_of
from reconcile.native_text import KeyOrder, LineShape
from reconcile.sources import SIDE, LegacyReader, LegacySnapshot, canonical_key, table_of
from reconcile.streams import WHOLE, KeyRange, within
from translators.bound_mapping import BoundMapping
from translators.contract import Shape
from translators.duckdb_state import judged
from translators.expression.bound import Column
from translators.schema import Type

_STRANGE = literal("?")
"""In place of a value that the language has no room for: no column of such a kind shows it, so that it is looked at."""

_BOUNDS = {
    "date": ("DATE '0001-01-01'", "DATE '9999-12-31'"),
    "timestamp": ("TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59.999999'"),
    "timestamptz": ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"),
}


def renamed_columns(bound: BoundMapping) -> dict[str, Column] | None:
    """By path the columns that a state is made of, if it is nothing else and nothing can be refused; else `None`."""
    if bound.mapping.parts or bound.mapping.python is not None or bound.invariants:
        return None
    found = {}
    for field in fields_of(bound.fields):
        if not isinstance(field.bound, Column) or judged("v", field.bound, field.shape) != "v":
            return None
        if not has_one_text(field.bound.type, field.shape):
            return None
        found[field.path] = field.bound
    return found


class DirectLines(Canonical):
    """See `reconcile.blocks.Stream`: one line for each root. `counted` gets the rows of the table."""

    side = SIDE

    def __init__(self, snapshot: LegacySnapshot, shape: LineShape, order: KeyOrder, counted: Counter[str]) -> None:
        self.key = order.key
        self._snapshot = snapshot
        self._shape = shape
        self._order = order
        self._counted = counted

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See the port."""
        reader = self._snapshot.reader
        asked = direct_statement(reader, self._shape, self._order, keys)
        with copies(reader.engine, asked, of=self._snapshot.connection) as batches:
            yield self._read(batches)

    def _read(self, batches: Iterator[list[bytes]]) -> Iterator[bytes]:
        for batch in batches:
            self._counted[self._snapshot.reader.layout.root] += len(batch)
            yield from batch


def direct_statement(
    reader: LegacyReader, shape: LineShape, order: KeyOrder, keys: KeyRange = WHOLE
) -> Select[*tuple[Any, ...]]:
    """What is asked of the root's table: the lines, as they are."""
    bound = mapping_of(reader).bound
    root = reader.layout.root
    sort, bounds = legacy_order(reader, root, order, keys)
    key = canonical_key(reader.tables[root], reader.layout.key, reader.dialect)
    parts: list[ColumnElement[Any]] = [func.length(key), key] if order.by_length else [key]
    for path, of in shape.fields.items():
        parts.append(_text(_column(bound.fields, path), of))
    named = [part.label(f"c{number}") for number, part in enumerate(parts)]
    return within(select(*named).select_from(table_of(root, reader)).order_by(sort), [sort], bounds)


def _column(fields: Mapping[str, Any], path: str) -> Column:
    found = field_at(fields, path).bound
    if not isinstance(found, Column):
        raise TypeError(f"{path} is more than a column")
    return found


def _text(of: Column, shape: Shape) -> ColumnElement[Any]:
    """A column as the view's is written; see `reconcile.native_text`."""
    value: ColumnElement[Any] = column(of.column)
    match of.type.kind:
        case "text" if of.type.padded:
            return func.rtrim(cast(value, Text), " ")
        case "decimal":
            return case((value != literal_column("'NaN'"), _decimal(value, shape)), (value.is_not(None), _STRANGE))
        case "date" | "timestamp" | "timestamptz":
            return _time(value, of.type)
        case _:
            return value


def _decimal(value: ColumnElement[Any], shape: Shape) -> ColumnElement[Any]:
    if shape.digits is None or shape.places is None:
        return cast(value, Text)
    return cast(cast(value, Numeric(1000, shape.places)), Text)


def _time(value: ColumnElement[Any], kind: Type) -> ColumnElement[Any]:
    low, high = _BOUNDS[kind.kind]
    shown = func.timezone("UTC", value) if kind.kind == "timestamp" else value
    inside = value.between(literal_column(low), literal_column(high))
    return case((inside, cast(shown, Text)), (value.is_not(None), _STRANGE))
