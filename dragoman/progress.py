"""The line that moves while something works: on a terminal only, gone when it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dragoman.console import clean, console

if TYPE_CHECKING:
    from rich.status import Status


class ProgressLine:
    """Counts records and shows the count, the rate and what is going on. `None` for `status` shows nothing."""

    def __init__(self, status: Status | None) -> None:
        self._status = status
        self._what = ""
        self._records = 0
        self._begun = time.monotonic()
        self._shown = 0.0

    def moved(self, name: str, records: int) -> None:
        """A translator has handled a batch."""
        self._records += records
        now = time.monotonic()
        if self._status is not None and now - self._shown > 0.1:
            self._shown = now
            self._show(name, now)

    def doing(self, what: str) -> None:
        """What is going on from now on."""
        self._what, self._records, self._begun = what, 0, time.monotonic()
        if self._status is not None:
            self._show("", time.monotonic())
            self._status.start()

    def clear(self) -> None:
        """Take the line away, until something is doing again."""
        if self._status is not None:
            self._status.stop()

    def _show(self, name: str, now: float) -> None:
        from rich.text import Text

        rate = self._records / max(now - self._begun, 0.001)
        parts = [self._what, f"{self._records:,} changes   {rate:,.0f}/s" if self._records else "", name]
        if self._status is not None:
            self._status.update(Text(clean("   ".join(part for part in parts if part))))


@contextmanager
def progress_line(enabled: bool = True) -> Iterator[ProgressLine]:
    """A progress line on standard error while the block runs."""
    if not (enabled and sys.stderr.isatty()):
        yield ProgressLine(None)
        return
    from rich.text import Text

    with console(sys.stderr).status(Text("starting")) as status:
        yield ProgressLine(status)
