"""The demo: a day at an insurer's, with the things that happen in real life, and the proof that each one is found."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.capture import install
from dragoman.accounts import say_accounts
from dragoman.checking import chosen_checks, run_id, run_recorded
from dragoman.console import say
from dragoman.example import ExampleMissing, make_folder
from dragoman.ledgers import ledger_of
from dragoman.progress import ProgressLine, progress_line
from dragoman.project import Project
from dragoman.python_files import python_module
from dragoman.reports import keep, say_result
from dragoman.settings import read_settings
from dragoman.source import Legacy
from dragoman.story import Story, events_of, lines_of
from dragoman.streams import records_of
from dragoman.times import span
from dragoman.wiring import Works, reading, state_topic, utc, works
from pipeline.accounting import total
from pipeline.log.port import Log, Page, Record
from reconcile.run import RunResult

OPENED = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
"""When the insurer opens on the day of the demo."""

POLICIES, CLAIMS = 1_200, 500
_TURNS = 10
SUSPENDED = 6
VIEW, VIEW_DATABASE = "policy_view", "var/views.db"
NIGHTLY = "nightly recalculation touches every row"


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
        self.ends, self.writer, self.append_each = log.ends, log.writer, log.append_each
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


class _Story(Story):
    """A day at the insurer's, and the night after it."""

    def __init__(self, folder: Path, transactions: int, seed: int, line: ProgressLine) -> None:
        super().__init__(folder, line)
        self._transactions = transactions
        self._seed = seed
        self._plan = Plan()

    def prepare(self) -> None:
        """The project's folder, the insurer's database with its old data, the triggers."""
        with self.part("building the insurer's database") as part:
            make_folder(self.folder)
            # The project is the demo's own: nothing of the environment belongs into it.
            self.project = Project(read_settings(self.folder, {}))
            origin = self.project.source.origin
            if not isinstance(origin, Legacy):
                raise ExampleMissing
            origin.database.parent.mkdir()
            module = python_module(self.project.folder, self.project.folder / "legacy" / "generator.py")
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
        with works(self.project, progress=self.line.moved, seen_by_views=self._seen_by_views) as all_works:
            with self.part("loading its old data") as part:
                all_works.engine.run()
                loaded = total(lines_of(all_works.accounting())).loaded
                part.append(f"its old data is loaded: {loaded:,} rows, no event, for it is no news")
            with self.part("the day begins") as part:
                self._day(all_works, morning)
                part.append(f"{morning:,} transactions become {events_of(all_works.accounting()):,} events")
            with self.part("a code that nobody knows") as part:
                self._plan.suspended = self._application.unmapped_code(SUSPENDED)
                all_works.engine.run()
                part.append(f"a code appears that nobody knows: {SUSPENDED} policies with status SU are parked")
            with self.part("the day goes on") as part:
                self._day(all_works, self._transactions - morning)
                said = (
                    f"the day goes on, other policies do not wait: {events_of(all_works.accounting()):,} events by now"
                )
                part.append(said)
            self._night(all_works)
            with self.part("the view misses a record") as part:
                self._lose_the_last(all_works)
                part.append(f"the view misses the last record of {self._plan.lost}")
            with self.part("somebody edits the view") as part:
                self._edit_by_hand()
                part.append(f"somebody cancels {self._plan.edited} in the view, by hand")
            self.first = all_works.accounting()
            self.letters = self.sent()

    def _night(self, all_works: Works) -> None:
        """The nightly job touches every policy; the parked ones have to wait with that too."""
        with self.part("the nightly job") as part:
            before = total(lines_of(all_works.accounting())).ignored.get(NIGHTLY, 0)
            touched = self._application.nightly_job()
            all_works.engine.run()
            quiet = total(lines_of(all_works.accounting())).ignored.get(NIGHTLY, 0) - before
            part.append(f"the nightly job touches {touched:,} policies, and nothing is said of it")
        self.expect(quiet == touched - SUSPENDED, "the nightly job is ignored but for the parked policies")

    def prove(self) -> tuple[RunResult, Path]:
        """The check, and its report."""
        project = self.project
        with self.part("comparing the view with the legacy") as part:
            (spec,) = chosen_checks(project, VIEW)
            with reading(project) as log, ledger_of(project) as ledger:
                name, stopped = run_id(utc()), lambda: "nobody works"
                result = run_recorded(project, ledger, spec, log, run=name, wait=_no_wait, stopped=stopped)
            page = keep(project, [result])
            part.append(f"{result.compared:,} policies are compared with the view: {result.confirmed:,} differ")
        return result, page

    def told(self, result: RunResult) -> bool:
        """Print what came of it all; whether it is what was planted."""
        say_accounts(self.second)
        say()
        self.say_letters()
        say()
        say_result(result)
        found: dict[str, set[str]] = {}
        for group in result.groups:
            found.setdefault("+".join(cause.name for cause in group.causes), set()).update(group.keys)
        self.expect(found == self._plan.causes, f"the causes found are those that were planted: {self._plan.causes}")
        self.expect(result.coverage == 1 and result.incomplete is None, "the check covers everything")
        return self.holds()

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
        with closing(sqlite3.connect(self.project.path(VIEW_DATABASE))) as view, view:
            marks = ", ".join("?" * len(others))
            sql = f"SELECT min(policy_number) FROM {VIEW} WHERE status = 'active' AND policy_number NOT IN ({marks})"  # noqa: S608
            (self._plan.edited,) = view.execute(sql, others).fetchone()
            view.execute(f"UPDATE {VIEW} SET status = 'cancelled' WHERE policy_number = ?", (self._plan.edited,))  # noqa: S608


def _last_states(log: Log) -> dict[bytes, Record]:
    topic = state_topic("policy")
    return {record.key: record for record in records_of(log, topic) if record.key is not None}


def _no_wait(_: timedelta) -> None:
    """Nobody works while the demo compares: to wait would change nothing."""
