"""Translators that keep no rows: every change speaks for itself, and what the feed said last of a key is what is newest."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from pipeline import control
from pipeline.control import Command
from pipeline.life import LayoutChanged
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from pipeline.stateless import TruncatedWithoutRows
from pipeline.step import RecordUnreadable
from tests.pipeline.harness import Orders, Plain, append, balance, by_key, create_topics, published, version_of, worker
from tests.pipeline.test_moves import order
from tests.pipeline.test_reloads import Source
from tests.pipeline.test_rereads import Reading
from tests.pipeline.world import FEED, MEANINGS, World, feed, snapshot_record, told_alone


class Told(Source):
    """A source whose orders are told by themselves."""

    def run(self, translator: Any = None, *, settled: bool = True, **how: Any) -> None:
        super().run(translator or Plain(), settled=settled, **how)

    def view(self) -> dict[str, Any]:
        """What a view shows that applies only what is newer."""
        best: dict[str, Any] = {}
        for one in published(self.log, "order.state"):
            if one.subject not in best or one.sequence > best[one.subject].sequence:
                best[one.subject] = one
        return {key: one.data["status"] for key, one in best.items() if one.data is not None}

    def compacted(self) -> dict[str, Any]:
        """What is left of the state stream once it is compacted."""
        return {key: data["status"] for key, data in self.states().items() if data is not None}

    def shows(self, **statuses: str) -> None:
        assert self.view() == self.compacted() == {key.removeprefix("o"): status for key, status in statuses.items()}

    def snapshot(self, number: int, status: str, at: int) -> None:
        self.log.append(
            [msgspec.structs.replace(snapshot_record("orders", order(number, status), 0, "true", at), partition=0)]
        )


def test_each_change_is_a_step_and_no_row_is_kept() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)), ("orders", "u", order(1), order(1, "S")), ends=False)
    story.commit(("orders", "c", None, order(2)), ("orders", "d", order(2), None), ends=False)
    story.run()
    assert story.events() == [
        ("1", "OrderPlaced.v1"),
        ("1", "OrderShipped.v1"),
        ("2", "OrderPlaced.v1"),
        ("2", "OrderDropped.v1"),
    ]
    story.shows(o1="shipped")
    assert list(story.store.scan()) == []
    assert [version_of(e) for e in published(story.log, "order.state")] == [2, 4, 6, 8]


@pytest.mark.parametrize("how", ["initial", "incremental", "blocking"])
def test_a_row_written_before_a_snapshot_and_committed_after_it_is_newer(how: str) -> None:
    """Its position in the source's log is below that of the snapshot, which shows the row as it was before."""
    story = Told()
    begins = "snapshot" if how == "initial" else "empty"
    if how != "initial":
        story.commit(("orders", "c", None, order(1)))
        story.run()
    read_at = story.lsn + 500
    if how == "incremental":
        story.incremental("orders", order(1), read_at)
    else:
        story.snapshot(1, "N", read_at)
    story.commit(("orders", "u", order(1), order(1, "S")))
    assert story.lsn < read_at
    story.run(begins=begins)
    story.shows(o1="shipped")
    assert story.events()[-1] == ("1", "OrderShipped.v1")


def test_a_snapshot_of_the_live_feed_corrects_and_is_no_news() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)))
    story.incremental("orders", order(1, "S"))
    story.run()
    story.shows(o1="shipped")
    assert story.events() == [("1", "OrderPlaced.v1")]
    assert story.classes("1") == ["live", "snapshot"]


def test_what_the_second_pass_of_a_cut_snapshot_does_not_show_is_taken_back() -> None:
    story = Told()
    story.note("Initial Snapshot", "STARTED")
    for number in (1, 2):
        story.snapshot(number, "N", 900)
    story.run(begins="snapshot")
    story.note("Initial Snapshot", "STARTED")
    story.snapshot(1, "S", 950)
    story.complete("Initial Snapshot")
    story.run(begins="snapshot")
    story.shows(o1="shipped")
    assert story.classes("2") == ["snapshot", "snapshot"]
    story.commit(("orders", "c", None, order(2)))
    story.run(begins="snapshot")
    story.shows(o1="shipped", o2="new")


def test_what_the_snapshot_of_another_epoch_does_not_show_is_taken_back() -> None:
    story = Told()
    for number in (1, 2, 3):
        story.snapshot(number, "N", 900)
    story.commit(("orders", "u", order(3), order(3, "S")))
    story.complete("Initial Snapshot")
    story.run(begins="snapshot")
    story.commit(("orders", "u", order(1), order(1, "S")))  # of the old log, and not read before the epoch is raised
    story.lsn = story.last = 90
    story.run(begins="snapshot", epoch=2)
    story.snapshot(1, "N", 80)
    story.run(begins="snapshot", epoch=2)  # taken over between the snapshot's rows
    story.snapshot(3, "N", 80)
    story.commit(("orders", "u", order(3), order(3, "S")))
    story.complete("Initial Snapshot")
    story.run(begins="snapshot", epoch=2)
    story.shows(o1="new", o3="shipped")
    assert [name for _, name in story.events()] == ["OrderShipped.v1", "OrderShipped.v1"]
    assert {e.sequence.split(".")[0] for e in published(story.log, "order.state")} == {"0001", "0002"}


def test_a_key_with_a_step_that_waits_goes_on_in_order() -> None:
    story = Told()
    told = story.commit(("orders", "c", None, order(1, "X")), ("orders", "u", order(1, "X"), order(1, "S")))
    append(story.log, told)  # a connector that was killed says them again
    story.incremental("orders", order(1, "N"))
    story.commit(("orders", "c", None, order(2)))
    story.run()
    assert story.states().keys() == {"2"}
    assert len(story.store.waiting("1")) == 3
    control.send(story.log, Command(action="release", translator="order", key="1", partition=0), 0)
    story.run(Plain(X="strange"))
    story.shows(o1="new", o2="new")
    assert story.events() == [("2", "OrderPlaced.v1"), ("1", "OrderPlaced.v1")]
    assert story.store.waiting() == []


def test_a_discard_gives_up_the_events_and_publishes_the_row() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1, "X")))
    story.commit(("orders", "u", order(1, "X"), order(1, "S")))
    story.run()
    control.send(story.log, Command(action="discard", translator="order", key="1", partition=0, through=4), 0)
    story.run()
    story.shows(o1="shipped")
    assert story.events() == []


def test_a_reload_says_what_the_source_has_and_takes_back_what_it_has_not() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)), ("orders", "c", None, order(2)))
    story.run()
    story.show(("orders", order(1, "S")))
    assert story.reload("1") == "1 rows read; its state is published"
    assert story.told("1").event_class == "repair"
    assert story.told("1").attributes["dragoman_finding"] == "f-1"
    assert story.reload("2") == "0 rows read; a tombstone is published"
    story.shows(o1="shipped")
    assert story.events() == [("1", "OrderPlaced.v1"), ("2", "OrderPlaced.v1")]


def test_what_changed_behind_the_reading_wins_over_a_reload() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1, "S")))
    story.run()
    story.show(("orders", order(1, "S")))
    story.behind = lambda: story.commit(("orders", "u", order(1, "S"), order(1, "N")))
    story.reload("1")
    story.shows(o1="new")


def test_a_reload_overtakes_steps_that_wait() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1, "X")))
    story.run()
    story.show(("orders", order(1, "N")))
    assert story.reload("1") == "1 rows read; 2 waiting steps given up; its state is published"
    story.shows(o1="new")
    assert story.store.waiting() == []


def test_nothing_can_be_published_again_from_what_is_not_kept() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)))
    sent = control.send(story.log, Command(action="republish", translator="order", key="1", partition=0), 0)
    story.run()
    (said,) = [pin.result for pin in story.store.pins() if pin.command == sent]
    assert said == "its translator keeps no rows (`store: none`): reload it"


def test_a_change_without_the_row_before_stops_the_partition() -> None:
    story = Told()
    story.commit(("orders", "u", None, order(1, "S")))
    with pytest.raises(RecordUnreadable) as caught:
        story.run()
    assert "record.before-missing" in str(caught.value)


def test_a_root_that_is_renumbered_is_told_by_both_its_keys() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)))
    story.commit(("orders", "k", order(1), order(4)))
    story.run()
    assert story.events() == [("1", "OrderPlaced.v1")]
    story.shows(o4="new")
    assert (story.headers("1"), story.headers("4")) == ({"renumberedto": "4"}, {"renumberedfrom": "1"})


def test_a_truncate_stops_the_partition() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)))
    story.truncate("orders")
    with pytest.raises(TruncatedWithoutRows):
        story.run()
    story.shows(o1="new")


def test_a_state_with_rows_is_not_gone_on_without_them() -> None:
    story = Told()
    story.commit(("orders", "c", None, order(1)))
    story.run()
    with pytest.raises(LayoutChanged) as caught:
        Reading.run(story, Orders())
    assert "orders without rows" in str(caught.value)


def said_again(dice: random.Random, world: World) -> list[Outgoing]:
    """The feed of a connector that is killed again and again: it goes back, and says all that follows once more."""
    told: list[Outgoing] = []
    at = 0
    while at < len(world.commits):
        until = min(len(world.commits), at + dice.randrange(1, 12))
        told += feed(world.commits[at:until])
        at = until if dice.random() < 0.6 else max(0, until - dice.randrange(1, 9))
    return told


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_connector_repeats_the_streams_end_with_the_source(seed: int) -> None:
    dice = random.Random(seed)
    world = World(seed)
    world.run(60)
    known = Plain(X="strange")
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    rest = said_again(dice, world)
    while rest:
        some, rest = rest[: (cut := dice.randrange(1, 60))], rest[cut:]
        append(log, some)
        made = worker(log, store, translator=known, batch_size=dice.choice((1, 5, 100)))
        while made.turn():
            pass
    states = by_key(published(log, "order.state"))
    for key, found in states.items():
        assert [e.sequence for e in found] == sorted({e.sequence for e in found}), key
    final = {key: found[-1].data for key, found in states.items() if found[-1].data is not None}
    wanted = {**MEANINGS, "X": "strange"}
    assert {key: data["status"] for key, data in final.items() if data} == {
        str(number): wanted[row["status"]] for number, row in world.orders.items()
    }
    events = {e.id: e for e in published(log, "order.events")}
    assert Counter((e.subject, e.attributes["correlationid"].split(":")[-1], e.name) for e in events.values()) == (
        told_alone(world.commits)
    )
    for read, outcomes in balance(store.counts()).values():
        assert read == outcomes


def test_a_worker_that_reads_its_batch_again_says_the_same_to_the_byte() -> None:
    world = World(3)
    world.run(20)
    logs = []
    for size in (1, 100):
        log = MemoryLog()
        create_topics(log)
        append(log, feed(world.commits))
        store = MemoryState()
        worker(log, store, translator=Plain(X="strange"), batch_size=size).turn()
        log.commit("dragoman.order", {(FEED, p): 0 for p in range(3)})
        worker(log, store, translator=Plain(X="strange"), batch_size=size).turn()
        logs.append(log)
    for topic in ("order.state", "order.events"):
        first, second = ({e.id: e for e in published(log, topic)} for log in logs)
        assert first.keys() == second.keys()
        for log in logs:
            told: dict[str, Any] = {}
            for e in published(log, topic):
                told.setdefault(e.id, set()).add((e.sequence, repr(e.data), tuple(sorted(e.attributes.items()))))
            assert {len(bytes_of) for bytes_of in told.values()} == {1}
