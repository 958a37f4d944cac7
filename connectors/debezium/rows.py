"""Rows of one table: how each column is read, worked out once from `schema.yaml` and from the schema in the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.debezium import codec, numbers
from connectors.debezium.codec import TOAST, Placeholder, Read
from connectors.debezium.refusal import Refusal
from connectors.debezium.wire import (
    BASE64,
    BASE64_URL,
    BITS,
    DECIMAL,
    DECIMAL_DOUBLE,
    HEX,
    Wire,
    native_wire,
)
from translators.schema import Encoding, Kind, Table, Type
from translators.values import OutOfRange, Row, Unavailable, key_text

_FLAGS = (Unavailable, OutOfRange)
_NEVER_FLAGGED = {"integer", "boolean"}


class RowPlan:
    """Reads rows and keys of one table.

    `key` holds the primary key's columns as `schema.yaml` names them (none: the record's key is taken as it is), `full`
    says whether old rows are whole.
    """

    def __init__(self, name: str, wires: Mapping[str, Wire], table: Table | None, encoding: Encoding) -> None:
        self.name = name
        self.key: tuple[str, ...] = () if table is None else table.key
        self.key_set = frozenset(self.key)
        self.full = table is not None and table.replica_identity == "full"
        self.key_proven = table is None or table.replica_identity in ("full", "default")
        hidden = Placeholder(encoding.unavailable)
        self._columns: list[tuple[str, Read, bool]] = []
        self._reads: dict[str, tuple[Read, Wire]] = {}
        self._flagged: list[str] = []
        self._hiding: list[str] = []
        for column, wire in wires.items():
            self._add(column, wire, table, encoding, hidden)

    def _add(self, column: str, wire: Wire, table: Table | None, encoding: Encoding, hidden: Placeholder) -> None:
        declared = None if table is None else table.columns.get(column)
        if table is None or declared is None:
            read, kind, nullable = codec.reader(wire, hidden)[1], "opaque", True
        else:
            wire = _told(wire, table.native[column], encoding, column)
            read, kind, nullable = _fitted(column, declared, wire, hidden), declared.kind, declared.nullable
        self._columns.append((column, read, nullable))
        self._reads[column] = (read, wire)
        if kind not in _NEVER_FLAGGED:
            self._flagged.append(column)
        if codec.hides_null(wire):
            self._hiding.append(column)

    def row(self, raw: dict[str, Any]) -> Row:
        """The whole row, in the order of the columns."""
        row: Row = {}
        name = ""
        try:
            for name, read, nullable in self._columns:
                value = raw[name]
                if value is not None:
                    row[name] = read(value)
                elif nullable:
                    row[name] = None
                else:
                    raise Refusal("record.null-value", column=name)
        except KeyError as error:
            raise Refusal("record.column-missing", column=name) from error
        except codec.NulInText as error:
            raise Refusal("record.bad-text", column=name) from error
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refusal("record.bad-value", str(self._reads[name][1]), column=name) from error
        return row

    def with_hidden(self, row: Row) -> Row:
        """The new row of an update without full images: nulls that may stand for values not sent are not available."""
        for name in self._hiding:
            if row[name] is None:
                row[name] = TOAST
        return row

    def flagged(self, row: Row) -> tuple[str, ...]:
        """The columns whose value is not available or out of range."""
        return tuple([name for name in self._flagged if type(row[name]) in _FLAGS])

    def only(self, raw: dict[str, Any], names: Sequence[str]) -> Row:
        """The values of these columns, which are part of a key."""
        found: Row = {}
        name, reads = "", self._reads
        try:
            for name in names:
                value = raw[name]
                found[name] = None if value is None else reads[name][0](value)
        except KeyError as error:
            raise Refusal("record.key-columns", column=name) from error
        except codec.NulInText as error:
            raise Refusal("record.bad-text", column=name) from error
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refusal("record.bad-value", str(reads[name][1]), column=name) from error
        return found

    def key_of(self, raw: dict[str, Any], names: Sequence[str]) -> str:
        """The canonical text of these columns."""
        values = self.only(raw, names).values()
        try:
            return key_text(tuple(values))
        except ValueError as error:
            ill = next((name for name, value in zip(names, values, strict=True) if not _in_key(value)), names[0])
            raise Refusal("record.key-unusable", column=ill) from error


def _in_key(value: Any) -> bool:
    try:
        key_text((value,))
    except ValueError:
        return False
    return True


def declared_plan(name: str, table: Table, encoding: Encoding) -> RowPlan:
    """The plan for records without schema: `schema.yaml` tells the types; columns it does not have are skipped."""
    wires = {column: native_wire(native, encoding) for column, native in table.native.items()}
    return RowPlan(name, wires, table, encoding)


def sent_plan(name: str, sent: Mapping[str, Wire], table: Table | None, encoding: Encoding) -> RowPlan:
    """The plan for records with their schema: it must have each column that `schema.yaml` has, and may have more."""
    missing = [column for column in (() if table is None else table.columns) if column not in sent]
    if missing:
        raise Refusal("record.column-missing", column=missing[0])
    return RowPlan(name, sent, table, encoding)


def _told(wire: Wire, native: str, encoding: Encoding, column: str) -> Wire:
    """The wire type, completed by what only the declaration tells: binary as text, the varying length of bits."""
    expected = native_wire(native, encoding)
    plain = wire.type == "string" and not wire.name
    if plain and expected.name in (HEX, BASE64, BASE64_URL):
        return expected
    if plain and expected.type == "bytes" and not expected.name:
        raise Refusal("record.type-mismatch", f"text on the wire, but schema.yaml says {native}", column=column)
    return expected if wire.name == BITS == expected.name else wire


def _fitted(column: str, declared: Type, wire: Wire, hidden: Placeholder) -> Read:
    """The reader of a declared column; `Refusal` where wire and declaration cannot both be right."""
    kind, read = codec.reader(wire, hidden)
    if declared.kind == "opaque":
        return read if kind == "opaque" else codec.opaque_reader(read)
    if declared.kind == "text" and kind == "text":
        return codec.text_reader(hidden, padded=declared.padded)
    if declared.kind in ("decimal", "wide"):
        found = _decimal(declared, wire, kind, read)
        if found is not None:
            return found
    elif declared.kind == kind:
        return read
    raise Refusal("record.type-mismatch", f"{wire} on the wire, but schema.yaml says {declared}", column=column)


def _decimal(declared: Type, wire: Wire, kind: Kind, read: Read) -> Read | None:
    fixed = declared.kind == "decimal"
    if fixed and wire.name == DECIMAL and wire.scale == declared.scale:
        return numbers.declared_unscaled(declared.precision, declared.scale)
    if kind == "integer" or (kind == "text" and not wire.name):
        read = numbers.decimal_text
    elif kind == "float" or wire.name == DECIMAL_DOUBLE:
        if not fixed:
            return None
        read = numbers.decimal_double(declared.precision)
    elif kind not in ("decimal", "wide"):
        return None
    return numbers.declared_decimal(read, declared.precision, declared.scale) if fixed else read
