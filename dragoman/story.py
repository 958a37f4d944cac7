"""What a demo does, told as it is done; and what it expects of it, told where it is not so."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from dragoman.console import console, count, say, wrapped
from dragoman.progress import ProgressLine
from dragoman.project import Project
from dragoman.python_files import python_module
from dragoman.times import span
from dragoman.wiring import works
from pipeline.accounting import Accounting, Line, total

LETTERS = "var/letters.db"


class Story:
    """What happens, in order. Each part says what it did once it is done. `project` is there after the first part."""

    def __init__(self, folder: Path, line: ProgressLine) -> None:
        self.folder = folder
        self.line = line
        self.project: Project
        self.first: list[Accounting] = []
        """The accounts after the feeds were read."""
        self.second: list[Accounting] = []
        """The accounts after they were read again."""
        self.letters = 0
        self._broken: list[str] = []

    def read_again(self) -> None:
        """The feeds once more from their beginning: repeats, and nothing else."""
        with self.part("reading the feeds again") as part:
            with works(self.project, progress=self.line.moved, from_start=True) as all_works:
                all_works.engine.run()
                self.second = all_works.accounting()
            repeats = total(lines_of(self.second)).repeats - total(lines_of(self.first)).repeats
            part.append(f"the feeds are read again from the start: {repeats:,} repeats, no event, no letter")
        self.expect(
            0 < repeats == total(lines_of(self.first)).changes, "every change of the second reading is a repeat"
        )
        self.expect(_outcomes(self.second) == _outcomes(self.first), "the second reading changes no outcome")
        self.expect(self.sent() == self.letters, "no letter is sent by the second reading")
        self.expect(all(a.fits for a in self.second), "the sums fit")

    def sent(self) -> int:
        """How many letters there are."""
        return int(self._ask_letters("SELECT count(*) FROM letter"))

    def say_letters(self) -> None:
        """How many letters were sent; each event that calls for one has one."""
        differ = self._letters_differ()
        say(("letters", "bold"), f"   {count(self.letters, 'letter')} sent{', none of them twice' if differ else ''}")
        self.expect(differ, "no letter is sent twice")
        self.expect(self.letters == self._letters_due() > 0, "each event that calls for a letter has one")

    def _letters_differ(self) -> bool:
        """No two letters are for one event, and no two of one kind, subject and moment say the same."""
        distinct = "SELECT count(*) FROM (SELECT DISTINCT template, subject, dated, body FROM letter)"
        events = "SELECT count(DISTINCT event_id) FROM letter"
        return {self._ask_letters(events), self._ask_letters(distinct)} == {self.letters}

    def _letters_due(self) -> int:
        """How many of the events call for a letter."""
        folder = self.project.folder
        templates = python_module(folder, folder / "consumers" / "documents.py").Documents.templates
        said = [item for one in self.first for item in one.events.items()]
        return sum(number for kind, number in said if kind.partition(".")[0] in templates)

    def expect(self, holds: bool, what: str) -> None:
        """Note what was expected, if it does not hold."""
        if not holds:
            self._broken.append(what)

    def holds(self) -> bool:
        """Say what was not as expected; whether all was."""
        for broken in self._broken:
            say(("✗ ", "bold red"), f"not so: {broken}")
        return not self._broken

    @contextmanager
    def part(self, doing: str) -> Iterator[list[str]]:
        """One part of the story: what it says is printed with its time once it is done."""
        begun = time.monotonic()
        said: list[str] = []
        self.line.doing(doing)
        yield said
        self.line.clear()
        seconds = span(time.monotonic() - begun)
        lines = wrapped(said[0], console().width - 9, "  ", "")
        for line in lines[:-1]:
            say(("✓ " if line is lines[0] else "", "green"), line)
        last = ("✓ ", "green") if len(lines) == 1 else ("", "")
        say(last, f"{lines[-1]}", (f"   {seconds}", "dim"))

    def _ask_letters(self, sql: str) -> Any:
        with closing(sqlite3.connect(self.project.path(LETTERS))) as letters:
            return letters.execute(sql).fetchone()[0]


def events_of(accounts: Sequence[Accounting]) -> int:
    """How many events were published."""
    return sum(number for one in accounts for number in one.events.values())


def lines_of(accounts: Sequence[Accounting]) -> list[Line]:
    """The lines of all accounts."""
    return [line for one in accounts for line in one.lines]


def _outcomes(accounts: Sequence[Accounting]) -> object:
    """All that a second reading must not change."""
    return [
        (one.translator, one.events, [(line.table, line.changes, line.outcomes) for line in one.lines])
        for one in accounts
    ]
