"""Canonical lines as MySQL and MariaDB write them: their drivers take ten times as long for a row's values as for one text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CHAR, ColumnElement, LargeBinary, case, cast, func, literal, literal_column

from translators.schema import Type

_ESCAPES = (("\\", r"\\"), ("\b", r"\b"), ("\f", r"\f"), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"), ("\v", r"\v"))
"""Backslashes first."""


def line_by_mysql(columns: Sequence[tuple[ColumnElement[Any], Type]]) -> ColumnElement[bytes] | None:
    """A row as one canonical line without its end, in a session on UTC's clock; `None` where a column's kind has no text there.

    Its value is NULL where a line is longer than the server's `max_allowed_packet`.
    """
    texts = [_text(value, kind) for value, kind in columns]
    if any(text is None for text in texts):
        return None
    # Bytes: the driver would decode a text, to be encoded again.
    return cast(func.concat_ws("\t", *[func.coalesce(text, literal(r"\N")) for text in texts]), LargeBinary)


def _text(value: ColumnElement[Any], kind: Type) -> ColumnElement[str] | None:
    match kind.kind:
        case "integer":
            return cast(value, CHAR)
        case "decimal" | "wide" | "timestamp" | "timestamptz":
            return _shortened(cast(value, CHAR))
        case "boolean":
            # The sum makes a number of BIT(1).
            return cast(value + literal(0), CHAR)
        case "date":
            return cast(value, CHAR)
        case "text":
            text = func.convert(value.op("USING")(literal_column("utf8mb4")))
            return _escaped(func.rtrim(text) if kind.padded else text)
        case _:
            return None


def _shortened(text: ColumnElement[str]) -> ColumnElement[str]:
    """Without zeros at the end of a fraction, and without its point if nothing is left of it."""
    trimmed = text
    for last in ("0", "."):
        trimmed = func.trim(literal_column(f"TRAILING '{last}'").op("FROM")(trimmed))
    return case((func.locate(literal("."), text) > literal(0), trimmed), else_=text)


def _escaped(text: ColumnElement[str]) -> ColumnElement[str]:
    for plain, escape in _ESCAPES:
        text = func.replace(text, literal(plain), literal(escape))
    return text
