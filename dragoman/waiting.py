"""What waits: dead letters and parked keys of all translators, read from their states beside a running worker."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dragoman.project import Project
from dragoman.wiring import state_of
from pipeline.state.port import Waiting
from translators.problem import Problem


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose steps wait behind a dead letter, in order; or, without steps, one whose rows have no mapping."""

    translator: str
    key: str
    partition: int
    problem: Problem
    steps: tuple[Waiting, ...] = ()

    @property
    def dead_letter(self) -> str | None:
        """The id of the dead letter in front."""
        return self.steps[0].dead_letter if self.steps else None

    @property
    def undecided(self) -> tuple[Waiting, ...]:
        """The steps whose events were not given up."""
        return tuple(step for step in self.steps if not step.discarded)

    @property
    def behind(self) -> int:
        """How many steps wait behind the first one whose events were not given up."""
        return max(0, len(self.undecided) - 1)


def parked_keys(project: Project, only: str | None = None, unmapped: bool = True) -> list[ParkedKey]:
    """All parked keys, the oldest first; then, if wanted, those whose rows are known but cannot be mapped."""
    found: list[ParkedKey] = []
    names = project.settings.translators
    if only is not None:
        project.check_name(only)
        names = (only,)
    for name in names:
        with state_of(project, name) as store:
            if store is None:
                continue
            found += _waiting(name, store.waiting())
            if unmapped:
                for key, stored in store.scan():
                    if stored.unmapped is not None:
                        problem, partition = stored.unmapped, stored.partition
                        found.append(ParkedKey(translator=name, key=key, partition=partition, problem=problem))
    return found


def _waiting(translator: str, steps: Iterable[Waiting]) -> list[ParkedKey]:
    by_key: dict[str, list[Waiting]] = {}
    for step in steps:
        by_key.setdefault(step.key, []).append(step)
    found = []
    for key, waiting in by_key.items():
        first = waiting[0]
        problem = first.problem or Problem(code="parked", cause="technical", message="its dead letter is gone")
        found.append(
            ParkedKey(translator=translator, key=key, partition=first.partition, problem=problem, steps=tuple(waiting))
        )
    return found
