"""Rows of a legacy table as the feed's decoder gives them, from the values that a database's driver has."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Double, Text, cast, column, func

from connectors.capture.wire import instant, wire_row, wire_value
from connectors.debezium.refusal import Refusal
from connectors.debezium.rows import Column, declared_plan
from translators.schema import LegacySchema, Table, Type, column_type
from translators.values import OutOfRange, Row, Value, key_text

_TIMES = ("date", "timestamp", "timestamptz")
_EPOCH: dict[str, str] = {
    "date": "1970-01-01",
    "timestamp": "1970-01-01 00:00:00",
    "timestamptz": "1970-01-01T00:00:00Z",
}
_OWN_FORM = ("bytea", "bit", "varbit", "time(", "time without")
"""Beginnings of PostgreSQL's types that expressions cannot look into, whose values its driver gives in a form of their own."""


class RowReader(Protocol):
    """Reads the rows of one table; `Refusal` for a value that its column cannot have."""

    def selected(self, name: str) -> ColumnElement[Any]:
        """What is asked of the database for a column."""

    def row(self, raw: Mapping[str, Any]) -> Row:
        """The row, typed as the feed's decoder types it."""

    def some(self, raw: Mapping[str, Any]) -> Row:
        """The values of some columns, typed in the same way."""

    def row_key(self, raw: Mapping[str, Any]) -> str:
        """The canonical text of its primary key."""


def row_reader(name: str, table: Table, schema: LegacySchema) -> RowReader:
    """The reader of a table of this legacy."""
    return SqliteRows(name, table, schema) if schema.connector == "sqlite" else DriverRows(name, table, schema)


class SqliteRows:
    """Of SQLite, as the capture would put them on the wire."""

    def __init__(self, name: str, table: Table, schema: LegacySchema) -> None:
        self._table = table
        self._plan = declared_plan(name, table, schema.encoding)

    def selected(self, name: str) -> ColumnElement[Any]:
        """See the port."""
        return column(name)

    def row(self, raw: Mapping[str, Any]) -> Row:
        """See the port."""
        return self._plan.row(self._wire(raw))

    def some(self, raw: Mapping[str, Any]) -> Row:
        """See the port."""
        return self._plan.only(self._wire(raw), tuple(raw))

    def row_key(self, raw: Mapping[str, Any]) -> str:
        """See the port."""
        return self._plan.key_of(self._wire({name: raw[name] for name in self._plan.key}), self._plan.key)

    def _wire(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Floats are as JSON's reader gives them."""
        wire = wire_row(self._table, raw)
        return {name: Decimal(repr(v)) if isinstance(v, float) else v for name, v in wire.items()}


class DriverRows:
    """Of PostgreSQL, MariaDB or MySQL, whose drivers have Python's own types."""

    def __init__(self, name: str, table: Table, schema: LegacySchema) -> None:
        # However the connector was told to write them: here nothing is rounded, and the values are the same.
        plain = msgspec.structs.replace(schema.encoding, decimal="string", time="adaptive", binary="bytes")
        self._plan = declared_plan(name, table, plain, schema.connector)
        self._table = table
        self._postgres = schema.connector == "postgresql"

    def selected(self, name: str) -> ColumnElement[Any]:
        """See the port; times as text, since Python's have no room for some of them, of which each driver makes its own.

        MariaDB's single-precision numbers are widened there, with their noise: their text is a rounded one.
        """
        kind, native = self._table.columns[name].kind, self._table.native[name]
        if kind == "float" and not self._postgres:
            return cast(column(name), Double)
        has_form = native.startswith(_OWN_FORM) or native == "time" or native.endswith("[]")
        if kind == "timestamptz" and not self._postgres:
            return func.concat(cast(column(name), Text), "+00:00")
        if kind in _TIMES or (self._postgres and kind == "opaque" and not has_form):
            return cast(column(name), Text)
        return column(name)

    def row(self, raw: Mapping[str, Any]) -> Row:
        """See the port."""
        return {name: self._value(found, raw[name]) for name, found in self._plan.columns.items()}

    def some(self, raw: Mapping[str, Any]) -> Row:
        """See the port."""
        return {name: self._value(self._plan.columns[name], value) for name, value in raw.items()}

    def row_key(self, raw: Mapping[str, Any]) -> str:
        """See the port."""
        columns = self._plan.columns
        try:
            return key_text(tuple(self._value(columns[name], raw[name]) for name in self._plan.key))
        except ValueError as error:
            raise Refusal("record.key-unusable", column=self._plan.key[0]) from error

    def _value(self, column: Column, value: Any) -> Value:
        if value is None:
            return None
        kind, native = self._table.columns[column.name], self._table.native[column.name]
        try:
            wire = wire_of(kind, native, value)
            if kind.kind in _TIMES and wire == value:
                if self._postgres or not isinstance(value, str):
                    return OutOfRange(str(value))
                # A day that no calendar has: the connector sends null, or 1970 where there can be none.
                return None if kind.nullable else column.read(wire_value(kind, native, _EPOCH[kind.kind]))
            return column.read(wire)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refusal("record.bad-value", str(column.wire), column=column.name) from error


def wire_of(kind: Type, native: str, value: Any) -> Any:
    """A driver's value as Debezium writes it: decimals as text, times adaptive, bytes as base64."""
    match value:
        case bool():
            return value
        case bytes() | bytearray() | memoryview():
            return _bytes(kind, native, bytes(value))
        case float():
            return Decimal(repr(value)) if math.isfinite(value) else _NOT_FINITE[str(value)]
        case Decimal():
            return format(value, "f") if value.is_finite() else str(value)
        case datetime() if kind.kind == "timestamptz":
            # MariaDB's have no zone of their own: the session's is UTC.
            return instant(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
        case date():
            return wire_value(kind, native, value.isoformat())
        case time() | timedelta():
            return _clock(native, value)
        case list():
            element = native.removesuffix("[]")
            return [None if one is None else wire_of(column_type(element), element, one) for one in value]
        case str() if kind.kind in _TIMES:
            return wire_value(kind, native, value)
        case str() if native.startswith(("bit", "varbit")):
            return _bits(native, int(value, 2))
        case int() if kind.kind in ("decimal", "wide") and native.lower() != "bigint unsigned":
            return str(value)
        case int():
            return value - 2**64 if value >= 2**63 else value
        case _:
            return str(value)


_NOT_FINITE = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}


def _bytes(kind: Type, native: str, value: bytes) -> Any:
    if native.startswith("bit"):
        return _bits(native, int.from_bytes(value, "big"))
    return value.decode() if kind.kind == "text" else base64.b64encode(value).decode("ascii")


def _bits(native: str, number: int) -> Any:
    """One bit is a truth value; more are bytes that begin with the lowest."""
    if native in ("bit", "bit(1)"):
        return bool(number)
    return base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8 or 1, "little")).decode("ascii")


def _clock(native: str, value: time | timedelta) -> int:
    if isinstance(value, time):
        value = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    micros = value // timedelta(microseconds=1)
    return micros // 1000 if native.endswith(("(0)", "(1)", "(2)", "(3)")) else micros
