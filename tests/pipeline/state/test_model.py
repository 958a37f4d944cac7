"""Random batches, and what a few plain dicts make of them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from pipeline.state.memory import MemoryState
from pipeline.state.port import Count, Pin, Save, StateStore, Stored, Waiting
from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.strategies import KEYS, saves


class Model:
    """The contract in dicts that hold the very objects."""

    def __init__(self) -> None:
        self.aggregates: dict[str, Stored] = {}
        self.waiting: dict[tuple[str, int], Waiting] = {}
        self.counts: dict[Count, int] = {}
        self.pins: dict[tuple[int, int], Pin] = {}
        self.live: dict[int, bool] = {}

    def save(self, save: Save) -> None:
        self.aggregates |= save.aggregates
        for step in save.waiting:
            self.waiting[step.key, step.version] = step
        self.waiting = {place: step for place, step in self.waiting.items() if place not in save.settled}
        for count, amount in save.counts.items():
            self.counts[count] = self.counts.get(count, 0) + amount
        for pin in save.pins:
            self.pins[pin.command, pin.partition] = pin
        if save.live is not None:
            self.live[save.partition] = save.live


def shown(store: StateStore) -> list[object]:
    """Everything that a store says, as text: the values hold NaN, which is not equal to itself."""
    found = store.load(KEYS)
    return [
        repr([(key, found[key]) for key in sorted(found)]),
        repr(list(store.scan())),
        [repr(store.loading(partition, 3)) for partition in range(3)],
        [store.is_live(partition) for partition in range(3)],
        repr(store.waiting()),
        [repr(store.waiting(key)) for key in KEYS],
        store.waiting_keys(),
        store.counts(),
        store.pins(),
    ]


def expected(model: Model) -> list[object]:
    """What a store must say."""
    scanned = sorted(model.aggregates.items(), key=lambda item: item[0])
    ordered = sorted(model.waiting.values(), key=lambda step: (step.first_seen, step.key, step.version))
    by_version = sorted(model.waiting.values(), key=lambda step: step.version)
    return [
        repr(scanned),
        repr(scanned),
        [repr([(k, s) for k, s in scanned if s.loading and s.partition == partition][:3]) for partition in range(3)],
        [model.live.get(partition, False) for partition in range(3)],
        repr(ordered),
        [repr([step for step in by_version if step.key == key]) for key in KEYS],
        {step.key for step in model.waiting.values()},
        model.counts,
        [model.pins[place] for place in sorted(model.pins)],
    ]


@given(st.lists(st.tuples(saves(), st.booleans()), max_size=6))
def test_any_batches_leave_what_the_model_says(batches: list[tuple[Save, bool]]) -> None:
    model, memory = Model(), MemoryState()
    with TemporaryDirectory() as folder:
        file = SqliteState(Path(folder) / "state.db", "policy")
        for save, reopened in batches:
            for store in (model, memory, file):
                store.save(save)
            if reopened:
                file.close()
                file = SqliteState(Path(folder) / "state.db", "policy")
            assert shown(memory) == expected(model)
            assert shown(file) == expected(model)
        file.close()
