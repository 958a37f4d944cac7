"""The project's ledger, opened; findings and runs, told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Engine

from dragoman.console import count, paragraph, say, say_table
from dragoman.project import Project
from dragoman.times import moment, span
from dragoman.watch_words import told_watch
from dragoman.wiring import make_folder, utc
from reconcile.charts import percent
from reconcile.ledger.entries import Entry, RepairEntry, RunEntry, verified
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.ledger.watches import WatchEntry
from reconcile.past import Proven


@contextmanager
def ledger_of(project: Project) -> Iterator[Ledger]:
    """The ledger of a project, made if there is none yet."""
    with ledger_engine(project) as engine:
        yield Ledger(engine)


@contextmanager
def ledger_engine(project: Project) -> Iterator[Engine]:
    """The database of the ledger, for who reads and writes more than runs and findings."""
    database = project.settings.ledger
    if database.path is not None:
        make_folder(database.path.parent)
    engine = open_ledger(database.url)
    try:
        yield engine
    finally:
        engine.dispose()


def as_data(entries: Sequence[Entry], repairs: Mapping[str, Sequence[RepairEntry]]) -> list[dict[str, Any]]:
    """Findings as data, each with the orders to repair it."""
    return [{**msgspec.to_builtins(entry), "repairs": repairs.get(entry.id, [])} for entry in entries]


def say_entries(entries: Sequence[Entry], repairs: Mapping[str, Sequence[RepairEntry]] = {}) -> None:
    """Findings in words: one entry each, the longest known first, with the orders to repair it."""
    if not entries:
        say("No finding is open.")
        return
    said = [f"{sum(entry.state == state for entry in entries):,} {state}" for state in _STATES]
    say((f"{count(len(entries), 'finding')}", "bold"), f": {', '.join(one for one in said if one[:2] != '0 ')}")
    for entry in entries:
        say()
        say((entry.id, "bold"), f"   {entry.check}   ", (entry.key, "bold"), f"   {_standing(entry)}")
        paragraph(entry.title, "       ")
        seen = f"first seen {moment(entry.first_seen, utc())}, last {moment(entry.last_seen, utc())}"
        facts = [entry.kind, *(["fields " + ", ".join(entry.fields)] if entry.fields else []), entry.owner]
        paragraph(" · ".join([seen, *facts]), "       ")
        for order in repairs.get(entry.id, ()):
            told = (
                f"{moment(order.given, utc())} {order.action}, command {order.command} of {order.plan}: {order.outcome}"
            )
            paragraph(f"{told}; {order.result}" if order.result else told, "                ", "       repair   ")
        if entry.reason:
            label = "to do    " if entry.state == "escalated" else "reason   "
            paragraph(entry.reason, "                ", f"       {label}")


_STATES = ("open", "reopened", "escalated", "accepted", "closed")


def _standing(entry: Entry) -> str:
    match entry.state:
        case "accepted":
            return f"accepted until {entry.accepted_until}"
        case "closed":
            return f"closed {moment(entry.closed, utc())}"
        case "reopened":
            return f"reopened, {count(entry.reopened, 'time')}"
        case _:
            return entry.state


def say_runs(runs: Sequence[RunEntry], turns: Sequence[WatchEntry], last: int) -> None:
    """The last runs of each check, newest last, for how long all of it was proven, and how far its watch has come."""
    if not runs and not turns:
        say("No run is recorded yet: `dragoman reconcile run` makes the first.")
        return
    for name in sorted({one.check for one in runs} | {turn.check for turn in turns}):
        mine = [one for one in runs if one.check == name]
        say((name, "bold"), f"   {told_stretch(verified(mine))}")
        for line in told_watch([one for one in turns if one.check == name], utc()):
            paragraph(line, "    ", "  ")
        if not mine:
            say()
            continue
        head = ("run", "came out", "covered", "compared", "differ", "accepted", "exit")
        say_table([head, *(_cells(one) for one in mine[-last:])], "<<>>>>>")
        say()


def told_stretch(stretch: Proven | None) -> str:
    """For how long without a break every run was clean and complete."""
    if stretch is None:
        return "never clean and complete"
    until = moment(stretch.until, utc())
    if stretch.runs == 1:
        return f"clean and complete once, {until}"
    since = moment(stretch.since, utc())
    gap = span(stretch.gap.total_seconds())
    return f"clean and complete in {stretch.runs:,} runs on end, {since} to {until}, at most {gap} apart"


def _cells(one: RunEntry) -> tuple[str, ...]:
    why = f" ({one.incomplete or 'it did not end'})" if one.state == "broken" else ""
    numbers = (f"{number:,}" for number in (one.compared, one.confirmed, one.accepted))
    return one.run, f"{one.state}{why}", percent(one.coverage), *numbers, str(one.exit_code)
