"""Lives of one feed: read again, read in other batches, and read to where a step is still open. See also `tests/model`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feed import group_of, read_again
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import ORDER_FEED, append, balance, by_key, create_topics, published, version_of, worker
from tests.pipeline.world import FEED, Expected, World, expected, feed, partition


def what_was_said(log: Log) -> tuple[list[tuple[int, int, str]], list[tuple[int, int, dict[str, object] | None]]]:
    events = [(int(e.subject), version_of(e), e.name) for e in published(log, "order.events")]
    states = [(int(e.subject), version_of(e), e.data) for e in published(log, "order.state")]
    return events, states


def assert_as_expected(log: Log, want: Expected, *, compacted: bool = False) -> None:
    """All that was to be said was said and nothing else; of a `compacted` state stream the newest of each key is left."""
    events, states = what_was_said(log)
    key = lambda item: item[:2]  # noqa: E731
    assert sorted(events, key=key) == sorted(want.events, key=key)
    snapshot = {e.subject for e in published(log, "order.state") if e.event_class == "snapshot"}
    said = [s for s in states if not (s[1] == 1 and str(s[0]) in snapshot)]
    wanted = sorted(want.states, key=key)
    if compacted:
        assert all(state in wanted for state in said)
        said, wanted = (list({state[0]: state for state in sorted(all_, key=key)}.values()) for all_ in (said, wanted))
    assert sorted(said, key=key) == wanted


def run_through(log: MemoryLog, store: MemoryState, **how: object) -> None:
    made = worker(log, store, **how)  # type: ignore[arg-type]
    while made.turn():
        pass


def assert_balanced(store: MemoryState) -> None:
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


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
