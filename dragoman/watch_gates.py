"""Full runs on a timetable: a watch compares everything as of one position every so often, each day, or before a moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar

import msgspec

from dragoman.times import SpanUnreadable, span_of
from reconcile.check import CheckSpec
from reconcile.ledger.entries import RunEntry
from reconcile.ledger.gates import last_full
from reconcile.ledger.ledger import Ledger
from reconcile.run import RunResult
from translators.errors import DragomanError

LEAD = timedelta(hours=1)
"""So long before the moment that it is for a gate begins, or twice as long as the longest one took, if that is more."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=2), timedelta(hours=1)
"""After a gate that proved nothing the next is tried; the pause doubles from one to the next."""

_IDLE = timedelta(days=1)

_DAILY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


class GateTimeUnreadable(DragomanError):
    """{text!r} says no time for full runs."""

    code: ClassVar[str] = "watch.gate-time"
    hint: ClassVar[str] = (
        "Write how often (24h), when each day (02:30), or before which moment (2027-01-31T06:00); times are in UTC."
    )


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What was run: `last` is the last full run that proved something, `began` when the timetable did."""

    began: datetime
    runs: Sequence[RunEntry]
    last: RunEntry | None


class Every(msgspec.Struct, frozen=True):
    """So long after the last one began; the first at once."""

    span: timedelta

    def due(self, past: Past, now: datetime) -> datetime | None:
        """When the next run is to begin."""
        return past.began if past.last is None else past.last.started + self.span


class Daily(msgspec.Struct, frozen=True):
    """Each day at a time in UTC; one that was missed is made up for."""

    at: time

    def due(self, past: Past, now: datetime) -> datetime | None:
        """When the next run is to begin."""
        since = past.began if past.last is None else past.last.started
        today = datetime.combine(since.astimezone(UTC).date(), self.at, UTC)
        return today if today > since else today + timedelta(days=1)


class Before(msgspec.Struct, frozen=True):
    """Once, early enough to be over at a moment."""

    moment: datetime

    def due(self, past: Past, now: datetime) -> datetime | None:
        """When the run is to begin; `None` once it was made, or the moment is over."""
        longest = max((run.seconds or 0.0 for run in past.runs if run.gate), default=0.0)
        begin = self.moment - max(LEAD, timedelta(seconds=2 * longest))
        done = past.last is not None and past.last.started >= begin
        return None if done or now >= self.moment else begin


GateTime = Every | Daily | Before


def gate_time(text: str) -> GateTime:
    """`24h`, `02:30` or `2027-01-31T06:00`; `GateTimeUnreadable`."""
    if (daily := _DAILY.fullmatch(text)) is not None:
        return Daily(time(int(daily[1]), int(daily[2]), tzinfo=None))
    try:
        if _MOMENT.fullmatch(text):
            return Before(datetime.fromisoformat(text).replace(tzinfo=UTC))
        return Every(span_of(text))
    except (SpanUnreadable, ValueError) as error:
        raise GateTimeUnreadable(text=text) from error


class GateKeeper:
    """The full runs of one check. `run` makes one and records it, `told` is who hears of it; either as for the watch's own."""

    def __init__(
        self,
        spec: CheckSpec,
        times: Sequence[GateTime],
        ledger: Ledger,
        clock: Callable[[], datetime],
        run: Callable[[], RunResult],
        failed: Callable[[DragomanError, datetime], None],
    ) -> None:
        self._spec = spec
        self._times = times
        self._ledger = ledger
        self._clock = clock
        self._run = run
        self._failed = failed
        self._pause = FIRST_PAUSE
        self._began = clock()
        self.due = self._next()

    def step(self) -> None:
        """One full run, if its time has come; a run that somebody else made meanwhile counts."""
        try:
            self.due = self._next()
            if self.due > self._clock():
                return
            proved = self._run().exit_code != 2
        except DragomanError as error:
            self.due = self._later()
            self._failed(error, self.due)
            return
        if proved:
            self._pause = FIRST_PAUSE
            self.due = self._next()
        else:
            self.due = self._later()

    def _later(self) -> datetime:
        due = self._clock() + self._pause
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        return due

    def _next(self) -> datetime:
        """When the first of the times has come; a run that proved nothing does not count as one."""
        now, runs = self._clock(), self._ledger.runs(self._spec.check)
        last = last_full(self._spec, [run for run in runs if run.state != "broken"])
        past = Past(began=self._began, runs=runs, last=last)
        return min((due for one in self._times if (due := one.due(past, now)) is not None), default=now + _IDLE)
