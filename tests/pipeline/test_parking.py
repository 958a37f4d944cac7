"""A rejected step waits with all that follows it; a release applies them in order, a discard gives up only events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import control
from pipeline.control import Action, Command
from pipeline.log.memory import MemoryLog
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import (
    Orders,
    append,
    balance,
    by_key,
    create_topics,
    published,
    version_of,
    worker,
)
from tests.pipeline.test_fold import assert_as_expected
from tests.pipeline.world import (
    World,
    business,
    completed,
    expected,
    feed,
    partition,
    snapshot_record,
)


def parked_world(seed: int, transactions: int) -> tuple[World, MemoryLog, MemoryState]:
    world = World(seed)
    world.run(transactions)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    made = worker(log, store, batch_size=9)
    while made.turn():
        pass
    return world, log, store


def command(log: MemoryLog, store: MemoryState, action: str, key: str, translator: Any = None) -> str:
    waiting = store.waiting(key)
    where = waiting[0].partition if waiting else 0
    order = Command(action=action, translator="order", key=key, partition=where)  # type: ignore[arg-type]
    identity = control.send(log, order, 0)
    worker(log, store, translator=translator).turn()
    return next(pin.result for pin in store.pins() if pin.command == identity)


def assert_balanced(store: MemoryState) -> None:
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


@given(st.integers(0, 10**6), st.integers(5, 40))
def test_released_under_a_fixed_mapping_it_is_as_if_nothing_had_happened(seed: int, transactions: int) -> None:
    world, log, store = parked_world(seed, transactions)
    fixed = Orders(X="strange")
    for key in sorted(store.waiting_keys()):
        result = command(log, store, "release", key, fixed)
        assert result.endswith("the key is free"), result
    assert not store.waiting_keys()
    want = expected(world.commits, meanings={"N": "new", "S": "shipped", "X": "strange"})
    assert_as_expected(log, want)
    assert_balanced(store)
    assert not {label for (_, label), n in store.counts().items() if n and label in ("rejected", "parked")}
    for events in by_key(published(log, "order.state")).values():
        versions = [version_of(e) for e in events]
        assert versions == sorted(versions)


def test_releasing_without_a_fix_changes_nothing_but_says_why() -> None:
    _, log, store = parked_world(7, 60)
    key = sorted(store.waiting_keys())[0]
    before = store.waiting(key)
    events = log.end("order.events", 0), log.end("order.events", 1), log.end("order.events", 2)
    result = command(log, store, "release", key)
    assert "code.unmapped" in result
    assert f"{len(before)} still wait" in result
    assert [w.version for w in store.waiting(key)] == [w.version for w in before]
    assert events == (log.end("order.events", 0), log.end("order.events", 1), log.end("order.events", 2))
    assert_balanced(store)


@given(st.integers(0, 10**6))
def test_a_discard_gives_up_events_never_rows(seed: int) -> None:
    world, log, store = parked_world(seed, 60)
    for key in sorted(store.waiting_keys()):
        while seen := [step for step in store.waiting(key) if not step.discarded]:
            command(log, store, "discard", key)
            assert len([step for step in store.waiting(key) if not step.discarded]) < len(seen)
    assert_balanced(store)
    assert_rows_as_in(world, store)
    last = {k: events[-1].data for k, events in by_key(published(log, "order.state")).items()}
    for key, stored in store.scan():
        unknown = int(key) in world.orders and world.orders[int(key)]["status"] == "X"
        assert (key in store.waiting_keys()) == unknown
        if not unknown and stored.rows.get("orders"):
            assert last[key] == business(world.orders, world.lines, int(key))


def assert_rows_as_in(world: World, store: MemoryState) -> None:
    for key, stored in store.scan():
        rows = stored.rows.get("orders", {})
        kept = {int(str(row["o_id"])): row for row in rows.values()}
        assert kept == ({int(key): world.orders[int(key)]} if int(key) in world.orders else {})
        lines = {
            (int(str(r["ol_o_id"])), int(str(r["ol_number"]))): r for r in stored.rows.get("order_line", {}).values()
        }
        assert lines == {at: row for at, row in world.lines.items() if at[0] == int(key)}


def test_a_discard_that_leaves_no_state_to_publish_keeps_the_key_parked_and_says_so() -> None:
    world = World(3)
    world.run(1)
    order = min(world.orders)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    changes: list[Any] = []
    world.update(changes, order, status="X")
    _commit(world, changes)
    append(log, feed(world.commits))
    worker(log, store).turn()
    said = command(log, store, "discard", str(order))
    assert (
        said
        == "events of 1 step given up, 0 steps applied, 0 events published; 1 still wait: code.unmapped: unknown status"
    )
    (step,) = store.waiting(str(order))
    assert step.discarded
    assert store.load([str(order)])[str(order)].rows["orders"][str(order)]["status"] == "X"
    later: list[Any] = []
    world.update(later, order, status="N")
    _commit(world, later)
    append(log, feed(world.commits[-1:]))
    run(log, store)
    assert len(store.waiting(str(order))) == 2
    assert command(log, store, "release", str(order)).endswith("2 still wait: code.unmapped: unknown status")
    before = len(published(log, "order.state"))
    assert command(log, store, "release", str(order), Orders(X="strange")).endswith("the key is free")
    states = by_key(published(log, "order.state"))[str(order)]
    assert [(s.data or {})["status"] for s in states[-2:]] == ["strange", "new"]
    assert len(published(log, "order.state")) == before + 2
    assert_balanced(store)
    assert store.counts()["orders", "ignored: discarded by a command"] == 1


def test_all_that_was_seen_is_given_up_in_one_command_and_nothing_that_came_later() -> None:
    _, log, store = parked_world(7, 60)
    key = max(store.waiting_keys(), key=lambda key: len(store.waiting(key)))
    waiting = store.waiting(key)
    assert len(waiting) > 2
    send(log, store, "discard", key, through=waiting[-2].version)
    before = [e for e in published(log, "order.events") if e.subject == key]
    run(log, store, translator=Orders(X="strange"))
    said = store.pins()[-1].result
    assert said.startswith(f"events of {len(waiting) - 1} steps given up, 1 step applied"), said
    new = [e for e in published(log, "order.events") if e.subject == key][len(before) :]
    assert all(version_of(e) == waiting[-1].version for e in new)
    assert store.waiting(key) == []
    send(log, store, "discard", key, through=waiting[-2].version)
    run(log, store)
    assert store.pins()[-1].result == "nothing waits for this key"


def test_a_discard_given_twice_gives_up_only_what_was_seen() -> None:
    _, log, store = parked_world(7, 60)
    key = max(store.waiting_keys(), key=lambda key: len(store.waiting(key)))
    first = store.waiting(key)[0]
    for _ in range(2):
        send(log, store, "discard", key, through=first.version)
    run(log, store)
    given_up = sum(n for (_, label), n in store.counts().items() if label == "ignored: discarded by a command")
    assert given_up == len(first.changes)
    assert next(step.version for step in store.waiting(key) if not step.discarded) == first.version + 1
    assert "nothing was given up" in store.pins()[-1].result


def test_a_command_for_another_life_of_the_state_is_not_executed() -> None:
    _, log, store = parked_world(7, 60)
    key = sorted(store.waiting_keys())[0]
    before = store.waiting(key)
    send(log, store, "discard", key, epoch=2)
    run(log, store)
    assert store.pins()[-1].result == "it was given for another life of the state"
    assert store.waiting(key) == before


def send(log: MemoryLog, store: MemoryState, action: Action, key: str, **more: Any) -> int:
    waiting = store.waiting(key)
    where = waiting[0].partition if waiting else partition(int(key))
    return control.send(log, Command(action=action, translator="order", key=key, partition=where, **more), 0)


def run(log: MemoryLog, store: MemoryState, **how: Any) -> None:
    made = worker(log, store, **how)
    while made.turn():
        pass


def _commit(world: World, changes: list[Any]) -> None:
    from tests.pipeline.world import BASE_TIME, Commit

    world.lsn += 16
    world.commits.append(Commit(world.txids.pop(0), world.last_commit, changes, world.lsn, BASE_TIME))
    world.last_commit = world.lsn


def test_a_loaded_key_that_cannot_be_mapped_waits_and_is_released_as_loaded() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    rows: list[dict[str, Any]] = [{"o_id": 1, "status": "X", "touched": 0}, {"o_id": 2, "status": "N", "touched": 0}]
    append(log, [snapshot_record("orders", row, int(row["o_id"]), "true") for row in rows])
    append(log, [snapshot_record("order_line", {"ol_o_id": 1, "ol_number": 1, "qty": 2}, 1, "last")])
    log.append([completed()])
    made = worker(log, store, begins="snapshot")
    while made.turn():
        pass
    assert store.waiting_keys() == {"1"}
    assert_balanced(store)
    letters = log.read("order.dead-letters", 0, 0, 10).records
    assert json.loads(letters[0].value or b"")["problem"]["code"] == "code.unmapped"
    assert len(json.loads(letters[0].value or b"")["changes"]) == 2
    waiting = store.waiting("1")
    order = Command(action="release", translator="order", key="1", partition=waiting[0].partition)
    control.send(log, order, 0)
    worker(log, store, begins="snapshot", translator=Orders(X="strange")).turn()
    states = by_key(published(log, "order.state"))["1"]
    assert [(s.event_class, (s.data or {})["status"]) for s in states] == [("snapshot", "strange")]
    assert not published(log, "order.events")
    assert_balanced(store)


@pytest.mark.parametrize("action", ["release", "discard"])
def test_a_command_for_a_key_that_does_not_wait_says_so(action: str) -> None:
    _, log, store = parked_world(1, 5)
    assert command(log, store, action, "4711") == "nothing waits for this key"


def test_a_dead_letter_is_whole_and_its_headers_hold_no_values() -> None:
    _, log, store = parked_world(7, 60)
    key = sorted(store.waiting_keys())[0]
    letter = next(r for r in log.read("order.dead-letters", 0, 0, 100).records if r.key == key.encode())
    body = json.loads(letter.value or b"")
    step = store.waiting(key)[0]
    assert len(body["changes"]) == len(step.changes)
    assert body["problem"]["code"] == "code.unmapped"
    assert (body["owner"], body["mapping_version"]) == ("Sales", "mNS")
    headers = dict(letter.headers)
    assert headers["dragoman_error_code"] == b"code.unmapped"
    assert headers["dragoman_feed_partition"] == str(partition(int(key))).encode()
    assert not any(value == b"X" for value in headers.values())


def test_a_repeat_of_a_waiting_step_is_a_repeat() -> None:
    world, log, store = parked_world(7, 60)
    waiting = {key: len(store.waiting(key)) for key in store.waiting_keys()}
    append(log, feed(world.commits))
    made = worker(log, store)
    while made.turn():
        pass
    assert waiting == {key: len(store.waiting(key)) for key in store.waiting_keys()}
    assert_balanced(store)
