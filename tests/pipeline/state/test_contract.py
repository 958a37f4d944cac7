"""What every state store does, run on each; the one on disk is opened anew for every call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline.state.entries import entries_of, lifecycle_entry
from pipeline.state.memory import MemoryState
from pipeline.state.port import Lifecycle, Pin, Save, StateStore, Stored, Waiting
from pipeline.state.rocks import RocksState
from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.strategies import KEYS
from translators.change import Change, Coordinate
from translators.problem import Problem

State = Callable[[], StateStore]

FIRST = Lifecycle(mapping_version="m1", generation=1, source_epoch=1, state_epoch=1)
PROBLEM = Problem(code="code.unmapped", cause="semantic", message="code 'X' has no meaning")


@pytest.fixture(params=["memory", "sqlite", "rocks"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """The store under test, asked for anew each time: what it says then is what it really kept."""
    if request.param == "memory":
        memory = MemoryState()
        yield lambda: memory
        return
    opened: list[SqliteState | RocksState] = []

    def reopen() -> StateStore:
        for store in opened:
            store.close()
        in_file = request.param == "sqlite"
        opened[:] = [SqliteState(tmp_path / "state.db", "policy") if in_file else RocksState(tmp_path / "state")]
        return opened[0]

    yield reopen
    for store in opened:
        store.close()


def aggregate(partition: int = 0, version: int = 1, **facts: Any) -> Stored:
    """A key with one row whose amount is its version."""
    rows: Any = {"polmst": {"P1": {"id": "P1", "amt": Decimal(version)}}}
    return Stored(partition=partition, version=version, rows=rows, positions={"polmst": {"P1": version}}, **facts)


def step(key: str, version: int, first_seen: int = 0, problem: Problem | None = None, partition: int = 0) -> Waiting:
    """A waiting step of one change."""
    change = Change(
        table="polmst",
        op="u",
        row_key=key,
        before=None,
        after={"id": key},
        position=version,
        transaction="7",
        committed_after=None,
        time=None,
        at=Coordinate("feed", 0, version),
        origin="new_system" if version % 2 else None,
    )
    return Waiting(
        key=key,
        partition=partition,
        version=version,
        changes=(change,),
        dead_letter="dl-1",
        problem=problem,
        first_seen=first_seen,
        mapping_version="m1",
    )


def steps(waiting: list[Waiting]) -> list[tuple[str, int]]:
    """Which steps these are."""
    return [(one.key, one.version) for one in waiting]


def test_a_new_store_knows_nothing(state: State) -> None:
    assert state().lifecycle(0) is None
    assert state().logged(0) == 0
    assert state().lives() == {}
    assert state().load(["P1"]) == {}
    assert state().load([]) == {}
    assert state().loading(0, 10) == []
    assert not state().is_live(0)
    assert state().waiting() == state().waiting("P1") == []
    assert state().waiting_keys() == frozenset()
    assert state().counts() == {}
    assert state().pins() == []
    assert list(state().scan()) == []


def test_the_facts_of_the_last_life_are_kept(state: State) -> None:
    state().begin(0, FIRST)
    assert (state().lifecycle(0), state().lifecycle(1)) == (FIRST, None)
    second = msgspec.structs.replace(FIRST, mapping_version="m2", generation=2)
    state().begin(0, second)
    state().begin(1, FIRST)
    assert (state().lifecycle(0), state().lifecycle(1)) == (second, FIRST)
    assert list(state().lives().items()) == [(0, second), (1, FIRST)]


def full(state: State, partition: int = 0) -> None:
    """Something of everything in a partition."""
    state().save(
        Save(
            partition=partition,
            aggregates={"P1": aggregate(partition)},
            waiting=[step("P2", 1, partition=partition)],
            counts={("polmst", "read"): 1},
            pins=[Pin(command=1, partition=partition, at=2)],
            live=True,
            logged=7,
        )
    )


def left(store: StateStore, partition: int = 0) -> list[bool]:
    """Whether there is something of each."""
    return [
        bool(store.load(["P1"], partition)),
        bool(list(store.scan(partition))),
        bool(store.waiting(None, partition)),
        bool(store.waiting_keys(partition)),
        bool(store.counts(partition)),
        bool(store.pins(partition)),
        store.is_live(partition),
        bool(store.logged(partition)),
    ]


def test_a_worker_of_the_same_epoch_goes_on_with_what_is_kept(state: State) -> None:
    full(state)
    state().begin(0, FIRST)
    state().begin(0, msgspec.structs.replace(FIRST, generation=2, source_epoch=2))
    assert left(state()) == [True] * 8


def test_another_state_epoch_is_a_new_life_of_its_partition(state: State) -> None:
    for partition in (0, 1):
        state().begin(partition, FIRST)
        full(state, partition)
    state().save(Save(partition=0, aggregates={"P3": aggregate(loading=True)}))
    second = msgspec.structs.replace(FIRST, state_epoch=2)
    state().begin(0, second)
    assert left(state()) == [False] * 8
    assert state().loading(0, 10) == []
    assert (state().lifecycle(0), state().lifecycle(1)) == (second, FIRST)
    assert list(state().lives().items()) == [(0, second), (1, FIRST)]
    assert left(state(), 1) == [True] * 8


def test_a_partition_that_is_forgotten_is_as_new(state: State) -> None:
    for partition in (0, 1):
        state().begin(partition, FIRST)
        full(state, partition)
    state().forget(0)
    state().forget(2)
    assert left(state()) == [False] * 8
    assert state().lifecycle(0) is None
    assert left(state(), 1) == [True] * 8
    assert (state().waiting(), state().counts()) == ([step("P2", 1, partition=1)], {("polmst", "read"): 1})
    full(state)
    assert left(state()) == [True] * 8


def test_partitions_do_not_see_each_other(state: State) -> None:
    full(state, 1)
    assert left(state(), 0) == left(state(), 2) == [False] * 8
    state().save(
        Save(
            partition=2, aggregates={"P0": aggregate(2)}, settled=[("P2", 1)], pins=[Pin(command=0, partition=2, at=1)]
        )
    )
    assert left(state(), 1) == [True] * 8
    assert state().load(["P0", "P1"]) == {"P0": aggregate(2), "P1": aggregate(1)}
    assert state().load(["P0", "P1"], 1) == {"P1": aggregate(1)}
    assert state().scan(2).__next__() == ("P0", aggregate(2))
    assert [key for key, _ in state().scan()] == ["P1", "P0"]
    assert [pin.command for pin in state().pins()] == [0, 1]
    assert state().pins(2) == [Pin(command=0, partition=2, at=1)]


def test_how_far_the_changelog_says_the_same_is_kept(state: State) -> None:
    state().save(Save(partition=1, logged=40))
    state().save(Save(partition=1, live=True))
    assert (state().logged(1), state().logged(0)) == (40, 0)
    state().save(Save(partition=1, logged=41))
    assert (state().logged(1), state().is_live(1)) == (41, True)


def test_what_was_saved_is_loaded(state: State) -> None:
    state().save(Save(partition=0, aggregates={"P1": aggregate(), "P2": aggregate(version=7, published=True)}))
    assert state().load(["P2", "P9", "P2"]) == {"P2": aggregate(version=7, published=True)}


def test_the_later_save_counts(state: State) -> None:
    state().save(Save(partition=0, aggregates={"P1": aggregate()}))
    gone = Stored(partition=0, version=2, positions={"polmst": {"P1": 9}}, unmapped=PROBLEM)
    state().save(Save(partition=0, aggregates={"P1": gone}))
    assert state().load(["P1"]) == {"P1": gone}


def test_many_keys_are_loaded_at_once(state: State) -> None:
    kept = {f"P{number}": aggregate(version=number) for number in range(1_203)}
    state().save(Save(partition=0, aggregates=kept))
    assert state().load(list(kept)) == kept


def test_every_text_is_a_key(state: State) -> None:
    kept = {key: aggregate(version=number) for number, key in enumerate(KEYS)}
    state().save(Save(partition=0, aggregates=kept, waiting=[step(key, 1) for key in KEYS]))
    assert state().load(KEYS) == kept
    assert state().waiting_keys() == frozenset(KEYS)


def test_nothing_is_shared_with_the_caller(state: State) -> None:
    kept = aggregate()
    same = state()
    same.save(Save(partition=0, aggregates={"P1": kept}))
    kept.rows["polmst"]["P1"]["amt"] = Decimal(99)
    same.load(["P1"])["P1"].rows["polmst"].clear()
    assert same.load(["P1"]) == {"P1": aggregate()}


def test_loading_keys_come_by_partition_in_key_order(state: State) -> None:
    kept = {key: aggregate(partition=1, loading=True) for key in ("c", "a", "d", "b")}
    state().save(Save(partition=0, aggregates={"aa": aggregate(loading=True)}))
    state().save(Save(partition=1, aggregates={**kept, "ab": aggregate(partition=1)}))
    assert state().loading(1, 3) == [(key, aggregate(partition=1, loading=True)) for key in ("a", "b", "c")]
    state().save(Save(partition=1, aggregates={"a": aggregate(partition=1), "b": aggregate(partition=1)}))
    assert [key for key, _ in state().loading(1, 9)] == ["c", "d"]
    assert [key for key, _ in state().loading(0, 9)] == ["aa"]


def test_a_partition_is_live_until_it_is_said_otherwise(state: State) -> None:
    state().save(Save(partition=1, live=True))
    state().save(Save(partition=1))
    assert state().is_live(1)
    assert not state().is_live(0)
    state().save(Save(partition=1, live=True))
    state().save(Save(partition=1, live=False))
    assert not state().is_live(1)


def test_waiting_steps_of_a_key_come_in_order_of_their_versions(state: State) -> None:
    state().save(Save(partition=0, waiting=[step("P1", 10, 3), step("P1", 2, 9, PROBLEM), step("P2", 1)]))
    assert state().waiting("P1") == [step("P1", 2, 9, PROBLEM), step("P1", 10, 3)]


def test_all_waiting_steps_come_as_they_were_first_seen(state: State) -> None:
    state().save(Save(partition=0, waiting=[step("P1", 1, 5), step("P3", 1, 4), step("P2", 10, 5), step("P2", 9, 5)]))
    assert steps(state().waiting()) == [("P3", 1), ("P1", 1), ("P2", 9), ("P2", 10)]


def test_a_settled_step_waits_no_longer(state: State) -> None:
    state().save(Save(partition=0, waiting=[step("P1", 1), step("P1", 2), step("P2", 1)]))
    state().save(Save(partition=0, settled=[("P1", 1), ("P2", 1), ("P9", 9)]))
    assert steps(state().waiting()) == [("P1", 2)]
    assert state().waiting_keys() == frozenset({"P1"})


def test_a_step_that_was_parked_and_settled_in_one_batch_does_not_wait(state: State) -> None:
    state().save(Save(partition=0, waiting=[step("P1", 1), step("P1", 2)], settled=[("P1", 1)]))
    assert steps(state().waiting()) == [("P1", 2)]


def test_a_step_that_waits_again_has_the_problem_of_today(state: State) -> None:
    state().save(Save(partition=0, waiting=[step("P1", 1, 5)]))
    state().save(Save(partition=0, waiting=[step("P1", 1, 5, PROBLEM)]))
    assert state().waiting() == [step("P1", 1, 5, PROBLEM)]


def test_counts_are_added(state: State) -> None:
    state().save(Save(partition=0, counts={("polmst", "read"): 5, ("", "event: PolicyBound.v1"): 1}))
    state().save(Save(partition=1, counts={("polmst", "read"): -2, ("covdtl", "read"): 0}))
    expected = {("", "event: PolicyBound.v1"): 1, ("covdtl", "read"): 0, ("polmst", "read"): 3}
    assert list(state().counts().items()) == list(expected.items())
    assert list(state().counts(1).items()) == [(("covdtl", "read"), 0), (("polmst", "read"), -2)]
    state().save(Save(partition=1, counts={("polmst", "read"): 1}))
    assert state().counts(1)["polmst", "read"] == -1


def test_pins_come_by_command_with_their_last_result(state: State) -> None:
    state().save(Save(partition=0, pins=[Pin(command=10, partition=0, at=7)]))
    state().save(Save(partition=1, pins=[Pin(command=9, partition=1, at=3)]))
    state().save(Save(partition=0, pins=[Pin(command=10, partition=0, at=7, result="done")]))
    assert state().pins() == [
        Pin(command=9, partition=1, at=3),
        Pin(command=10, partition=0, at=7, result="done"),
    ]


def test_a_scan_is_in_key_order_over_all_pages(state: State) -> None:
    keys = [*KEYS, *(f"P{number}" for number in range(1_100))]
    state().save(Save(partition=0, aggregates={key: aggregate(version=len(key)) for key in keys}))
    assert list(state().scan()) == [(key, aggregate(version=len(key))) for key in sorted(keys)]


def test_saving_goes_on_while_somebody_scans(state: State) -> None:
    same = state()
    same.save(Save(partition=0, aggregates={f"P{number:04}": aggregate() for number in range(1_100)}))
    seen = 0
    for key, _ in same.scan():
        same.save(Save(partition=0, aggregates={key: aggregate(version=2)}) if seen % 100 == 0 else Save(partition=0))
        seen += 1
    assert seen == 1_100


def test_a_save_that_cannot_be_written_changes_nothing(state: State) -> None:
    full(state)
    before = (list(state().scan()), state().counts(), state().waiting())
    bad: Any = {"polmst": {"P1": {"id": object()}}}
    with pytest.raises(TypeError):
        state().save(
            Save(
                partition=0,
                aggregates={"P0": aggregate(), "P1": Stored(partition=0, rows=bad)},
                settled=[("P2", 1)],
                counts={("polmst", "read"): 1},
            )
        )
    assert (list(state().scan()), state().counts(), state().waiting()) == before


def test_what_another_store_wrote_is_restored_from_its_entries(state: State) -> None:
    before = {("polmst", "read"): 4, ("covdtl", "read"): 1}
    said = Save(
        partition=1,
        aggregates={"P1": aggregate(1, loading=True), "P2": aggregate(1, 7, unmapped=PROBLEM)},
        waiting=[step("P3", 2, 9, partition=1), step("P3", 10, 3, PROBLEM, partition=1)],
        counts={("polmst", "read"): 2},
        pins=[Pin(command=-3, partition=1, at=2), Pin(command=4, partition=1, at=2, result="done")],
        live=True,
    )
    entries = [lifecycle_entry(FIRST), *entries_of(said, before)]
    for _ in range(2):  # read again after a crash, it says the same
        state().restore(1, entries, 55)
        assert state().lives() == {1: FIRST}
        assert list(state().scan(1)) == list(said.aggregates.items())
        assert state().loading(1, 9) == [("P1", aggregate(1, loading=True))]
        assert state().waiting("P3", 1) == said.waiting
        assert steps(state().waiting()) == [("P3", 10), ("P3", 2)]
        assert state().counts(1) == {("polmst", "read"): 6, ("covdtl", "read"): 1}
        assert state().pins(1) == said.pins
        assert (state().is_live(1), state().logged(1)) == (True, 55)
    later = Save(partition=1, aggregates={"P1": aggregate(1, 2)}, settled=[("P3", 2)], live=False)
    state().restore(1, entries_of(later, {}), 60)
    assert state().load(["P1", "P2"], 1) == {"P1": aggregate(1, 2), "P2": said.aggregates["P2"]}
    assert (state().loading(1, 9), steps(state().waiting()), state().is_live(1)) == ([], [("P3", 10)], False)
    assert state().counts() == {("polmst", "read"): 6, ("covdtl", "read"): 1}
    assert state().logged(1) == 60


def test_entries_of_no_partition_but_their_own_are_touched(state: State) -> None:
    full(state)
    state().restore(1, entries_of(Save(partition=1, aggregates={"P1": aggregate(1, 3)}, live=False), {}), 1)
    assert left(state()) == [True] * 8
    assert state().load(["P1"], 0) == {"P1": aggregate()}


def test_keys_that_are_loading_are_found_again_behind_those_that_are_done(state: State) -> None:
    same = state()
    keys = [f"P{number:02}" for number in range(20)]
    same.save(Save(partition=0, aggregates={key: aggregate(loading=True) for key in keys}))
    done = []
    while loaded := same.loading(0, 3):
        done += [key for key, _ in loaded]
        same.save(Save(partition=0, aggregates={key: aggregate() for key, _ in loaded}))
    assert done == keys
    same.save(Save(partition=0, aggregates={"P05": aggregate(loading=True), "P03": aggregate(loading=True)}))
    assert [key for key, _ in same.loading(0, 9)] == ["P03", "P05"]
    same.save(Save(partition=0, aggregates={"P03": aggregate()}))
    same.save(Save(partition=0, aggregates={"P01": aggregate(loading=True)}))
    assert [key for key, _ in same.loading(0, 9)] == ["P01", "P05"]


def test_closing_may_be_repeated(state: State) -> None:
    store = state()
    store.close()
    store.close()
