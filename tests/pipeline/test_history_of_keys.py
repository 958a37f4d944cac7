"""What happens to keys, as their histories tell it: repeats, snapshots, moves, commands; and who set what."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
import pytest

from pipeline import control
from pipeline.control import Command
from pipeline.history import History, Streams, history
from pipeline.provenance import as_of, deeds, is_at, last_deeds
from tests.pipeline.harness import ORDER_FEED, Orders, append
from tests.pipeline.scene import DECODER, Scene, mine, pictures, states
from tests.pipeline.test_moves import Owned, Renumbered, Story, line, placed
from tests.pipeline.test_moves import order as row_of
from tests.pipeline.world import (
    MEANINGS,
    World,
    business,
    completed,
    expected,
    feed,
    partition,
    snapshot_record,
)
from translators.lineage import Line


class TestWhatHappensToKeys:
    def test_what_a_connector_repeats_is_told_once(self) -> None:
        world = World(5)
        world.run(60)
        records = list(feed(world.commits))
        once, twice = Scene(5, 60, records), Scene(5, 60, records * 2)
        for order in once.orders:
            first, second = once.life(order).steps, twice.life(order).steps
            told = [
                [(s.version, len(s.changes), [event.id for event in s.events]) for s in steps]
                for steps in (first, second)
            ]
            assert told[0] == told[1]

    def test_a_key_that_is_made_again(self) -> None:
        scene = Scene(1, 200)
        again = 0
        for order in scene.orders:
            life = scene.life(order)
            said = [step.state.data is None for step in life.steps if step.state is not None]
            if True not in said[:-1]:
                continue
            again += 1
            at = said.index(True)
            assert not said[at + 1]
            tombstone = [step for step in life.steps if step.state is not None][at]
            assert tombstone.time is not None
            gone = as_of(life, tombstone.time)
            assert (gone.picture.is_known, gone.picture.state, gone.teller) == (True, None, "stream")
        assert again

    def test_a_snapshot_is_a_step_without_news(self) -> None:
        start = World(7)
        start.run(60)
        for order, row in start.orders.items():
            start.orders[order] = {**row, "status": row["status"] if row["status"] in MEANINGS else "N"}
        rows = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
        rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
        loaded = deepcopy(start)
        start.run(40)
        commits = start.commits[-40:]
        after = [commit for commit in commits if commit not in loaded.commits]
        scene = Scene(7, 0, [*rows, completed(), *feed(after)], begins="snapshot")
        for order in loaded.orders:
            life = scene.life(order)
            first = life.steps[0]
            assert (first.is_loaded, first.version, first.events, first.time) == (True, 1, (), None)
            assert first.state is not None
            assert first.state.event_class == "snapshot"
            assert first.state.data == business(loaded.orders, loaded.lines, order)
            assert len(life.steps) == 1 + len(mine(after, order))

    def test_what_was_not_read_and_what_is_open(self) -> None:
        scene = Scene(4, 40)
        before = len(scene.world.commits)
        scene.world.run(8)
        append(scene.log, feed(scene.world.commits[before:]))
        touched = {change.order for commit in scene.world.commits[before:] for change in commit.changes}
        for order in touched:
            new = scene.life(order).steps[-len(mine(scene.world.commits[before:], order)) :]
            assert {(step.standing, step.version, step.state) for step in new} == {("unread", None, None)}
        last = scene.world.commits[-1]
        scene.feed = msgspec.structs.replace(scene.feed, exactly_once=False)
        standings = {scene.life(change.order).steps[-1].standing for change in last.changes}
        assert "open" in standings
        said = as_of(scene.life(last.changes[0].order), None).step
        assert said is None or said.standing == "done"

    def test_a_row_that_moved_is_gone_here_and_new_there(self) -> None:
        story = Story()
        for number in (1, 2):
            story.commit(("orders", "c", None, row_of(number)))
        story.commit(("order_line", "c", None, line(5, 1, 1)))
        story.commit(("order_line", "u", line(5, 1, 1), line(5, 1, 2)))
        story.run(Owned())
        for key, ops in (("1", ["c", "c", "d"]), ("2", ["c", "c"])):
            life = told_by(story, key, Owned())
            assert [change.op for step in life.steps for change in step.changes] == ops
            assert as_of(life, None).picture.state == story.states()[key]
            assert [event.name for step in life.steps for event in step.events] == [
                name for subject, name in story.events() if subject == key
            ]
            assert not any(step.unlike for step in life.steps)

    def test_a_renumbered_root_names_its_other_number(self) -> None:
        story = placed()
        story.commit(("orders", "k", row_of(1), row_of(2)), ("order_line", "k", line(1), line(2)))
        story.run()
        old, new = told_by(story, "1", Renumbered()), told_by(story, "2", Renumbered())
        assert as_of(old, None).picture.state is None
        assert as_of(new, None).picture.state == story.states()["2"]
        links = [step.link for life in (old, new) for step in life.steps if step.link is not None]
        assert [(link.renumbered_from, link.renumbered_to) for link in links] == [(None, "2"), ("1", None)]
        assert not any(step.unlike for life in (old, new) for step in life.steps)

    def test_a_truncate_takes_the_rows_that_were_there(self) -> None:
        story = placed(1, 1, 2)
        story.truncate("order_line")
        story.run()
        for key in "12":
            life = told_by(story, key, Renumbered())
            assert [[(c.table, c.op) for c in step.changes] for step in life.steps][1:] == [[("order_line", "d")]]
            assert pictures(list(life.steps))[-1] == story.states()[key]
            assert not any(step.unlike for step in life.steps)


def told_by(story: Story, key: str, translator: Any) -> History:
    streams = Streams(log=story.log, store=story.store, translator=translator, decoder=DECODER, feed=ORDER_FEED)
    found = history(streams, key)
    assert found is not None
    return found


class TestCommands:
    def parked(self, scene: Scene) -> str:
        return next(str(order) for order, steps in expected(scene.world.commits).parked.items() if steps > 1)

    @pytest.mark.parametrize("action", ["release", "discard"])
    def test_what_was_released_or_given_up(self, action: Any) -> None:
        scene = Scene(2)
        key = self.parked(scene)
        waits = [step for step in scene.life(key).steps if step.standing == "waiting"]
        order = Command(action=action, translator="order", key=key, partition=partition(int(key)))
        control.send(scene.log, order, 1_795_200_000_000)
        (sent,) = scene.life(key).orders
        assert (sent.command.action, sent.pin) == (action, None)
        known = Orders(X="cancelled")
        scene.turn(known)
        life = scene.life(key, known)
        (done,) = life.orders
        assert done.pin is not None
        assert "the key is free" in done.pin.result
        assert {step.standing for step in life.steps} == {"done"}
        first = next(step for step in life.steps if step.version == waits[0].version)
        assert [letter.id for letter in first.letters] == [letter.id for letter in waits[0].letters]
        given_up = [one for one in first.unlike if one.then is ...]
        assert len(given_up) == (len(first.says) if action == "discard" else 0)
        assert not any(step.unlike for step in life.steps if step is not first)
        assert scene.maybe("1", known, scene.store) is None or scene.life("1").orders == ()


class TestWhoSetWhat:
    LINES = (
        Line(what="state", of="Order.v1", field="status", columns=("orders.status",), direct=("orders.status",)),
        Line(what="state", of="Order.v1", field="lines", columns=("order_line.*",), direct=("order_line.*",)),
        Line(what="state", of="Order.v1", field="lines[].quantity", columns=("order_line.qty",), direct=()),
    )

    def test_the_last_step_that_changed_a_field_with_its_event_and_columns(self) -> None:
        scene = Scene(3)
        checked = 0
        for order in scene.orders:
            life = scene.life(order)
            told = states(scene.world.commits, order)
            if "?" in told or told[-1] is None:
                continue
            last = last_deeds(deeds(life.steps, self.LINES))
            for field in ("status", "lines"):
                values = [None if state is None else state[field] for state in told]
                at = max(n for n in range(len(values)) if values[n] != (values[n - 1] if n else None))
                assert last[field].step.version == at + 1
                assert last[field].new == values[-1]
            status = last["status"]
            if status.step.version != 1 and status.old is not ...:
                (column,) = status.columns
                codes = {meaning: code for code, meaning in MEANINGS.items()}
                assert (column.table, column.column) == ("orders", "status")
                assert (column.old, column.new) == (codes[status.old], codes[status.new])
                checked += 1
                assert status.events == ()
            assert {one.name for one in last["lines"].events} <= {"LinesChanged.v1"}
        assert checked

    def test_which_fields_a_name_means(self) -> None:
        assert [is_at("premium.amount", name) for name in ("premium", "premium.amount", "prem")] == [True, True, False]
        assert [is_at("lines", name) for name in ("lines[].quantity", "lines", "line")] == [True, True, False]
