"""What is known to be over once a partition was read up to a watermark, kept until it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.grouping import Grouping
from pipeline.marks import Completed


class Proof(NamedTuple):
    """What holds of a partition once it was read up to `high`, which was asked for after the marks had been read.

    `ended` are transactions that are over, `loaded` says that the initial snapshot is, and `passed` is the commit position
    that the connector's own offset had reached. `completed` has the tables of each snapshot that is complete with it.
    """

    high: int
    ended: frozenset[str]
    loaded: bool
    passed: int | None = None
    completed: Sequence[Completed] = ()


class Proofs:
    """The proofs that one partition was given and has not acted upon, in order."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._given: list[Proof] = []
        self._ends: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._given)

    def expect(self, proof: Proof, ends: Mapping[str, int]) -> None:
        """One more; `ends` are the positions of all ENDs that may still be needed."""
        self._given.append(proof)
        self._ends = ends

    def high(self, position: int) -> int:
        """Up to where is to be read, by who stands at `position`."""
        return max((proof.high for proof in self._given), default=position)

    def close(self, position: int) -> None:
        """What those say to be over that are reached at `position` is over. Safe to repeat."""
        reached = [proof for proof in self._given if proof.high <= position]
        self._grouping.close_ended(frozenset().union(*(proof.ended for proof in reached)))
        passed = max((proof.passed for proof in reached if proof.passed is not None), default=None)
        if passed is not None:
            self._grouping.close_passed(passed, self._ends)

    def reached(self, position: int) -> list[Proof]:
        """Those that are reached at `position`: from now on they are acted upon."""
        reached = [proof for proof in self._given if proof.high <= position]
        self._given = [proof for proof in self._given if proof.high > position]
        return reached
