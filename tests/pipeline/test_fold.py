"""The heart: whatever the order of partitions, whatever is repeated, the right steps come out, whole and once."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cloudevents import CloudEvent
from pipeline.feed import group_of, read_again
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Outgoing, Page
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import ORDER_FEED, append, balance, by_key, create_topics, published, version_of, worker
from tests.pipeline.world import (
    FEED,
    Commit,
    Expected,
    World,
    completed,
    expected,
    feed,
    marker,
    partition,
    record,
    snapshot_record,
)


def what_was_said(log: Log) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, dict[str, object] | None]]]:
    events = [(int(e.subject), version_of(e), e.name) for e in published(log, "order.events")]
    states = [(int(e.subject), version_of(e), e.data) for e in published(log, "order.state")]
    return events, states


def live(events: list[CloudEvent]) -> list[CloudEvent]:
    return [e for e in events if e.event_class == "live"]


def assert_as_expected(log: Log, want: Expected) -> None:
    events, states = what_was_said(log)
    key = lambda item: item[:2]  # noqa: E731
    assert sorted(events, key=key) == sorted(want.events, key=key)
    snapshot = {e.subject for e in published(log, "order.state") if e.event_class == "snapshot"}
    said = [s for s in states if not (s[1] == 1 and str(s[0]) in snapshot)]
    assert sorted(said, key=key) == sorted(want.states, key=key)


def run_through(log: MemoryLog, store: MemoryState, **how: object) -> None:
    made = worker(log, store, **how)  # type: ignore[arg-type]
    while made.turn():
        pass


def assert_balanced(store: MemoryState) -> None:
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


@given(st.integers(0, 10**9), st.integers(1, 40), st.sampled_from([1, 3, 7, 1_000]))
def test_every_step_comes_out_whole_and_once(seed: int, transactions: int, batch_size: int) -> None:
    world = World(seed)
    world.run(transactions)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    run_through(log, store, batch_size=batch_size)
    want = expected(world.commits)
    assert_as_expected(log, want)
    assert_balanced(store)
    assert {key: len(store.waiting(str(key))) for key in want.parked} == want.parked


@given(st.integers(0, 10**9), st.integers(2, 30))
def test_arrival_in_slices_and_between_turns_changes_nothing(seed: int, transactions: int) -> None:
    """The feed grows while the worker reads: partitions get ahead of each other, ENDs come when their rows are there."""
    world = World(seed)
    world.run(transactions)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    made = worker(log, store, batch_size=5)
    rng = random.Random(seed)
    for records in slices(world.commits, rng):
        log.append(records)
        if rng.random() < 0.6:
            made.turn()
        if rng.random() < 0.2:
            made = worker(log, store, batch_size=rng.choice([2, 50]))
    while made.turn():
        pass
    assert_as_expected(log, expected(world.commits))
    assert_balanced(store)


def slices(commits: list[Commit], rng: random.Random) -> list[list[Outgoing]]:
    """Per partition the commit order; across partitions any interleaving; an END after the last row of its transaction."""
    lanes: dict[int, list[tuple[int, Outgoing]]] = {}
    left: dict[int, int] = {}
    for commit in commits:
        left[commit.txid] = len(commit.changes)
        for number, change in enumerate(commit.changes, 1):
            lanes.setdefault(partition(change.order), []).append((commit.txid, record(commit, change, number)))
    by_id = {commit.txid: commit for commit in commits}
    found: list[list[Outgoing]] = []
    while any(lanes.values()):
        lane = rng.choice([lane for lane in lanes.values() if lane])
        taken = [lane.pop(0) for _ in range(min(len(lane), rng.randrange(1, 4)))]
        found.append([item for _, item in taken])
        for txid, _ in taken:
            left[txid] -= 1
            if not left[txid]:
                found.append([marker(by_id[txid], "END")])
    return found


@given(st.integers(0, 10**9), st.integers(2, 25))
def test_overlapping_passes_of_a_killed_connector_are_one_transaction(seed: int, n: int) -> None:
    """The connector dies inside a transaction and starts again before it, with other counts and another sequence."""
    world = World(seed)
    world.run(n)
    rng = random.Random(seed)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    last = world.commits[-1]
    append(log, list(feed(world.commits[:-1])))
    made = worker(log, store, batch_size=rng.choice([1, 4, 100]))
    for begin, end in passes(len(last.changes), rng):
        after = rng.choice([None, last.after])
        told = Commit(last.txid, after, last.changes, last.end, last.time)
        log.append([record(told, change, i) for i, change in enumerate(last.changes[begin:end], 600)])
        made.turn()
    restart = rng.randrange(max(0, len(world.commits) - 3), len(world.commits))
    for commit in world.commits[restart:-1]:
        log.append([record(commit, c, i) for i, c in enumerate(commit.changes, 1)])
    log.append([marker(commit, "END") for commit in world.commits[restart:]])
    while made.turn():
        pass
    assert_as_expected(log, expected(world.commits))
    assert_balanced(store)


def passes(rows: int, rng: random.Random) -> list[tuple[int, int]]:
    """Overlapping ranges of a transaction's rows, in any order, none whole but all of them together."""
    cuts = sorted({0, rows, *(rng.randrange(rows + 1) for _ in range(3))})
    found = [(begin, min(rows, end + rng.randrange(2))) for begin, end in pairwise(cuts)]
    rng.shuffle(found)
    return found


@given(st.integers(0, 10**9), st.integers(0, 25), st.integers(0, 25))
def test_a_snapshot_is_no_news_and_what_follows_is(seed: int, before: int, after: int) -> None:
    world = World(seed)
    world.run(before)
    for order, row in world.orders.items():
        row["status"] = row["status"] if row["status"] in "NS" else "N"
        world.orders[order] = row
    start = World(seed, orders=dict(world.orders), lines=dict(world.lines))
    count = len(world.commits)
    world.run(after)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    rows = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
    rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
    append(log, rows)
    append(log, feed(world.commits[count:]))
    log.append([completed()])
    run_through(log, store, begins="snapshot", batch_size=6)
    assert_as_expected(log, expected(world.commits[count:], start))
    assert_balanced(store)
    loaded = {e.subject for e in published(log, "order.state") if e.event_class == "snapshot"}
    assert loaded == {str(o) for o in start.orders}


@given(st.integers(0, 10**9), st.integers(1, 25))
def test_reading_again_publishes_nothing_and_counts_repeats(seed: int, transactions: int) -> None:
    world = World(seed)
    world.run(transactions)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    run_through(log, store)
    ends = {t: [log.end(t, p) for p in range(3)] for t in ("order.events", "order.state")}
    read_again(log, "order", ORDER_FEED)
    run_through(log, store, batch_size=4)
    assert ends == {t: [log.end(t, p) for p in range(3)] for t in ("order.events", "order.state")}
    assert_balanced(store)
    repeats = sum(n for (_, label), n in store.counts().items() if label == "repeat")
    assert repeats == sum(len(c.changes) for c in world.commits)


@given(st.integers(0, 10**9), st.integers(1, 25))
def test_another_life_gives_the_same_ids_and_bytes(seed: int, transactions: int) -> None:
    world = World(seed)
    world.run(transactions)
    lives = []
    for batch_size in (3, 1_000):
        log, store = MemoryLog(), MemoryState()
        create_topics(log)
        append(log, feed(world.commits))
        run_through(log, store, batch_size=batch_size)
        lives.append(
            {
                topic: {
                    k: [(e.id, e.record.value, e.record.headers) for e in events]
                    for k, events in by_key(published(log, topic)).items()
                }
                for topic in ("order.events", "order.state")
            }
        )
    assert lives[0] == lives[1]
    ids = [e[0] for events in lives[0]["order.events"].values() for e in events]
    assert len(ids) == len(set(ids))


def test_the_last_step_stays_open_until_its_end_is_read() -> None:
    world = World(5)
    world.run(3)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    records = list(feed(world.commits))
    log.append([r for r in records if r.topic == FEED])
    made = worker(log, store)
    while made.turn():
        pass
    open_orders = {c.order for c in world.commits[-1].changes}
    assert made.in_flight.total() >= len(world.commits[-1].changes)
    committed = log.committed(group_of("order"))
    assert any(committed.get((FEED, p), 0) < log.end(FEED, p) for p in {partition(o) for o in open_orders})
    log.append([r for r in records if r.topic != FEED])
    made.turn()
    assert made.in_flight.total() == 0
    assert_as_expected(log, expected(world.commits))


@pytest.mark.parametrize("exactly_once", [True, False])
def test_an_end_proves_nothing_where_it_may_be_readable_before_the_rows(exactly_once: bool) -> None:
    world = World(5)
    world.run(3)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    made = worker(log, store, exactly_once=exactly_once)
    while made.turn():
        pass
    assert (made.in_flight.total() == 0) is exactly_once


class GrowingLog(MemoryLog):
    """A log into which the connector goes on writing while a worker is in the middle of its turn."""

    def __init__(self, arriving: list[list[Outgoing]], rng: random.Random) -> None:
        super().__init__()
        self._arriving = arriving
        self._rng = rng

    def grow(self) -> None:
        while self._arriving and self._rng.random() < 0.7:
            self.append(self._arriving.pop(0))

    def end(self, topic: str, partition: int) -> int:
        self.grow()
        return super().end(topic, partition)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        self.grow()
        return super().read(topic, partition, offset, limit)


@given(st.integers(0, 10**9), st.integers(2, 30))
def test_records_that_arrive_within_a_turn_are_not_taken_for_earlier_ones(seed: int, transactions: int) -> None:
    world = World(seed)
    world.run(transactions)
    rng = random.Random(seed)
    log, store = GrowingLog([], rng), MemoryState()
    create_topics(log)
    made = worker(log, store, batch_size=rng.choice([1, 3, 50]))
    log._arriving = slices(world.commits, rng)
    while made.turn() or log._arriving:
        pass
    assert_as_expected(log, expected(world.commits))
    assert_balanced(store)
