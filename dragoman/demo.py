"""The demo: a day at an insurer's, with the things that happen in real life, and the proof that each one is found."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from connectors.capture import install
from dragoman.accounts import say_accounts
from dragoman.checking import chosen_checks, run_id, run_recorded
from dragoman.console import console, count, say, wrapped
from dragoman.identity import HOME
from dragoman.ledgers import ledger_of
from dragoman.progress import ProgressLine, progress_line
from dragoman.project import Project
from dragoman.python_files import python_module
from dragoman.reports import keep, say_result
from dragoman.settings import read_settings
from dragoman.source import Legacy
from dragoman.streams import records_of
from dragoman.times import span
from dragoman.wiring import Works, reading, state_topic, utc, works
from pipeline.accounting import Accounting, Line, total
from pipeline.log.port import Log, Page, Record
from reconcile.run import RunResult
from translators.errors import DragomanError

MARK = ".dragoman-demo"
OPENED = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
"""When the insurer opens on the day of the demo."""

POLICIES, CLAIMS = 1_200, 500
_TURNS = 10
SUSPENDED = 6
VIEW, VIEW_DATABASE, LETTERS = "policy_view", "var/views.db", "var/letters.db"
NIGHTLY = "nightly recalculation touches every row"


class FolderNotOurs(DragomanError):
    """The folder {folder} is not one that a demo made."""

    code: ClassVar[str] = "demo.folder-not-ours"
    hint: ClassVar[str] = "A demo begins by emptying its folder: name another one with --dir."


class FolderEdited(DragomanError):
    """The folder {folder} was made by a demo, and somebody has changed its files since."""

    code: ClassVar[str] = "demo.folder-edited"
    hint: ClassVar[str] = (
        "A demo begins by emptying its folder: name another one with --dir, or remove this one yourself."
    )


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
        self.writer = log.writer
        self.committed, self.commit, self.groups = log.committed, log.commit, log.groups

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """As the log reads it, without the lost record."""
        page = self._log.read(topic, partition, offset, limit)
        return Page([record for record in page.records if record != self.lost], page.next)

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
        line.clear()
    told = story.told(run)
    say()
    mark = ("✓ ", "bold green") if told else ("✗ ", "bold red")
    verdict = "the report shows exactly what was planted" if told else "the report does not show what was planted"
    say(mark, (verdict, "bold"), f", in {span(time.monotonic() - begun)}")
    say(f"  look around: dragoman status --project {folder}, dragoman dlq list --project {folder}")
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
        self._broken: list[str] = []
        self._first: list[Accounting] = []
        self._second: list[Accounting] = []

    def prepare(self) -> None:
        """The project's folder, the insurer's database with its old data, the triggers."""
        with self._part("building the insurer's database") as part:
            make_folder(self._folder)
            # The project is the demo's own: nothing of the environment belongs into it.
            self._project = Project(read_settings(self._folder, {}))
            origin = self._project.source.origin
            if not isinstance(origin, Legacy):
                raise ExampleMissing
            origin.database.parent.mkdir()
            module = python_module(self._project.folder, self._project.folder / "legacy" / "generator.py")
            self._connection = sqlite3.connect(origin.database, isolation_level=None)
            module.build(self._connection)
            self._connection.execute("PRAGMA synchronous = OFF")
            module.initial_load(self._connection, self._seed, POLICIES, CLAIMS)
            install(self._connection, origin.capture.tables, origin.capture.marker_table)
            clock = module.steady_clock(OPENED, timedelta(seconds=7))
            self._application: Any = module.Application(self._connection, self._seed + 1, clock)
            part.append(f"a legacy insurer: {POLICIES:,} policies and {CLAIMS:,} claims in 8 tables")

    def live(self) -> None:
        """A working day and the night after it."""
        morning = self._transactions * 3 // 5
        with works(self._project, progress=self._line.moved, seen_by_views=self._seen_by_views) as all_works:
            with self._part("loading its old data") as part:
                all_works.engine.run()
                loaded = total(_lines(all_works.accounting())).loaded
                part.append(f"its old data is loaded: {loaded:,} rows, no event, for it is no news")
            with self._part("the day begins") as part:
                self._day(all_works, morning)
                part.append(f"{morning:,} transactions become {_events(all_works.accounting()):,} events")
            with self._part("a code that nobody knows") as part:
                self._plan.suspended = self._application.unmapped_code(SUSPENDED)
                all_works.engine.run()
                part.append(f"a code appears that nobody knows: {SUSPENDED} policies with status SU are parked")
            with self._part("the day goes on") as part:
                self._day(all_works, self._transactions - morning)
                said = f"the day goes on, other policies do not wait: {_events(all_works.accounting()):,} events by now"
                part.append(said)
            self._night(all_works)
            with self._part("the view misses a record") as part:
                self._lose_the_last(all_works)
                part.append(f"the view misses the last record of {self._plan.lost}")
            with self._part("somebody edits the view") as part:
                self._edit_by_hand()
                part.append(f"somebody cancels {self._plan.edited} in the view, by hand")
            self._first = all_works.accounting()
            self._letters = self._sent()

    def _night(self, all_works: Works) -> None:
        """The nightly job touches every policy; the parked ones have to wait with that too."""
        with self._part("the nightly job") as part:
            before = total(_lines(all_works.accounting())).ignored.get(NIGHTLY, 0)
            touched = self._application.nightly_job()
            all_works.engine.run()
            quiet = total(_lines(all_works.accounting())).ignored.get(NIGHTLY, 0) - before
            part.append(f"the nightly job touches {touched:,} policies, and nothing is said of it")
        self._expect(quiet == touched - SUSPENDED, "the nightly job is ignored but for the parked policies")

    def read_again(self) -> None:
        """The feeds once more from their beginning: repeats, and nothing else."""
        with self._part("reading the feeds again") as part:
            with works(self._project, progress=self._line.moved, from_start=True) as all_works:
                all_works.engine.run()
                self._second = all_works.accounting()
            repeats = total(_lines(self._second)).repeats - total(_lines(self._first)).repeats
            part.append(f"the feeds are read again from the start: {repeats:,} repeats, no event, no letter")
        self._expect(
            0 < repeats == total(_lines(self._first)).changes, "every change of the second reading is a repeat"
        )
        self._expect(_outcomes(self._second) == _outcomes(self._first), "the second reading changes no outcome")
        self._expect(self._sent() == self._letters, "no letter is sent by the second reading")
        self._expect(all(a.fits for a in self._second), "the sums fit")

    def prove(self) -> tuple[RunResult, Path]:
        """The check, and its report."""
        project = self._project
        with self._part("comparing the view with the legacy") as part:
            (spec,) = chosen_checks(project, VIEW)
            with reading(project) as log, ledger_of(project) as ledger:
                name, stopped = run_id(utc()), lambda: "nobody works"
                result = run_recorded(project, ledger, spec, log, run=name, wait=_no_wait, stopped=stopped)
            page = keep(project, [result])
            part.append(f"{result.compared:,} policies are compared with the view: {result.confirmed:,} differ")
        return result, page

    def told(self, result: RunResult) -> bool:
        """Print what came of it all; whether it is what was planted."""
        say_accounts(self._second)
        say()
        letters = count(self._letters, "letter")
        say(
            ("letters", "bold"),
            f"   {letters} sent, none of them twice" if self._letters_differ() else f"   {letters} sent",
        )
        say()
        say_result(result)
        found: dict[str, set[str]] = {}
        for group in result.groups:
            found.setdefault("+".join(cause.name for cause in group.causes), set()).update(group.keys)
        self._expect(found == self._plan.causes, f"the causes found are those that were planted: {self._plan.causes}")
        self._expect(result.coverage == 1 and result.incomplete is None, "the check covers everything")
        self._expect(self._letters_differ(), "no letter is sent twice")
        self._expect(self._letters == self._letters_due() > 0, "each event that calls for a letter has one")
        for broken in self._broken:
            say(("✗ ", "bold red"), f"not so: {broken}")
        return not self._broken

    def _day(self, all_works: Works, transactions: int) -> None:
        """The application works and the engine follows, in turns, as if at the same time."""
        for _ in range(_TURNS):
            self._application.run(transactions // _TURNS)
            all_works.engine.run()
        self._application.run(transactions % _TURNS)
        all_works.engine.run()

    def _seen_by_views(self, log: Log) -> Log:
        self._losing = LosesOne(log)
        return self._losing

    def _lose_the_last(self, all_works: Works) -> None:
        """More work for the insurer, until a policy that the view knows gets a new state; the view never sees that."""
        known = _last_states(all_works.log)
        while self._losing.lost is None:
            self._application.run(10)
            while all_works.source.turn() + sum(worker.turn() for worker in all_works.workers):
                pass
            newest = _last_states(all_works.log)
            fresh = sorted(key for key, record in newest.items() if key in known and record != known[key])
            chosen = next((k for k in fresh if newest[k].value not in (None, known[k].value)), None)
            if chosen is not None:
                self._losing.lost, self._plan.lost = newest[chosen], chosen.decode()
            all_works.engine.run()

    def _edit_by_hand(self) -> None:
        """Somebody means well: an active policy is cancelled in the view, where nobody else sees it."""
        others = [*self._plan.suspended, self._plan.lost]
        with closing(sqlite3.connect(self._project.path(VIEW_DATABASE))) as view, view:
            marks = ", ".join("?" * len(others))
            sql = f"SELECT min(policy_number) FROM {VIEW} WHERE status = 'active' AND policy_number NOT IN ({marks})"  # noqa: S608
            (self._plan.edited,) = view.execute(sql, others).fetchone()
            view.execute(f"UPDATE {VIEW} SET status = 'cancelled' WHERE policy_number = ?", (self._plan.edited,))  # noqa: S608

    def _sent(self) -> int:
        return int(self._ask_letters("SELECT count(*) FROM letter"))

    def _letters_differ(self) -> bool:
        """No two letters are for one event, and no two of one kind, subject and moment say the same."""
        distinct = "SELECT count(*) FROM (SELECT DISTINCT template, subject, dated, body FROM letter)"
        events = "SELECT count(DISTINCT event_id) FROM letter"
        return {self._ask_letters(events), self._ask_letters(distinct)} == {self._letters}

    def _letters_due(self) -> int:
        """How many of the events call for a letter."""
        folder = self._project.folder
        templates = python_module(folder, folder / "consumers" / "documents.py").Documents.templates
        said = [item for one in self._first for item in one.events.items()]
        return sum(number for kind, number in said if kind.partition(".")[0] in templates)

    def _ask_letters(self, sql: str) -> Any:
        with closing(sqlite3.connect(self._project.path(LETTERS))) as letters:
            return letters.execute(sql).fetchone()[0]

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self._broken.append(what)

    @contextmanager
    def _part(self, doing: str) -> Iterator[list[str]]:
        """One part of the story: what it says is printed with its time once it is done."""
        begun = time.monotonic()
        said: list[str] = []
        self._line.doing(doing)
        yield said
        self._line.clear()
        seconds = span(time.monotonic() - begun)
        lines = wrapped(said[0], console().width - 9, "  ", "")
        for line in lines[:-1]:
            say(("✓ " if line is lines[0] else "", "green"), line)
        last = ("✓ ", "green") if len(lines) == 1 else ("", "")
        say(last, f"{lines[-1]}", (f"   {seconds}", "dim"))


def make_folder(folder: Path) -> None:
    """A fresh copy of the example in a folder of our own.

    `FolderNotOurs` if it holds anything else, `FolderEdited` if it holds somebody's work.
    """
    source = next(
        (s for s in (HOME / "dragoman" / "example_insurer", HOME / "examples" / "insurer") if s.is_dir()), None
    )
    if source is None:
        raise ExampleMissing
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file()):
            raise FolderNotOurs(folder=folder)
        if any(folder.iterdir()) and (folder / MARK).read_text(encoding="utf-8", errors="replace") != _mark(folder):
            raise FolderEdited(folder=folder)
        shutil.rmtree(folder)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("var", "__pycache__", "*.pyc"))
    (folder / MARK).write_text(_mark(folder), encoding="utf-8")


def _mark(folder: Path) -> str:
    """What the mark of a demo's folder says: whose it is, and a hash of the files that people may edit."""
    digest = blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not {"var", "__pycache__", MARK} & set(name.parts):
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return f"Made by `dragoman demo`, which empties this folder each time. Its files: {digest.hexdigest()}\n"


def _last_states(log: Log) -> dict[bytes, Record]:
    topic = state_topic("policy")
    return {record.key: record for record in records_of(log, topic) if record.key is not None}


def _events(accounts: Sequence[Accounting]) -> int:
    return sum(number for one in accounts for number in one.events.values())


def _lines(accounts: Sequence[Accounting]) -> list[Line]:
    return [line for one in accounts for line in one.lines]


def _outcomes(accounts: Sequence[Accounting]) -> object:
    """All that a second reading must not change."""
    return [
        (one.translator, one.events, [(line.table, line.changes, line.outcomes) for line in one.lines])
        for one in accounts
    ]


def _no_wait(_: timedelta) -> None:
    """Nobody works while the demo compares: to wait would change nothing."""
