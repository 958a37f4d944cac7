"""How far a connector has come by its own account, asked on a thread of its own: nobody waits for Connect's answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread
from typing import Any

from connectors.connect.states import SourceOffset
from translators.errors import DragomanError

_log = logging.getLogger(__name__)

EVERY = 0.3
"""Seconds between two questions: Connect itself flushes offsets once in a second at best."""


class ConnectorProgress:
    """Called, it says the position that the connector's committed offsets have passed; `None` where nobody can tell now.

    What it says was true when it was asked, and stays true: offsets only rise within a source epoch. A failure is logged
    once, and once more when it is over. To be closed.
    """

    def __init__(
        self,
        offsets: Callable[[], Sequence[SourceOffset]],
        position: Callable[[Mapping[str, Any] | None], int | None],
        every: float = EVERY,
    ) -> None:
        self._offsets = offsets
        self._position = position
        self._every = every
        self._passed: int | None = None
        self._fails = False
        self._closed = Event()
        self._thread = Thread(target=self._ask_on, name="connector-progress", daemon=True)
        self._thread.start()

    def __call__(self) -> int | None:
        """The position, as of at most a moment ago."""
        return self._passed

    def close(self) -> None:
        """Ask no more. An answer that is still awaited is not waited for."""
        self._closed.set()

    def _ask_on(self) -> None:
        while not self._closed.is_set():
            self._passed = self._asked()
            self._closed.wait(self._every)

    def _asked(self) -> int | None:
        try:
            told = [self._position(one.offset) for one in self._offsets()]
        except DragomanError as error:
            if not self._fails:
                _log.warning(
                    "%s No step is closed by the connector's offset until it answers.",
                    error.message,
                    extra={"action": "connector.progress", "code": error.code},
                )
            self._fails = True
            return None
        if self._fails:
            _log.info("Kafka Connect answers again.", extra={"action": "connector.progress"})
        self._fails = False
        known = [position for position in told if position is not None]
        return min(known) if known and len(known) == len(told) else None
