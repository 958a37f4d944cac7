"""`dragoman run`: changes in, events out, until nothing is left to do."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FAILED, FINDINGS, count, say, say_json, say_table, show_error
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.kafka_works import GroupWorks
    from dragoman.project import Project
    from dragoman.wiring import Works

_IDLE_SECONDS = 0.2


def run(
    folder: ProjectOption = Path(),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until ended by SIGINT or SIGTERM.", show_default=False)
    ] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Read the feeds again from the beginning.", show_default=False)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Translate what there is, then show that the sums fit.

    Reads the source, publishes states and events, builds the views and calls the consumers. One worker at a time.
    """
    from dragoman.progress import progress_line
    from dragoman.wiring import running

    project = project_of(folder)
    with (
        _ended_by_signals() as ended,
        progress_line(enabled=not as_json) as line,
        _watched(ended, project.source.origin) as asked,
        running(project, progress=line.moved, from_start=from_start, stop=asked) as all_works,
    ):
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
        self.interrupted = False

    def run(self, follow: bool) -> None:
        """One turn after the other."""
        while not self._asked():
            if self._engine.turn():
                continue
            if not follow and self._engine.is_settled:
                return
            time.sleep(_IDLE_SECONDS)
        self.interrupted = not follow


@contextmanager
def _watched(ended: threading.Event, origin: object) -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to end. In a group that is asked between batches, and one that asks no more is ended."""
    from dragoman.kafka_source import Kafka
    from pipeline.engine.watchdog import Watchdog

    if not isinstance(origin, Kafka):
        yield ended.is_set
        return
    with closing(Watchdog(_end)) as watchdog:

        def asked() -> bool:
            watchdog.alive()
            if ended.is_set():
                watchdog.must_end()
            return ended.is_set()

        yield asked


def _end(error: DragomanError) -> None:
    """End the process from another thread than the one that is stuck."""
    show_error(error)
    os._exit(FAILED)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Set by SIGINT or SIGTERM; a second one ends the process at once, which loses nothing."""
    ended = threading.Event()

    def end(number: int, _: object) -> None:
        ended.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    loading = {w.translator.name: w.loading for w in all_works.workers if w.loading}
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
    for name, numbers in loading.items():
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
