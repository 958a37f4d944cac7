"""The bucket of a database: never over its rate, whatever is asked of it, and less while the database is slow."""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.watch.bucket import LEAST, SLOW, Bucket
from tests.reconcile.world import Clock

QUICK = timedelta(milliseconds=1)


class Exact(Clock):
    """A clock that moves as long as somebody waits, to the microsecond."""

    def wait(self, pause: timedelta) -> None:
        self.now += pause


steps = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 250)),
        st.tuples(st.just("pass"), st.integers(0, 5_000)),
        st.tuples(st.just("felt"), st.sampled_from((1, 499, 501, 9_000))),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 400), st.integers(1, 120))
def test_over_any_time_no_more_than_the_rate_and_one_burst(taken: list[tuple[str, int]], rate: int, burst: int) -> None:
    clock = Exact()
    bucket, begun = Bucket(rate, burst, clock, clock.wait), clock.now
    seen: list[tuple[float, int]] = []
    for what, number in taken:
        if what == "pass":
            clock.now += timedelta(milliseconds=number)
        elif what == "felt":
            bucket.felt(timedelta(milliseconds=number))
        else:
            for part in (*[burst] * (number // burst), number % burst):
                bucket.take(part)
                seen.append(((clock.now - begun).total_seconds(), part))
    sums = [0, *accumulate(part for _, part in seen)]
    for first, (start, _) in enumerate(seen):
        for last, (end, _) in enumerate(seen[first:], first):
            assert sums[last + 1] - sums[first] <= burst + rate * (end - start) + 0.01
    if seen:
        assert sums[-1] <= rate * seen[-1][0] + 0.01, "it begins empty"


def test_what_is_asked_for_is_had_as_soon_as_the_rate_allows() -> None:
    clock = Exact()
    bucket, begun = Bucket(50, 100, clock, clock.wait), clock.now
    bucket.take(100)
    assert (clock.now - begun).total_seconds() == pytest.approx(2.0, abs=0.001)
    bucket.take(250)
    assert (clock.now - begun).total_seconds() == pytest.approx(7.0, abs=0.001)


def test_a_slow_database_is_asked_for_less_and_a_quick_one_for_more_again() -> None:
    clock = Exact()
    bucket = Bucket(100, 100, clock, clock.wait)
    for share in (1 / 2, 1 / 4, 1 / 8):
        with bucket.reading(10):
            clock.now += SLOW + QUICK
        assert (bucket.share, bucket.backs_off) == (share, True)
    begun = clock.now
    bucket.take(100)
    bucket.take(100)
    assert (clock.now - begun).total_seconds() > 8, "an eighth of the rate"
    for _ in range(14):
        with bucket.reading(1):
            clock.now += QUICK
    assert (bucket.share, bucket.backs_off) == (1.0, False)
    for _ in range(20):
        bucket.felt(2 * SLOW)
    assert bucket.share == LEAST


def test_a_reading_that_breaks_is_felt_as_well() -> None:
    clock = Exact()
    bucket = Bucket(100, 100, clock, clock.wait)
    with pytest.raises(ValueError, match="timeout"), bucket.reading(1):
        clock.now += 10 * SLOW
        raise ValueError("timeout")
    assert bucket.backs_off


def test_what_is_told_of_a_bucket_is_what_was_waited_for_and_felt() -> None:
    clock = Exact()
    bucket = Bucket(50, 100, clock, clock.wait)
    bucket.take(250)
    assert (bucket.taken, bucket.backed_off) == (250, 0)
    assert bucket.waited == pytest.approx(5.0, abs=0.001)
    bucket.felt(2 * SLOW)
    clock.now += timedelta(seconds=3)
    bucket.felt(QUICK)
    assert (bucket.slow_readings, bucket.backed_off) == (1, 3.0)
    for _ in range(8):
        bucket.felt(QUICK)
    clock.now += timedelta(seconds=3)
    bucket.felt(QUICK)
    assert bucket.backed_off == 3.0, "the whole rate again"
