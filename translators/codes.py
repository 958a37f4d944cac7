"""Code tables in files: CSV text to codes, those in force on a day, and CODE bound to the table of the right day.

A file has the columns `code` and `meaning`, and may have `from` and `to`: the first and the last day on which a code
means that, both included; an empty cell leaves that side open. Cells are separated by commas; blanks around a cell do not
count, unless it stands in double quotes. A line `# dragoman: ...` is a note to lint about the next line, and no code.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from translators.errors import DragomanError
from translators.expression import types
from translators.expression.bound import Aggregate, Bound, Call, Constant
from translators.yaml_text import Mark, did_you_mean, place


class CodesMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "codes.malformed"
    hint: ClassVar[str] = "{fix}"


class DatedCode(NamedTuple):
    """What a code means from a first to a last day, both included; `None` leaves that side open."""

    code: str
    meaning: str
    first: date | None
    last: date | None

    def holds(self, day: date | None) -> bool:
        """Whether it is in force on a day; `None` is the day before all that are named."""
        if day is None:
            return self.first is None
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class CodeFile:
    """The codes of a file: those that always mean the same, and those that do on some days."""

    entries: Mapping[str, str]
    dated: tuple[DatedCode, ...]
    places: Mapping[str, Mark]
    """Where each code's meaning stands; its first one, if it has several."""


class _Cell(NamedTuple):
    text: str
    mark: Mark


_PLAIN = re.compile(r'[^,"\r\n]*')
_QUOTED = re.compile(r'[ \t]*"((?:[^"]|"")*)"[ \t]*')
_BREAK = re.compile(r"\r\n|\r|\n")
_NOTE = re.compile(r"[ \t]*#[ \t]*dragoman:[^\r\n]*(?:\r\n|\r|\n|$)")
_COLUMNS = ("code", "meaning", "from", "to")


def read_codes(text: str, file: str) -> CodeFile:
    """The codes of a CSV text. `CodesMalformed` with file, line and column at the first thing that is wrong."""
    return _Reader(text.removeprefix("\ufeff"), file).codes()


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._lines = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._dated: dict[str, list[DatedCode]] = {}

    def codes(self) -> CodeFile:
        rows = self._rows()
        header = next(rows, None)
        if header is None:
            raise self._wrong("the file is empty", Mark(1, 1), "Begin it with the line `code,meaning`.")
        columns = self._columns(header)
        entries: dict[str, str] = {}
        places: dict[str, Mark] = {}
        for row in rows:
            code, mark = self._code(row, columns)
            places.setdefault(code.code, row[columns.index("meaning")].mark)
            self._check_twice(code, mark, entries)
            if code.first is None and code.last is None:
                entries[code.code] = code.meaning
            else:
                self._dated.setdefault(code.code, []).append(code)
        if not entries and not self._dated:
            raise self._wrong("the file has no codes", header[0].mark, "Write one line for each code.")
        return CodeFile(entries, tuple(code for codes in self._dated.values() for code in codes), places)

    def _columns(self, header: list[_Cell]) -> list[str]:
        names = [cell.text for cell in header]
        for cell in header:
            if cell.text not in _COLUMNS or names.count(cell.text) > 1:
                said = f"{cell.text!r} is no column of a code table, or stands twice"
                near = did_you_mean(cell.text, _COLUMNS)
                raise self._wrong(
                    said, cell.mark, f"The columns are code, meaning and, if needed, from and to{near or '.'}"
                )
        for name in _COLUMNS[:2]:
            if name not in names:
                raise self._wrong(f"there is no column {name}", header[0].mark, "Begin the file with `code,meaning`.")
        return names

    def _code(self, row: list[_Cell], columns: list[str]) -> tuple[DatedCode, Mark]:
        if len(row) != len(columns):
            said = f"this line has {len(row)} cell{'s' if len(row) > 1 else ''}, the first has {len(columns)}"
            raise self._wrong(said, row[0].mark, "Put a text that holds a comma into double quotes.")
        cells = dict(zip(columns, row, strict=True))
        first, last = (self._day(cells.get(name)) for name in ("from", "to"))
        if first is not None and last is not None and last < first:
            raise self._wrong(
                f"the last day {last} is before the first {first}", cells["to"].mark, "Correct one of them."
            )
        return DatedCode(cells["code"].text, cells["meaning"].text, first, last), cells["code"].mark

    def _day(self, cell: _Cell | None) -> date | None:
        if cell is None or not cell.text:
            return None
        try:
            return date.fromisoformat(cell.text)
        except ValueError as error:
            raise self._wrong(f"{cell.text!r} is no day", cell.mark, "Write it as 2026-01-31.") from error

    def _check_twice(self, new: DatedCode, mark: Mark, entries: Mapping[str, str]) -> None:
        """One code has one meaning on every day."""
        if new.code in entries:
            raise self._wrong(f"the code {new.code!r} stands twice", mark, "Keep one, or give each its days.")
        for old in self._dated.get(new.code, ()):
            apart = (new.last is not None and old.first is not None and new.last < old.first) or (
                old.last is not None and new.first is not None and old.last < new.first
            )
            if not apart:
                said = f"the code {new.code!r} has two meanings on one day: {old.meaning!r} and {new.meaning!r}"
                raise self._wrong(said, mark, "`from` and `to` are the first and the last day, both included.")

    def _rows(self) -> Iterator[list[_Cell]]:
        """The lines that hold something."""
        at, row = 0, list[_Cell]()
        while at < len(self._text) or row:
            note = None if row else _NOTE.match(self._text, at)
            if note is not None:
                at = note.end()
                continue
            cell, at = self._cell(at)
            row.append(cell)
            if self._text[at : at + 1] == ",":
                at += 1
                continue
            if len(row) > 1 or row[0].text:
                yield row
            row = []
            end = _BREAK.match(self._text, at)
            at = at if end is None else end.end()

    def _cell(self, at: int) -> tuple[_Cell, int]:
        """The cell that begins at an index, and the index behind it."""
        quoted = _QUOTED.match(self._text, at)
        plain = _PLAIN.match(self._text, at)
        end = quoted.end() if quoted else plain.end() if plain else at
        start = at + len(self._text[at:end]) - len(self._text[at:end].lstrip(" \t"))
        line = bisect_right(self._lines, start)
        mark = Mark(line, start - self._lines[line - 1] + 1)
        if self._text[end : end + 1] not in ("", ",", "\r", "\n"):
            fix = 'Quote the whole cell, and write a quote inside it twice: "the ""old"" one".'
            raise self._wrong("a quote stands in the middle of a cell, or is not closed", mark, fix)
        text = quoted[1].replace('""', '"') if quoted else self._text[at:end].strip(" \t")
        return _Cell(text, mark), end

    def _wrong(self, problem: str, mark: Mark, fix: str) -> CodesMalformed:
        return CodesMalformed(problem=problem, fix=fix, where=place(self._file, mark))


def periods(entries: Mapping[str, str], dated: tuple[DatedCode, ...]) -> list[tuple[date | None, dict[str, str]]]:
    """The whole table from each day on which it changes; first the one before all days (`None`)."""
    days = {code.first for code in dated if code.first is not None}
    days |= {code.last + timedelta(days=1) for code in dated if code.last is not None and code.last < date.max}
    return [
        (day, {**entries, **{code.code: code.meaning for code in dated if code.holds(day)}})
        for day in (None, *sorted(days))
    ]


def on_their_day(
    bound: Bound,
    tables: Mapping[str, list[tuple[date | None, dict[str, str]]]],
    day_of: Callable[[str | None], Bound],
    part: str | None = None,
) -> Bound:
    """Every CODE of these tables made a CASE over the day, so that each engine picks the table that was in force.

    `day_of` gives the day among the columns of the row, or of a part's row. A day that is NULL picks the last: what holds
    now.
    """
    if isinstance(bound, Aggregate):
        value, where = (
            None if one is None else on_their_day(one, tables, day_of, bound.part) for one in (bound.value, bound.where)
        )
        return replace(bound, value=value, where=where)
    if not isinstance(bound, Call):
        return bound
    args = tuple([on_their_day(one, tables, day_of, part) for one in bound.args])
    call = replace(bound, args=args)
    if call.name != "CODE" or call.data[0] not in tables:
        return call
    day = day_of(part)
    name, _, *rest = call.data
    choice = [replace(call, data=(name, entries, *rest)) for _, entries in tables[name]]
    starts = [start for start, _ in tables[name] if start is not None]
    arms: list[Bound] = []
    for start, before in zip(starts, choice, strict=False):
        is_before = (_at(day, call), Constant(types.DATE, call.span, start))
        arms += [Call(types.nullable(types.BOOLEAN, day.type.nullable), call.span, "<", is_before), before]
    return Call(call.type, call.span, "CASE", (*arms, choice[-1]), False, growth=call.growth)


def _at(day: Bound, call: Call) -> Bound:
    """The day as if it were written where the CODE stands: what is wrong there is told of that place."""
    moved = replace(day, span=call.span)
    return replace(moved, args=tuple([_at(part, call) for part in moved.args])) if isinstance(moved, Call) else moved
