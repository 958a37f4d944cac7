"""How much may be parked: over the bound a translator stops, since then it is the mapping that is wrong and not the data."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import msgspec

from pipeline.state.port import Count, Save, StateStore
from translators.errors import DragomanError

_CHANGES: Count = ("", "recent: changes")
_REJECTED: Count = ("", "recent: rejected")
_OUTCOMES = ("translated", "loaded", "ignored: ", "rejected", "parked")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one feed partition of one translator may park: so many keys, so many steps, a share of the last `of` changes."""

    keys: int = 1_000
    steps: int = 10_000
    share: float = 0.2
    of: int = 1_000


class Bound:
    """The bound of one feed partition. All that it counts is kept with the state, so that a restart changes nothing."""

    def __init__(self, limits: Limits, store: StateStore, translator: str, partition: int) -> None:
        self._limits = limits
        self._store = store
        self._translator = translator
        self._partition = partition
        waiting = store.waiting(None, partition)
        self._waiting = {(step.key, step.version) for step in waiting}
        self._letters = {(step.key, step.version): len(step.changes) for step in waiting if step.problem is not None}
        counts = store.counts(partition)
        self._changes, self._rejected = counts.get(_CHANGES, 0), counts.get(_REJECTED, 0)

    def count(self, save: Save) -> None:
        """Add to a batch what it does to the share of rejected changes, before it is written.

        Records that were set aside are none of it: that a project wants them so, it has said.
        """
        changes = sum(n for (table, label), n in save.counts.items() if table and label.startswith(_OUTCOMES))
        letters = {(step.key, step.version): len(step.changes) for step in save.waiting if step.problem is not None}
        rejected = sum(n for place, n in letters.items() if place not in self._letters)
        mended = sum(self._letters.get(place, 0) for place in save.settled)
        full = self._changes + changes > self._limits.of
        now_changes = changes if full else self._changes + changes
        now_rejected = max(0, (0 if full else self._rejected) + rejected - mended)
        for label, before, now in ((_CHANGES, self._changes, now_changes), (_REJECTED, self._rejected, now_rejected)):
            if now != before:
                save.counts[label] = now - before
        self._changes, self._rejected = now_changes, now_rejected
        self._letters |= letters

    def written(self, save: Save) -> None:
        """The batch was written."""
        self._waiting.update((step.key, step.version) for step in save.waiting)
        self._waiting.difference_update(save.settled)
        for place in save.settled:
            self._letters.pop(place, None)

    def check(self) -> None:
        """`ParkedTooMany` or `RejectedTooMany` where the bound is passed; nothing is to be read then."""
        limits = self._limits
        keys, steps = len({key for key, _ in self._waiting}), len(self._waiting)
        if keys > limits.keys or steps > limits.steps:
            bound = f"{limits.keys:,} keys and {limits.steps:,} steps"
            raise ParkedTooMany(keys=f"{keys:,}", steps=f"{steps:,}", bound=bound, **self._facts())
        if self._rejected > limits.share * max(limits.of, self._changes):
            share = f"{limits.share:.0%} of {limits.of:,}"
            last = f"{self._changes:,}"
            raise RejectedTooMany(rejected=f"{self._rejected:,}", changes=last, bound=share, **self._facts())

    def _facts(self) -> dict[str, object]:
        problems = (step.problem for step in self._store.waiting(None, self._partition))
        codes = Counter(problem.code for problem in problems if problem is not None)
        code, times = codes.most_common(1)[0] if codes else ("none", 0)
        often = f"{code} ({times:,} of {codes.total():,} dead letters)"
        return {"translator": self._translator, "partition": self._partition, "code": often}


class ParkedTooMany(DragomanError):
    """{translator} stopped: {keys} keys with {steps} steps are parked on partition {partition}, most often behind {code}."""

    code: ClassVar[str] = "parking.too-many"
    hint: ClassVar[str] = (
        "The bound is {bound} a partition. Nothing is lost, the feed was not read on. `dragoman parked list` shows them: mend "
        "the mapping, `dragoman parked release --all`, run again. `parking:` in dragoman.yaml sets the bound."
    )


class RejectedTooMany(DragomanError):
    """{translator} stopped: {rejected} of {changes} changes of partition {partition} were rejected, most often by {code}."""

    code: ClassVar[str] = "parking.share"
    hint: ClassVar[str] = (
        "The bound is {bound} changes. Nothing is lost, the feed was not read on. `dragoman parked list` shows them: mend "
        "the mapping, `dragoman parked release --all`, run again. `parking:` in dragoman.yaml sets the bound."
    )
