"""The spans into which a check's keys are cut, and what a look asks of all of them without going over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from random import Random

import msgspec

from reconcile.watch.walk import SideName

TRIES = 1_000
"""Spans that are drawn and put back until one is taken; so many are needed only where hardly any row is left."""

Name = tuple[SideName, str | None]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a side from behind `after` (`None`: from the first) up to where the next span begins.

    `seen` is when the last look at all of them began that could judge each; `keys` how many there were.
    """

    side: SideName
    after: str | None
    keys: int = 0
    seen: datetime | None = None

    @property
    def name(self) -> Name:
        """What tells it from the others; numbers change when spans are cut."""
        return self.side, self.after


class _Queue:
    """Numbers by the time that each has, which may be set again: the first is found without looking at the others."""

    def __init__(self, times: Iterable[datetime]) -> None:
        self._times = list(times)
        self._heap = [(time, at) for at, time in enumerate(self._times)]
        heapify(self._heap)

    def set(self, at: int, time: datetime) -> None:
        """The number has this time from now on."""
        self._times[at] = time
        heappush(self._heap, (time, at))

    def first(self) -> tuple[datetime, int]:
        """The earliest time, and the lowest number that has it."""
        while self._times[self._heap[0][1]] != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0]


class Spans:
    """The spans of both sides, in order. The time of a span comes a `period` after it was seen, or looked at in vain.

    Those that were never seen are spread over the period after `began`.
    """

    def __init__(self, spans: Iterable[Span], began: datetime, period: timedelta) -> None:
        self.all = list(spans)
        self._began = began
        self._period = period
        self._tried: dict[Name, datetime] = {}
        self._since: tuple[datetime, int] | None = None
        self._numbers: dict[Name, int] = {}
        self._keys: Counter[SideName] = Counter()
        self._dues, self._ages = _Queue(()), _Queue(())
        self._most = 0
        self._number()

    def number(self, name: Name) -> int:
        """Where a span stands by now."""
        return self._numbers[name]

    def first_due(self) -> tuple[datetime, int]:
        """The number of the span whose time comes first, and when that is."""
        return self._dues.first()

    def oldest(self) -> datetime:
        """The time since when each span has been seen."""
        return self._ages.first()[0] if self.all else self._began

    def seen_since(self, time: datetime) -> float:
        """The share of the spans that were seen since then."""
        if self._since is None or self._since[0] != time:
            self._since = (time, sum(_is_since(one, time) for one in self.all))
        return self._since[1] / len(self.all) if self.all else 0.0

    def keys(self, side: SideName) -> int:
        """How many keys a side has, as it was last seen."""
        return self._keys[side]

    def drawn(self, dice: Random) -> Span | None:
        """A span at random, by its keys; `None` if there are no keys.

        Spans are drawn alike and taken with the probability that their keys have to the most of one: all are counted nowhere.
        """
        if not self._keys.total():
            return None
        for _ in range(TRIES):
            span = dice.choice(self.all)
            if dice.random() * self._most < span.keys:
                return span
        return dice.choices(self.all, [one.keys for one in self.all])[0]

    def tried(self, span: Span, begun: datetime) -> None:
        """The span was looked at, whether or not all of its keys could be judged."""
        self._tried[span.name] = begun
        at = self.number(span.name)
        self._dues.set(at, self._due(at))

    def replace(self, at: int, count: int, found: Sequence[Span]) -> bool:
        """Put these in the place of `count` spans; whether others have another number by now."""
        if count != 1 or len(found) != 1:
            self.all[at : at + count] = found
            self._number()
            return True
        before, (now,) = self.all[at], found
        self.all[at] = now
        self._keys[now.side] += now.keys - before.keys
        self._most = max(self._most, now.keys)
        if self._since is not None:
            time, seen = self._since
            self._since = (time, seen + _is_since(now, time) - _is_since(before, time))
        self._dues.set(at, self._due(at))
        self._ages.set(at, now.seen or self._began)
        return False

    def _number(self) -> None:
        self._numbers = {one.name: at for at, one in enumerate(self.all)}
        self._keys = Counter()
        for one in self.all:
            self._keys[one.side] += one.keys
        self._most = max((one.keys for one in self.all), default=0)
        self._since = None
        self._dues = _Queue(self._due(at) for at in range(len(self.all)))
        self._ages = _Queue(one.seen or self._began for one in self.all)

    def _due(self, at: int) -> datetime:
        span = self.all[at]
        last = max((t for t in (span.seen, self._tried.get(span.name)) if t is not None), default=None)
        return self._began + self._period * (at / len(self.all)) if last is None else last + self._period


def _is_since(span: Span, time: datetime) -> bool:
    return span.seen is not None and span.seen >= time
