"""Every key within the time: for any schedule of pauses, failures, keys that come and go, and processes that die."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from reconcile.watch import coverage
from reconcile.watch.coverage import Coverage, cut
from reconcile.watch.spans import Span
from reconcile.watch.walk import Place, SideName
from tests.reconcile.world import START

WITHIN = timedelta(hours=24)
SECOND = timedelta(seconds=1)


@contextmanager
def small() -> Iterator[None]:
    """Spans and pages of a size that a test can see."""
    with patch.multiple(coverage, SPAN=8, PAGE=3, MOST_OPEN=6):
        yield


class Keys:
    """A side: some numbers, in their order."""

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers

    def places(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[Place]:
        low, high = -1 if after is None else int(after), 10**9 if until is None else int(until)
        found = [number for number in sorted(self.numbers) if low < number <= high]
        return [Place(f"{number:04}", str(number)) for number in found[skip : skip + limit]]


@dataclass
class Watch:
    """A watch of two sides, and for each key when it was last looked at: what the coverage says is compared with that."""

    legacy: Keys
    view: Keys
    now: datetime = START
    looked: dict[tuple[SideName, int], datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        spans = list(cut(self.walks))
        assert next(one.after for one in spans if one.side == "legacy") is None
        self.began = self.now
        self.stored = spans
        self.restart()

    @property
    def walks(self) -> dict[SideName, Keys]:
        return {"legacy": self.legacy, "view": self.view}

    def restart(self) -> None:
        """The process died: what it had not written down is lost."""
        self.coverage = Coverage(self.walks, self.stored, began=self.began, within=WITHIN)

    def turn(self, failing: set[int], pages: int = 1_000) -> None:
        """Look at what is due; of keys that are `failing` nothing can be said."""
        for _ in range(pages):
            keys = {int(key) for key in self.coverage.page(self.now)}
            again = {int(key) for key in self.coverage.again}
            judged = (keys | again) - failing
            # Which side a key is walked on makes no difference: it is looked at on both.
            self.looked.update({(side, number): self.now for side in ("legacy", "view") for number in judged})
            self.coverage.looked(f"{number:04}" for number in judged)
            self.coverage.news()
            self.stored = list(self.coverage.spans)
            if not keys:
                return

    def age(self, number: int, born: dict[int, datetime]) -> timedelta:
        """How long ago a key was looked at, or came to be."""
        return self.now - max(self.looked.get(("legacy", number), self.began), born.get(number, self.began))

    def oldest(self, born: dict[int, datetime]) -> timedelta:
        return max((self.age(n, born) for n in self.legacy.numbers | self.view.numbers), default=timedelta())


numbers = st.sets(st.integers(0, 200), max_size=60)
pauses = st.lists(st.integers(1, int(WITHIN.total_seconds() / 4) - 2), min_size=1, max_size=60)


@given(numbers, numbers, pauses)
def test_every_key_is_seen_within_the_time_whatever_the_pauses(
    legacy: set[int], view: set[int], pauses: list[int]
) -> None:
    """A quarter of the time is for pauses: where none is longer, the promise is kept."""
    with small():
        watch = Watch(Keys(legacy), Keys(view))
        for pause in pauses:
            watch.now += pause * SECOND
            assert watch.oldest({}) <= WITHIN
            assert not watch.coverage.is_overdue(watch.now)
            watch.turn(set())


Step = tuple[int, int, set[int], set[int], set[int], bool]
schedule = st.lists(
    st.tuples(
        st.integers(0, 50_000),
        st.integers(0, 6),
        st.sets(st.integers(0, 200), max_size=5),
        st.sets(st.integers(0, 200), max_size=30),
        st.sets(st.integers(0, 200), max_size=3),
        st.booleans(),
    ),
    max_size=20,
)


@given(numbers, numbers, schedule)
def test_what_is_told_is_never_better_than_what_was_done(legacy: set[int], view: set[int], steps: list[Step]) -> None:
    """Busy databases, keys that never hold still, that come and go, kills: the oldest key is no older than it is told."""
    with small():
        watch = Watch(Keys(legacy), Keys(view))
        born: dict[int, datetime] = {}
        for seconds, pages, failing, come, gone, dies in steps:
            watch.now += seconds * SECOND
            born |= {number: watch.now for number in come - watch.legacy.numbers - watch.view.numbers}
            watch.legacy.numbers |= come
            watch.view.numbers -= gone
            watch.turn(failing, pages)
            if dies:
                watch.restart()
            assert watch.oldest(born) <= watch.now - watch.coverage.oldest()


@given(numbers, schedule)
def test_spans_hold_all_keys_each_once_however_they_grow(legacy: set[int], steps: list[Step]) -> None:
    with small():
        watch = Watch(Keys(legacy), Keys(set()))
        for seconds, _, _, come, gone, _ in steps:
            watch.now += seconds * SECOND
            watch.legacy.numbers |= come
            watch.legacy.numbers -= gone
            watch.turn(set())
            spans = [one for one in watch.coverage.spans if one.side == "legacy"]
            bounds = [-1 if one.after is None else int(one.after) for one in spans]
            assert spans[0].after is None
            assert bounds == sorted(set(bounds))


def test_a_span_that_has_grown_is_cut_and_one_that_is_nearly_empty_is_joined() -> None:
    with small():
        watch = Watch(Keys(set(range(20))), Keys(set()))
        assert [one.keys for one in watch.coverage.spans if one.side == "legacy"] == [8, 8, 0]
        watch.now += WITHIN
        watch.legacy.numbers |= set(range(20, 60))
        watch.turn(set())
        assert [one.keys for one in watch.coverage.spans if one.side == "legacy"] == [8, 8, 8, 8, 8, 8, 8, 4]
        watch.now += WITHIN
        watch.legacy.numbers -= set(range(9, 60))
        watch.turn(set())
        assert [one.keys for one in watch.coverage.spans if one.side == "legacy"] == [9]


def test_a_span_that_has_grown_to_twice_its_size_ends_where_the_next_begins() -> None:
    with small():
        watch = Watch(Keys(set(range(0, 80, 10))), Keys(set()))
        assert [one.after for one in watch.coverage.spans if one.side == "legacy"] == [None, "70"]
        watch.legacy.numbers |= {*range(1, 9), 75, 76, 77}
        for _ in range(3):
            watch.now += WITHIN
            watch.turn(set())
            spans = [(one.after, one.keys) for one in watch.coverage.spans if one.side == "legacy"]
            assert spans == [(None, 8), ("7", 8), ("70", 3)]
            assert not watch.coverage.is_overdue(watch.now)


def test_a_key_that_never_holds_still_keeps_its_span_unseen_and_is_named() -> None:
    with small():
        watch = Watch(Keys({1, 2}), Keys(set()))
        watch.now += WITHIN
        watch.turn({2})
        assert watch.coverage.again == ["0002"]
        assert watch.coverage.is_overdue(watch.now + SECOND)
        watch.turn(set())
        assert watch.coverage.again == []
        assert not watch.coverage.is_overdue(watch.now + SECOND)


def test_a_span_is_as_old_as_the_first_key_of_the_look_at_it() -> None:
    """A look that took three hours says nothing of what happened meanwhile to the keys that it began with."""
    with small():
        one = [Span(side="legacy", after=None, keys=7)]
        found = Coverage({"legacy": Keys(set(range(7)))}, one, began=START, within=WITHIN)
        for hours in (1, 2, 3):
            found.looked(found.page(START + timedelta(hours=hours)))
        assert found.oldest() == START + timedelta(hours=1)


def test_the_first_turn_is_spread_over_the_time() -> None:
    with small():
        watch = Watch(Keys(set(range(80))), Keys(set()))
        seen = []
        for _ in range(24):
            watch.now += timedelta(hours=1)
            watch.turn(set())
            seen.append(watch.coverage.seen_since(START))
        assert seen[5] < 0.5 < seen[11] and seen[17] == 1.0


def test_after_a_long_silence_the_oldest_are_seen_first() -> None:
    with small():
        ages = [3, 9, 5]
        spans = [
            Span(side="legacy", after=after, keys=3, seen=START - timedelta(hours=hours))
            for after, hours in zip((None, "2", "5"), ages, strict=True)
        ]
        found = Coverage(
            {"legacy": Keys(set(range(9))), "view": Keys(set())}, spans, began=START, within=timedelta(hours=2)
        )
        order = []
        while page := found.page(START):
            order.append(page[0])
            found.looked(page)
        assert order == ["0003", "0006", "0000"]
