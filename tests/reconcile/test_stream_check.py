"""A check of what is published, for those that have no view: the legacy against the last record of each key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.state.port import Save, Stored
from reconcile.check import CheckMalformed, read_check
from reconcile.evidence import Witness
from reconcile.fence import Fence, Pace, capture_hop, translator_hop
from reconcile.report import render
from reconcile.run import RunResult
from reconcile.stream import StreamView
from tests.reconcile.test_drift import (
    assert_adds_up,
    discarded,
    edited_field,
    found,
    lost_delete,
    lost_tombstone_compacted,
    lost_update,
    misapplied,
    not_captured,
    parked_then_mappable,
    refused_and_parked,
    row_gone,
)
from tests.reconcile.test_terms import unsent
from tests.reconcile.world import SHAPE, World

TEXT = "check: item_state\nmapping: item\nagainst: stream\nlimit: 0\nowner: Stock integration\n"
CHECK = read_check(TEXT, "checks/item.yaml")


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


def check(world: World, text: str = TEXT, gate: bool = False) -> RunResult:
    view = StreamView(world.log, "item.state", SHAPE)
    hops = (
        capture_hop(lambda: world.captured, lambda: None),
        translator_hop(world.log, "legacy.item", "dragoman.item", world.store.is_live, lambda: None),
    )
    return world.run(
        read_check(text, "checks/item.yaml"),
        gate=gate,
        view=view,
        fence=Fence(hops, Pace(clock=world.clock, wait=world.clock.wait)),
        witness=Witness(world.log, "item.state", world.store, view),
    )


def test_what_is_published_is_what_the_legacy_says(full: World) -> None:
    full.write("A3", "other", 7)
    full.delete("A4")
    full.write("A10", "as text between A1 and A2")
    full.flow()
    result = check(full)
    assert (result.exit_code, result.compared, result.agree, result.view_rows) == (0, 8, 8, 8)
    assert [hop.name for hop in result.hops] == ["Capture", "Translator"]
    assert check(full, gate=True).exit_code == 0
    assert "item → state stream" in render([result], "f")


@pytest.mark.parametrize(
    ("corrupt", "kind", "causes"),
    [
        (refused_and_parked, "refused", ("parked",)),
        (parked_then_mappable, "stale", ("parked",)),
        (discarded, "refused", ("dead-lettered",)),
        (not_captured, "stale", ("capture-or-mapping",)),
    ],
)
def test_what_is_wrong_on_the_way_in_is_found(
    full: World, corrupt: Callable[[World], None], kind: str, causes: tuple[str, ...]
) -> None:
    corrupt(full)
    result = check(full)
    assert found(result) == {"A3": (kind, causes)}
    page = render([result], "f")
    assert "to be changed</dt> <dd>what is published, through the pipeline" in page and "view shows" not in page
    assert_adds_up(result)
    assert all(moment.what != "applied" for moment in result.findings[0].life)


@pytest.mark.parametrize(
    "corrupt", [edited_field, row_gone, misapplied, lost_update, lost_delete, lost_tombstone_compacted]
)
def test_what_is_wrong_behind_the_stream_is_not_its_matter(full: World, corrupt: Callable[[World], None]) -> None:
    corrupt(full)
    assert check(full).exit_code == 0
    assert full.run().exit_code == 1


def test_what_is_not_published_yet_is_in_flight_and_no_drift(full: World) -> None:
    full.write("A3", "another", 7)
    full.delete("A4")
    behind = check(full)
    assert (behind.exit_code, behind.findings) == (2, ())
    full.clock.on_wait = full.flow
    result = check(full)
    assert (result.exit_code, result.in_flight, result.agree) == (0, 2, 6)


def test_a_value_that_was_never_sent_is_never_equal_even_to_nothing(
    full: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.write("A3", None, 300, lines=((1, "2.50"), (2, None)))
    full.flow()
    assert check(full).agree == 8
    with monkeypatch.context() as then:
        then.setattr("tests.reconcile.world.stated", _without_a_quantity)
        full.write("A5", "bolt 5", 500, lines=((1, "2.50"), (2, None)))
        full.flow()
    unsent(full, monkeypatch)
    result = check(full)
    assert found(result) == {"A3": ("unavailable", ("not-sent",)), "A5": ("unavailable", ("not-sent",))}
    assert (result.exit_code, result.unavailable, result.confirmed) == (2, 2, 0)
    rows = {(row.field, row.element): (row.legacy, row.view) for one in result.findings for row in one.rows}
    assert rows["lines.quantity", 2] == ("∅", "never sent")


def _without_a_quantity(number: str, model: Any) -> Any:
    from tests.reconcile.world import STATED
    from translators.translator import Partial

    whole = STATED(number, model)
    lines = [{name: value for name, value in line.items() if name != "quantity" or value} for line in whole["lines"]]
    return Partial({**whole, "lines": lines}, {"lines[].quantity": "toast"})


def test_a_record_of_the_highest_sequence_counts_wherever_it_stands(full: World) -> None:
    """One that stands behind it and is older says nothing."""
    full.write("A3", "newest", 300, lines=((1, "2.50"), (2, None)))
    full.flow()
    full.versions["A3"] = 0
    full.publish_state("A3", {"name": "older", "cents": 1, "owner": None, "lines": []})
    full.store.save(Save(partition=0, aggregates={"A3": Stored(partition=0, version=2, published=True)}))
    result = check(full)
    assert (result.exit_code, result.agree, result.in_flight) == (0, 8, 0)


def test_terms_hold_for_it_as_well(full: World) -> None:
    not_captured(full)
    assert check(full, TEXT + "slices: [name]\n").slices[0].confirmed == 1
    assert check(full, TEXT + "exclude: {amount: loaded in bulk}\n").exit_code == 0
    # Of a personal field no value is told.
    full.legacy.execute("UPDATE item SET own = 'Grace' WHERE itm_no = ?", ("A3".ljust(12),))
    assert "Grace" not in render([check(full)], "f")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("stream", "view"), "against is 'view'"),
        (TEXT + "view: item_view\n", "view is no part of a check against the stream"),
        (TEXT + "group: readers\n", "group is no part of a check against the stream"),
        (TEXT + "invariant: {says: so, view: SELECT 1}\n", "invariant asks a view, and the check has none"),
        (TEXT.replace("against: stream\n", ""), "lacks the key 'view'"),
    ],
)
def test_a_mistake_is_told(text: str, said: str) -> None:
    with pytest.raises(CheckMalformed) as caught:
        read_check(text, "c.yaml")
    assert said in caught.value.message


def test_queries_that_need_no_view_may_stand_behind_its_fence() -> None:
    assert read_check(TEXT + "freshness: {within: 5m}\n", "c.yaml").stream
    assert read_check(TEXT + "invariant: {says: so, legacy: SELECT 1}\n", "c.yaml").stream
