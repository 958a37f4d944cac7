"""Workers in their groups, and the readers of the curated streams, turned in one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.engine.embedded import Turning
from pipeline.engine.kafka import Membership


class Turner(Turning, Protocol):
    """A translator at work: turned here, or by a process of its own."""

    @property
    def has_joined(self) -> bool:
        """Whether it is known what there is for it to do."""


class Lead:
    """Which process turns the readers: the one that has the only partition of a topic, in a group made for that."""

    def __init__(self, member: Membership) -> None:
        self._member = member
        self._has: bool | None = None

    @property
    def is_known(self) -> bool:
        """Whether the group has said who leads."""
        return self._has is not None

    def ours(self) -> bool:
        """Whether this process leads now."""
        if self._member.must_let_go:
            self._has = None
            self._member.let_go()
        found = self._member.assigned()
        if found is not None:
            self._has = bool(found.partitions)
        return bool(self._has)

    def close(self) -> None:
        """Leave it to others."""
        self._member.close()


class GroupEngine:
    """One turn of everything, in the direction of the data. The readers turn where this process leads."""

    def __init__(self, runners: Sequence[Turner], readers: Sequence[Turning], lead: Lead) -> None:
        self._runners = runners
        self._readers = readers
        self._lead = lead

    def turn(self) -> int:
        """One turn of every part; the number of records handled by all."""
        handled = sum(runner.turn() for runner in self._runners)
        if self._lead.ours():
            handled += sum(reader.turn() for reader in self._readers)
        return handled

    @property
    def is_settled(self) -> bool:
        """Whether the groups have said what is ours to do."""
        return self._lead.is_known and all(runner.has_joined for runner in self._runners)
