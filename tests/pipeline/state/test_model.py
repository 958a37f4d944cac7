"""Random batches, and what a few plain dicts make of them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pipeline.state.entries import entries_of
from pipeline.state.memory import MemoryState
from pipeline.state.port import Count, Pin, Save, StateStore, Stored, Waiting
from pipeline.state.rocks import RocksState
from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.strategies import KEYS, PARTITIONS, saves


class Model:
    """The contract in dicts that hold the very objects."""

    def __init__(self) -> None:
        self.aggregates: dict[tuple[int, str], Stored] = {}
        self.waiting: dict[tuple[int, str, int], Waiting] = {}
        self.counts: dict[int, dict[Count, int]] = {0: {}, 1: {}, 2: {}}
        self.pins: dict[tuple[int, int], Pin] = {}
        self.live: dict[int, bool] = {}
        self.logged: dict[int, int] = {}

    def save(self, save: Save) -> None:
        place = save.partition
        self.aggregates |= {(place, key): stored for key, stored in save.aggregates.items()}
        for step in save.waiting:
            self.waiting[place, step.key, step.version] = step
        for settled in save.settled:
            self.waiting.pop((place, *settled), None)
        counts = self.counts[place]
        for count, amount in save.counts.items():
            counts[count] = counts.get(count, 0) + amount
        for pin in save.pins:
            self.pins[pin.command, place] = pin
        if save.live is not None:
            self.live[place] = save.live
        if save.logged is not None:
            self.logged[place] = save.logged

    def forget(self, partition: int) -> None:
        self.aggregates = {place: stored for place, stored in self.aggregates.items() if place[0] != partition}
        self.waiting = {place: step for place, step in self.waiting.items() if place[0] != partition}
        self.counts[partition] = {}
        self.pins = {place: pin for place, pin in self.pins.items() if place[1] != partition}
        self.live.pop(partition, None)
        self.logged.pop(partition, None)


def shown(store: StateStore, partition: int | None) -> list[object]:
    """Everything that a store says of a partition or of all, as text: the values hold NaN, which is not equal to itself."""
    found = store.load(KEYS, partition)
    places = range(3) if partition is None else [partition]
    return [
        # A key that is in several partitions has no single answer there.
        sorted(found) if partition is None else repr([(key, found[key]) for key in sorted(found)]),
        repr(list(store.scan(partition))),
        [repr(store.loading(place, 3)) for place in places],
        [store.is_live(place) for place in places],
        [store.logged(place) for place in places],
        repr(store.waiting(None, partition)),
        [repr(store.waiting(key, partition)) for key in KEYS],
        store.waiting_keys(partition),
        store.counts(partition),
        store.pins(partition),
    ]


def expected(model: Model, partition: int | None) -> list[object]:
    """What a store must say."""
    places = range(3) if partition is None else [partition]
    scanned = [(*place, model.aggregates[place]) for place in sorted(model.aggregates) if place[0] in places]
    pairs = [(key, stored) for _, key, stored in scanned]
    waiting = [step for place, step in model.waiting.items() if place[0] in places]
    ordered = sorted(waiting, key=lambda step: (step.first_seen, step.key, step.version, step.partition))
    by_version = sorted(waiting, key=lambda step: (step.version, step.partition))
    return [
        sorted({key for key, _ in pairs}) if partition is None else repr(pairs),
        repr(pairs),
        [repr([(k, s) for at, k, s in scanned if s.loading and at == place][:3]) for place in places],
        [model.live.get(place, False) for place in places],
        [model.logged.get(place, 0) for place in places],
        repr(ordered),
        [repr([step for step in by_version if step.key == key]) for key in KEYS],
        {step.key for step in waiting},
        _summed([model.counts[place] for place in places]),
        [model.pins[place] for place in sorted(model.pins) if place[1] in places],
    ]


def _summed(counts: list[dict[Count, int]]) -> dict[Count, int]:
    total: dict[Count, int] = {}
    for one in counts:
        for count, amount in one.items():
            total[count] = total.get(count, 0) + amount
    return total


BATCHES = st.lists(st.tuples(st.one_of(saves(), saves(), saves(), PARTITIONS), st.booleans()), max_size=6)
"""Saves, and partitions that are forgotten; and whether the store is opened anew afterwards."""


def told_of(store: StateStore, what: Save | int) -> None:
    """The same, by the entries that a changelog would have."""
    if isinstance(what, int):
        store.forget(what)
    else:
        logged = store.logged(what.partition) if what.logged is None else what.logged
        store.restore(what.partition, entries_of(what, store.counts(what.partition)), logged)


@given(BATCHES)
def test_any_batches_leave_what_the_model_says(batches: list[tuple[Save | int, bool]]) -> None:
    model, memory = Model(), MemoryState()
    with TemporaryDirectory() as folder:
        file, rocks = SqliteState(Path(folder) / "state.db", "policy"), RocksState(Path(folder) / "state")
        told = MemoryState()
        for what, reopened in batches:
            told_of(told, what)
            for store in (model, memory, file, rocks):
                store.forget(what) if isinstance(what, int) else store.save(what)
            if reopened:
                file.close()
                rocks.close()
                file, rocks = SqliteState(Path(folder) / "state.db", "policy"), RocksState(Path(folder) / "state")
            for partition in (None, 0, 1, 2):
                assert shown(memory, partition) == expected(model, partition)
                assert shown(file, partition) == expected(model, partition)
                assert shown(rocks, partition) == expected(model, partition)
                assert shown(told, partition) == expected(model, partition)
        file.close()
        rocks.close()
