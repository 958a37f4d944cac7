"""Lines out of the texts in which MySQL and MariaDB send their values: column by column, since few values need anything done.

Having the server write them costs it three times as much as sending them does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from reconcile.mysql_rows import Texts
from translators.schema import Type

if TYPE_CHECKING:
    # pydantic, which comes with it, takes a seventh of the memory in which two tables are compared.
    from translators.contract import Shape

Values = Sequence[bytes]
Writer = Callable[[Values], Values]
"""Writes the values of one column that are not NULL."""

NULL = b"\\N"
CSV_NULL = b""

STRANGE = b"?"
"""In place of a value that the language has no room for: no column of such a kind shows it, so that it is looked at."""

_ESCAPES = (
    (b"\\", rb"\\"), (b"\b", rb"\b"), (b"\f", rb"\f"), (b"\n", rb"\n"), (b"\r", rb"\r"), (b"\t", rb"\t"), (b"\v", rb"\v"),
)  # fmt: skip
"""Backslashes first."""


def lines_of(rows: Texts, writers: Sequence[Writer], null: bytes = NULL) -> list[bytes]:
    """Rows as lines, each column by its writer."""
    columns = [_written(values, write, null) for values, write in zip(zip(*rows, strict=True), writers, strict=True)]
    return [line + b"\n" for line in map(b"\t".join, zip(*columns, strict=True))]


def _written(values: Sequence[bytes | None], write: Writer, null: bytes) -> Values:
    if None not in values:
        return write(values)  # type: ignore[arg-type]  # mypy does not see what was just asked
    written = write([b"" if value is None else value for value in values])
    return [null if value is None else text for value, text in zip(values, written, strict=True)]


def canonical_writer(kind: Type) -> Writer | None:
    """What writes a column as `reconcile.canonical` has it; `None` where that is no matter of texts."""
    match kind.kind:
        case "integer" | "date":
            return as_sent
        case "decimal" | "wide" | "timestamp" | "timestamptz":
            return _shortened
        case "boolean":
            return lambda values: [_BITS.get(value, value) for value in values]
        case "text":
            return _unpadded if kind.padded else escaped
        case _:
            return None


def view_writer(shape: Shape) -> Writer:
    """What writes a view's column as `reconcile.native_text` has it."""
    match shape.kind:
        case "text":
            return escaped
        case "boolean":
            return lambda values: [_LETTERS.get(value, value) for value in values]
        case "timestamptz":
            return _instants
        case _:
            return as_sent


def legacy_writer(kind: Type, shape: Shape) -> Writer:
    """What writes a legacy's column as the view's of this shape is written."""
    match kind.kind:
        case "text":
            return _unpadded if kind.padded else escaped
        case "boolean":
            return lambda values: [_LETTERS.get(value, STRANGE) for value in values]
        case "decimal" if shape.digits is not None and shape.places is not None:
            zeros = b"0" * (shape.places - kind.scale)
            more = zeros if kind.scale or not zeros else b"." + zeros
            return lambda values: [value + more for value in values] if more else values
        case "date":
            return lambda values: _of_calendars(values, values, STRANGE)
        case "timestamp" | "timestamptz":
            return lambda values: _of_calendars(values, _instants(values), STRANGE)
        case _:
            return as_sent


def csv_writer(kind: Type) -> Writer:
    """What writes a legacy's column for DuckDB to read, so that it has what the feed's decoder makes of it."""
    # The connector sends null for a day that no calendar has, or 1970 where there can be none.
    none = CSV_NULL if kind.nullable else _EPOCH.get(kind.kind, CSV_NULL)
    match kind.kind:
        case "text":
            return quoted
        case "boolean":
            return lambda values: [_LETTERS.get(value, STRANGE) for value in values]
        case "date" | "timestamp":
            return lambda values: _of_calendars(values, values, none)
        case "timestamptz":
            return lambda values: _of_calendars(values, [value + b"+00" for value in values], none)
        case _:
            return as_sent


def as_sent(values: Values) -> Values:
    """The text is the server's."""
    return values


def escaped(values: Values) -> Values:
    """Without what would end a column or a line."""
    whole = b"".join(values)
    for plain, escape in _ESCAPES:
        if plain in whole:
            values = [value.replace(plain, escape) for value in values]
    return values


def quoted(values: Values) -> Values:
    """In quotes, as CSV has it."""
    return [b'"' + value.replace(b'"', b'""') + b'"' for value in values]


def _unpadded(values: Values) -> Values:
    return escaped([value.rstrip(b" ") for value in values])


def _instants(values: Values) -> Values:
    return [value + b"+00" for value in _shortened(values)]


def _of_calendars(values: Values, written: Values, strange: bytes) -> Values:
    """What is written of times, and `strange` of those whose day no calendar has (`0000-00-00`)."""
    whole = b"".join(values)
    if b"-00" not in whole and b"0000" not in whole:
        return written
    return [strange if _is_no_day(value) else text for value, text in zip(values, written, strict=True)]


def _is_no_day(value: bytes) -> bool:
    return b"00" in (value[5:7], value[8:10]) or value[:4] == b"0000"


def _shortened(values: Values) -> Values:
    """Without zeros at the end of a fraction, and without its point if nothing is left of it."""
    return [value.rstrip(b"0").rstrip(b".") if _POINT in value else value for value in values]


_BITS = {b"\x00": b"0", b"\x01": b"1"}
"""What BIT(1) comes as."""

_POINT = ord(".")
"""A byte is looked for several times as fast as a text of one."""

_LETTERS = {b"0": b"f", b"1": b"t", b"\x00": b"f", b"\x01": b"t"}
"""What BOOLEAN and BIT(1) come as, in PostgreSQL's letters."""

_EPOCH = {"date": b"1970-01-01", "timestamp": b"1970-01-01 00:00:00", "timestamptz": b"1970-01-01 00:00:00+00"}
