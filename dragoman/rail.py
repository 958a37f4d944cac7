"""How a history's lines are written: along a rail, items kept whole, values so that blanks and absence are seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.console import cells, clean, console, count, say, wrapped
from dragoman.histories import Masks
from dragoman.streams import word
from pipeline.provenance import ColumnChange

RAIL = "  │   "


def rail(text: str, first: str = RAIL, style: str = "") -> None:
    """A text, wrapped along the rail if `first`, which begins its first line, does."""
    indent = RAIL if first.startswith(RAIL) else ""
    indent += " " * (cells(first) - cells(indent))
    for line in wrapped(text, console().width, indent, first):
        say((line, style))


def flow(items: Sequence[str], indent: str = RAIL, style: str = "") -> None:
    """Items one after the other, none of them broken that fits a line."""
    room = max(console().width, 40)
    line = ""
    for at, item in enumerate(items):
        text = clean(item) + ("," if at < len(items) - 1 else "")
        if line and cells(indent) + cells(line) + 1 + cells(text) > room:
            rail(line, indent, style)
            line = ""
        line += f" {text}" if line else text
    rail(line, indent, style)


def shown(value: Any) -> str:
    """A field's value in one line; a list by its size, `-` for what is absent."""
    match value:
        case list():
            return count(len(value), "element")
        case _ if value is ...:
            return "-"
        case _:
            return word(value)


def plain(value: object) -> str:
    """A column's value; blanks at its ends are to be seen, for they matter."""
    if value is None:
        return "null"
    text = str(value)
    return repr(text) if text != text.strip() or not text else text


def column_change(masks: Masks, one: ColumnChange) -> str:
    """`column old → new`."""
    old, new = (plain(masks.column(one, value)) for value in (one.old, one.new))
    return f"{one.column} {old} → {new}" if old != new else f"{one.column} {new} (changed)"
