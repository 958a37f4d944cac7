"""How a process that goes on for long is ended: by a signal after the batch it is in, or by its watchdog."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from dragoman.console import FAILED, show_error
from translators.errors import DragomanError


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
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


@contextmanager
def watched(ended: threading.Event) -> Iterator[Callable[[], bool]]:
    """Whether the process was asked to end, to be asked between batches: one that asks no more is ended."""
    from pipeline.engine.watchdog import Watchdog

    with closing(Watchdog(end_at_once)) as watchdog:

        def asked() -> bool:
            watchdog.alive()
            if ended.is_set():
                watchdog.must_end()
            return ended.is_set()

        yield asked


def end_at_once(error: DragomanError) -> None:
    """End the process from another thread than the one that is stuck."""
    show_error(error)
    os._exit(FAILED)
