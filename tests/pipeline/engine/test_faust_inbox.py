"""What Faust's consumer puts in is what the worker reads: each record once, in order, from where it asked."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.faust.inbox import ROOM, Inbox, Reach


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset) for offset in offsets]


def offsets(inbox: Inbox, at: int, limit: int = 100) -> tuple[list[int], int]:
    taken = inbox.take(0, at, limit)
    return [one.offset for one in taken.records], taken.following


@pytest.fixture
def inbox() -> Inbox:
    """Partition 0, read from offset 5 on."""
    made = Inbox(lambda: None)
    assert made.take(0, 5, 1).sought
    assert made.sought() == {0: 5}
    return made


def test_a_place_is_sought_once_and_only_where_the_worker_asks(inbox: Inbox) -> None:
    assert inbox.sought() == {}
    assert not inbox.take(0, 5, 1).sought
    inbox.put(0, records(5, 6, 7), Reach(8, 8, 8))
    assert offsets(inbox, 6) == ([6, 7], 8)
    assert inbox.take(0, 5, 1).sought
    assert inbox.sought() == {0: 5}
    assert offsets(inbox, 5) == ([], 5)


def test_a_page_that_was_read_in_part_is_read_on(inbox: Inbox) -> None:
    inbox.put(0, records(5, 6, 9, 10), Reach(12, 12, 12))
    assert offsets(inbox, 5, 2) == ([5, 6], 9)
    assert offsets(inbox, 6, 2) == ([6, 9], 10)
    assert offsets(inbox, 10) == ([10], 12)


def test_offsets_without_a_record_are_passed_only_once_the_records_before_them_are(inbox: Inbox) -> None:
    inbox.put(0, records(5), Reach(6, 9, 9))
    inbox.put(0, (), Reach(9, 9, 9))
    assert offsets(inbox, 5) == ([5], 9)
    assert offsets(inbox, 9) == ([], 9)


def test_a_full_partition_is_not_fetched_until_it_is_read(inbox: Inbox) -> None:
    assert inbox.hungry() == ({0}, False)
    inbox.put(0, records(*range(5, 5 + ROOM)), Reach(5 + ROOM, None, None))
    assert inbox.hungry() == (set(), True)
    inbox.take(0, 6, 1)
    assert inbox.hungry() == ({0}, False)


def test_what_comes_in_for_a_partition_that_was_dropped_is_nothing(inbox: Inbox) -> None:
    inbox.put(0, records(5), Reach(6, 6, 6))
    inbox.drop([0])
    inbox.put(0, records(6), Reach(7, 7, 7))
    assert inbox.take(0, 6, 1).sought
    assert offsets(inbox, 6) == ([], 6)


def test_a_place_that_is_not_kept_is_told_until_another_is_sought(inbox: Inbox) -> None:
    inbox.outside(0)
    assert inbox.is_outside(0) and inbox.hungry() == (set(), True)
    inbox.take(0, 3, 1)
    assert not inbox.is_outside(0)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_cuts_each_record_is_read_once_and_in_order(seed: int) -> None:
    """The worker reads as it likes: parts of a page, pages again, and everything anew after a hand-over."""
    chance = random.Random(seed)
    there = sorted(chance.sample(range(200), 120))
    inbox, read, at, fetched = Inbox(lambda: None), list[int](), 0, 0
    while at < 200:
        what = chance.random()
        if what < 0.05:
            inbox.drop([0])
        fetched = inbox.sought().get(0, fetched)
        if 0 in inbox.hungry()[0] and what > 0.3:
            until = min(200, fetched + chance.randrange(20))
            inbox.put(0, records(*[o for o in there if fetched <= o < until]), Reach(until, 200, 200))
            fetched = until
        found, following = offsets(inbox, at, chance.randrange(1, 15))
        kept = found[: chance.randrange(len(found) + 1)] if found else []
        if len(kept) == len(found):
            at = following
        elif kept:
            at = kept[-1] + 1
        read += kept
    assert read == there
