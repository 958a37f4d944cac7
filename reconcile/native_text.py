"""The text that PostgreSQL's COPY writes of a view's own columns, as DuckDB and Python write it too.

The view's types are those that its projection gives them (`pipeline.projection.types`), so that each value has one text:

| field | column | text |
|---|---|---|
| text | text, varchar | as it is |
| integer | bigint | digits |
| decimal | numeric(p, s) | all s places; text where the contract leaves digits open |
| boolean | boolean | t, f |
| date | date | 2026-11-20 |
| timestamptz | timestamptz | 2026-11-20 06:14:00.5+00, in a session on UTC's clock |

A line is the key (its length first, where keys are numbers), the fields, and of each list a mark and its elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from pipeline.projection.check import shape_at
from reconcile.canonical import line
from reconcile.content import Content, ViewShape
from translators.contract import Shape
from translators.schema import Type

LIST, ELEMENT = b"\\[", b"\\;"
"""What stands before a list and behind each of its elements: COPY never writes these."""


class NotOfItsKind(Exception):
    """A value is not of its column's kind, so that no database writes it there."""


_BY_LENGTH = (Type("integer"), Type("text"))
_BY_TEXT = (Type("text"),)


class KeyOrder(msgspec.Struct, frozen=True):
    """The order of both sides: by code point, or for whole numbers by length first, which is by size."""

    by_length: bool

    @property
    def key(self) -> tuple[Type, ...]:
        """The columns that a line begins with."""
        return _BY_LENGTH if self.by_length else _BY_TEXT

    def key_of(self, text: str) -> tuple[int | str, ...]:
        """A business key as it is compared."""
        return (len(text), text) if self.by_length else (text,)


class LineShape(msgspec.Struct, frozen=True):
    """The fields of a line with what their contract says of them, and the lists with theirs."""

    fields: Mapping[str, Shape]
    lists: Mapping[str, Mapping[str, Shape]]

    @classmethod
    def of(cls, view: ViewShape, contract: Mapping[str, Shape]) -> LineShape:
        """The line of a view of a contract."""
        return cls(
            {path: shape_at(contract, path) for path in view.fields},
            {
                path: {name: shape_at(shape_at(contract, path).fields, name) for name in inner}
                for path, inner in view.lists.items()
            },
        )

    def all(self) -> Iterator[tuple[str, Shape]]:
        """Every field, those of lists by list and field."""
        yield from self.fields.items()
        for path, inner in self.lists.items():
            for name, shape in inner.items():
                yield f"{path}.{name}", shape


def native_line(key: Sequence[int | str], content: Content | None, shape: LineShape) -> bytes:
    """A thing as a line; of what the mapping refuses (no content), and of what no view can hold, one that no view has."""
    texts: list[str | None] = [str(part) for part in key]
    if content is not None:
        try:
            return _whole_line(texts, content, shape)
        except NotOfItsKind:
            pass  # values say how it differs
    return line(texts)


def _whole_line(key: list[str | None], content: Content, shape: LineShape) -> bytes:
    head = line([*key, *[native_text(content.fields[path], of) for path, of in shape.fields.items()]])
    found = [head.removesuffix(b"\n")]
    for path, inner in shape.lists.items():
        found.append(b"\t" + LIST)
        for element in content.lists[path]:
            found.append(line([native_text(element[name], of) for name, of in inner.items()]).removesuffix(b"\n"))
            found.append(ELEMENT)
    return b"".join(found) + b"\n"


def native_text(value: Any, shape: Shape) -> str | None:
    """A value as PostgreSQL would write it; `NotOfItsKind`."""
    match shape.kind, value:
        case _, None:
            return None
        case "text", str():
            return value
        case "integer", int() if not isinstance(value, bool):
            return str(value)
        case "decimal", Decimal():
            return _decimal(value, shape)
        case "boolean", bool():
            return "t" if value else "f"
        case "timestamptz", datetime():
            return _instant(value)
        case "date", date() if not isinstance(value, datetime):
            return value.isoformat()
        case _:
            raise NotOfItsKind


def _decimal(value: Decimal, shape: Shape) -> str:
    text = format(abs(value) if value == 0 else value, "f")
    if shape.digits is None or shape.places is None:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(shape.places, "0")
    return f"{whole}.{fraction}" if fraction else whole


def _instant(value: datetime) -> str:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    text = moment.replace(tzinfo=None).isoformat(sep=" ")
    return f"{text.rstrip('0') if moment.microsecond else text}+00"
