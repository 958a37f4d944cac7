"""A check in half-open ranges of keys: where they are cut, what one of them comes to, and that none is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from reconcile.compare import Counts, candidates
from reconcile.cutting import cut, has_keyless_row
from reconcile.errors import RangeMissing, ResumeChanged
from reconcile.plans import Plan
from reconcile.sources import LegacySnapshot
from reconcile.streams import WHOLE, KeyRange


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What one range came to: the counts of both sides, the legacy's rows by table, and the keys that differ.

    It says so of the moment at `position` of the legacy, and of no other.
    """

    position: int
    source: int
    view: int
    compared: int
    agree: int
    rows: Mapping[str, int]
    differing: tuple[str, ...]


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """The run that this one goes on with, when that began, and how many of the ranges it had done."""

    run: str
    began: datetime
    ranges: int


class Cutting(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass was cut. `together`: all ranges of the legacy were read as of one moment."""

    ranges: int = 1
    processes: int = 1
    together: bool = True
    resumed: Resumed | None = None


class RangeBook(Protocol):
    """Remembers the ranges of one run, so that another can go on where it died.

    `ranges` are those of the run that is gone on with, in order, empty where there is none; `done` those that it had done.
    """

    by_length: bool
    ranges: Sequence[KeyRange]
    done: Mapping[KeyRange, Looked]
    resumed: Resumed | None

    def begin(self, ranges: Sequence[KeyRange], by_length: bool) -> None:
        """The run is cut in these ranges; what was remembered of other runs of the check is forgotten."""

    def finished(self, keys: KeyRange, looked: Looked) -> None:
        """A range is done. May be told again of the same one."""


class Pool(Protocol):
    """Looks at ranges side by side, in `processes` other processes."""

    processes: int

    def looks(
        self, plan: Plan, legacy: LegacySnapshot, ranges: Sequence[KeyRange]
    ) -> Iterator[tuple[KeyRange, Looked]]:
        """What each of the ranges came to, in any order. Raises what looking at one raises, if it does so twice."""


class Pass:
    """One look at all keys of both sides: `counts` and `rows` add up while it goes on, `cutting` says how it was cut."""

    def __init__(self, plan: Plan, legacy: LegacySnapshot, pool: Pool | None, book: RangeBook | None) -> None:
        self.cutting = Cutting()
        self.position = legacy.position
        self._plan = plan
        self._legacy = legacy
        self._pool = pool
        self._book = book

    def differing(self, counts: Counts, rows: Counter[str], *, whole: bool = False) -> list[str]:
        """The keys that differ, looked at as one range if it has to be `whole`."""
        book, ranges = self._book, [WHOLE] if whole else self._ranges()
        found = {keys: book.done[keys] for keys in ranges if keys in book.done} if book is not None else {}
        for looked in found.values():
            _add(counts, rows, looked)
        left = [keys for keys in ranges if keys not in found]
        pool = self._pool if len(left) > 1 else None
        if book is not None:
            book.begin(ranges, self._plan.order.by_length)
        self.cutting = Cutting(
            ranges=len(ranges),
            processes=1 if pool is None else pool.processes,
            together=not found and (pool is None or self._legacy.is_shared),
            resumed=book.resumed if book is not None and found else None,
        )
        looks = self._here(left, counts, rows) if pool is None else self._beside(pool, left, counts, rows)
        for keys, looked in looks:
            found[keys] = looked
            if book is not None:
                book.finished(keys, looked)
        missing = sum(keys not in found for keys in ranges)
        if missing:
            raise RangeMissing(missing=missing, ranges=len(ranges))
        self.position = min(looked.position for looked in found.values())
        return [key for keys in ranges for key in found[keys].differing]

    def _ranges(self) -> Sequence[KeyRange]:
        ranges = self._cut()
        # In no range is a row without a key; whoever reads all of a table says that there is one.
        return [WHOLE] if len(ranges) > 1 and has_keyless_row(self._legacy) else ranges

    def _cut(self) -> Sequence[KeyRange]:
        order = self._plan.order
        if self._book is not None and self._book.ranges:
            if self._book.by_length != order.by_length:
                raise ResumeChanged(what="the order of the keys has")
            return self._book.ranges
        return cut(self._legacy, order, 1 if self._pool is None else self._pool.processes)

    def _here(
        self, ranges: Sequence[KeyRange], counts: Counts, rows: Counter[str]
    ) -> Iterator[tuple[KeyRange, Looked]]:
        """One after the other; what was seen of one that breaks off is counted."""
        for keys in ranges:
            seen, read = Counts(), Counter[str]()
            try:
                differing = look(self._plan, self._legacy, keys, seen, read)
            finally:
                looked = looked_at(self._legacy.position, seen, read)
                _add(counts, rows, looked)
            yield keys, msgspec.structs.replace(looked, differing=tuple(differing))

    def _beside(
        self, pool: Pool, ranges: Sequence[KeyRange], counts: Counts, rows: Counter[str]
    ) -> Iterator[tuple[KeyRange, Looked]]:
        for keys, looked in pool.looks(self._plan, self._legacy, ranges):
            _add(counts, rows, looked)
            yield keys, looked


def look(plan: Plan, legacy: LegacySnapshot, keys: KeyRange, counts: Counts, rows: Counter[str]) -> list[str]:
    """The keys of one range that differ."""
    with plan.opened(legacy, keys, rows) as sides:
        return list(candidates(sides, keys, counts))


def looked_at(position: int, counts: Counts, rows: Mapping[str, int], differing: Sequence[str] = ()) -> Looked:
    """What one range came to."""
    return Looked(
        position=position,
        source=counts.source,
        view=counts.view,
        compared=counts.compared,
        agree=counts.agree,
        rows=dict(rows),
        differing=tuple(differing),
    )


def _add(counts: Counts, rows: Counter[str], looked: Looked) -> None:
    counts.source += looked.source
    counts.view += looked.view
    counts.compared += looked.compared
    counts.agree += looked.agree
    rows.update(looked.rows)
