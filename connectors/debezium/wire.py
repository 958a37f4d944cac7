"""How a value stands on the wire: Connect type, semantic name and parameters, as the record or `schema.yaml` tells."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from connectors.debezium.refusal import Refusal
from translators.schema import Encoding, members

DECIMAL = "org.apache.kafka.connect.data.Decimal"
VARIABLE_DECIMAL = "io.debezium.data.VariableScaleDecimal"
BITS = "io.debezium.data.Bits"
HEX, BASE64, BASE64_URL = "binary.hex", "binary.base64", "binary.base64-url-safe"
DECIMAL_TEXT = "decimal.text"
DECIMAL_DOUBLE = "decimal.double"
UNSIGNED = "int64.unsigned"
"""Names of our own, for what the wire shows as plain strings and numbers but a column's declared type tells apart."""

ESCAPED = "enum.escaped"
"""An enum of MariaDB or MySQL, which may write a comma inside a member as `\\,` (from DDL) or as it is (a snapshot)."""

ENUM, SET, JSON = "io.debezium.data.Enum", "io.debezium.data.EnumSet", "io.debezium.data.Json"

MAX_SCALE = 20_000
"""Beyond the scale of any database's numbers (PostgreSQL: 16,383): few bytes must not mean gigabytes of zeros."""
MAX_BITS = 1_000_000
MAX_DEPTH = 20


class Wire(msgspec.Struct, frozen=True):
    """One type on the wire: `type` is Connect's (`any` where unknown), `name` the semantic name.

    `scale` belongs to decimals, `length` to bits (0: as many as there are), `items` to arrays (and the values of maps),
    `fields` to structs, `members` to enums.
    """

    type: str
    name: str = ""
    scale: int = 0
    length: int = 0
    items: Wire | None = None
    fields: tuple[tuple[str, Wire], ...] = ()
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type} ({self.name})" if self.name else self.type


def parse_wire(schema: Any, depth: int = 0) -> Wire:
    """The type that a Connect schema in JSON tells; `Refusal` if it is none."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        raise Refusal("record.bad-schema", "a type is no mapping, or nested too deeply")
    kind, name = schema.get("type"), schema.get("name")
    if not isinstance(kind, str) or not isinstance(name, str | None):
        raise Refusal("record.bad-schema", "a type has no name")
    inner = schema.get("items" if kind == "array" else "values") if kind in ("array", "map") else None
    return make_wire(
        kind,
        name or "",
        schema.get("parameters"),
        items=None if inner is None else parse_wire(inner, depth + 1),
        fields=_fields(schema, depth) if kind == "struct" else (),
    )


def make_wire(
    kind: str, name: str, parameters: Any, items: Wire | None, fields: tuple[tuple[str, Wire], ...] = ()
) -> Wire:
    """A wire type from what a schema says of it; `Refusal` if its parameters are not within their limits."""
    return Wire(
        type=kind,
        name=name,
        scale=_parameter(parameters, "scale", MAX_SCALE) if name == DECIMAL else 0,
        length=_parameter(parameters, "length", MAX_BITS) if name == BITS else 0,
        items=items,
        fields=fields,
        members=_allowed(parameters) if name == ENUM else (),
    )


def _fields(schema: dict[str, Any], depth: int) -> tuple[tuple[str, Wire], ...]:
    fields = schema.get("fields")
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise Refusal("record.bad-schema", "a struct has no fields")
    found = tuple((field.get("field"), parse_wire(field, depth + 1)) for field in fields)
    if len({name for name, _ in found if isinstance(name, str)}) != len(found):
        raise Refusal("record.bad-schema", "a field has no name of its own")
    return found


def _parameter(parameters: Any, key: str, limit: int) -> int:
    text = parameters.get(key) if isinstance(parameters, dict) else None
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,9}", text) or abs(int(text)) > limit:
        raise Refusal("record.bad-schema", f"the {key} of a type is no number within its limits")
    return int(text)


_MEMBER = re.compile(r"(?:[^\\,]|\\.)+", re.DOTALL)


def _allowed(parameters: Any) -> tuple[str, ...]:
    """The members that an enum's schema tells, `a,b\\,c`: a comma inside a member is escaped."""
    text = parameters.get("allowed") if isinstance(parameters, dict) else None
    if not isinstance(text, str):
        return ()
    return tuple(found.replace("\\,", ",") for found in _MEMBER.findall(text))


_INTEGERS = {
    "tinyint": "int16", "tinyint unsigned": "int16",
    "smallint": "int16", "int2": "int16", "smallserial": "int16", "serial2": "int16",
    "smallint unsigned": "int32", "mediumint": "int32", "mediumint unsigned": "int32",
    "integer": "int32", "int": "int32", "int4": "int32", "serial": "int32", "serial4": "int32",
    "int unsigned": "int64", "integer unsigned": "int64",
    "bigint": "int64", "int8": "int64", "bigserial": "int64", "serial8": "int64", "oid": "int64",
}  # fmt: skip
_STRINGS = {
    "char", "character", "bpchar", "varchar", "character varying", "text", "citext", "name", "inet", "cidr", "isbn",
    "tinytext", "mediumtext", "longtext", "nchar", "nvarchar", "macaddr", "macaddr8",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
}  # fmt: skip
_NAMED = {
    "uuid": Wire("string", "io.debezium.data.Uuid"),
    "json": Wire("string", "io.debezium.data.Json"),
    "jsonb": Wire("string", "io.debezium.data.Json"),
    "xml": Wire("string", "io.debezium.data.Xml"),
    "ltree": Wire("string", "io.debezium.data.Ltree"),
    "tsvector": Wire("string", "io.debezium.data.Tsvector"),
    "real": Wire("float"),
    "float4": Wire("float"),
    "double": Wire("double"),
    "double precision": Wire("double"),
    "float": Wire("double"),
    "float8": Wire("double"),
    "boolean": Wire("boolean"),
    "bool": Wire("boolean"),
    "timestamptz": Wire("string", "io.debezium.time.ZonedTimestamp"),
    "timestamp with time zone": Wire("string", "io.debezium.time.ZonedTimestamp"),
    "timetz": Wire("string", "io.debezium.time.ZonedTime"),
    "time with time zone": Wire("string", "io.debezium.time.ZonedTime"),
    "interval": Wire("any", "io.debezium.time.Interval"),
    "year": Wire("int32", "io.debezium.time.Year"),
    "enum": Wire("string", ENUM),
    "set": Wire("string", SET),
}
_DATES = {"connect": "org.apache.kafka.connect.data.Date", "isostring": "io.debezium.time.IsoDate"}
_BINARY = {
    "bytes": Wire("bytes"),
    "hex": Wire("string", HEX),
    "base64": Wire("string", BASE64),
    "base64-url-safe": Wire("string", BASE64_URL),
}
_BLOBS = {"bytea", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_NATIVE = re.compile(r"([a-z][a-z0-9_ ]*?)\s*(?:\((\d+)(?:\s*,\s*(-?\d+))?\))?((?:\[\])*)")


def native_wire(native: str, encoding: Encoding) -> Wire:
    """How a connector with these settings writes a column that the source declares so.

    `any` where that cannot be told (extension types, `money`, whose scale is a setting).
    """
    words = " ".join(native.lower().split())
    if words.startswith(("enum", "set")) and members(native):
        return Wire("string", ENUM if words.startswith("enum") else SET, members=members(native))
    match = _NATIVE.fullmatch(words)
    if match is None:
        return Wire("any")
    name, first, second, array = match[1], match[2], match[3], match[4]
    if array:
        inner = native_wire(native.strip().removesuffix("[]"), encoding)
        return Wire("array", items=inner)
    if name in _INTEGERS:
        return Wire(_INTEGERS[name])
    if name in _STRINGS:
        return Wire("string")
    if name in ("decimal", "numeric"):
        return _decimal(first, second, encoding)
    if name in ("bit", "bit varying", "varbit"):
        return _bits(name, first)
    if name in ("date", "time", "time without time zone", "timestamp", "timestamp without time zone", "datetime"):
        return _temporal(name.split()[0], 6 if first is None else int(first), encoding.time)
    if name in _BLOBS:
        return _BINARY[encoding.binary]
    if name == "bigint unsigned":
        return Wire("bytes", DECIMAL) if encoding.bigint_unsigned == "precise" else Wire("int64", UNSIGNED)
    return _NAMED.get(name, Wire("any"))


def _decimal(precision: str | None, scale: str | None, encoding: Encoding) -> Wire:
    if encoding.decimal == "string":
        return Wire("string", DECIMAL_TEXT)
    if encoding.decimal == "double":
        return Wire("double", DECIMAL_DOUBLE)
    if precision is None:
        return Wire("struct", VARIABLE_DECIMAL)
    # PostgreSQL keeps a scale in eleven bits, and the connector takes a negative one for 2048 less.
    return Wire("bytes", DECIMAL, scale=int(scale or 0) % 2048)


def _bits(name: str, length: str | None) -> Wire:
    if name == "bit" and length in (None, "1"):
        return Wire("boolean")
    return Wire("bytes", BITS, length=min(int(length or 0), MAX_BITS) if name == "bit" else 0)


def _temporal(name: str, precision: int, mode: str) -> Wire:
    if name == "date":
        return Wire("string" if mode == "isostring" else "int32", _DATES.get(mode, "io.debezium.time.Date"))
    kind = "Time" if name == "time" else "Timestamp"
    if mode == "isostring":
        return Wire("string", f"io.debezium.time.Iso{kind}")
    if mode == "connect":
        return Wire("int32" if kind == "Time" else "int64", f"org.apache.kafka.connect.data.{kind}")
    if mode == "nanoseconds":
        return Wire("int64", f"io.debezium.time.Nano{kind}")
    always_micro = mode == "microseconds" or (mode == "adaptive_time_microseconds" and kind == "Time")
    if always_micro or precision > 3:
        return Wire("int64", f"io.debezium.time.Micro{kind}")
    return Wire("int32" if kind == "Time" else "int64", f"io.debezium.time.{kind}")
