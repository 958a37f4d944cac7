"""The everyday row, read in a straight line: one generated function for each table's rows and one for its keys.

They give what `RowPlan` gives, or nothing: whatever is unusual (a value out of range, a wrong type, a missing column)
raises, and then the plan reads the record step by step and finds out what it is. In JSON, a record whose text holds the
placeholder or an escaped character (`\\u`) is no everyday record: `is_plain` tells, once for the whole record.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

import msgspec

from connectors.debezium import numbers, times
from connectors.debezium.avro import json_like
from connectors.debezium.codec import CONNECT, TIME
from connectors.debezium.rows import Column, RowPlan
from connectors.debezium.wire import DECIMAL, ESCAPED
from translators.values import OutOfRange, Row, Unavailable, Value, key_part

Form = Literal["json", "avro"]

EXPECTED = (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, msgspec.DecodeError, RecursionError)
"""What a generated function raises where it is not sure."""

_INT = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_SHORT = Annotated[str, msgspec.Meta(max_length=40)]
_SHORT_BYTES = 40
"""Longer numbers are not kept, so that the cache of amounts stays small."""
_LONG = 200_000
_escaped = re.compile(rb"\\u").search
"""Finds two bytes in a third of the time that `in` takes."""
_DIRECT = re.compile(r"[ !#$&-.0-\[\]-~]{8,}")
"""A placeholder that JSON and keys write as it is."""

_STAMPS = {
    f"{TIME}Timestamp": 1_000,
    f"{CONNECT}Timestamp": 1_000,
    f"{TIME}MicroTimestamp": 1_000_000,
    f"{TIME}NanoTimestamp": 1_000_000_000,
}
_DATES = (f"{TIME}Date", f"{CONNECT}Date")


def is_plain(record: bytes, hidden: bytes) -> bool:
    """Whether a JSON record's texts may be taken as they are: no placeholder, no U+0000, no way to hide either.

    Nor is a record so long that a number in it may have more digits than a database can hold.
    """
    return hidden not in record and _escaped(record) is None and len(record) < _LONG


def odd() -> NoReturn:
    """What the code calls where a record is not an everyday one."""
    raise ValueError("not an everyday record")


class _Way(NamedTuple):
    """How one column is read: the type that msgspec checks in JSON, and the expression over `{v}` for either form."""

    type: Any
    json: str
    avro: str


_AS_IS = "{v}"
_JOIN = " + '/' + "


def _way(column: Column, scope: dict[str, Any]) -> _Way:
    """The way of a column; functions that it needs go into the scope under a name of the column's own."""
    wire, declared, name = column.wire, column.declared, f"c{len(scope)}"
    kind = None if declared is None else declared.kind
    if kind == "integer" and wire.type.startswith("int"):
        return _Way(_INT, _AS_IS, _AS_IS)
    if kind == "boolean" and wire.type == "boolean":
        return _Way(bool, _AS_IS, _AS_IS)
    if kind == "text" and wire.type == "string" and wire.name != ESCAPED and declared is not None:
        strip = ".rstrip(' ')" if declared.padded else ""
        return _Way(str, "{v}" + strip, "({v}" + strip + " if '\\0' not in {v} else odd())")
    if kind == "float" and wire.type == "double":
        return _Way(float, "{v} + 0.0", "({v} + 0.0 if {v} - {v} == 0 else odd())")
    if kind == "decimal" and wire.name == DECIMAL and declared is not None and wire.scale == declared.scale:
        scope[name] = _decimals(declared.precision, declared.scale, base64=True)
        scope[f"{name}b"] = _decimals(declared.precision, declared.scale, base64=False)
        return _Way(_SHORT, f"{name}({{v}})", f"{name}b({{v}})")
    if kind == "date" and wire.name in _DATES:
        scope[name] = times.sure_day
        return _Way(_INT, f"{name}({{v}})", f"{name}({{v}})")
    if kind == "timestamp" and wire.name in _STAMPS:
        scope[name] = times.sure_timestamp(_STAMPS[wire.name])
        return _Way(_INT, f"{name}({{v}})", f"{name}({{v}})")
    if kind == "timestamptz" and wire.name == f"{TIME}ZonedTimestamp":
        scope[name] = times.sure_zoned
        return _Way(_SHORT, f"{name}({{v}})", f"{name}({{v}})")
    return _any_way(column, name, scope)


def _any_way(column: Column, name: str, scope: dict[str, Any]) -> _Way:
    read, wire = column.read, column.wire

    def sure(value: Any) -> Value:
        found = read(value)
        return odd() if isinstance(found, Unavailable | OutOfRange) else found

    scope[name] = sure
    scope[f"{name}b"] = lambda value: sure(json_like(wire, value))
    return _Way(Any, f"{name}({{v}})", f"{name}b({{v}})")


@cache
def _decimals(precision: int, scale: int, *, base64: bool) -> Callable[[Any], Value]:
    limit = 10**precision

    # Old and new rows, and rows beside each other, mostly hold the same amounts.
    @lru_cache(maxsize=4096)
    def read(value: Any) -> Value:
        data = a2b_base64(value, strict_mode=True) if base64 else value
        number = int.from_bytes(data, "big", signed=True)
        return numbers.EXACT.scaleb(number, -scale) if len(data) <= _SHORT_BYTES and -limit < number < limit else odd()

    return read


class FastRows:
    """The generated functions of one table: `row` reads an image, `key` a record's key."""

    def __init__(self, row: Callable[[Any], Row], key: Callable[[Any], str], source: str) -> None:
        self.row = row
        self.key = key
        self.source = source


def fast_rows(plan: RowPlan, form: Form) -> FastRows | None:
    """The functions for this plan; `None` where no record of it is an everyday one."""
    if not plan.key or not _DIRECT.fullmatch(plan.hidden.text):
        return None
    scope: dict[str, Any] = {"odd": odd, "hidden": plan.hidden.text}
    ways = {name: _way(column, scope) for name, column in plan.columns.items()}
    key_columns = [plan.columns[name] for name in plan.key]
    make = _json_source if form == "json" else _avro_source
    try:
        source = make(list(plan.columns.values()), key_columns, ways, scope, plan.skipped)
    except ValueError:
        # A column's name that JSON escapes is no name of a struct's field.
        return None
    scope["part"] = key_part
    exec(compile(source, f"<rows of {plan.name}>", "exec"), scope)  # noqa: S102  # made here of indices and quoted names
    return FastRows(scope["row"], scope["key"], source)


def _json_source(
    columns: list[Column], keys: list[Column], ways: dict[str, _Way], scope: dict[str, Any], skipped: Sequence[str]
) -> str:
    scope["decode"], scope["decode_key"] = _decoder(columns, ways, skipped), _decoder(keys, ways, certain=True)
    items = [f"{c.name!r}: {_json_value(c, f's.f{i}', ways[c.name])}" for i, c in enumerate(columns)]
    parts = [_part(ways[c.name], ways[c.name].json.format(v=f"s.f{i}")) for i, c in enumerate(keys)]
    return "\n".join(
        [
            "def row(raw):",
            "    s = decode(raw)",
            *_dict(items),
            "def key(raw):",
            r"    if b'\\' in raw: odd()",
            "    s = decode_key(raw)",
            f"    t = {_JOIN.join(parts)}",
            "    return t if hidden not in t else odd()",
        ]
    )


def _avro_source(
    columns: list[Column], keys: list[Column], ways: dict[str, _Way], scope: dict[str, Any], skipped: Sequence[str]
) -> str:
    items = [f"{c.name!r}: {_value(c, f'r[{c.field!r}]', ways[c.name].avro)}" for c in columns]
    parts = [_part(ways[c.name], ways[c.name].avro.format(v=f"r[{c.field!r}]")) for c in keys]
    # Text is the one thing that is taken as it is and may yet be a placeholder.
    texts = "".join(f"r[{c.field!r}], " for c in columns if ways[c.name].type is str)
    return "\n".join(
        [
            "def row(r):",
            f"    if hidden in ({texts}): odd()",
            *_dict(items),
            "def key(r):",
            f"    t = {_JOIN.join(parts)}",
            "    return t if hidden not in t else odd()",
        ]
    )


def _decoder(
    columns: Sequence[Column], ways: dict[str, _Way], skipped: Sequence[str] = (), *, certain: bool = False
) -> Callable[[bytes], Any]:
    fields: list[tuple[str, Any, Any]] = []
    for at, column in enumerate(columns):
        kind = ways[column.name].type
        optional = column.nullable and not certain and kind is not Any
        fields.append((f"f{at}", kind | None if optional else kind, msgspec.field(name=column.field)))
    # A field that is passed over would not be looked at either, and the careful way might refuse it.
    fields += [(f"x{at}", Any, msgspec.field(name=field)) for at, field in enumerate(skipped)]
    struct = msgspec.defstruct("Everyday", fields, gc=False, forbid_unknown_fields=True)
    return msgspec.json.Decoder(struct, float_hook=Decimal).decode


def _json_value(column: Column, source: str, way: _Way) -> str:
    # A column that is never null was checked when the row was parsed.
    sure = not column.nullable and way.type is not Any
    return way.json.format(v=source) if sure else _value(column, source, way.json)


def _value(column: Column, source: str, way: str) -> str:
    if way == _AS_IS and column.nullable:
        return source
    if column.nullable:
        return f"None if (v := {source}) is None else {way.format(v='v')}"
    return f"{way.format(v='v')} if (v := {source}) is not None else odd()"


def _part(way: _Way, value: str) -> str:
    """One column of a key: a whole number is its own canonical text."""
    return f"str({value})" if way.type is _INT and way.json == _AS_IS else f"part({value})"


def _dict(items: Iterable[str]) -> list[str]:
    return ["    return {", *[f"        {item}," for item in items], "    }"]
