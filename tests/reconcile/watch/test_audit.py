"""What is drawn at random, and the bound that follows: against the binomial distribution in whole numbers, and by trying it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.watch.audit import most_wrong
from reconcile.watch.coverage import Coverage
from reconcile.watch.spans import Span
from tests.reconcile.watch.test_coverage import Keys
from tests.reconcile.world import START


def at_most(wrong: int, drawn: int, share: Fraction) -> Fraction:
    return sum((comb(drawn, k) * share**k * (1 - share) ** (drawn - k) for k in range(wrong + 1)), start=Fraction(0))


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, min(n - 1, 20)))))
def test_so_few_would_be_seen_once_in_twenty_audits(of: tuple[int, int]) -> None:
    drawn, wrong = of
    assert float(at_most(wrong, drawn, Fraction(most_wrong(drawn, wrong)))) == pytest.approx(0.05, rel=1e-6)


def test_figures_that_are_known() -> None:
    assert most_wrong(10_000, 0) == pytest.approx(3 / 10_000, rel=0.01)
    assert most_wrong(20, 0) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert most_wrong(1_000_000, 3) == pytest.approx(7.754e-6, rel=1e-3), "that of Poisson's distribution"
    assert (most_wrong(0, 0), most_wrong(5, 5)) == (1.0, 1.0)


def test_the_bound_holds_in_nineteen_of_twenty_audits() -> None:
    dice, share, audits = random.Random(5), 0.02, 2_000
    held = sum(most_wrong(200, sum(dice.random() < share for _ in range(200))) >= share for _ in range(audits))
    assert held / audits > 0.94


def test_each_row_is_drawn_as_often_as_any_other() -> None:
    legacy, view = Keys(set(range(10))), Keys(set(range(5, 8)))
    spans = [
        Span(side="legacy", after=None, keys=2),
        Span(side="legacy", after="1", keys=8),
        Span(side="view", after=None, keys=3),
        Span(side="view", after="7", keys=0),
    ]
    coverage = Coverage({"legacy": legacy, "view": view}, spans, began=START, within=timedelta(hours=1))
    dice = random.Random(7)
    found = Counter(coverage.drawn(dice) for _ in range(13_000))
    assert set(found) == {f"{number:04}" for number in range(10)}
    for number in range(10):
        rows = 2 if number in view.numbers else 1
        assert found[f"{number:04}"] == pytest.approx(1_000 * rows, rel=0.15)


def test_nothing_is_drawn_of_nothing() -> None:
    coverage = Coverage({"legacy": Keys(set()), "view": Keys(set())}, [], began=START, within=timedelta(hours=1))
    assert coverage.drawn(random.Random(1)) is None
