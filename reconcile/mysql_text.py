"""Lines out of the texts in which MySQL and MariaDB send their values: column by column, since few values need anything done.

Having the server write them costs it three times as much as sending them does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconcile.mysql_rows import Texts
from translators.schema import Type

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
        case "text" if kind.padded:
            return lambda values: escaped([value.rstrip(b" ") for value in values])
        case "text":
            return escaped
        case _:
            return None


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


def _shortened(values: Values) -> Values:
    """Without zeros at the end of a fraction, and without its point if nothing is left of it."""
    return [value.rstrip(b"0").rstrip(b".") if b"." in value else value for value in values]


_BITS = {b"\x00": b"0", b"\x01": b"1"}
"""What BIT(1) comes as."""
