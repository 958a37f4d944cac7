"""The legacy schema as a value: tables, columns and their types, as `schema.yaml` tells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal[
    "integer",
    "decimal",
    "wide",
    "float",
    "text",
    "date",
    "timestamp",
    "timestamptz",
    "boolean",
    "opaque",
    "object",
    "list",
]


class Type(msgspec.Struct, frozen=True):
    """A static type of the mapping language.

    `precision` and `scale` belong to decimals (at most 38 digits; more is `wide`); `length` to text where a limit is
    known; `padded` marks CHAR, whose trailing blanks are no data. `nullable` false lets generated code drop its guards.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    nullable: bool = True
    padded: bool = False
    length: int = 0

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind == "text" and self.length:
            return f"{'char' if self.padded else 'varchar'}({self.length})"
        return self.kind


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One legacy table: its columns in order, the primary key, who owns it, and how the source images its rows.

    `native` holds each column's type as the source spells it (`timestamp(3)`, `bytea`): what decodes the wire needs it.
    """

    name: str
    columns: Mapping[str, Type]
    native: Mapping[str, str]
    key: tuple[str, ...]
    context: str | None = None
    replica_identity: Literal["full", "default", "index", "nothing"] = "full"


class Encoding(msgspec.Struct, frozen=True, kw_only=True):
    """How the connector was told to write values that plain JSON cannot tell apart (Debezium's handling modes)."""

    decimal: Literal["precise", "string", "double", "numeric"] = "precise"
    time: Literal["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"] = (
        "adaptive"
    )
    binary: Literal["bytes", "base64", "base64-url-safe", "hex"] = "bytes"
    unavailable: str = "__debezium_unavailable_value"


class LegacySchema(msgspec.Struct, frozen=True, kw_only=True):
    """`schema.yaml`: `source` is the connector's topic prefix, `namespace` the database schema of unqualified names."""

    source: str
    connector: Literal["postgresql", "sqlite"]
    namespace: str
    encoding: Encoding
    tables: Mapping[str, Table]


_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9 ]*[a-z0-9]|[a-z])\s*(?:\((?P<a>\d+)(?:\s*,\s*(?P<b>\d+))?\))?(?P<array>(\[\])*)"
)
_INTEGERS = {"smallint", "integer", "int", "bigint", "int2", "int4", "int8", "smallserial", "serial", "bigserial"}
_TEXTS = {"varchar", "character varying", "text", "uuid", "inet", "cidr", "macaddr", "citext", "name", "enum"}
_FLOATS = {"real", "double precision", "double", "float", "float4", "float8"}
_TIMESTAMPS = {"timestamp", "timestamp without time zone", "datetime"}
_ZONED = {"timestamptz", "timestamp with time zone"}
MAX_DECIMAL = 38


def column_type(text: str) -> Type:
    """The language type of a column, from its declaration in SQL words: `char(10) not null`, `decimal(9,2)`.

    Types that expressions cannot look into (`bytea`, `json`, arrays, `interval`) are `opaque`. `ValueError` if the text
    is no type.
    """
    words = text.strip().lower()
    nullable = True
    if words.endswith(" not null"):
        nullable, words = False, words.removesuffix(" not null").strip()
    match = _TYPE.fullmatch(words)
    if match is None:
        raise ValueError(f"{text!r} is no column type")
    name, a, b = match["name"], match["a"], match["b"]
    if match["array"]:
        return Type("opaque", nullable=nullable)
    return _named(name, a, b, nullable)


def _named(name: str, a: str | None, b: str | None, nullable: bool) -> Type:
    if name in _INTEGERS:
        return Type("integer", nullable=nullable)
    if name in ("decimal", "numeric"):
        if a is None or int(a) > MAX_DECIMAL:
            return Type("wide", nullable=nullable)
        return Type("decimal", int(a), int(b or 0), nullable)
    if name in ("char", "character", "bpchar"):
        return Type("text", nullable=nullable, padded=True, length=int(a or 1))
    if name in _TEXTS:
        return Type("text", nullable=nullable, length=int(a or 0))
    if name in _FLOATS:
        return Type("float", nullable=nullable)
    if name in ("boolean", "bool"):
        return Type("boolean", nullable=nullable)
    if name == "bit" and a in (None, "1"):
        return Type("boolean", nullable=nullable)
    if name == "date":
        return Type("date", nullable=nullable)
    if name in _TIMESTAMPS:
        return Type("timestamp", nullable=nullable)
    if name in _ZONED:
        return Type("timestamptz", nullable=nullable)
    return Type("opaque", nullable=nullable)
