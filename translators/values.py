"""What a legacy column may hold once it is decoded, and how it is written as text.

A column has three kinds of value: a value, null (`None`), and *unavailable*: the source did not send it.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import msgspec


class Unavailable(msgspec.Struct, frozen=True):
    """The source did not send this value; `reason` says why (for example `toast`)."""

    reason: str


class OutOfRange(msgspec.Struct, frozen=True):
    """The source holds a value that the language has no room for (infinity, a BC date, NaN); `text` is what it sent."""

    text: str


class Opaque(msgspec.Struct, frozen=True):
    """A value of a type that expressions cannot look into: it is passed through and compared as its text."""

    text: str


Value = (
    str
    | int
    | float
    | bool
    | Decimal
    | date
    | datetime
    | time
    | timedelta
    | bytes
    | Opaque
    | Unavailable
    | OutOfRange
    | None
)
Row = dict[str, Value]


def key_text(parts: tuple[Value, ...]) -> str:
    """The one canonical text of a key: its columns joined by `/`.

    `%` and `/` inside a column are percent-encoded, so that no two keys share a text. A null, an unavailable or an
    opaque value is no key: `ValueError`.
    """
    return "/".join([key_part(part) for part in parts])


def key_part(value: Value) -> str:
    """The canonical text of one key column; text keeps its case, decimals keep their scale, dates are ISO 8601."""
    kind = type(value)
    if kind is str:
        text = str(value)
    elif kind is int:
        return str(value)
    elif kind in (Decimal, date):
        text = format(value, "f") if isinstance(value, Decimal) else str(value)
    elif isinstance(value, datetime):
        text = value.isoformat()
    elif isinstance(value, bool):
        return "true" if value else "false"
    else:
        raise ValueError(f"{value!r} cannot be part of a key")
    if not text.isascii():
        text.encode()  # a lone surrogate is no key: UnicodeEncodeError is a ValueError
    if "%" in text or "/" in text:
        return text.replace("%", "%25").replace("/", "%2F")
    return text


def key_parts(text: str) -> tuple[str, ...]:
    """The columns of a canonical key, each as its text."""
    return tuple(part.replace("%2F", "/").replace("%25", "%") for part in text.split("/"))
