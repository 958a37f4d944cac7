"""A worker that stands still is ended, and one that does not end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest

from pipeline.engine.watchdog import Watchdog
from translators.errors import DragomanError

TICK = 0.01


def ended(what: Callable[[Watchdog], None], seconds: float = 1.0) -> list[str]:
    """The codes with which it ended a process that does `what` again and again."""
    found: list[DragomanError] = []
    with closing(Watchdog(found.append, stuck=20, ending=10, second=TICK)) as watchdog:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not found:
            what(watchdog)
            time.sleep(TICK / 4)
    return [error.code for error in found]


@pytest.mark.parametrize(
    ("what", "codes"),
    [
        (lambda watchdog: watchdog.alive(), []),
        (lambda watchdog: None, ["worker.stuck"]),
        (lambda watchdog: watchdog.must_end(), ["worker.ends-slowly"]),
        (lambda watchdog: (watchdog.alive(), watchdog.must_end()), ["worker.ends-slowly"]),
    ],
)
def test_it_ends_what_stands_still_or_does_not_end(what: Callable[[Watchdog], None], codes: list[str]) -> None:
    assert ended(what) == codes
