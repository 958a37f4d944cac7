"""A run that could not prove everything is never clean: it ends with 2 and says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

import pytest

from pipeline.log.port import Outgoing
from reconcile.fence import APART, Fence, Halted, Hop, Pace, capture_hop, group_hop, translator_hop, view_hop
from reconcile.position import ChangeTable
from reconcile.run import RunResult
from reconcile.sources import Layout, LegacyReader
from reconcile.streams import KeyRange
from reconcile.view import ViewRow
from tests.reconcile.world import SCHEMA, Doctored, ItemTranslator, World
from translators.values import Row


def reason(result: RunResult) -> str:
    assert result.exit_code == 2
    assert result.incomplete is not None
    return result.incomplete.code


@pytest.fixture
def full(world: World) -> World:
    for number in ("A1", "A2", "A3"):
        world.write(number)
    world.flow()
    return world


def test_an_empty_view_is_a_failure(world: World) -> None:
    world.write("A1")
    world.capture()
    result = world.run()
    assert reason(result) == "reconcile.side-empty"
    assert (result.coverage, result.findings, result.not_covered) == (0.0, (), 1)


def test_an_empty_legacy_is_a_failure(full: World) -> None:
    full.legacy.execute("DELETE FROM item")
    assert reason(full.run()) == "reconcile.side-empty"


def test_two_empty_sides_prove_nothing(world: World) -> None:
    assert reason(world.run()) == "reconcile.nothing-compared"


def test_a_key_that_is_there_twice_in_legacy_is_a_failure(full: World) -> None:
    full.legacy.execute("INSERT INTO item VALUES ('A3', 'twin', 1, NULL)")
    result = full.run()
    assert reason(result) == "reconcile.side-unsorted"
    assert result.incomplete is not None
    assert "A3 is there twice in item" in result.incomplete.message
    assert (result.confirmed, result.ended, result.coverage) == (0, False, 0.0)


def test_a_part_that_is_there_twice_is_a_failure(full: World) -> None:
    full.legacy.executemany("INSERT INTO itmlin VALUES (?, 1, '1.00')", [("A3",), ("A3".ljust(12),)])
    assert reason(full.run()) == "reconcile.side-unsorted"


def test_a_key_that_is_there_twice_in_the_view_is_a_failure(full: World) -> None:
    view = full.sides().view

    def twice(keys: KeyRange) -> AbstractContextManager[Iterator[ViewRow]]:
        with view.rows() as rows:
            first, second, third = rows
        return nullcontext(iter([first, second, second, third]))

    result = full.run(view=Doctored(view, rows=twice))
    assert reason(result) == "reconcile.side-unsorted"
    assert result.incomplete is not None
    assert "A2 is there twice" in result.incomplete.message


def test_keys_that_the_translator_makes_in_another_order_are_a_failure(full: World) -> None:
    class Turned(ItemTranslator):
        def key_of(self, table: str, row: Row) -> str:
            return str(row["itm_no"])[::-1].translate(str.maketrans("123", "321"))

    sides = full.sides()
    layout = Layout("item", ("itm_no",), {"itmlin": ("itm_no",)})
    reader = LegacyReader(full.engines[0], SCHEMA, Turned(), layout, ChangeTable())
    assert reason(full.run(reader=reader, view=sides.view)) == "reconcile.side-unsorted"


def test_an_unsorted_view_is_a_failure(full: World) -> None:
    view = full.sides().view

    def unsorted(keys: KeyRange) -> AbstractContextManager[Iterator[ViewRow]]:
        with view.rows() as rows:
            first, second, third = rows
        return nullcontext(iter([first, third, second]))

    result = full.run(view=Doctored(view, rows=unsorted))
    assert reason(result) == "reconcile.side-unsorted"
    assert result.incomplete is not None
    assert "A2 stands behind A3" in result.incomplete.message


def test_a_legacy_value_that_is_not_of_its_type_is_a_failure_and_is_not_quoted(full: World) -> None:
    full.legacy.execute("UPDATE item SET amt = 'secret words' WHERE itm_no LIKE 'A2%'")
    result = full.run()
    assert reason(result) == "reconcile.side-unreadable"
    assert "secret" not in str(result.incomplete)


def test_a_missing_table_is_a_failure(full: World) -> None:
    full.legacy.execute("DROP TABLE itmlin")
    assert reason(full.run()) == "reconcile.side-unreadable"
    full.sql("DROP TABLE item_view")
    full.legacy.execute("CREATE TABLE itmlin (itm_no, seq, qty)")
    assert reason(full.run()) == "view.failed"


@pytest.mark.parametrize(("stage", "hop"), [("write", "Capture"), ("capture", "Translator"), ("publish", "View")])
def test_a_hop_that_does_not_move_is_lag_and_names_the_hop(full: World, stage: str, hop: str) -> None:
    full.write("A1", "new name")
    if stage in ("capture", "publish"):
        full.capture()
    if stage == "publish":
        full.publish()
    result = full.run()
    assert reason(result) == "reconcile.lag"
    assert (result.hops[-1].name, result.hops[-1].passed) == (hop, False)
    assert all(passage.passed for passage in result.hops[:-1])
    assert result.hops[-1].seconds >= 30
    assert (result.not_covered, result.agree, result.findings) == (1, 2, ())


def test_lag_is_told_even_if_nothing_seems_to_differ(full: World) -> None:
    full.write("A1")
    assert reason(full.run()) == "reconcile.lag"


def test_a_loading_partition_ends_the_check_at_once(full: World) -> None:
    hop = translator_hop(full.log, "legacy.item", "dragoman.item", lambda partition: False, lambda: None)
    result = full.run(fence=Fence((hop,), Pace(clock=full.clock, wait=full.clock.wait)))
    assert reason(result) == "reconcile.loading"
    assert result.hops[-1].seconds == 0


def test_a_snapshot_that_is_not_taken_is_loading(full: World) -> None:
    hop = capture_hop(lambda: -1, lambda: None)
    assert reason(full.run(fence=Fence((hop,), Pace(clock=full.clock, wait=full.clock.wait)))) == "reconcile.loading"


def test_a_stopped_pipeline_ends_the_check_at_once_but_not_if_it_has_passed(full: World) -> None:
    def stopped() -> str:
        return "no worker runs"

    checkpoint = full.sides().view.checkpoint
    hops: tuple[Hop, ...] = (
        capture_hop(lambda: full.captured, stopped),
        translator_hop(full.log, "legacy.item", "dragoman.item", full.store.is_live, stopped),
        view_hop(full.log, "item.state", "item_view", checkpoint, stopped),
    )
    fence = Fence(hops, Pace(clock=full.clock, wait=full.clock.wait))
    assert full.run(fence=fence).exit_code == 0
    full.write("A1", "new name")
    for number, hop in enumerate(("Capture", "Translator", "View")):
        (lambda: None, full.capture, full.publish)[number]()
        result = full.run(fence=fence)
        assert reason(result) == "reconcile.stopped"
        assert (result.hops[-1].name, result.hops[-1].detail, result.hops[-1].seconds) == (hop, "no worker runs", 0)


def test_an_open_step_is_named_instead_of_lag(full: World) -> None:
    full.write("A1", "new name")
    full.capture()
    hop = translator_hop(
        full.log, "legacy.item", "dragoman.item", full.store.is_live, lambda: None,
        lambda partition, offset: f"transaction 7 at {partition}:{offset}",
    )  # fmt: skip
    result = full.run(fence=Fence((hop,), Pace(clock=full.clock, wait=full.clock.wait, deadline=timedelta(seconds=5))))
    assert reason(result) == "reconcile.open-step"
    assert result.hops[-1].detail.startswith("transaction 7 at")


def test_an_offset_that_is_not_kept_is_unknown_and_no_lag(full: World) -> None:
    """The group's offset expired, or the records at it did."""
    group = "dragoman.item"
    pace = Pace(clock=full.clock, wait=full.clock.wait, deadline=timedelta(seconds=5))
    fences = [
        Fence((translator_hop(full.log, "legacy.item", "dragoman.gone", full.store.is_live, lambda: None),), pace),
        Fence((group_hop(full.log, "item.state", "item_view", "somebody"),), pace, APART),
    ]
    for fence in fences:
        result = full.run(fence=fence)
        assert (reason(result), "has no offset in partition" in result.hops[-1].detail) == ("reconcile.unknown", True)
    full.write("A1", "new name")
    full.capture()
    for place, offset in full.log.committed(group).items():
        full.log._partitions[place].first = offset + 1
    hop = translator_hop(
        full.log, "legacy.item", group, full.store.is_live, lambda: None,
        lambda partition, offset: str(full.log.read("legacy.item", partition, offset, 1)),
    )  # fmt: skip
    result = full.run(fence=Fence((hop,), pace))
    assert (reason(result), "is not kept any more" in result.hops[-1].detail) == ("reconcile.unknown", True)


def test_a_pipeline_that_never_ran_has_stopped(world: World) -> None:
    hop = translator_hop(world.log, "legacy.other", "dragoman.other", lambda partition: True, lambda: None)
    with pytest.raises(Halted):
        hop.begin(0)


def test_a_strange_record_of_the_state_stream_makes_it_incomplete(full: World) -> None:
    full.log.append([Outgoing(topic="item.state", timestamp=0, key=b"A1", value=b"?")])
    full.project()
    full.sql("UPDATE item_view SET name = 'x' WHERE number = 'A1'")
    assert reason(full.run()) == "reconcile.stream-unreadable"
