"""What a watch tells to whoever asks over HTTP: `/metrics`, and whether each check is watched as it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Engine

from dragoman.watch_service import Told
from reconcile.check import CheckSpec
from reconcile.ledger.gates import last_full
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.watches import WatchBook
from reconcile.run import RunResult
from reconcile.watch.bucket import Bucket
from reconcile.watch.metrics import Standing, openmetrics, summed
from reconcile.watch.walk import SideName
from reconcile.watch.watcher import Look, Promise
from translators.errors import DragomanError

_ASKED = timedelta(minutes=1)
"""How often the ledger is asked what others wrote into it: runs, repairs, what was accepted."""


class Metrics:
    """Told what happens, on the watch's thread; asked for it on others, which only read what is replaced as a whole."""

    def __init__(self, engine: Engine, specs: Sequence[CheckSpec], promise: Promise, clock: Callable[[], datetime]):
        self._ledger, self._book, self._clock = Ledger(engine), WatchBook(engine), clock
        within = promise.within.total_seconds()
        self._standings = {spec.check: Standing(check=spec, within=within) for spec in specs}
        self._buckets: dict[int, tuple[SideName, Bucket]] = {}
        self._asked: dict[str, datetime] = {}
        self.parts = [_Part(self, spec.check) for spec in specs]

    def text(self) -> str:
        """All metrics, as of now."""
        return openmetrics(list(self._standings.values()), list(self._buckets.values()), self._clock())

    def standing(self, check: str) -> Standing:
        """How the watch of a check stands."""
        return self._standings[check]

    def began(self, check: CheckSpec, promise: Promise, buckets: Mapping[SideName, Bucket]) -> None:
        """See the port."""
        self._buckets |= {id(bucket): (side, bucket) for side, bucket in buckets.items()}

    def looking(self, check: CheckSpec) -> None:
        """See the port."""
        now, name = self._clock(), check.check
        if name in self._asked and now - self._asked[name] < _ASKED:
            return
        if name not in self._asked:
            ended = self._book.turns(name)[:-1]
            self._put(name, before=summed(ended), last=ended[-1] if ended else None)
        self._put(name, open=self._ledger.findings(name), full=last_full(check, self._ledger.runs(name)))
        self._asked[name] = now

    def looked(self, look: Look) -> None:
        """See the port."""
        entry, name = look.entry, look.entry.check
        before = self._standings[name]
        failed = before.failed + (entry.trouble is not None)
        self._put(name, turn=entry, looks=before.looks + 1, failed=failed, trouble=entry.trouble)
        if look.ended is not None:
            counts = {key: before.before.get(key, 0) + number for key, number in summed([look.ended]).items()}
            self._put(name, before=counts, last=look.ended)
        if look.result is not None and look.result.hops:
            self._put(name, hops=look.result.hops, fenced=entry.looked)
        if look.found or look.closed:
            self._asked[name] -= _ASKED

    def failed(self, check: CheckSpec, error: DragomanError, again: datetime) -> None:
        """See the port."""
        before = self._standings[check.check]
        self._put(check.check, looks=before.looks + 1, failed=before.failed + 1, trouble=error.code)

    def asked(self, result: RunResult) -> None:
        """See the port."""
        name = result.check.check
        before, trouble = self._standings[name], None if result.incomplete is None else result.incomplete.code
        failed = before.failed + (result.exit_code == 2)
        self._put(name, looks=before.looks + 1, failed=failed, trouble=trouble)
        if result.hops:
            self._put(name, hops=result.hops, fenced=result.started)
        self._asked.pop(name, None)

    def gated(self, result: RunResult) -> None:
        """See the port."""
        if result.hops:
            self._put(result.check.check, hops=result.hops, fenced=result.started)
        self._asked.pop(result.check.check, None)

    def _put(self, check: str, **changes: Any) -> None:
        self._standings[check] = msgspec.structs.replace(self._standings[check], **changes)


class _Part:
    """A check, as a probe sees it: at work while its looks prove what they look at."""

    seen = None

    def __init__(self, metrics: Metrics, check: str) -> None:
        self._metrics = metrics
        self.name = check

    @property
    def joined(self) -> bool:
        """Whether its last look proved something."""
        standing = self._metrics.standing(self.name)
        return standing.looks > 0 and standing.trouble is None


class Both:
    """Two of those who are told."""

    def __init__(self, first: Told, second: Told) -> None:
        self._all = (first, second)

    def began(self, check: CheckSpec, promise: Promise, buckets: Mapping[SideName, Bucket]) -> None:
        """See the port."""
        for one in self._all:
            one.began(check, promise, buckets)

    def looking(self, check: CheckSpec) -> None:
        """See the port."""
        for one in self._all:
            one.looking(check)

    def looked(self, look: Look) -> None:
        """See the port."""
        for one in self._all:
            one.looked(look)

    def failed(self, check: CheckSpec, error: DragomanError, again: datetime) -> None:
        """See the port."""
        for one in self._all:
            one.failed(check, error, again)

    def asked(self, result: RunResult) -> None:
        """See the port."""
        for one in self._all:
            one.asked(result)

    def gated(self, result: RunResult) -> None:
        """See the port."""
        for one in self._all:
            one.gated(result)
