"""The ranges of a check on a pool of processes: each opens the sides for itself, and none of their ends goes unseen.

In PostgreSQL all processes read the legacy as of the moment of who cut it. No other database lends its moment out, so that
there each range has one of its own: a key that agreed in its range was right then, and one that did not is looked at again.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import wait
from threading import Thread

import msgspec

from reconcile.choice import plan_of
from reconcile.compare import Counts
from reconcile.errors import PlanChanged, RangeLost
from reconcile.moments import Shared
from reconcile.plans import Plan
from reconcile.ranges import Looked, look, looked_at
from reconcile.sources import LegacyReader, LegacySnapshot
from reconcile.streams import KeyRange
from reconcile.sum_plan import SumPlan
from reconcile.view import ViewSide
from translators.errors import DragomanError

ATTEMPTS = 2
"""How often a range is looked at before the run ends."""

Recipe = Callable[[], AbstractContextManager[tuple[LegacyReader, ViewSide]]]
"""Opens the sides in a process of its own, the view as the check's terms have it; it can be sent there."""


class Job(msgspec.Struct, frozen=True):
    """One range, and what it has to be looked at as: the plan, the order of keys, and the moment, where it is shared."""

    keys: KeyRange
    plan: str
    by_length: bool
    shared: Shared | None
    sums: bool = False


class Failure(msgspec.Struct, frozen=True):
    """An error of ours, as it can be sent."""

    kind: type[DragomanError]
    fields: Mapping[str, str]


class ProcessPool:
    """See `reconcile.ranges.Pool`."""

    def __init__(self, recipe: Recipe, processes: int) -> None:
        self.processes = processes
        self._recipe = recipe

    def looks(
        self, plan: Plan, legacy: LegacySnapshot, ranges: Sequence[KeyRange]
    ) -> Iterator[tuple[KeyRange, Looked]]:
        """See the port."""
        shared = legacy.share()
        left = {keys: Job(keys, plan.name, plan.order.by_length, shared, isinstance(plan, SumPlan)) for keys in ranges}
        for attempt in range(1, ATTEMPTS + 1):
            for future, keys in self._tried(left):
                looked = _looked(future, last=attempt == ATTEMPTS)
                if looked is not None:
                    del left[keys]
                    yield keys, looked
            if not left:
                return

    def _tried(self, jobs: Mapping[KeyRange, Job]) -> Iterator[tuple[Future[Looked | Failure], KeyRange]]:
        """Each job once, as it ends."""
        context = multiprocessing.get_context("spawn")
        before = set(multiprocessing.active_children())
        size = min(self.processes, len(jobs))
        with ProcessPoolExecutor(size, context, initializer=_begin, initargs=(self._recipe,)) as pool:
            futures = {pool.submit(_look, job): keys for keys, job in jobs.items()}
            try:
                for future in as_completed(futures):
                    yield future, futures[future]
            except BaseException:
                # Who stops asking does not wait for ranges that take minutes.
                pool.shutdown(wait=False, cancel_futures=True)
                for process in set(multiprocessing.active_children()) - before:
                    process.terminate()
                raise


def _looked(future: Future[Looked | Failure], *, last: bool) -> Looked | None:
    """What a range came to; `None` if it has to be looked at again, and its error if that was the last time."""
    error = future.exception()
    outcome = future.result() if error is None else None
    if isinstance(outcome, Looked):
        return outcome
    if not last:
        return None
    if isinstance(outcome, Failure):
        raise outcome.kind(**outcome.fields)
    if error is None or isinstance(error, BrokenProcessPool):
        raise RangeLost from error
    raise error


class _Process:
    """What one process of the pool keeps open until it ends."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._held = ExitStack()
        self._sides: tuple[LegacyReader, ViewSide] | None = None

    def sides(self) -> tuple[LegacyReader, ViewSide]:
        """Opened when first asked for, so that an error is one of a range."""
        if self._sides is None:
            self._sides = self._held.enter_context(self._recipe())
        return self._sides


_PROCESS: list[_Process] = []


def _begin(recipe: Recipe) -> None:
    """In a process of the pool, before its first range."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    _PROCESS.append(_Process(recipe))


def _end_with_parent() -> None:
    """A process that was killed ends none of its children."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _look(job: Job) -> Looked | Failure:
    """In a process of the pool: one range."""
    try:
        reader, view = _PROCESS[0].sides()
        with reader.snapshot(job.shared) as legacy:
            plan = plan_of(legacy, view, sums=job.sums)
            if (plan.name, plan.order.by_length) != (job.plan, job.by_length):
                raise PlanChanged(plan=job.plan, other=plan.name)
            counts, rows = Counts(), Counter[str]()
            differing = look(plan, legacy, job.keys, counts, rows)
            return looked_at(legacy.position, counts, rows, differing)
    except DragomanError as error:
        return Failure(type(error), {name: str(value) for name, value in error.fields.items()})
