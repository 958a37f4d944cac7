"""Whether what was published is what the oracle says: nothing missing, nothing more, nothing torn, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

from pipeline import cloudevents
from pipeline.cloudevents import CloudEvent
from pipeline.log.port import Log
from pipeline.state.port import StateStore
from tests.model.oracle import Oracle, Order, Said


def published(log: Log, topic: str, *, once: bool) -> dict[str, list[CloudEvent]]:
    """The records of a curated topic by key, repeats told by their ids and left out; in order.

    A repeat has the same bytes, unless another mapping version made it; then it is the newer one, and so is its place. `once`:
    there must be no repeats at all, since no worker died.
    """
    keys: dict[str, dict[str, CloudEvent]] = {}
    for partition in range(log.topics()[topic].partitions):
        for record in log.read(topic, partition, 0, 1_000_000).records:
            event = cloudevents.read(record)
            said = keys.setdefault(event.subject, {})
            before = said.pop(event.id, None)
            if before is None:
                assert_rises([e for e in said.values() if generation(e) == generation(event)], event)
            else:
                assert not once, f"{event.subject}: {event.type} {event.sequence} twice"
                assert_repeats(before, event)
            said[event.id] = event
    return {key: list(said.values()) for key, said in keys.items()}


def assert_rises(said: list[CloudEvent], event: CloudEvent) -> None:
    """What is said for the first time is newer than what the same mapping version said of this key before."""
    assert not said or said[-1].sequence < event.sequence, (
        f"{event.subject}: {event.sequence} after {said[-1].sequence}"
    )


def assert_repeats(before: CloudEvent, event: CloudEvent) -> None:
    """Same id, same bytes, within one mapping version; the version of the key is the same in any case."""
    assert version(before) == version(event), event
    if generation(before) == generation(event):
        assert (before.record.value, before.record.headers) == (event.record.value, event.record.headers), event


def version(event: CloudEvent) -> int:
    """The version of the key that a record speaks of."""
    return int(event.sequence.split(".")[1])


def generation(event: CloudEvent) -> int:
    """Under which mapping generation it was made."""
    return int(event.sequence.split(".")[2])


def said_by(event: CloudEvent) -> Said:
    """A record as the oracle would tell it."""
    ordinal = int(event.sequence.split(".")[3])
    time = None if event.time is None else round(event.time.timestamp() * 1_000_000)
    came, went = (event.attributes.get(name) for name in ("renumberedfrom", "renumberedto"))
    return Said(version(event), ordinal, event.name, event.data, event.event_class, time, came, went)


def told_by(events: list[CloudEvent], expected: list[Said]) -> list[Said]:
    """Records as the oracle would tell them; without a time where the oracle does not know it."""
    told = [said_by(event) for event in events]
    blind = {at for at, said in enumerate(expected) if said.time is None}
    return [replace(said, time=None) if at in blind else said for at, said in enumerate(told)]


def judge(log: Log, store: StateStore, oracle: Oracle, *, once: bool) -> None:
    """Compare all that was published, kept and counted with the oracle."""
    events = published(log, "order.events", once=once)
    states = published(log, "order.state", once=once)
    for key in {*events, *states, *oracle.orders}:
        order = oracle.orders.get(key, Order())
        assert told_by(events.get(key, []), order.events) == order.events, f"events of {key}"
        assert told_by(states.get(key, []), order.states) == order.states, f"states of {key}"
        assert_newest_is_last(states.get(key, []))
    assert not (unread := oracle.unread), f"steps that nobody read: {unread}"
    waiting = {key: [w.version for w in store.waiting(key)] for key in store.waiting_keys()}
    assert waiting == {key: [v for v, _ in o.waiting] for key, o in oracle.orders.items() if o.waiting}
    assert_counts(store, oracle, events)
    letters = dead_letters(log)
    assert letters >= oracle.letters if not once else letters == oracle.letters


def assert_newest_is_last(states: list[CloudEvent]) -> None:
    """In a compacted stream the last record wins: it has to be the newest."""
    if states:
        assert max(states, key=lambda state: state.sequence) is states[-1]


def assert_counts(store: StateStore, oracle: Oracle, events: dict[str, list[CloudEvent]]) -> None:
    """What became of every change, by table; and the events by type."""
    kept = {count: number for count, number in store.counts().items() if number}
    outcomes = Counter({c: n for c, n in kept.items() if c[0] and c[1] not in ("read", "repeat", "late")})
    again = outcomes - oracle.counts
    # A truncate has no row by which a repeat of it could be told; rows that a snapshot shows again are loaded each time.
    known = {("translated", table) for table in oracle.truncated} | {("loaded", table) for table in oracle.shown_again}
    assert {(label, table) for table, label in again} <= known, again
    assert not oracle.counts - outcomes, oracle.counts - outcomes
    types = Counter(f"event: {event.name}" for said in events.values() for event in said)
    assert {label: n for (table, label), n in kept.items() if not table and label.startswith("event: ")} == types


def dead_letters(log: Log) -> set[tuple[str, int]]:
    """The steps of which a dead letter tells."""
    found = [json.loads(record.value or b"") for record in log.read("order.dead-letters", 0, 0, 1_000_000).records]
    return {(letter["key"], letter["version"]) for letter in found}
