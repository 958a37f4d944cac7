"""`dragoman run`: changes in, events out, until nothing is left to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, count, say, say_json, say_table
from dragoman.idling import Idle
from dragoman.interrupts import ended_by_signals, watched

if TYPE_CHECKING:
    from dragoman.kafka_works import GroupWorks
    from dragoman.probes import Probes
    from dragoman.project import Project
    from dragoman.wiring import Works


def run(
    folder: ProjectOption = Path(),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until ended by SIGINT or SIGTERM.", show_default=False)
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Read the feeds again from the beginning.", show_default=False)
    ] = False,
    health: Annotated[
        str | None,
        typer.Option("--health", metavar="HOST:PORT", help="Answer /healthz and /readyz there.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Translate what there is, then show that the sums fit.

    Reads the source, publishes states and events, builds the views and calls the consumers. One worker at a time.
    """
    from dragoman.progress import progress_line
    from dragoman.wiring import running

    project = project_of(folder)
    with (
        ended_by_signals() as ended,
        progress_line(enabled=not as_json) as line,
        _probed(health, ended, project.source.origin) as (asked, probes),
        running(project, progress=line.moved, from_start=from_start, follow=follow, stop=asked) as all_works,
    ):
        probes.started(all_works.parts)
        engine = _Until(all_works, asked)
        engine.run(follow)
        line.clear()
        fits = _shown(project, all_works, as_json, engine.interrupted)
    if not fits:
        raise typer.Exit(FINDINGS)


class _Until:
    """Turns the engine until nothing is left, or until the process is asked to end: then after the turn it is in."""

    def __init__(self, all_works: Works | GroupWorks, asked: Callable[[], bool]) -> None:
        self._engine = all_works.engine
        self._asked = asked
        self._idle = Idle()
        self.interrupted = False

    def run(self, follow: bool) -> None:
        """One turn after the other."""
        while not self._asked():
            if self._engine.turn():
                self._idle.worked()
                continue
            if not follow and self._engine.is_settled:
                return
            time.sleep(self._idle.seconds())
        self.interrupted = not follow


@contextmanager
def _probed(address: str | None, ended: threading.Event, origin: object) -> Iterator[tuple[Callable[[], bool], Probes]]:
    """Whether the process was asked to end, and what is known of it, told at `address` if there is one."""
    from dragoman.probes import Probes, answering
    from pipeline.engine.watchdog import STUCK_SECONDS

    probes = Probes(STUCK_SECONDS)
    with _asked(ended, origin) as asked, nullcontext() if address is None else answering(address, probes):

        def asked_alive() -> bool:
            probes.alive()
            return asked()

        yield asked_alive, probes


@contextmanager
def _asked(ended: threading.Event, origin: object) -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to end. In a group that is asked between batches, and one that asks no more is ended."""
    from dragoman.kafka_source import Kafka

    if not isinstance(origin, Kafka):
        yield ended.is_set
        return
    with watched(ended) as asked:
        yield asked


def _shown(project: Project, all_works: Works | GroupWorks, as_json: bool, interrupted: bool) -> bool:
    """Print what became of everything; whether the sums fit."""
    from dragoman.accounts import say_accounts
    from pipeline.engine.embedded import EmbeddedEngine

    accounts = all_works.accounting()
    fits = all(a.fits for a in accounts)
    if as_json:
        for account in accounts:
            told = {"translator": account.translator, "fits": account.fits}
            say_json({**told, "tables": account.lines, "events": account.events})
        for one in _readers(all_works):
            say_json(one)
        return fits
    partitions = sum(all_works.log.topics()[feed.topic].partitions for feed in project.source.feeds)
    streams = ", ".join(f"{a.translator}.events" for a in accounts)
    head = f"{project.schema.source} → {streams}"
    what = (
        "embedded"
        if isinstance(all_works.engine, EmbeddedEngine)
        else "on Kafka; counts are of this process' partitions"
    )
    say((head, "bold"), f"      {count(len(accounts), 'translator')}, {count(partitions, 'partition')}, {what}")
    say_accounts(accounts)
    _say_readers(all_works)
    for name, numbers in all_works.loading.items():
        listed = ", ".join(map(str, numbers))
        say(("  !", "yellow"), f" {name} is still loading: its snapshot is not complete on partition {listed}")
    if interrupted:
        say(("  !", "yellow"), " ended by a signal before everything was read; `dragoman run` goes on where it stopped")
    return fits


def _say_readers(all_works: Works | GroupWorks) -> None:
    rows = [("consumers", "now", "behind", "parked")]
    for view in all_works.projections:
        now = f"{view.applied:,} applied"
        rows.append((view.spec.name, now, f"{view.behind():,}", f"{len(view.parked()):,}"))
    for action in all_works.actions:
        rows.append((action.spec.name, f"{action.handled:,} handled", f"{action.behind():,}", f"{action.parked:,}"))
    if len(rows) > 1:
        say()
        say_table(rows, "<>>>")


def _readers(all_works: Works | GroupWorks) -> list[dict[str, object]]:
    """Where the projections and the action consumers stand."""
    views = [
        {"consumer": p.spec.name, "behind": p.behind(), "parked": len(p.parked()), "applied": p.applied}
        for p in all_works.projections
    ]
    return views + [
        {"consumer": a.spec.name, "behind": a.behind(), "parked": a.parked, "handled": a.handled, "repeats": a.repeats}
        for a in all_works.actions
    ]
