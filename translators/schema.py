"""The legacy schema as a value: tables, columns and their types, as `schema.yaml` tells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Connector = Literal["postgresql", "sqlite", "mariadb", "mysql"]
"""The connectors whose records are read, as their `source.connector` names them."""

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
    bigint_unsigned: Literal["long", "precise"] = "long"
    unavailable: str = "__debezium_unavailable_value"


class LegacySchema(msgspec.Struct, frozen=True, kw_only=True):
    """`schema.yaml`: `source` is the connector's topic prefix, `namespace` the database schema of unqualified names."""

    source: str
    connector: Connector
    namespace: str
    encoding: Encoding
    tables: Mapping[str, Table]


_TYPE = re.compile(
    r"(?P<name>[a-z][a-z0-9_ ]*[a-z0-9_]|[a-z])\s*(?:\(\s*(?P<a>\d+)\s*(?:,\s*(?P<b>-?\d+)\s*)?\))?(?P<array>(\[\])*)"
)
_ZONE = re.compile(r"(?i)\b(timestamp|time)\s*\((\d+)\)\s*(with|without) time zone")
_NOT_NULL = re.compile(r"(?i)\s+not null\Z")
_CHARSET = re.compile(r"(?i)\s+(?:character set|charset|collate) [a-z0-9_]+")
_UNSIGNED = re.compile(r"(?i)\s*(?:\(\s*(\d+(?:\s*,\s*\d+)?)\s*\))?\s+(?:unsigned(?: zerofill)?|zerofill)\Z")
_MEMBERS = re.compile(r"(?i)(enum|set)\s*\((\s*'(?:[^']|'')*'(?:\s*,\s*'(?:[^']|'')*')*\s*)\)")
_INTEGERS = {
    "smallint", "integer", "int", "bigint", "int2", "int4", "int8", "smallserial", "serial", "bigserial", "serial2",
    "serial4", "serial8", "tinyint", "mediumint", "tinyint unsigned", "smallint unsigned", "mediumint unsigned",
    "int unsigned", "integer unsigned", "year",
}  # fmt: skip
_TEXTS = {
    "varchar", "character varying", "text", "uuid", "inet", "cidr", "macaddr", "citext", "name", "enum", "set",
    "tinytext", "mediumtext", "longtext", "nvarchar",
}  # fmt: skip
_CHARS = {"char", "character", "bpchar", "nchar"}
_FLOATS = {"real", "double precision", "double", "float", "float4", "float8"}
_TIMESTAMPS = {"timestamp", "timestamp without time zone", "datetime"}
_ZONED = {"timestamptz", "timestamp with time zone"}
_MYSQL = {
    # What these words mean in MariaDB and MySQL, where PostgreSQL means something else by them.
    "timestamp": "timestamptz", "datetime": "timestamp", "float": "real", "real": "double precision",
    "serial": "bigint unsigned", "dec": "decimal", "fixed": "decimal", "numeric": "decimal",
}  # fmt: skip
_MYSQL_PRECISION = {"timestamp": "(0)", "timestamptz": "(0)", "time": "(0)", "decimal": "(10,0)"}
MAX_DECIMAL = 38


def source_type(text: str, connector: Connector = "postgresql") -> str:
    """A column's type in words that mean the same for every source; case, `enum` members and lengths stay as written.

    Precision stands last (`timestamptz(3)`), `not null`, character sets and display widths are left out, and what
    MariaDB and MySQL mean by a word is said with PostgreSQL's: their `timestamp` has a zone, their `float` is single.
    """
    words = _NOT_NULL.sub("", " ".join(text.split()))
    words = _ZONE.sub(lambda zone: f"{zone[1]}{'tz' if zone[3].lower() == 'with' else ''}({zone[2]})", words)
    words = _CHARSET.sub("", words)
    if connector in ("mariadb", "mysql"):
        return _in_mysql(words)
    return words


def _in_mysql(words: str) -> str:
    unsigned = _UNSIGNED.search(words)
    if unsigned is not None:
        words = words[: unsigned.start()]
    name, bracket, rest = words.partition("(")
    name = name.strip().lower()
    if name == "float" and ("," in rest or (rest[:2].isdigit() and int(rest[:2]) > 24)):
        return "double precision"
    name = _MYSQL.get(name, name)
    if name in ("real", "double precision", "double"):
        return name
    if unsigned is not None and name in ("decimal",):
        return f"decimal({unsigned[1]})" if unsigned[1] else "decimal(10,0)"
    if unsigned is not None:
        return f"{name} unsigned"
    return f"{name}{bracket}{rest}" if bracket else name + _MYSQL_PRECISION.get(name, "")


def members(native: str) -> tuple[str, ...]:
    """The members of `enum('a','b,c')` or `set(...)`; none if they are not written out."""
    match = _MEMBERS.fullmatch(native.strip())
    if match is None:
        return ()
    return tuple(found.replace("''", "'") for found in re.findall(r"'((?:[^']|'')*)'", match[2]))


def column_type(text: str) -> Type:
    """The language type of a column, from its declaration in SQL words: `char(10) not null`, `decimal(9,2)`.

    Types that expressions cannot look into (`bytea`, `json`, arrays, `interval`) are `opaque`. `ValueError` if the text
    is no type. Words that MariaDB and MySQL mean otherwise go through `source_type` first.
    """
    nullable = _NOT_NULL.search(text.rstrip()) is None
    words = source_type(text).lower()
    if _MEMBERS.fullmatch(words):
        return Type("text", nullable=nullable)
    unsigned = _UNSIGNED.search(words)
    if unsigned is not None:
        words = f"{words[: unsigned.start()]} unsigned"
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
    if name == "bigint unsigned":
        # Up to 18446744073709551615, which no 64-bit integer holds.
        return Type("decimal", 20, 0, nullable)
    if name in ("decimal", "numeric"):
        return _decimal(a, int(b or 0), nullable)
    if name in _CHARS:
        return Type("text", nullable=nullable, padded=True, length=int(a or 1))
    if name in _TEXTS:
        return Type("text", nullable=nullable, length=int(a or 0))
    kind = _PLAIN.get(name, "opaque")
    if name == "bit" and a in (None, "1"):
        kind = "boolean"
    return Type(kind, nullable=nullable)


_PLAIN: dict[str, Kind] = {
    **dict.fromkeys(_FLOATS, "float"),
    **dict.fromkeys(_TIMESTAMPS, "timestamp"),
    **dict.fromkeys(_ZONED, "timestamptz"),
    "boolean": "boolean",
    "bool": "boolean",
    "date": "date",
}


def _decimal(precision: str | None, scale: int, nullable: bool) -> Type:
    """A negative scale rounds to tens and hundreds: such a number has more digits and no decimals."""
    if precision is None:
        return Type("wide", nullable=nullable)
    digits = max(int(precision) - min(scale, 0), scale)
    if digits > MAX_DECIMAL:
        return Type("wide", nullable=nullable)
    return Type("decimal", digits, max(scale, 0), nullable)
