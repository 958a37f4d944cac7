"""Rows of one table: how each column is read, worked out once from `schema.yaml` and from the schema in the records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from connectors.debezium import codec, numbers
from connectors.debezium.codec import TOAST, Placeholder, Read
from connectors.debezium.refusal import Refusal
from connectors.debezium.sources import SOURCES
from connectors.debezium.wire import (
    BASE64,
    BASE64_URL,
    BITS,
    DECIMAL,
    DECIMAL_DOUBLE,
    ENUM,
    ESCAPED,
    HEX,
    JSON,
    UNSIGNED,
    Wire,
    native_wire,
)
from translators.change import Drift
from translators.schema import Encoding, Kind, Table, Type
from translators.values import OutOfRange, Row, Unavailable, key_text

_FLAGS = (Unavailable, OutOfRange)
_NEVER_FLAGGED = {"integer", "boolean"}


class Column(NamedTuple):
    """How one column is read: `field` is its name in the record, which may be an adjusted one."""

    name: str
    field: str
    wire: Wire
    declared: Type | None
    kind: Kind
    read: Read
    nullable: bool


class RowPlan:
    """Reads rows and keys of one table, given as JSON held them.

    `key` holds the primary key's columns as `schema.yaml` names them (none: the record's key is taken as it is), `full`
    says whether old rows are whole. `skipped` are fields of the record that enter no row, `drift` says why.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        table: Table | None,
        hidden: Placeholder,
        skipped: Sequence[str] = (),
        drift: Drift | None = None,
    ) -> None:
        self.name = name
        self.skipped = tuple(skipped)
        self.drift = drift
        self.fields = frozenset([*(column.field for column in columns), *skipped])
        self.hidden = hidden
        self.columns = {column.name: column for column in columns}
        self.key: tuple[str, ...] = () if table is None else table.key
        self.key_fields = frozenset(self.columns[one].field if one in self.columns else one for one in self.key)
        self.full = table is not None and table.replica_identity == "full"
        self.key_proven = table is None or table.replica_identity in ("full", "default")
        self.hiding = tuple([column.name for column in columns if codec.hides_null(column.wire)])
        self._reads = [(column.name, column.field, column.read, column.nullable) for column in columns]
        self._flagged = [column.name for column in columns if column.kind not in _NEVER_FLAGGED]

    def row(self, raw: dict[str, Any]) -> Row:
        """The whole row, in the order of the columns."""
        row: Row = {}
        name = ""
        try:
            for name, field, read, nullable in self._reads:
                value = raw[field]
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
            raise Refusal("record.bad-value", str(self.columns[name].wire), column=name) from error
        return row

    def with_hidden(self, row: Row) -> Row:
        """The new row of an update without full images: nulls that may stand for values not sent are not available."""
        for name in self.hiding:
            if row[name] is None:
                row[name] = TOAST
        return row

    def flagged(self, row: Row) -> tuple[str, ...]:
        """The columns whose value is not available or out of range."""
        return tuple([name for name in self._flagged if type(row[name]) in _FLAGS])

    def only(self, raw: dict[str, Any], names: Sequence[str]) -> Row:
        """The values of these columns, which are part of a key."""
        found: Row = {}
        name, columns = "", self.columns
        try:
            for name in names:
                column = columns[name]
                value = raw[column.field]
                found[name] = None if value is None else column.read(value)
        except KeyError as error:
            raise Refusal("record.key-columns", column=name) from error
        except codec.NulInText as error:
            raise Refusal("record.bad-text", column=name) from error
        except (ValueError, TypeError, ArithmeticError) as error:
            raise Refusal("record.bad-value", str(columns[name].wire), column=name) from error
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


def declared_plan(
    name: str,
    table: Table,
    encoding: Encoding,
    connector: str = "postgresql",
    sent: Iterable[str] | None = None,
    needed: Collection[str] | None = None,
) -> RowPlan:
    """The plan for records without schema: `schema.yaml` tells the types; columns it does not have are skipped.

    `sent` are the fields that a row has, if not those that are declared; those that are `needed` (none told: all) must be
    among them.
    """
    sent = table.columns if sent is None else list(sent)
    _check_needed(table, sent, sent, needed)
    wires = {column: native_wire(native, encoding) for column, native in table.native.items() if column in sent}
    return _plan(name, wires, dict(zip(wires, wires, strict=True)), table, encoding, connector, sent, needed)


def sent_plan(
    name: str,
    sent: Mapping[str, Wire],
    table: Table | None,
    encoding: Encoding,
    connector: str = "postgresql",
    needed: Collection[str] | None = None,
) -> RowPlan:
    """The plan for records with their schema: it must have each column of `schema.yaml` that is needed, and may have more."""
    fields = {field: field for field in sent} if table is None else _fields(sent, table, needed)
    wires = {column: sent[field] for column, field in fields.items()}
    return _plan(name, wires, fields, table, encoding, connector, sent, needed)


def _fields(sent: Mapping[str, Wire], table: Table, needed: Collection[str] | None) -> dict[str, str]:
    """Each declared column with the field that holds it, in the order of the record.

    A connector with `field.name.adjustment.mode` renames columns; an adjusted name that two columns share is none.
    """
    adjusted = Counter(adjusted_name(column) for column in table.columns)
    found: dict[str, str] = {}
    for column in table.columns:
        other = adjusted_name(column)
        if column in sent:
            found[column] = column
        elif other in sent and other not in table.columns and adjusted[other] == 1:
            found[column] = other
    _check_needed(table, found, [field for field in sent if field not in found.values()], needed)
    columns = {field: column for column, field in found.items()}
    return {columns[field]: field for field in sent if field in columns}


def _check_needed(table: Table, found: Container[str], sent: Iterable[str], needed: Collection[str] | None) -> None:
    """`Refusal` for a column that is needed and was not sent; a column that is not declared may be its new name."""
    for column in table.columns:
        if column not in found and (needed is None or column in needed or column in table.key):
            others = [field for field in sent if field not in table.columns]
            news = f"; it has {', '.join(others)}, which schema.yaml does not know" if others else ""
            raise Refusal("record.column-missing", news, column=column)


def adjusted_name(name: str) -> str:
    """The name that Debezium gives a column where Avro's rules bind it: `1st` is `_1st`, `a.b` is `a_b`."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return f"_{plain}" if plain[:1].isdigit() else plain


def _plan(
    name: str,
    wires: Mapping[str, Wire],
    fields: Mapping[str, str],
    table: Table | None,
    encoding: Encoding,
    connector: str,
    sent: Collection[str],
    needed: Collection[str] | None,
) -> RowPlan:
    hidden = Placeholder(encoding.unavailable)
    form = SOURCES.get(connector)
    columns = []
    retyped = []
    for column, wire in wires.items():
        # A comma in a member is escaped by some connectors only, and one of them does so on one of two ways in.
        if wire.name == ENUM and form is not None and form.escapes_enums:
            wire = msgspec.structs.replace(wire, name=ESCAPED)
        try:
            columns.append(_column(column, fields[column], wire, table, encoding, hidden))
        except Refusal:
            if table is None or needed is None or column in needed or column in table.key:
                raise
            retyped.append(column)
    if table is None:
        return RowPlan(name, columns, None, hidden)
    used = {column.field for column in columns}
    skipped = [field for field in sent if field not in used]
    drift = Drift(
        added=tuple([field for field in skipped if field not in {fields[column] for column in retyped}]),
        missing=tuple([column for column in table.columns if column not in fields]),
        retyped=tuple(retyped),
    )
    return RowPlan(name, columns, table, hidden, skipped, None if drift == Drift() else drift)


def _column(name: str, field: str, wire: Wire, table: Table | None, encoding: Encoding, hidden: Placeholder) -> Column:
    declared = None if table is None else table.columns.get(name)
    if table is None or declared is None:
        _, read = codec.reader(wire, hidden)
        return Column(name, field, wire, None, "opaque", read, True)
    wire = _told(wire, table.native[name], encoding, name)
    return Column(name, field, wire, declared, declared.kind, _fitted(name, declared, wire, hidden), declared.nullable)


def _told(wire: Wire, native: str, encoding: Encoding, column: str) -> Wire:
    """The wire type, completed by what only the declaration tells: binary as text, the length of bits, no sign."""
    expected = native_wire(native, encoding)
    plain = wire.type == "string" and not wire.name
    if plain and expected.name in (HEX, BASE64, BASE64_URL):
        return expected
    if plain and expected.type == "bytes" and not expected.name:
        raise Refusal("record.type-mismatch", f"text on the wire, but schema.yaml says {native}", column=column)
    unsigned = wire.type == "int64" and not wire.name and native.lower() == "bigint unsigned"
    if unsigned:
        return Wire("int64", UNSIGNED)
    return expected if wire.name == BITS == expected.name else wire


def _fitted(column: str, declared: Type, wire: Wire, hidden: Placeholder) -> Read:
    """The reader of a declared column; `Refusal` where wire and declaration cannot both be right."""
    kind, read = codec.reader(wire, hidden)
    if declared.kind == "opaque":
        return read if kind == "opaque" else codec.opaque_reader(read)
    found: Read | None = None
    if declared.kind == "text" and (kind == "text" or wire.name == JSON):
        # MariaDB's JSON is a text, and is called JSON only on one of two ways in.
        found = read if wire.name == ESCAPED else codec.text_reader(hidden, padded=declared.padded)
    elif declared.kind in ("decimal", "wide"):
        found = _decimal(declared, wire, kind, read)
    elif {declared.kind, kind} == {"integer", "boolean"}:
        # So is a BOOL of MariaDB on one way a truth value and on the other 0 or 1.
        found = numbers.boolean if declared.kind == "boolean" else numbers.truth
    elif declared.kind == kind:
        found = read
    if found is None:
        raise Refusal("record.type-mismatch", f"{wire} on the wire, but schema.yaml says {declared}", column=column)
    return found


def _decimal(declared: Type, wire: Wire, kind: Kind, read: Read) -> Read | None:
    fixed = declared.kind == "decimal"
    if fixed and wire.name == DECIMAL and wire.scale == declared.scale:
        return numbers.declared_unscaled(declared.precision, declared.scale)
    if wire.name == UNSIGNED:
        return read
    if kind == "integer" or (kind == "text" and not wire.name):
        read = numbers.decimal_text
    elif kind == "float" or wire.name == DECIMAL_DOUBLE:
        if not fixed:
            return None
        read = numbers.decimal_double(declared.precision)
    elif kind not in ("decimal", "wide"):
        return None
    return numbers.declared_decimal(read, declared.precision, declared.scale) if fixed else read
