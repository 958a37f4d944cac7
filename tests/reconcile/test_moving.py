"""While the source and the pipeline move: in flight is not drift, and what never holds still is not called clean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import pytest

from pipeline.log.memory import MemoryLog
from pipeline.log.port import Page, TopicPartition
from reconcile.confirm import ROUNDS
from reconcile.fence import APART, Fence, Pace, capture_hop, group_hop, translator_hop, view_hop
from reconcile.view import ViewRow
from tests.reconcile.test_drift import assert_adds_up, not_captured
from tests.reconcile.world import Doctored, World


@pytest.fixture
def full(world: World) -> World:
    """Eight items with lines, all the way through."""
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


def test_what_agrees_behind_the_fence_was_in_flight(full: World) -> None:
    full.write("A1", "new name")
    full.write("A10")
    full.delete("A2")
    full.clock.on_wait = full.flow
    result = full.run()
    assert (result.exit_code, result.in_flight, result.agree, result.findings) == (0, 3, 6, ())
    assert_adds_up(result)


def test_a_writer_between_the_two_images_is_no_drift(full: World) -> None:
    """While the view is read behind the fence, the source moves on: seen at the second image, and asked again."""
    full.write("A1", "new name")
    rounds = iter(range(2))

    def waits() -> None:
        full.flow()
        if next(rounds, None) is not None:
            full.write("A1", f"newer still, at {full.clock.now}")

    full.clock.on_wait = waits
    result = full.run()
    assert (result.exit_code, result.findings, result.unconfirmed) == (0, (), 0)


@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_a_view_that_agrees_with_either_image_was_in_flight(full: World, first: bool) -> None:
    """The key never holds still, yet the view shows what one of the two looks at the source saw."""
    numbers, view = iter(range(10_000)), full.sides().view

    def shown(keys: Sequence[str]) -> Mapping[str, ViewRow]:
        rows = view.read_keys(keys) if first else {}
        full.write("A1", f"moving {next(numbers)}")
        full.flow()
        return rows or view.read_keys(keys)

    full.write("A1", "moving")
    full.clock.on_wait = full.flow
    result = full.run(view=Doctored(view, shown))
    assert (next(numbers), result.in_flight, result.unconfirmed, result.findings) == (1, 1, 0, ())


def test_rows_that_change_without_a_record_are_asked_again(full: World) -> None:
    """With its triggers off the source says that nothing moved; the two images say otherwise."""
    not_captured(full)
    view, amounts = full.sides().view, iter([1, 2])

    def shown(keys: Sequence[str]) -> Mapping[str, ViewRow]:
        for amount in amounts:
            full.legacy.execute("UPDATE item SET amt = ? WHERE itm_no = ?", (amount, "A3".ljust(12)))
            break
        return view.read_keys(keys)

    (finding,) = full.run(view=Doctored(view, shown)).findings
    assert next(row.legacy for row in finding.rows if row.field == "amount") == "0.02"


def test_back_to_what_it_was_is_still_a_movement(full: World) -> None:
    """A, B, A: both images are the same, the view shows B, which was true in between."""
    full.write("A1", "B", 100)
    full.flow()
    full.write("A1", "A", 100)
    view = full.sides().view
    full.capture()
    full.publish()
    done = iter(range(1))

    def between(keys: Sequence[str]) -> Mapping[str, ViewRow]:
        if next(done, None) is None:
            return view.read_keys(keys)
        full.write("A1", "B", 100)
        full.flow()
        shown = view.read_keys(keys)
        full.write("A1", "A", 100)
        full.flow()
        return shown

    full.clock.on_wait = full.flow
    result = full.run(view=Doctored(view, between))
    assert (result.findings, result.in_flight, result.exit_code) == ((), 1, 0)


@pytest.mark.parametrize("gate", [False, True])
def test_a_key_that_never_holds_still_stays_unconfirmed_and_is_not_clean(full: World, gate: bool) -> None:
    """Its records are lost, so that the view never agrees, and it changes whenever the view is read."""
    moving = iter(range(10_000))
    view = full.sides().view

    def busy(keys: Sequence[str]) -> Mapping[str, ViewRow]:
        shown = view.read_keys(keys)
        full.write("A3", f"moving {next(moving)}")
        return shown

    full.losing = {"A3"}
    full.write("A3", "moving")
    full.clock.on_wait = full.flow
    result = full.run(gate=gate, view=Doctored(view, busy))
    assert gate or next(moving) == ROUNDS
    assert (result.findings, result.unconfirmed, result.ambiguous) == ((), 0 if gate else 1, 1 if gate else 0)
    assert result.exit_code == 2
    assert result.coverage < 1
    assert_adds_up(result)


class Unmarked(MemoryLog):
    """A log whose last records are committed, and cannot be read yet: their transaction's mark is still on its way."""

    def __init__(self, log: MemoryLog, hidden: dict[TopicPartition, int]) -> None:
        super().__init__()
        self._topics, self._partitions, self._committed = log._topics, log._partitions, log._committed
        self._hidden = hidden

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        page = super().read(topic, partition, offset, limit)
        first = self._hidden.get((topic, partition), page.next)
        return Page([record for record in page.records if record.offset < first], min(page.next, max(first, offset)))


def test_what_is_committed_and_not_to_be_read_yet_is_waited_for(full: World) -> None:
    """The view has read all that there is to be read; the high watermark says that there is more."""
    hidden = {("item.state", p): full.log.end("item.state", p) for p in (0, 1)}
    log, view = Unmarked(full.log, hidden), full.sides().view
    full.write("A1", "new name")
    full.capture()
    full.publish()
    hop = view_hop(log, "item.state", "item_view", view.checkpoint, lambda: None)
    fence = Fence((hop,), Pace(clock=full.clock, wait=full.clock.wait, deadline=timedelta(seconds=5)))
    result = full.run(fence=fence)
    assert (result.findings, result.exit_code) == ((), 2)
    full.clock.on_wait = full.project
    result = full.run(fence=fence)
    assert (result.findings, result.in_flight, result.exit_code) == ((), 1, 0)


def by_group(world: World) -> Fence:
    """The last hop is a consumer group that commits what it has not applied yet."""
    hops = (
        capture_hop(lambda: world.captured, lambda: None),
        translator_hop(world.log, "legacy.item", "dragoman.item", world.store.is_live, lambda: None),
        group_hop(world.log, "item.state", "item_view", "somebody"),
    )
    return Fence(hops, Pace(clock=world.clock, wait=world.clock.wait), APART)


def commits(world: World) -> None:
    world.log.commit("somebody", {("item.state", p): world.log.end("item.state", p) for p in (0, 1)})


def test_a_consumer_that_applies_what_it_has_committed_a_little_later_is_no_drift(full: World) -> None:
    full.write("A1", "new name")
    full.capture()
    full.publish()
    commits(full)
    full.clock.on_wait = full.project
    result = full.run(fence=by_group(full))
    assert (result.findings, result.in_flight, result.exit_code, result.exact) == ((), 1, 0, False)
    full.write("A1", "newer name")
    full.capture()
    full.publish()
    commits(full)
    assert full.run(fence=msgspec.structs.replace(by_group(full), apart=None)).confirmed == 1, (
        "one look would be too few"
    )


def test_behind_a_group_a_difference_is_confirmed_once_it_was_seen_twice(full: World) -> None:
    full.sql("UPDATE item_view SET name = 'x' WHERE number = 'A1'")
    commits(full)
    waits = iter(range(10))
    full.clock.on_wait = lambda: (next(waits), None)[1]
    result = full.run(fence=by_group(full))
    assert ([finding.key for finding in result.findings], next(waits)) == (["A1"], 1)


def test_behind_a_group_a_difference_that_is_another_one_each_time_is_not_confirmed(full: World) -> None:
    """Somebody's consumer is still applying: what was seen first is not what is seen next."""
    full.sql("UPDATE item_view SET name = 'x' WHERE number = 'A1'")
    commits(full)
    names = iter(range(100))
    full.clock.on_wait = lambda: full.sql("UPDATE item_view SET name = ? WHERE number = 'A1'", f"x{next(names)}")
    result = full.run(fence=by_group(full))
    assert (result.findings, result.unconfirmed, result.exit_code) == ((), 1, 2)


def test_a_gate_compares_everything_once_the_view_has_passed_one_position(full: World) -> None:
    """What was on its way is there by then, so that it is no candidate; what comes later is looked at again."""
    full.write("A1", "new name")
    full.write("A10")
    full.delete("A2")
    position = full.legacy.execute("SELECT max(pos) FROM _dragoman_changes").fetchone()[0]
    rounds = iter(range(1))

    def waits() -> None:
        full.flow()
        if next(rounds, None) is not None:
            full.write("A3", "written after the moment")
            full.flow()

    full.clock.on_wait = waits
    result = full.run(gate=True)
    assert (result.exit_code, result.agree, result.in_flight, result.position) == (0, 7, 1, position)
    assert result.aligned
    full.sql("UPDATE item_view SET name = 'x' WHERE number = 'A5'")
    assert [finding.key for finding in full.run(gate=True).findings] == ["A5"]


def test_a_gate_is_decided_behind_an_exact_fence_only(full: World) -> None:
    commits(full)
    result = full.run(gate=True, fence=by_group(full))
    assert result.incomplete is not None
    assert (result.incomplete.code, result.exit_code) == ("reconcile.gate-inexact", 2)
    stopped = Fence((capture_hop(lambda: 0, lambda: "nobody works"),), Pace(clock=full.clock, wait=full.clock.wait))
    result = full.run(gate=True, fence=stopped)
    assert result.incomplete is not None
    assert (result.incomplete.code, result.exit_code, result.compared) == ("reconcile.stopped", 2, 0)
