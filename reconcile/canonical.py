"""The one text that each value has on every side, so that rows of different databases are compared as bytes.

A row is a line as PostgreSQL's COPY writes it (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"): its
columns between tabs, NULL as `\\N`, so that it is no empty text, and backslashes before what would end a column or a line.

| kind | text |
|---|---|
| integer | digits |
| decimal, wide | digits, no exponent, no trailing zeros, no `-0`: nothing is rounded |
| text | as it is; of CHAR without trailing blanks, which are no data |
| boolean | 1, 0 |
| date | 2026-11-20 |
| timestamp, timestamptz | 2026-11-20 06:14:00.5: no trailing zeros; instants on UTC's clock |
| float | its eight IEEE bytes in hexadecimal; -0 is 0, and there is one NaN |
| opaque | text as it is, bytes as `\\x00ff` |

PostgreSQL, MySQL and MariaDB write these texts themselves; of other databases the driver's values are rendered here. A date
that no calendar has (`0000-00-00`, `infinity`) keeps the text of its database, and so equals only itself.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, Text, cast, func, literal

from translators.schema import Type

_ESCAPES = str.maketrans(
    {"\\": r"\\", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"},
)
_PLAIN = {r"\\": "\\", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v"}
_NULL = r"\N"
_TRUTH: dict[object, int] = {"t": 1, "f": 0}
"""What PostgreSQL writes."""


class NotOfItsKind(ValueError):
    """A driver gave a value that its column's declared type cannot have."""


def by_postgres(value: ColumnElement[Any], kind: Type) -> ColumnElement[Any]:
    """The text as PostgreSQL computes it, with DateStyle ISO, bytea_output hex and the zone UTC."""
    match kind.kind:
        case "decimal" | "wide":
            return cast(func.trim_scale(value), Text)
        case "text" if kind.padded:
            return func.rtrim(cast(value, Text), " ")
        case "boolean":
            return cast(cast(value, Integer), Text)
        case "timestamptz":
            return cast(func.timezone("UTC", value), Text)
        case "float":
            # The sum makes 0 of -0.
            return func.encode(func.float8send(cast(value, Double) + literal(0, Double)), "hex")
        case _:
            # As it stands: COPY writes the text itself, and a cast would cost as much again.
            return value


def renderer(kind: Type) -> Callable[[object], str]:
    """What makes the text of a driver's values that are not NULL; it may raise `NotOfItsKind`."""
    match kind.kind:
        case "integer":
            return _integer
        case "decimal" | "wide":
            return _decimal
        case "boolean":
            return _boolean
        case "date":
            return _date
        case "timestamp":
            return lambda value: _time(value, instant=False)
        case "timestamptz":
            return lambda value: _time(value, instant=True)
        case "float":
            return _float
        case "text" if kind.padded:
            return lambda value: _text(value).rstrip(" ")
        case _:
            return _text


def line(texts: list[str | None]) -> bytes:
    """A row's texts as one line."""
    return ("\t".join([_NULL if text is None else text.translate(_ESCAPES) for text in texts]) + "\n").encode()


def texts_of(row: bytes) -> tuple[str | None, ...]:
    """The texts of a line."""
    columns = row.decode().removesuffix("\n").split("\t")
    return tuple([None if column == _NULL else _unescaped(column) for column in columns])


def _unescaped(column: str) -> str:
    if "\\" not in column:
        return column
    found, at = [], 0
    while at < len(column):
        width = 2 if column[at] == "\\" else 1
        found.append(_PLAIN.get(column[at : at + width], column[at : at + width]))
        at += width
    return "".join(found)


def _integer(value: object) -> str:
    if not isinstance(value, int):
        raise NotOfItsKind
    return str(int(value))


def _decimal(value: object) -> str:
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation as error:
        raise NotOfItsKind from error
    if not number.is_finite():
        return str(number)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _boolean(value: object) -> str:
    # MySQL's BIT(1) arrives as a byte.
    number = int.from_bytes(value, "big") if isinstance(value, bytes) else _TRUTH.get(value, value)
    if number not in (0, 1):
        raise NotOfItsKind
    return "1" if number else "0"


def _text(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)


def _date(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _time(value: object, *, instant: bool) -> str:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    if instant and found.tzinfo is not None:
        found = found.astimezone(UTC)
    text = found.replace(tzinfo=None).isoformat(sep=" ")
    return text.rstrip("0") if found.microsecond else text


def _float(value: object) -> str:
    if not isinstance(value, int | float):
        raise NotOfItsKind
    number = math.nan if math.isnan(value) else value + 0.0
    return struct.pack(">d", number).hex()
