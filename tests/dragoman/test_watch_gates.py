"""The timetable of full runs, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from dragoman.watch_gates import FIRST_PAUSE, LONGEST_PAUSE, GateKeeper, GateTimeUnreadable, gate_time
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.run import RunResult
from reconcile.unrun import not_run
from tests.reconcile.world import CHECK, Clock
from translators.errors import DragomanError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Ledger(engine)
    engine.dispose()


class Service:
    """A watch that does nothing but full runs; each takes `minutes`, and proves something unless `broken`."""

    def __init__(self, ledger: Ledger, *times: str, minutes: int = 10) -> None:
        self.ledger, self.clock, self.minutes = ledger, Clock(), minutes
        self.clock.now = NOON
        self.began: list[datetime] = []
        self.failures: list[datetime] = []
        self.broken = False
        self.error: DragomanError | None = None
        self.times = [gate_time(text) for text in times]
        self.start()

    def start(self) -> None:
        self.keeper = GateKeeper(CHECK, self.times, self.ledger, lambda: self.clock.now, self.run, self.failed)

    def run(self) -> RunResult:
        began = self.clock.now
        self.began.append(began)
        if self.error is not None:
            raise self.error
        result = not_run(CHECK, DragomanError(), run=f"r-{len(self.began)}", now=began)
        self.clock.now += timedelta(minutes=self.minutes)
        if not self.broken:
            whole = {"compared": 9, "agree": 9, "ended": True, "incomplete": None, "seconds": 60.0 * self.minutes}
            result = msgspec.structs.replace(result, **whole)
        return self.ledger.end(result, gate=True)

    def failed(self, error: DragomanError, again: datetime) -> None:
        self.failures.append(again)

    def go_on(self, hours: float) -> list[float]:
        """Do what is due for so long; the hours after noon at which runs began."""
        end = self.clock.now + hours * HOUR
        while self.keeper.due <= end:
            self.clock.now = max(self.clock.now, self.keeper.due)
            self.keeper.step()
        self.clock.now = max(self.clock.now, end)
        return [(one - NOON) / HOUR for one in self.began]


def test_every_so_often_from_the_beginning_of_the_one_before(ledger: Ledger) -> None:
    assert Service(ledger, "6h").go_on(20) == [0, 6, 12, 18]


def test_each_day_at_a_time_and_one_that_was_missed_at_once(ledger: Ledger) -> None:
    service = Service(ledger, "02:30")
    assert service.go_on(40) == [14.5, 38.5]
    service.clock.now += 30 * HOUR
    service.start()
    assert service.go_on(20)[2:] == [70, 86.5]


def test_once_before_a_moment_early_enough_for_how_long_it_takes(ledger: Ledger) -> None:
    assert Service(ledger, "2026-11-21T12:00").go_on(60) == [23]
    slow = Service(ledger, "2026-11-24T12:00", minutes=150)
    slow.run()
    slow.start()
    assert slow.go_on(120)[1:] == [96 - 5]


def test_a_run_that_proved_nothing_is_tried_again_until_the_moment_is_over(ledger: Ledger) -> None:
    service = Service(ledger, "2026-11-21T12:00", minutes=0)
    service.broken = True
    hours = service.go_on(30)
    pauses = [later - before for before, later in pairwise(hours)]
    assert hours[0] == 23 and 24 - LONGEST_PAUSE / HOUR <= hours[-1] < 24
    assert pauses == pytest.approx([FIRST_PAUSE / HOUR * 2**n for n in range(len(pauses))])
    assert len(pauses) >= 3


def test_one_that_cannot_begin_is_told_and_tried_again_and_a_good_one_ends_that(ledger: Ledger) -> None:
    service = Service(ledger, "6h")
    service.error = DragomanError()
    service.keeper.step()
    service.clock.now = service.keeper.due
    service.keeper.step()
    assert service.failures == [NOON + FIRST_PAUSE, NOON + 3 * FIRST_PAUSE]
    service.error = None
    service.clock.now = service.keeper.due
    service.keeper.step()
    assert service.keeper.due == NOON + 3 * FIRST_PAUSE + 6 * HOUR


def test_a_gate_that_somebody_else_ran_counts_and_an_ordinary_run_does_not(ledger: Ledger) -> None:
    service = Service(ledger, "6h")
    service.go_on(1)
    service.clock.now = NOON + 3 * HOUR
    ledger.end(msgspec.structs.replace(_whole(), run="r-else", started=service.clock.now), gate=False)
    assert service.keeper.due == NOON + 6 * HOUR
    ledger.end(msgspec.structs.replace(_whole(), run="r-gate", started=service.clock.now), gate=True)
    assert service.go_on(3.1) == [0], "asked again when its time has come"
    assert service.keeper.due == NOON + 9 * HOUR


def _whole() -> RunResult:
    result = not_run(CHECK, DragomanError(), run="r", now=NOON)
    return msgspec.structs.replace(result, compared=9, agree=9, ended=True, incomplete=None)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2:30", "0h", "2026-13-01T00:00", "2026-11-21", "24"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(GateTimeUnreadable):
        gate_time(text)
