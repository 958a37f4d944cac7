"""One key's history against the oracle: its steps, what was published of them, its state at every moment; and what is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from connectors.debezium.decode import Decoder
from pipeline.provenance import as_of
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import SCHEMA, Orders, by_key, published
from tests.pipeline.scene import Scene, mine, mine_ids, moves, pictures, states, time_of
from tests.pipeline.world import (
    FEED,
    NOTIFICATIONS,
    PARTITIONS,
    expected,
    partition,
)

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
class TestAgainstTheOracle:
    def test_every_step_with_its_changes_and_its_rows(self, seed: int) -> None:
        scene = Scene(seed)
        for order in scene.orders:
            commits = mine(scene.world.commits, order)
            steps = list(scene.life(order).steps)
            assert [step.version for step in steps] == list(range(1, len(commits) + 1))
            assert [step.transaction for step in steps] == [str(commit.txid) for commit in commits]
            assert [step.time for step in steps] == [time_of(commit) for commit in commits]
            got = [[(change.table, change.op, change.position) for change in step.changes] for step in steps]
            assert got == [moves(commit, order) for commit in commits]
            assert pictures(steps) == states(scene.world.commits, order)
            assert pictures(steps)[:-1] == ["?" if step.before.problem else step.before.state for step in steps[1:]]

    def test_what_was_published_and_what_waits(self, seed: int) -> None:
        scene = Scene(seed)
        told = expected(scene.world.commits)
        ids = {name: by_key(published(scene.log, f"order.{name}")) for name in ("events", "state")}
        for order in scene.orders:
            life = scene.life(order)
            events = [(order, step.version, event.name) for step in life.steps for event in step.events]
            assert events == [one for one in told.events if one[0] == order]
            assert [event.id for step in life.steps for event in step.events] == [
                event.id for event in ids["events"].get(str(order), [])
            ]
            said = [(order, step.version, step.state.data) for step in life.steps if step.state is not None]
            assert said == [one for one in told.states if one[0] == order]
            waiting = [step for step in life.steps if step.standing == "waiting"]
            assert len(waiting) == told.parked.get(order, 0)
            assert [bool(step.letters) for step in waiting] == [at == 0 for at in range(len(waiting))]
            assert {step.standing for step in life.steps} <= {"done", "waiting"}
            assert not any(step.unlike or step.not_kept for step in life.steps)
            assert (life.is_whole, life.states_from, life.untold) == (True, None, ())
            assert {one.partition for one in life.feed} == {partition(order)}

    def test_the_state_at_every_moment(self, seed: int) -> None:
        scene = Scene(seed)
        for order in scene.orders:
            life = scene.life(order)
            commits = mine(scene.world.commits, order)
            assert as_of(life, time_of(commits[0]) - timedelta(microseconds=1)).picture.state is None
            parked = False
            last = None
            for commit, state in zip(commits, states(scene.world.commits, order), strict=True):
                parked |= state == "?"
                last = last if parked else state
                found = as_of(life, time_of(commit))
                assert (found.picture.is_known, found.picture.state) == (True, last)
            assert as_of(life, None).picture.state == last

    def test_a_compacted_state_stream_is_computed_again_and_that_is_said(self, seed: int) -> None:
        scene = Scene(seed)
        scene.log.compact("order.state")
        told = expected(scene.world.commits)
        rows = 0
        for order in scene.orders:
            life = scene.life(order)
            kept = [version for one, version, _ in told.states if one == order]
            assert life.states_from == (kept[-1] if len(kept) > 1 else None)
            assert not any(step.unlike for step in life.steps)
            after: dict[str | None, Any] = dict(
                zip(mine_ids(scene, order), states(scene.world.commits, order), strict=True)
            )
            for step in life.steps:
                if step.standing != "done" or step.time is None or not kept:
                    continue
                found = as_of(life, step.time)
                is_last = step.version is not None and step.version >= kept[-1]
                assert found.teller == ("stream" if is_last else "rows")
                assert found.picture.state == after[step.transaction]
                rows += not is_last
        assert rows

    def test_where_the_feed_has_expired_rows_are_told_backwards(self, seed: int) -> None:
        scene = Scene(seed, 200)
        whole = {order: scene.life(order) for order in scene.orders}
        ends = [scene.log.end(FEED, number) for number in range(PARTITIONS)]
        for number, end in enumerate(ends):
            scene.log.expire(FEED, number, end // 2)
        untold = cut = 0
        for order in scene.orders:
            life = scene.life(order)
            was = {step.version: step for step in whole[order].steps}
            assert not life.is_whole
            for step in life.steps:
                before = was[step.version]
                assert (step.events, step.state, step.standing) == (before.events, before.state, before.standing)
                if step.is_cut:
                    assert before.changes[-len(step.changes) :] == step.changes
                    assert (step.before.is_known, step.after) == (False, before.after)
                    cut += step.changes != before.changes
                elif step.changes:
                    assert step.changes == before.changes
                    assert (step.before, step.after) == (before.before, before.after)
                else:
                    untold += 1
            missing = was.keys() - {step.version for step in life.steps}
            assert all(not was[version].events and was[version].state is None for version in missing)
        assert untold
        assert cut <= PARTITIONS

    def test_another_mapping_says_otherwise_and_nothing_else_is_made_up(self, seed: int) -> None:
        scene = Scene(seed)
        other = Orders(S="sent")
        differ = 0
        for order in scene.orders:
            for step in scene.life(order, other).steps:
                told = {one.of: one for one in step.unlike}
                shipped = step.state is not None and step.state.data and step.state.data["status"] == "shipped"
                assert ("Order.v1" in told) == bool(shipped)
                assert ("OrderShipped.v1" in told) == any(one.name == "OrderShipped.v1" for one in step.events)
                if shipped:
                    assert (told["Order.v1"].then["status"], told["Order.v1"].now["status"]) == ("shipped", "sent")
                differ += len(told)
        assert differ


class TestWhatIsLost:
    def test_expired_events_are_no_difference(self) -> None:
        scene = Scene(1)
        for number in range(PARTITIONS):
            scene.log.expire("order.events", number, scene.log.end("order.events", number) // 2)
        lost = 0
        for order in scene.orders:
            steps = scene.life(order).steps
            assert not any(step.unlike for step in steps)
            lost += sum(1 for step in steps if step.says and not step.events and step.not_kept)
        assert lost

    def test_an_event_that_nobody_published_is_a_difference(self) -> None:
        scene = Scene(1)
        told = scene.log._partitions
        for number in range(PARTITIONS):
            part = told["order.events", number]
            part.keep([r for r in part.records if b"LinesChanged" not in dict(r.headers)["ce_type"]])  # type: ignore[operator]
        missing = [one for order in scene.orders for step in scene.life(order).steps for one in step.unlike]
        changed = sum(1 for _, _, kind in expected(scene.world.commits).events if kind == "LinesChanged.v1")
        assert changed
        assert [(one.of, one.then) for one in missing] == [("LinesChanged.v1", ...)] * changed

    def test_without_its_state_the_feed_still_tells_and_nothing_was_read(self) -> None:
        scene = Scene(2)
        order = scene.orders[0]
        life = scene.maybe(order, store=MemoryState())
        assert life is not None
        assert [step.changes for step in life.steps] == [step.changes for step in scene.life(order).steps]
        assert {step.standing for step in life.steps} == {"unread"}

    def test_a_key_that_nothing_knows(self) -> None:
        assert Scene(0, 20).maybe("no-such-order") is None

    def test_images_that_are_not_whole_are_no_rows(self) -> None:
        scene = Scene(3, 60)
        for number in range(PARTITIONS):
            part = scene.log._partitions[FEED, number]
            part.keep([without_before(r) for r in part.records])
            scene.log.expire(FEED, number, 1)
        scene.decoder = Decoder(BY_KEY, NOTIFICATIONS)
        unknown = known = 0
        for order in scene.orders:
            steps = [step for step in scene.life(order).steps if step.changes]
            wanted = dict(zip(mine_ids(scene, order), states(scene.world.commits, order), strict=True))
            unknown += sum(1 for step in steps if not step.after.is_known)
            told = [step for step in steps if step.after.is_known]
            assert pictures(told) == [wanted[str(step.transaction)] for step in told]
            known += len(told)
        assert unknown
        assert known


BY_KEY = msgspec.structs.replace(
    SCHEMA, tables={n: msgspec.structs.replace(t, replica_identity="default") for n, t in SCHEMA.tables.items()}
)


def without_before(one: Any) -> Any:
    """As a table whose replica identity is its key would tell it."""
    value = msgspec.json.decode(one.value)
    key = msgspec.json.decode(one.key)
    value["before"] = {**dict.fromkeys(value["before"]), **key} if value["op"] == "d" else None
    return msgspec.structs.replace(one, value=msgspec.json.encode(value))
