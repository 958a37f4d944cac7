"""What people read: text without markup or control characters, errors in one tone, data as JSON Lines on request."""

from __future__ import annotations

import json
import re
import sys
import traceback
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO

from translators.errors import DragomanError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

OK, FINDINGS, FAILED = 0, 1, 2
"""The exit codes: all is well; something was found; it could not be done."""

Align = Literal["<", ">"]

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(value: object) -> str:
    """A value as one line of text that cannot move the cursor, colour the terminal or turn the writing direction."""
    text = str(value)
    if text.isascii() and text.isprintable():
        return text
    return _INVISIBLE.sub("\ufffd", " ".join(text.split("\n")).replace("\t", " ")).encode("utf-8", "replace").decode()


def console(stream: TextIO | None = None) -> Console:
    """A console that takes every text as it is: no markup, no emoji, no guessed colours."""
    from rich.console import Console

    return Console(file=stream or sys.stdout, markup=False, emoji=False, highlight=False, soft_wrap=True)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line of plain and styled (text, style) parts, each of them cleaned."""
    from rich.text import Text

    line = Text()
    for part in parts:
        text, style = part if isinstance(part, tuple) else (part, "")
        line.append(clean(text), style)
    return line


def say(*parts: str | tuple[str, str]) -> None:
    """One line to standard output."""
    console().print(styled(*parts))


def paragraph(text: str, indent: str = "  ", first: str | None = None) -> None:
    """A text wrapped to the width of the terminal, standard output."""
    for line in wrapped(text, console().width, indent, first):
        say(line)


def wrapped(text: str, width: int, indent: str, first: str | None = None) -> list[str]:
    """The lines of a text of cleaned words; `first` begins the first line in place of `indent`."""
    lines = [indent if first is None else first]
    room = max(width, 40)
    begun = False
    for word in clean(text).split():
        if begun and cells(lines[-1]) + 1 + cells(word) > room:
            lines.append(indent)
            begun = False
        lines[-1] += f" {word}" if begun else word
        begun = True
    return lines


def table(rows: Sequence[Sequence[str]], align: str, gap: str = "  ", indent: str = "  ") -> list[str]:
    """Rows of cells as lines of aligned columns; `align` has `<` or `>` for each column."""
    cleaned = [[clean(cell) for cell in row] for row in rows]
    widths = [max((cells(row[at]) for row in cleaned), default=0) for at in range(len(align))]
    lines = []
    for row in cleaned:
        padded = [_pad(cell, widths[at], align[at]) for at, cell in enumerate(row)]
        lines.append((indent + gap.join(padded)).rstrip())
    return lines


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, align: str) -> str:
    blank = " " * (width - cells(text))
    return blank + text if align == ">" else text + blank


def say_table(rows: Sequence[Sequence[str]], align: str, header: bool = True, indent: str = "  ") -> None:
    """An aligned table to standard output; its first row is a header."""
    for at, line in enumerate(table(rows, align, indent=indent)):
        say((line, "bold") if header and at == 0 else line)


def say_json(value: Any) -> None:
    """One JSON value as one line, never wrapped, whatever the terminal."""
    import msgspec

    plain = msgspec.to_builtins(value, enc_hook=str)
    sys.stdout.write(json.dumps(plain, ensure_ascii=False, default=str) + "\n")


def say_document(value: Any) -> None:
    """One JSON value as a file to be handed over: indented, and as it is."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say_lines(values: Iterable[Any]) -> None:
    """JSON Lines."""
    for value in values:
        say_json(value)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 key`, `2,310 keys`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def show_error(error: DragomanError) -> None:
    """An error as a person reads it: code, message, where, what to do. To standard error."""
    from dragoman.settings import masked

    err = console(sys.stderr)
    err.print(styled(("error ", "bold red"), (error.code, "bold")))
    said = [(masked(error.message), "  ", "  ")]
    if error.where is not None:
        said.append((error.where, "         ", "  where  "))
    said.append((masked(error.advice), "         ", "  next   "))
    for text, indent, first in said:
        for line in wrapped(text, err.width, indent, first):
            err.print(styled(line))


def show_defect(error: Exception) -> None:
    """An exception that nobody foresaw, with its traceback. To standard error."""
    err = console(sys.stderr)
    err.print(styled(("error ", "bold red"), ("dragoman.defect", "bold")))
    for line in wrapped(f"{type(error).__name__}: {error}", err.width, "  "):
        err.print(styled(line))
    err.print(styled("  next   This is a defect of Dragoman: please report it with what you did and these lines."))
    told = traceback.TracebackException.from_exception(error)
    # How typer came to call the command says nothing about the defect.
    told.stack = traceback.StackSummary.from_list([f for f in told.stack if "/typer/" not in f.filename])
    for line in "".join(told.format()).splitlines():
        err.print(styled(f"    {line}"))
