"""Chance, drawn by hypothesis: a string of bytes from which every choice of a schedule is taken.

Zero is always the dullest choice, and a string that has run out gives zeros; so a failing schedule shrinks towards one in
which little happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Reads a string of bytes from front to back; zeros behind its end."""

    def __init__(self, drawn: bytes) -> None:
        self._drawn = iter(drawn)

    def below(self, end: int) -> int:
        """A number from 0 to `end - 1` (at most 255)."""
        return next(self._drawn, 0) * end >> 8

    def pick(self, choices: Sequence[T]) -> T:
        """One of these; the first is the dullest."""
        return choices[self.below(len(choices))]

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred cases; false is dull."""
        return next(self._drawn, 0) * 100 >= (100 - percent) * 256
