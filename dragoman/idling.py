"""How long a loop rests when there is nothing to do: briefly at first, since what belongs to the last record is on its way."""

from __future__ import annotations

LEAST, MOST = 0.005, 0.2
"""Seconds."""


class Idle:
    """Rests of a loop, each twice as long as the one before, until there was something to do."""

    def __init__(self) -> None:
        self._next = MOST

    def worked(self) -> None:
        """There was something to do."""
        self._next = LEAST

    def seconds(self) -> float:
        """Of the next rest."""
        now, self._next = self._next, min(MOST, 2 * self._next)
        return now
