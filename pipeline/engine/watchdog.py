"""A worker is never alive and stuck: when no batch has ended for long, or ending takes too long, the process ends."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import ClassVar

from translators.errors import DragomanError

STUCK_SECONDS = 900
"""More than any batch takes, a take-over of millions of keys, or a call that waits for brokers."""
ENDING_SECONDS = 30
"""For so long a worker that was asked to end may go on with its batch. Nothing is lost by ending it then."""


class WorkerStuck(DragomanError):
    """The worker has not come to the end of a batch for {seconds} s."""

    code: ClassVar[str] = "worker.stuck"
    hint: ClassVar[str] = (
        "It was ended so that another can take its partitions over; nothing is lost. If it happens again, look at what its "
        "brokers, its disk and its Python functions do."
    )


class WorkerEndsSlowly(DragomanError):
    """The worker was asked to end and was still in a batch {seconds} s later."""

    code: ClassVar[str] = "worker.ends-slowly"
    hint: ClassVar[str] = "It was ended there; what it was doing is done again by the next one."


class Watchdog:
    """Counts seconds in which nothing happened, on a thread of its own; a process that is paused does not age.

    `end` is told why the process has to end, and ends it. `second` passes one.
    """

    def __init__(
        self,
        end: Callable[[DragomanError], None],
        *,
        stuck: int = STUCK_SECONDS,
        ending: int = ENDING_SECONDS,
        second: float = 1.0,
    ) -> None:
        self._end = end
        self._stuck = stuck
        self._ending = ending
        self._second = second
        self._still = 0
        self._left: int | None = None
        self._closed = Event()
        Thread(target=self._watch, name="watchdog", daemon=True).start()

    def alive(self) -> None:
        """A batch has ended."""
        self._still = 0

    def must_end(self) -> None:
        """The process was asked to end. Safe to repeat."""
        if self._left is None:
            self._left = self._ending

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._second):
            self._still += 1
            if self._left is not None:
                self._left -= 1
            if self._left is not None and self._left <= 0:
                self._end(WorkerEndsSlowly(seconds=self._ending))
                return
            if self._still >= self._stuck:
                self._end(WorkerStuck(seconds=self._stuck))
                return
