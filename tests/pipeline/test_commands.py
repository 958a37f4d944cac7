"""Commands through the control topic: pinned first, executed once by who owns the partition; and what is published anew."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import control
from pipeline.control import Action, Command
from pipeline.log.memory import MemoryLog
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import Orders, append, balance, by_key, create_topics, published, version_of, worker
from tests.pipeline.world import PARTITIONS, World, business, feed, partition


def ran(seed: int = 7, transactions: int = 60) -> tuple[World, MemoryLog, MemoryState]:
    world = World(seed)
    world.run(transactions)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    run(log, store)
    return world, log, store


def run(log: MemoryLog, store: MemoryState, translator: Orders | None = None) -> None:
    made = worker(log, store, translator=translator)
    while made.turn():
        pass


def send(log: MemoryLog, action: Action, key: str, at: int | None = None, **more: Any) -> int:
    place = partition(int(key)) if at is None else at
    return control.send(log, Command(action=action, translator="order", key=key, partition=place, **more), 1_700_000)


def owning(log: MemoryLog, store: MemoryState, *partitions: int) -> TranslatorWorker:
    """A worker of a group that was given these partitions only."""
    made = worker(log, store, translator=Orders(X="strange"))
    for number in set(range(PARTITIONS)) - set(partitions):
        del made._partitions[number]
    return made


def results(store: MemoryState) -> dict[int, str]:
    return {pin.command: pin.result for pin in store.pins() if pin.command >= 0}


def test_only_the_owner_of_the_partition_executes_a_command() -> None:
    _, log, store = ran()
    keys = {partition(int(key)): key for key in store.waiting_keys()}
    assert len(keys) > 1
    sent = {at: send(log, "release", key) for at, key in keys.items()}
    mine, *others = sorted(keys)
    owning(log, store, mine).turn()
    assert set(results(store)) == {sent[mine]}
    assert keys[mine] not in store.waiting_keys()
    assert {keys[at] for at in others} <= store.waiting_keys()
    owning(log, store, *others).turn()
    assert set(results(store)) == set(sent.values())


def test_a_partition_that_is_taken_over_misses_no_command_though_later_ones_were_executed() -> None:
    _, log, store = ran()
    keys = {partition(int(key)): key for key in store.waiting_keys()}
    (first, key), (second, other) = sorted(keys.items())[:2]
    early, late = send(log, "release", key), send(log, "release", other)
    owning(log, store, second).turn()
    assert set(results(store)) == {late}
    owning(log, store, first, second).turn()
    assert set(results(store)) == {early, late}


def test_a_command_for_a_partition_that_is_not_there_is_answered() -> None:
    _, log, store = ran()
    sent = send(log, "release", "4711", at=99)
    run(log, store)
    assert results(store)[sent] == "nothing waits for this key"


def test_commands_of_other_translators_are_left_alone() -> None:
    _, log, store = ran()
    control.send(log, Command(action="republish", translator="policy", key="1", partition=0), 0)
    run(log, store)
    assert results(store) == {}


def test_a_republished_state_is_a_new_version_that_names_what_it_repairs() -> None:
    world, log, store = ran()
    events = published(log, "order.events")
    key = next(
        k for k in by_key(published(log, "order.state")) if k not in store.waiting_keys() and int(k) in world.orders
    )
    before = by_key(published(log, "order.state"))[key]
    send(log, "republish", key, finding="f-17", corrects=before[-1].id)
    run(log, store)
    *same, new = by_key(published(log, "order.state"))[key]
    assert same == before
    assert new.data == business(world.orders, world.lines, int(key)) == before[-1].data
    assert (new.event_class, new.attributes["corrects"], new.attributes["dragoman_finding"]) == (
        "repair",
        before[-1].id,
        "f-17",
    )
    assert version_of(new) == store.load([key])[key].version > version_of(before[-1])
    assert new.id not in {event.id for event in before}
    assert (new.time, new.record.timestamp) == (None, 1_700_000)
    assert published(log, "order.events") == events
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


def test_a_repair_is_of_a_later_version_than_what_it_corrects() -> None:
    """Somebody else may have written a record of a version that was never given: views would take nothing below it."""
    world, log, store = ran()
    key = next(k for k, _ in store.scan() if k not in store.waiting_keys() and int(k) in world.orders)
    send(log, "republish", key, above=70)
    run(log, store)
    last = by_key(published(log, "order.state"))[key][-1]
    assert version_of(last) == store.load([key])[key].version == 71
    send(log, "republish", key, above=3)
    run(log, store)
    assert store.load([key])[key].version == 72


def test_a_deleted_key_is_republished_as_a_tombstone() -> None:
    world, log, store = ran()
    gone = next(key for key, stored in store.scan() if int(key) not in world.orders and key not in store.waiting_keys())
    send(log, "republish", gone)
    run(log, store)
    last = by_key(published(log, "order.state"))[gone][-1]
    assert (last.data, last.event_class) == (None, "repair")


@pytest.mark.parametrize(("key", "said"), [("4711", "nothing is known of this key"), ("parked", "its steps wait")])
def test_what_cannot_be_republished_is_said(key: str, said: str) -> None:
    _, log, store = ran()
    key = sorted(store.waiting_keys())[0] if key == "parked" else key
    states = published(log, "order.state")
    sent = send(log, "republish", key)
    run(log, store)
    assert results(store)[sent].startswith(said)
    assert published(log, "order.state") == states


def test_a_command_cut_by_a_crash_is_executed_again_with_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    world, log, store = ran()
    key = next(str(order) for order in world.orders if str(order) not in store.waiting_keys())
    send(log, "republish", key)

    def die(at: str) -> None:
        if at == "publish.after-state-stream":
            raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.publish.failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        run(log, store)
    monkeypatch.undo()
    run(log, store)
    first, second = by_key(published(log, "order.state"))[key][-2:]
    assert (first.id, first.record.value, first.record.headers) == (
        second.id,
        second.record.value,
        second.record.headers,
    )
