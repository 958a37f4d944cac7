"""Every key within a time: both sides cut into spans of keys, of which the one is looked at whose time has come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import get_args

import msgspec

from reconcile.watch.spans import Span, Spans
from reconcile.watch.walk import Place, SideName, Walk

SPAN = 1_000
"""Keys that a span is cut to hold."""

PAGE = 200
"""Keys of a span that are looked at together."""

SHARE = 3 / 4
"""A span's time comes after this share of the time that is promised: what is left is for pauses and busy databases."""

MOST_OPEN = 500
"""Keys of which nothing could be said yet; while there are more, no further ones are looked at."""

SIDES: tuple[SideName, ...] = get_args(SideName)


class _Pass(msgspec.Struct, kw_only=True):
    """One look at a span, page by page: `cuts` are where further spans would begin, `left` keys that were not judged."""

    span: Span
    begun: datetime
    cursor: str | None
    keys: int = 0
    places: Sequence[Place] = ()
    cuts: list[str] = []
    left: set[str] = set()


class Coverage:
    """The spans of a check, and the looks at them that go on. `began` is when they were first cut."""

    def __init__(
        self, walks: Mapping[SideName, Walk], spans: Iterable[Span], *, began: datetime, within: timedelta
    ) -> None:
        self._spans = Spans(spans, began, within * SHARE)
        self.within = within
        self.began = began
        self._recut = False
        self._news: list[Span] = []
        self._walks = walks
        self._going: _Pass | None = None
        self._open: list[_Pass] = []

    @property
    def spans(self) -> list[Span]:
        """The spans, in order."""
        return self._spans.all

    @property
    def again(self) -> list[str]:
        """Keys that could not be judged, of spans that are read to their ends but for that."""
        return [key for one in self._open for key in sorted(one.left)]

    def oldest(self) -> datetime:
        """The time since when each key has been looked at, and judged."""
        return self._spans.oldest()

    def is_overdue(self, now: datetime) -> bool:
        """Whether the promise is broken: a key was not looked at within the time."""
        return now - self.oldest() > self.within

    def seen_since(self, time: datetime) -> float:
        """The share of the spans that were seen since then."""
        return self._spans.seen_since(time)

    def keys(self, side: SideName) -> int:
        """How many keys a side has, as it was last seen."""
        return self._spans.keys(side)

    def next_due(self) -> datetime:
        """When the time of a span comes; now or earlier if it has come already."""
        if self._going is not None:
            return self._going.begun
        return self._spans.first_due()[0]

    def drawn(self, dice: Random) -> str | None:
        """A key at random, each row of both sides as likely as any other as far as spans know how many they have.

        None if the row is gone, or there are no rows.
        """
        span = self._spans.drawn(dice)
        if span is None:
            return None
        found = self._walks[span.side].places(span.after, self._until(span), 1, dice.randrange(span.keys))
        return found[0].key if found else None

    def page(self, now: datetime) -> list[str]:
        """The keys that are to be looked at now: the same ones until `looked` is called. None if no span's time has come."""
        while (going := self._going or self._begun(now)) is not None:
            if not going.places:
                going.places = self._walks[going.span.side].places(going.cursor, self._until(going.span), PAGE)
            if going.places:
                return [place.key for place in going.places]
            self._finish(going)
        return []

    def looked(self, judged: Iterable[str]) -> None:
        """The page was looked at, and other keys; of those that are not `judged` nothing could be said."""
        known = set(judged)
        for one in list(self._open):
            one.left -= known
            if not one.left:
                self._open.remove(one)
                self._seen(one)
        going = self._going
        if going is not None and going.places:
            self._take(going, known)
            if len(going.places) < PAGE:
                self._finish(going)
            going.places = ()

    def news(self) -> tuple[dict[int, Span], bool]:
        """The spans that were seen since this was asked before, by their numbers, and whether all have other numbers now."""
        # Where all have other numbers, some of those that were seen may not be there any more.
        numbers = set() if self._recut else {self._spans.number(one.name) for one in self._news}
        found = {at: self.spans[at] for at in sorted(numbers)}
        recut, self._recut, self._news = self._recut, False, []
        return found, recut

    def _begun(self, now: datetime) -> _Pass | None:
        """The look at the span whose time came first, if one's has."""
        if len(self.again) > MOST_OPEN or self.next_due() > now:
            return None
        span = self.spans[self._spans.first_due()[1]]
        self._open = [one for one in self._open if one.span.name != span.name]
        self._going = _Pass(span=span, begun=now, cursor=span.after)
        return self._going

    def _take(self, going: _Pass, known: set[str]) -> None:
        going.left |= {place.key for place in going.places} - known
        for place in going.places:
            going.keys += 1
            if going.keys % SPAN == 0:
                going.cuts.append(place.cursor)
        going.cursor = going.places[-1].cursor

    def _finish(self, going: _Pass) -> None:
        self._going = None
        self._spans.tried(going.span, going.begun)
        if going.left:
            self._open.append(going)
        else:
            self._seen(going)

    def _seen(self, done: _Pass) -> None:
        """A span all of whose keys are judged; cut where it has grown, joined to the one before where little is left."""
        at = self._spans.number(done.span.name)
        side = done.span.side
        # Behind the last key begins the next span, if there is one: two of the same name could not be told apart.
        cuts = done.cuts[: (done.keys - 1) // SPAN] if done.keys >= 2 * SPAN else []
        starts = [done.span.after, *cuts]
        sizes = [SPAN] * len(cuts) + [done.keys - SPAN * len(cuts)]
        found = [
            Span(side=side, after=after, keys=keys, seen=done.begun) for after, keys in zip(starts, sizes, strict=True)
        ]
        if done.keys < SPAN // 4 and self._joins(at):
            before = self.spans[at - 1]
            joined = min(before.seen, done.begun) if before.seen is not None else None
            found = [Span(side=side, after=before.after, keys=before.keys + done.keys, seen=joined)]
            at, replaced = at - 1, 2
        else:
            replaced = 1
        self._recut = self._spans.replace(at, replaced, found) or self._recut
        self._news += found

    def _joins(self, at: int) -> bool:
        """Whether the span before is one of the same side that nobody looks at: a look at it would not have seen both."""
        before = self.spans[at - 1] if at else None
        busy = [one.span.name for one in (*self._open, *([] if self._going is None else [self._going]))]
        return before is not None and before.side == self.spans[at].side and before.name not in busy

    def _until(self, span: Span) -> str | None:
        at = self._spans.number(span.name) + 1
        following = self.spans[at] if at < len(self.spans) else None
        return following.after if following is not None and following.side == span.side else None


def cut(walks: Mapping[SideName, Walk]) -> Iterator[Span]:
    """Both sides in spans, none of them seen: an index is passed over, and no row is read."""
    for side in SIDES:
        after: str | None = None
        while last := walks[side].places(after, None, 1, SPAN - 1):
            yield Span(side=side, after=after, keys=SPAN)
            after = last[0].cursor
        yield Span(side=side, after=after)
