"""Parking is bounded: over it a translator stops before it reads on, loses nothing, and goes on once it is mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pipeline import control
from pipeline.bounds import Limits, ParkedTooMany, RejectedTooMany
from pipeline.control import Command
from pipeline.feed import group_of
from pipeline.log.memory import MemoryLog
from pipeline.log.port import DiskFull, Outgoing, TopicPartition
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import Orders, append, balance, by_key, create_topics, published, worker
from tests.pipeline.test_fold import assert_as_expected
from tests.pipeline.world import FEED, World, expected, feed, partition

FIXED = {"N": "new", "S": "shipped", "X": "strange"}


class Unlucky(World):
    """Every third order gets a status that nobody knows."""

    def place(self, changes: list[Any]) -> None:
        super().place(changes)
        order = changes[-1].order
        if order % 3 == 0:
            self.update(changes, order, status="X")


def fed(
    seed: int, transactions: int, kind: type[World] = World, log: MemoryLog | None = None
) -> tuple[World, MemoryLog]:
    world = kind(seed)
    world.run(transactions)
    log = log or MemoryLog()
    create_topics(log)
    append(log, feed(world.commits))
    return world, log


def run(log: MemoryLog, store: MemoryState, limits: Limits, translator: Orders | None = None) -> None:
    made = worker(log, store, batch_size=4, translator=translator, parking=limits)
    while made.turn():
        pass


def release_all(log: MemoryLog, store: MemoryState) -> None:
    for key in sorted(store.waiting_keys()):
        order = Command(action="release", translator="order", key=key, partition=partition(int(key)))
        control.send(log, order, 0)


@pytest.mark.parametrize("limits", [Limits(keys=2), Limits(steps=9)])
def test_over_the_bound_it_stops_and_says_how_many_and_why(limits: Limits) -> None:
    _, log = fed(4, 150)
    store = MemoryState()
    with pytest.raises(ParkedTooMany) as caught:
        run(log, store, limits)
    error = caught.value
    assert error.code == "parking.too-many"
    at = int(str(error.fields["partition"]))
    waiting = store.waiting(None, at)
    keys = {step.key for step in waiting}
    assert len(keys) > limits.keys or len(waiting) > limits.steps
    assert (error.fields["keys"], error.fields["steps"]) == (str(len(keys)), str(len(waiting)))
    assert f"code.unmapped ({len(keys)} of {len(keys)} dead letters)" in error.message
    assert "parked release --all" in error.advice
    assert log.committed(group_of("order"))[FEED, at] < log.end(FEED, at)


def test_started_again_it_stops_at_the_same_place_until_what_waits_is_released() -> None:
    world, log = fed(4, 150)
    store, limits = MemoryState(), Limits(keys=2)
    places = []
    for translator in (None, None, Orders(X="strange")):
        with pytest.raises(ParkedTooMany):
            run(log, store, limits, translator)
        places.append((dict(log.committed(group_of("order"))), store.waiting(), dict(store.counts())))
    assert places[0] == places[1] == places[2]
    rounds = 0
    while True:
        release_all(log, store)
        try:
            run(log, store, limits, Orders(X="strange"))
            break
        except ParkedTooMany:
            rounds += 1
    assert rounds <= 2, "only what other partitions had read before the mapping was mended"
    assert not store.waiting()
    assert_as_expected(log, expected(world.commits, meanings=FIXED))
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


def test_a_share_of_rejected_changes_stops_it_and_a_release_frees_it() -> None:
    world, log = fed(2, 200, Unlucky)
    store, limits = MemoryState(), Limits(share=0.1, of=20)
    with pytest.raises(RejectedTooMany) as caught:
        run(log, store, limits)
    assert caught.value.code == "parking.share"
    before = dict(store.counts())
    with pytest.raises(RejectedTooMany) as again:
        run(log, store, limits)
    assert (again.value.message, dict(store.counts())) == (caught.value.message, before)
    release_all(log, store)
    run(log, store, limits, Orders(X="strange"))
    assert_as_expected(log, expected(world.commits, meanings=FIXED))


def test_a_few_that_fail_among_many_do_not_stop_it() -> None:
    _, log = fed(4, 300)
    store = MemoryState()
    run(log, store, Limits(keys=1_000, steps=10_000, share=0.5, of=20))
    assert store.waiting()


class Refusing(MemoryLog):
    """A log without room for a dead letter."""

    refuses = True

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        if self.refuses and any(record.topic.endswith("dead-letters") for record in records):
            raise DiskFull(path="the log")
        return super().append(records)


def test_a_dead_letter_that_cannot_be_written_stops_the_worker_and_nothing_is_lost() -> None:
    log = Refusing()
    world, _ = fed(7, 60, log=log)
    store = MemoryState()
    with pytest.raises(DiskFull):
        run(log, store, Limits())
    assert not store.waiting()
    assert any(log.committed(group_of("order")).get((FEED, p), 0) < log.end(FEED, p) for p in range(3))
    log.refuses = False
    run(log, store, Limits())
    want = expected(world.commits)
    assert {int(key): len(store.waiting(key)) for key in store.waiting_keys()} == want.parked
    assert_as_expected(log, want)
    letters = log.read("order.dead-letters", 0, 0, 1_000).records
    assert {record.key for record in letters} == {key.encode() for key in store.waiting_keys()}
    assert by_key(published(log, "order.state"))
