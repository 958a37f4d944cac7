"""`dragoman functions`: what a mapping's expressions can say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from dragoman.commands.options import JsonOption
from dragoman.console import cells, console, paragraph, say, say_json, wrapped
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from translators.expression.arguments import Entry

_WIDEST = 32
"""Columns of a terminal that a form may take beside its meaning; a longer one has a line of its own."""


class FunctionUnknown(DragomanError):
    """There is no function or operator {name}{suggestion}"""

    code: ClassVar[str] = "functions.unknown"
    hint: ClassVar[str] = "{fix}"


def functions(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One of them, whole: TO_DATE, 'IS NULL', '||'.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the functions and operators of a mapping's expressions.

    Without a name all of them, by kind. With one its form and meaning, what it does with NULL, how a row can fail, and
    examples.
    """
    from translators.expression.catalogue import SECTIONS

    chosen = None if name is None else _named(name)
    told = [(title, [one for one in entries if chosen is None or one in chosen]) for title, entries in SECTIONS]
    if as_json:
        for title, entries in told:
            for entry in entries:
                say_json(_as_data(title, entry))
    elif chosen is None:
        _say_all(told)
    else:
        _say_whole(chosen)


def _named(name: str) -> list[Entry]:
    from translators.expression.catalogue import INSTEAD
    from translators.expression.reference import entries_named, names

    found = entries_named(name)
    if found:
        return found
    advice = INSTEAD.get(name.upper())
    suggestion = "" if advice else did_you_mean(name.upper(), names())
    raise FunctionUnknown(name=name, suggestion=suggestion, fix=advice or "`dragoman functions` shows them all.")


def _as_data(title: str, entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": title,
        "signature": entry.signature,
        "meaning": entry.meaning,
        "nulls": entry.nulls,
        "errors": entry.errors,
        "examples": entry.examples,
    }


def _say_all(sections: list[tuple[str, list[Entry]]]) -> None:
    widths = [cells(entry.signature) for _, entries in sections for entry in entries]
    width = max(one for one in widths if one <= _WIDEST)
    for title, entries in sections:
        say((title, "bold"))
        for entry in entries:
            _say_line(entry, width)
        say()
    say("`dragoman functions NAME` shows one of them with its examples.")


def _say_line(entry: Entry, width: int) -> None:
    """The form and the first sentence of the meaning."""
    indent = " " * (width + 4)
    fits = cells(entry.signature) <= width
    if not fits:
        say("  ", (entry.signature, "cyan"))
    first = f"  {entry.signature:<{width}}  " if fits else indent
    sentence = entry.meaning.split(". ", 1)[0].rstrip(".")
    for number, line in enumerate(wrapped(sentence, console().width, indent, first)):
        say((line[: len(indent)], "" if number else "cyan"), line[len(indent) :])


def _say_whole(entries: list[Entry]) -> None:
    from translators.expression.reference import columns_told, example_told, nulls_told

    for entry in entries:
        say((entry.signature, "bold"))
        paragraph(entry.meaning)
        say()
        paragraph(nulls_told(entry), "            ", "  NULL      ")
        if entry.errors:
            paragraph(f"a row is rejected by {', '.join(entry.errors)}", "            ", "  errors    ")
        for number, example in enumerate(entry.examples):
            say("            " if number else "  examples  ", (example_told(example), "cyan"))
        say()
    paragraph(columns_told(), "", "")
