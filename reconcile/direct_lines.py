"""What a mapping says of one table whose columns it only renames, as lines of its columns: nothing is mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Text, case, cast, column, func, literal, literal_column, select

from reconcile.blocks import Canonical
from reconcile.duckdb_lines import field_at, fields_of, has_one_text
from reconcile.legacy_lines import key_column, legacy_order, mapping_of
from reconcile.line_reads import LineReads, Wanted
from reconcile.mysql_rows import sends_texts
from reconcile.mysql_text import Writer, as_sent, escaped, legacy_writer
from reconcile.native_text import KeyOrder, LineShape
from reconcile.sources import SIDE, LegacyReader, LegacySnapshot, table_of
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

    def __init__(
        self, snapshot: LegacySnapshot, shape: LineShape, order: KeyOrder, counted: Counter[str], reads: LineReads
    ) -> None:
        self.key = order.key
        self._reads = reads
        self._snapshot = snapshot
        self._shape = shape
        self._order = order
        self._counted = counted

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See the port."""
        reader = self._snapshot.reader
        asked = direct_statement(reader, self._shape, self._order, keys)
        with self._reads.lines(asked) as batches:
            yield self._read(batches)

    def _read(self, batches: Iterator[list[bytes]]) -> Iterator[bytes]:
        for batch in batches:
            self._counted[self._snapshot.reader.layout.root] += len(batch)
            yield from batch


def direct_statement(reader: LegacyReader, shape: LineShape, order: KeyOrder, keys: KeyRange = WHOLE) -> Wanted:
    """What is asked of the root's table: the lines, as they are."""
    bound = mapping_of(reader).bound
    root, texts = reader.layout.root, sends_texts(reader.engine)
    sort, bounds = legacy_order(reader, root, order, keys)
    key = key_column(reader, root, order)
    parts: list[ColumnElement[Any]] = [func.char_length(cast(key, Text)), key] if order.by_length else [key]
    writers: list[Writer] = [*[as_sent] * order.by_length, escaped]
    for path, of in shape.fields.items():
        found = column_at(bound.fields, path)
        parts.append(column(found.column) if texts else _text(found, of))
        writers.append(legacy_writer(found.type, of))
    named = [part.label(f"c{number}") for number, part in enumerate(parts)]
    asked = select(*named).select_from(table_of(root, reader)).order_by(sort)
    return Wanted(root, within(asked, [sort], bounds, as_bytes=texts), writers)


def column_at(fields: Mapping[str, Any], path: str) -> Column:
    """The column that a field is."""
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
            return case((~strange(value, of.type), _decimal(value, shape)), (value.is_not(None), _STRANGE))
        case "date" | "timestamp" | "timestamptz":
            shown = cast(on_utc(value, of.type), Text)
            return case((~strange(value, of.type), shown), (value.is_not(None), _STRANGE))
        case _:
            return value


def _decimal(value: ColumnElement[Any], shape: Shape) -> ColumnElement[Any]:
    if shape.digits is None or shape.places is None:
        return cast(value, Text)
    return cast(cast(value, Numeric(1000, shape.places)), Text)


def on_utc(value: ColumnElement[Any], kind: Type) -> ColumnElement[Any]:
    """A time as the view has it: one without a zone is UTC's."""
    return func.timezone("UTC", value) if kind.kind == "timestamp" else value


def strange(value: ColumnElement[Any], kind: Type) -> ColumnElement[bool]:
    """Whether the language has no room for a number or a time; NULL where there is none."""
    if kind.kind == "decimal":
        return value == literal_column("'NaN'")
    low, high = _BOUNDS[kind.kind]
    return ~value.between(literal_column(low), literal_column(high))
