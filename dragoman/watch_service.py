"""`dragoman reconcile watch`: the checks of a project watched by one process, look after look, until it is asked to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

import msgspec
from sqlalchemy import Engine

from dragoman.checking import opened, run_id, run_recorded
from dragoman.locks import locked
from dragoman.project import Project
from dragoman.watch_gates import GateKeeper, GateTime
from dragoman.wiring import make_folder
from pipeline.log.port import Log
from reconcile.check import CheckSpec
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.watches import WatchBook
from reconcile.run import RunResult
from reconcile.sources import KEYS_AT_ONCE
from reconcile.watch.bucket import Bucket
from reconcile.watch.changed import FeedTail
from reconcile.watch.preflight import check_indexes, limit_statements
from reconcile.watch.walk import SideName
from reconcile.watch.watcher import Look, Promise, Watcher
from translators.errors import DragomanError

LONGEST = timedelta(minutes=2)
"""The longest pause after a look that proved too little; it doubles from one to the next."""

LOCK = "var/watch.lock"


class WatchedAlready(DragomanError):
    """Another process watches this project."""

    code: ClassVar[str] = "watch.already"
    hint: ClassVar[str] = "One is enough: it watches all checks. `dragoman reconcile runs` says how far it has come."


class Ended(Exception):
    """Raised wherever the watch waits, once the process was asked to end."""


class Told(Protocol):
    """Whoever is told what happens. Nothing is said of a look at which nothing happened."""

    def began(self, check: CheckSpec, promise: Promise, buckets: Mapping[SideName, Bucket]) -> None:
        """A check is watched from now on, and its sides are read by these buckets."""

    def looking(self, check: CheckSpec) -> None:
        """A look is about to begin. May read the ledger: what it raises is told as an error of the look."""

    def looked(self, look: Look) -> None:
        """A look is over and written down."""

    def failed(self, check: CheckSpec, error: DragomanError, again: datetime) -> None:
        """A look, or a run, could not be begun; the next is tried at `again`."""

    def asked(self, result: RunResult) -> None:
        """A check that cannot be looked at key by key was run whole, and is recorded as a run."""

    def gated(self, result: RunResult) -> None:
        """A check was run whole by the timetable, as a gate, and is recorded as a run."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What a watch of a project needs. `wait` passes the time, and raises `Ended`; `stopped` is as for a run.

    At the times of `gates` each check is run whole.
    """

    project: Project
    log: Log
    engine: Engine
    promise: Promise
    rate: float
    clock: Callable[[], datetime]
    wait: Callable[[timedelta], None]
    stopped: Callable[[], str | None]
    gates: Sequence[GateTime] = ()

    def run_whole(self, spec: CheckSpec, ledger: Ledger, *, gate: bool = False) -> RunResult:
        """One run, recorded."""
        return run_recorded(
            self.project,
            ledger,
            spec,
            self.log,
            run=run_id(self.clock()),
            wait=self.wait,
            stopped=self.stopped,
            clock=self.clock,
            gate=gate,
        )


class Guard(Protocol):
    """Something that is to be done at `due`, again and again."""

    due: datetime

    def step(self) -> None:
        """Do it once, and say when it is due next."""


def watch_checks(watched: Watched, specs: Sequence[CheckSpec], told: Told) -> None:
    """Watch these checks, one look at a time, until a wait raises `Ended`."""
    with ExitStack() as held:
        lock = watched.project.path(LOCK)
        make_folder(lock.parent)
        if not held.enter_context(locked(lock, wait=False)):
            raise WatchedAlready
        buckets = _Buckets(watched)
        guards: list[Guard] = []
        for spec in specs:
            if spec.statement is None and not spec.stream and spec.tables is None:
                guards.append(held.enter_context(_Guard(watched, spec, buckets.of(spec), told)))
            else:
                guards.append(_Asker(watched, spec, told))
        guards += [_gates(watched, spec, told) for spec in specs if watched.gates]
        while True:
            guard = min(guards, key=lambda one: one.due)
            # Even where nothing is to be waited for: that is where the end is noticed.
            watched.wait(max(timedelta(), guard.due - watched.clock()))
            guard.step()


def _gates(watched: Watched, spec: CheckSpec, told: Told) -> GateKeeper:
    ledger = Ledger(watched.engine)

    def run() -> RunResult:
        result = watched.run_whole(spec, ledger, gate=True)
        told.gated(result)
        return result

    def failed(error: DragomanError, again: datetime) -> None:
        told.failed(spec, error, again)

    return GateKeeper(spec, watched.gates, ledger, watched.clock, run, failed)


class _Buckets:
    """One for each database: checks that read the same one share it."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._legacy = self._made("legacy")
        self._views: dict[str, Bucket] = {}

    def of(self, spec: CheckSpec) -> dict[SideName, Bucket]:
        """Those of a check's legacy and view."""
        (database,) = (p.database for p in self._watched.project.projections if p.name == spec.view)
        if database not in self._views:
            # Called after a view, since a URL may hold a secret.
            self._views[database] = self._made(spec.view)
        return {"legacy": self._legacy, "view": self._views[database]}

    def _made(self, database: str) -> Bucket:
        watched = self._watched
        return Bucket(watched.rate, max(KEYS_AT_ONCE, int(watched.rate)), watched.clock, watched.wait, database)


class _Guard:
    """The watch of one check that compares rows. Its sides are opened anew after whatever went wrong."""

    def __init__(self, watched: Watched, spec: CheckSpec, buckets: Mapping[SideName, Bucket], told: Told) -> None:
        self.due = watched.clock()
        self._watched = watched
        self._spec = spec
        self._buckets = buckets
        self._told = told
        self._held = ExitStack()
        self._watcher: Watcher | None = None
        self._pause = watched.promise.every

    def __enter__(self) -> _Guard:
        self._told.began(self._spec, self._watched.promise, self._buckets)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def step(self) -> None:
        """One look, and when the next is due."""
        try:
            self._told.looking(self._spec)
            if self._watcher is None:
                self._watcher = self._opened()
            look = self._watcher.look()
        except DragomanError as error:
            self._close()
            self.due = self._later()
            self._told.failed(self._spec, error, self.due)
            return
        if look.result is not None and look.result.incomplete is not None:
            self.due = self._later()
            if not look.result.ended:
                self._close()
        else:
            # Not in the past, however much is due: what else waits has its turn in between.
            self.due, self._pause = max(look.due, self._watched.clock()), self._watched.promise.every
        self._told.looked(look)

    def _later(self) -> datetime:
        due = self._watched.clock() + self._pause
        self._pause = min(LONGEST, self._pause * 2)
        return due

    def _opened(self) -> Watcher:
        watched, spec = self._watched, self._spec
        translator = watched.project.made(spec.mapping)
        sides, views = self._held.enter_context(
            opened(
                watched.project,
                spec,
                translator,
                watched.log,
                wait=watched.wait,
                stopped=watched.stopped,
                clock=watched.clock,
                copy=f"watched/{spec.check}",
            )
        )
        engines: dict[SideName, Engine | None] = {"legacy": sides.reader.engine, "view": views}
        for side, engine in engines.items():
            if engine is not None:
                limit_statements(engine, self._buckets[side].timed_out)
        check_indexes(sides.reader)
        topic = watched.project.source.feed_of(translator).topic
        return Watcher(
            spec,
            watched.promise,
            sides,
            FeedTail(watched.log, topic, watched.project.decoder(translator), translator),
            WatchBook(watched.engine),
            Ledger(watched.engine),
            self._buckets,
            watched.clock,
        )

    def _close(self) -> None:
        self._watcher = None
        self._held.close()


class _Asker:
    """A check that asks by queries, or reads a stream or somebody else's tables: it is run whole within the time."""

    def __init__(self, watched: Watched, spec: CheckSpec, told: Told) -> None:
        ledger = Ledger(watched.engine)
        last = max((run.started for run in ledger.runs(spec.check) if run.state != "broken"), default=None)
        self.due = watched.clock() if last is None else last + watched.promise.within
        self._watched = watched
        self._spec = spec
        self._told = told
        self._ledger = ledger
        self._pause = LONGEST

    def step(self) -> None:
        """One run, recorded."""
        watched, now = self._watched, self._watched.clock()
        try:
            self._told.looking(self._spec)
            result = watched.run_whole(self._spec, self._ledger)
        except DragomanError as error:
            self.due = now + self._pause
            self._told.failed(self._spec, error, self.due)
            return
        if result.exit_code == 2:
            self.due, self._pause = now + self._pause, min(self._pause * 2, watched.promise.within)
        else:
            self.due, self._pause = now + watched.promise.within, LONGEST
        self._told.asked(result)
