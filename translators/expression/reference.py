"""The catalogue told to people: as the page docs/functions.md, and entry by entry for `dragoman functions`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from translators.expression.arguments import Entry, Example
from translators.expression.catalogue import CATALOGUE, EXAMPLE_COLUMNS, INSTEAD, SECTIONS

_HEAD = """# Functions and operators

What a mapping's expressions can say. This page is made from the catalogue in the code, and every example is run by the
tests; `dragoman functions` shows the same at the terminal. An expression has one meaning: in the stream, in a check and in
the database.

An error rejects the change, with the code named here. NULL wins over an error in another operand.
"""
_ALSO = {"!=": "<>"}
"""Operators with a second spelling."""

_WORD = re.compile(r"[A-Z][A-Z0-9_]*|[^\sA-Za-z0-9\[\](),.]+")
_QUOTED = re.compile(r"'[^']*'")
_OPTIONAL = re.compile(r"\[[^\]]*\]")


def page() -> str:
    """All entries as a Markdown page: what they take and mean, what they do with NULL, how a row can fail, examples."""
    lines = [_HEAD, f"{columns_told('`')} `part` has the same.", ""]
    for title, entries in SECTIONS:
        lines += [f"## {title}", ""]
        for entry in entries:
            lines += [f"### `{entry.signature}`", "", entry.meaning, "", f"* NULL: {nulls_told(entry)}"]
            if entry.errors:
                lines.append(f"* a row is rejected by {', '.join(f'`{code}`' for code in entry.errors)}")
            lines += ["", "```sql", *(example_told(example) for example in entry.examples), "```", ""]
    lines += ["## Written otherwise elsewhere", "", "| elsewhere | here |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(advice)} |" for name, advice in sorted(INSTEAD.items())]
    return "\n".join(lines) + "\n"


def entries_named(name: str) -> list[Entry]:
    """The entries that a word is about: those in whose form it stands (`ROUND`, `is not null`, `-`), its own first.

    None if there is no such word. Words that may be left out (`[NOT]`) count only where they are part of no other form.
    """
    name = _ALSO.get(name, name.upper())
    wanted = set(name.split())
    for optional in (False, True):
        found = [entry for entry in CATALOGUE.values() if wanted and wanted <= set(_words(entry, optional))]
        if found:
            return sorted(found, key=lambda entry: entry.name != name)
    return [CATALOGUE[name]] if name in CATALOGUE else []


def names() -> list[str]:
    """Every word by which an entry is found, and those of other databases for which there is advice."""
    words = {word for entry in CATALOGUE.values() for word in _words(entry, True)}
    return sorted({*CATALOGUE, *words, *INSTEAD, *_ALSO})


def _words(entry: Entry, optional: bool) -> Iterator[str]:
    form = _QUOTED.sub(" ", entry.signature)
    if not optional:
        form = _OPTIONAL.sub(" ", form)
    yield from _WORD.findall(form)


def columns_told(mark: str = "") -> str:
    """The columns that the examples read; `mark` stands around each name."""
    columns = ", ".join(f"{mark}{name}{mark} {kind}" for name, kind in EXAMPLE_COLUMNS.items())
    return f"Columns of the examples: {columns}; what is not said of one is NULL."


def nulls_told(entry: Entry) -> str:
    """What an entry does with NULL."""
    return "strict: NULL if an argument is NULL" if entry.nulls == "strict" else entry.nulls


def example_told(example: Example) -> str:
    """An example as a line of SQL with its value behind it."""
    given = ", ".join(f"{name} = {_value(value)}" for name, value in example.given.items())
    return f"{example.text}  -- {_value(example.value)}" + (f", where {given}" if given else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _value(value: object) -> str:
    """A value as a person reads it; the rows of a part and states as `{column: value}`."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case str():
            return f"'{value}'"
        case list():
            return f"[{', '.join(_value(one) for one in value)}]"
        case dict():
            return f"{{{', '.join(f'{name}: {_value(one)}' for name, one in value.items())}}}"
        case _:
            return str(value)
