"""What the keys of one cause have in common beside it: they lie in one range, or came with one deploy, and nothing else did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from reconcile.groups import Group

FEWEST = 5
"""Keys of a cause from which on it says something that all of them lie together."""

_NEARLY_ALL = 0.9
_NOT_ALL = 0.5

TraitName = Literal["one-range", "one-deploy"]


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """What the keys of the group named `reason` have in common."""

    name: TraitName
    reason: str
    text: str


class Mark(msgspec.Struct, frozen=True):
    """Of one finding: whether the view has a row, when it was applied, and by which mapping its last record is."""

    applied: datetime | None
    mapping: str
    published: datetime | None


class Tally(Protocol):
    """Counts of a view's rows, now."""

    def keys_between(self, first: str, last: str) -> int:
        """Rows whose keys lie between these, both included, by code point."""

    def applied_between(self, first: datetime, last: datetime) -> int:
        """Rows that were last written between these instants, both included."""


def traits_of(
    groups: Sequence[Group], marks: Mapping[str, Mark], tally: Tally, view_rows: int, compared: int
) -> Iterator[Trait]:
    """What the groups have in common; a group that is most of everything has nothing of its own."""
    missing = sorted(key for group in groups for key in group.keys if marks[key].applied is None)
    for group in groups:
        if len(group.keys) < FEWEST:
            continue
        yield from _range(group, missing, tally, compared)
        yield from _deploy(group, [marks[key] for key in group.keys], tally, view_rows)


def _range(group: Group, missing: Sequence[str], tally: Tally, compared: int) -> Iterator[Trait]:
    first, last = min(group.keys), max(group.keys)
    between = tally.keys_between(first, last) + sum(first <= key <= last for key in missing)
    if len(group.keys) >= _NEARLY_ALL * between and between <= _NOT_ALL * compared:
        yield Trait(
            name="one-range",
            reason=group.reason,
            text=(
                f"One range: {len(group.keys):,} of the {between:,} keys from {first} to {last}, and none outside. "
                "See what loaded, moved or skipped just these."
            ),
        )


def _deploy(group: Group, marks: Sequence[Mark], tally: Tally, view_rows: int) -> Iterator[Trait]:
    names = {cause.name for cause in group.causes}
    mappings = {mark.mapping for mark in marks}
    if "mapping-changed" in names and len(mappings) == 1:
        times = sorted(mark.published for mark in marks if mark.published is not None)
        when = f" between {times[0]:%d %b %H:%M:%S} and {times[-1]:%d %b %H:%M:%S} UTC" if times else ""
        yield Trait(
            name="one-deploy",
            reason=group.reason,
            text=f"One deploy: all were published by mapping {mappings.pop()}{when}.",
        )
    applied = sorted(mark.applied for mark in marks if mark.applied is not None)
    if "consumer-misapplied" not in names or len(applied) != len(marks):
        return
    between = tally.applied_between(applied[0], applied[-1])
    if len(applied) >= _NEARLY_ALL * between and between <= _NOT_ALL * view_rows:
        yield Trait(
            name="one-deploy",
            reason=group.reason,
            text=(
                f"One deploy: {len(applied):,} of the {between:,} rows that the view took between "
                f"{applied[0]:%d %b %H:%M:%S} and {applied[-1]:%d %b %H:%M:%S} UTC, and none before or after. "
                "Line that up with what was put live then."
            ),
        )
