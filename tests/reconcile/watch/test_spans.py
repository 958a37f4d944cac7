"""What is kept of spans beside them is what going over all of them finds, whatever was seen, tried, cut and joined."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime, timedelta
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.watch import spans
from reconcile.watch.spans import Span, Spans
from tests.reconcile.world import START

PERIOD = timedelta(hours=18)

change = st.tuples(
    st.sampled_from(("seen", "tried", "cut", "join")), st.integers(0, 1_000), st.integers(0, 100), st.integers(0, 5_000)
)


def due(found: Spans, at: int, tried: dict[str | None, datetime]) -> datetime:
    """By the rule, from the span itself."""
    times = [time for time in (found.all[at].seen, tried.get(found.all[at].after)) if time is not None]
    return max(times) + PERIOD if times else START + at / len(found.all) * PERIOD


@given(st.lists(change, max_size=30))
def test_what_is_told_of_all_is_what_each_says(changes: list[tuple[str, int, int, int]]) -> None:
    found = Spans(
        [Span(side="legacy", after=None), *(Span(side="legacy", after=str(n)) for n in range(4))], START, PERIOD
    )
    tried: dict[str | None, datetime] = {}
    names = iter(range(100, 1_000))
    for what, number, keys, minutes in changes:
        at, time = number % len(found.all), START + timedelta(minutes=minutes)
        now = Span(side="legacy", after=found.all[at].after, keys=keys, seen=time)
        if what == "seen":
            assert not found.replace(at, 1, [now])
        elif what == "tried":
            found.tried(found.all[at], time)
            tried[found.all[at].after] = time
        elif what == "cut":
            assert found.replace(at, 1, [now, Span(side="legacy", after=str(next(names)), keys=keys)])
        elif at:
            assert found.replace(at - 1, 2, [found.all[at - 1]])
        dues = [due(found, at, tried) for at in range(len(found.all))]
        first, at = found.first_due()
        assert (first - min(dues), at) == (timedelta(), dues.index(min(dues)))
        assert found.oldest() == min(one.seen or START for one in found.all)
        assert found.keys("legacy") == sum(one.keys for one in found.all)
        assert [found.number(one.name) for one in found.all] == list(range(len(found.all)))
        for since in (START, START + timedelta(minutes=2_500)):
            seen = [one for one in found.all if one.seen is not None and one.seen >= since]
            assert found.seen_since(since) == len(seen) / len(found.all)


@pytest.mark.parametrize("tries", [spans.TRIES, 0])
def test_spans_are_drawn_by_their_keys(tries: int) -> None:
    keys = (0, 1, 10, 9)
    found = Spans([Span(side="view", after=str(n), keys=number) for n, number in enumerate(keys)], START, PERIOD)
    dice = random.Random(3)
    with patch.object(spans, "TRIES", tries):
        drawn = Counter(one.keys for _ in range(4_000) if (one := found.drawn(dice)) is not None)
    assert {number: round(drawn[number] / 200) for number in keys} == {0: 0, 1: 1, 10: 10, 9: 9}
