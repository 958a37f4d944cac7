"""The demo: a day at an insurer's, with the things that happen in real life, and the proof that each one is found."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from connectors.capture import install
from dragoman.accounts import say_accounts
from dragoman.checking import chosen_checks, run_check, run_id
from dragoman.console import count, paragraph, say, say_table
from dragoman.identity import HOME
from dragoman.progress import ProgressLine, progress_line
from dragoman.project import Project
from dragoman.python_files import python_module
from dragoman.reports import say_findings, write_report
from dragoman.settings import read_settings
from dragoman.source import Legacy
from dragoman.times import span
from dragoman.wiring import Works, state_topic, utc, works
from pipeline.accounting import Accounting
from pipeline.log.port import Log, Outgoing, Record, TopicPartition, TopicSpec
from reconcile.run import RunResult
from translators.errors import DragomanError

MARK = ".dragoman-demo"
OPENED = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
"""When the insurer opens on the day of the demo."""

POLICIES, CLAIMS = 1_200, 500
SUSPENDED = 6
VIEW, VIEW_DATABASE, LETTERS = "policy_view", "var/views.db", "var/letters.db"
NIGHTLY = "nightly recalculation touches every row"


class FolderNotOurs(DragomanError):
    """The folder {folder} is not one that a demo made."""

    code: ClassVar[str] = "demo.folder-not-ours"
    hint: ClassVar[str] = "A demo begins by emptying its folder: name another one with --dir."


class ExampleMissing(DragomanError):
    """The example is neither in this checkout nor in the installed package."""

    code: ClassVar[str] = "demo.example-missing"
    hint: ClassVar[str] = "Install dragoman again; the example is part of it."


@dataclass(slots=True)
class Plan:
    """What was planted, as it was planted: what the report has to find, and nothing else."""

    suspended: list[str] = field(default_factory=list)
    edited: str = ""
    lost: str = ""
    touched: int = 0

    @property
    def causes(self) -> dict[str, set[str]]:
        """Cause -> the keys that have it."""
        return {"parked": set(self.suspended), "edited-in-view": {self.edited}, "consumer-missed": {self.lost}}


class LosesOne:
    """A log that never shows one record: how a consumer's bug or a careless reset looks to a view.

    Everything else is as in the log behind it, which belongs to somebody else.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self.lost: Record | None = None
        self.create, self.topics, self.append, self.end = log.create, log.topics, log.append, log.end
        self.committed, self.commit, self.groups = log.committed, log.commit, log.groups

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """As the log reads it, without the lost record."""
        return [record for record in self._log.read(topic, partition, offset, limit) if record != self.lost]

    def close(self) -> None:
        """Nothing to give back."""


def run_demo(folder: Path, transactions: int, seed: int) -> bool:
    """Run the demo in a folder; whether the report shows exactly what was planted. The last line printed is its path."""
    begun = time.monotonic()
    with progress_line() as line:
        story = _Story(folder, transactions, seed, line)
        story.prepare()
        story.live()
        story.read_again()
        run, report = story.prove()
        line.done()
    told = story.told(run)
    say()
    mark = ("✓ ", "bold green") if told else ("✗ ", "bold red")
    verdict = "the report shows exactly what was planted" if told else "the report does not show what was planted"
    say(mark, (verdict, "bold"), f", in {span(time.monotonic() - begun)}; `dragoman status --project {folder}` looks around")
    say(str(report))
    return told


class _Story:
    """What happens, in order. Each part says what it did once it is done."""

    def __init__(self, folder: Path, transactions: int, seed: int, line: ProgressLine) -> None:
        self._folder = folder
        self._transactions = transactions
        self._seed = seed
        self._line = line
        self._plan = Plan()
        self._letters = 0
        self._ok: list[str] = []
        self._first: list[Accounting] = []
        self._second: list[Accounting] = []

    def prepare(self) -> None:
        """The project's folder, the insurer's database with its old data, the triggers."""
        with self._part() as part:
            make_folder(self._folder)
            # The project is the demo's own: nothing of the environment belongs into it.
            self._project = Project(read_settings(self._folder, {}))
            origin = self._project.source.origin
            assert isinstance(origin, Legacy)
            origin.database.parent.mkdir()
            module = python_module(self._project.folder, self._project.folder / "legacy" / "generator.py")
            self._connection = sqlite3.connect(origin.database, isolation_level=None)
            module.build(self._connection)
            self._connection.execute("PRAGMA synchronous = OFF")
            module.initial_load(self._connection, self._seed, POLICIES, CLAIMS)
            capture = origin.capture
            install(self._connection, capture.tables, capture.marker_table)
            clock = module.steady_clock(OPENED, timedelta(seconds=7))
            self._application: Any = module.Application(self._connection, self._seed + 1, clock)
            part.append(f"a legacy insurer: {POLICIES:,} policies, {CLAIMS:,} claims, 8 tables, seed {self._seed}")

    def live(self) -> None:
        """A working day and the night after it."""
        project = self._project
        with works(project, progress=self._line.moved, seen_by_views=self._seen_by_views) as all_works:
            with self._part() as part:
                all_works.engine.run()
                loaded = sum(line.loaded for a in all_works.accounting() for line in a.lines)
                part.append(f"its old data is loaded: {loaded:,} rows, and no event, for it is no news")
            with self._part() as part:
                self._day(all_works, self._transactions * 3 // 5)
                part.append(f"{self._transactions * 3 // 5:,} transactions become {_events(all_works.accounting()):,} events")
            with self._part() as part:
                self._plan.suspended = self._application.unmapped_code(SUSPENDED)
                all_works.engine.run()
                part.append(f"a code that nobody knows: {count(SUSPENDED, 'policy', 'policies')} with status SU are parked")
            with self._part() as part:
                self._day(all_works, self._transactions - self._transactions * 3 // 5)
                part.append("the day goes on: other keys do not wait")
            with self._part() as part:
                before = _ignored(all_works.accounting())
                self._plan.touched = self._application.nightly_job()
                all_works.engine.run()
                quiet = _ignored(all_works.accounting()) - before
                part.append(f"the nightly job touches {self._plan.touched:,} policies: {quiet:,} ignored, the others are parked")
                self._expect(quiet == self._plan.touched - SUSPENDED, "the nightly job is ignored but for the parked keys")
            with self._part() as part:
                self._lose_the_last(all_works)
                part.append(f"the view misses the last record of {self._plan.lost}")
            with self._part() as part:
                self._edit_by_hand()
                part.append(f"somebody corrects {self._plan.edited} in the view, by hand")
            self._first = all_works.accounting()
            self._letters = self._sent()

    def read_again(self) -> None:
        """The feeds once more from their beginning: repeats, and nothing else."""
        with self._part() as part:
            with works(self._project, progress=self._line.moved, from_start=True) as all_works:
                all_works.engine.run()
                self._second = all_works.accounting()
            repeats = _repeats(self._second) - _repeats(self._first)
            part.append(f"the feeds are read again from the start: {repeats:,} repeats, no event, no letter")
        self._expect(repeats == _read(self._first) and repeats > 0, "every change of the second reading is a repeat")
        self._expect(_outcomes(self._second) == _outcomes(self._first), "the second reading changes no outcome")
        self._expect(self._sent() == self._letters, "no letter is sent by the second reading")
        self._expect(all(a.fits for a in self._second), "the sums fit")

