"""Another source epoch: the source is loaded anew, and what it does not hold any more is gone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline import control
from pipeline.control import Command
from pipeline.epochs import EpochWithoutSnapshot
from pipeline.grouping import PositionsWentBack
from pipeline.life import SourceIdentityChanged
from pipeline.log.memory import MemoryLog
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import ORDER_FEED, balance, create_topics, published, worker
from tests.pipeline.test_moves import line, order
from tests.pipeline.test_rereads import Reading
from tests.pipeline.world import BASE_TIME, snapshot_record


class Restored(Reading):
    """A source that is restored from a copy: other positions, other rows."""

    epoch = 1

    def run(self, translator: Any = None, *, settled: bool = True, **how: Any) -> None:
        super().run(translator, settled=settled, begins="snapshot", epoch=self.epoch, **how)

    def snapshot(self, table: str, row: Any, at: int) -> None:
        self.log.append([msgspec.structs.replace(snapshot_record(table, row, 0, "true", at), partition=0)])

    def loaded(self, *numbers: int) -> None:
        for number in numbers:
            self.snapshot("orders", order(number), 900)
            self.snapshot("order_line", line(number), 900)
        self.complete("Initial Snapshot")
        self.run()


def test_rows_that_the_new_snapshot_does_not_show_are_gone() -> None:
    story = Restored()
    story.loaded(1, 2, 3)
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run()
    story.epoch, story.lsn, story.last = 2, 100, 90
    story.run()
    story.snapshot("orders", order(1), 90)
    story.snapshot("orders", order(2), 90)
    story.snapshot("order_line", line(2), 90)
    story.complete("Initial Snapshot")
    story.run()
    assert story.states() == {
        "1": {"number": 1, "status": "new", "lines": []},
        "2": {"number": 2, "status": "new", "lines": [{"number": 1, "quantity": 1}]},
        "3": None,
    }
    assert story.classes("3") == ["snapshot", "snapshot"]
    assert [name for _, name in story.events()] == ["OrderShipped.v1"]
    ids = [state.id for state in published(story.log, "order.state")]
    assert len(ids) == len(set(ids))


def test_positions_of_the_epoch_before_make_no_repeats() -> None:
    story = Restored()
    story.loaded(1)
    story.lsn = 5_000
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run()
    story.epoch, story.lsn, story.last = 2, 100, 90
    story.run()
    story.snapshot("orders", order(1), 90)
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run()
    assert story.events() == [("1", "OrderShipped.v1"), ("1", "OrderShipped.v1")]


def test_changes_that_were_not_read_before_the_epoch_was_raised_are_in_the_snapshot() -> None:
    story = Restored()
    story.loaded(1)
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.epoch, story.lsn, story.last = 2, 100, 90
    story.run()
    assert not story.events()
    story.snapshot("orders", order(1, "S"), 90)
    story.complete("Initial Snapshot")
    story.run()
    assert not story.events()
    assert (story.states()["1"] or {})["status"] == "shipped"
    for read, outcomes in balance(story.store.counts()).values():
        assert read == outcomes


def test_steps_that_wait_are_overtaken() -> None:
    story = Restored()
    story.loaded(1)
    story.commit(("orders", "u", order(1), order(1, "X")))
    story.run()
    assert story.store.waiting("1")
    story.epoch, story.lsn, story.last = 2, 100, 90
    story.run()
    story.snapshot("orders", order(1), 90)
    story.complete("Initial Snapshot")
    story.run()
    assert not story.store.waiting("1")
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run()
    assert story.events() == [("1", "OrderShipped.v1")]


def test_a_feed_that_begins_empty_cannot_be_loaded_anew() -> None:
    story = Reading()
    story.commit(("orders", "c", None, order(1)))
    story.run()
    assert ORDER_FEED.begins == "empty"
    with pytest.raises(EpochWithoutSnapshot):
        story.run(epoch=2)


def test_the_identity_of_the_source_is_asked_when_a_worker_takes_over() -> None:
    story = Restored()
    story.snapshot("orders", order(1), 900)
    story.complete("Initial Snapshot")
    story.run(source=lambda: "7301")
    with pytest.raises(SourceIdentityChanged):
        story.run(source=lambda: "7302")
    story.run(source=lambda: None)


def test_a_younger_commit_at_an_older_position_is_of_another_log() -> None:
    story = Restored()
    story.loaded(1)
    story.lsn = story.last = 9_000
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.lsn, story.last = 200, 100
    story.commit(("orders", "u", order(1, "S"), order(1, "N")), time=BASE_TIME + 90_000_000)
    with pytest.raises(PositionsWentBack):
        story.run()


def ordered(story: Restored, epoch: int, at: int = 0) -> int:
    one = Command(action="raise-epoch", translator="order", key="", partition=at, source_epoch=epoch)
    return control.send(story.log, one, 1_700_000)


def said(story: Restored, sent: int) -> list[str]:
    return [pin.result for pin in story.store.pins() if pin.command == sent]


def test_a_command_raises_the_epoch_of_a_worker_that_runs_and_in_order() -> None:
    story = Restored()
    story.loaded(1, 2)
    made = worker(story.log, story.store, begins="snapshot")
    story.commit(("orders", "u", order(1), order(1, "S")))
    made.turn()
    sent = ordered(story, 2)
    story.commit(("orders", "u", order(2), order(2, "S")))  # stands behind the command: the old log still tells it
    while made.turn():
        pass
    assert story.events() == [("1", "OrderShipped.v1")]
    assert said(story, sent) == ["the source epoch is 2: the partition waits for its snapshot"]
    assert made.loading == [0]
    story.lsn, story.last = 100, 90
    story.snapshot("orders", order(1), 90)
    story.complete("Initial Snapshot")
    story.commit(("orders", "u", order(1), order(1, "S")))
    while made.turn():
        pass
    assert (story.states()["1"] or {})["status"] == "shipped"
    assert story.states()["2"] is None
    assert story.events() == [("1", "OrderShipped.v1"), ("1", "OrderShipped.v1")]
    story.run()  # whoever takes over finds it executed, and stays in the epoch although the file says 1
    assert (said(story, sent), story.store.lives()[0].source_epoch) == (
        ["the source epoch is 2: the partition waits for its snapshot"],
        2,
    )
    assert len(story.events()) == 2
    for read, outcomes in balance(story.store.counts()).values():
        assert read == outcomes


@pytest.mark.parametrize("dies", ["control.after-pin", "before the life", "behind the life"])
def test_a_command_that_a_crash_cuts_is_executed_by_the_next_owner_once(
    dies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Restored()
    story.loaded(1)
    made = worker(story.log, story.store, begins="snapshot")
    made.turn()
    sent = ordered(story, 2)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    if dies == "control.after-pin":
        monkeypatch.setattr("pipeline.commands.failpoint", lambda at: die() if at == dies else None)
    else:
        monkeypatch.setattr(
            f"pipeline.worker.{'Publisher.begin' if dies.startswith('before') else 'PartitionWorker'}", die
        )
    with pytest.raises(KeyboardInterrupt):
        while made.turn():
            pass
    monkeypatch.undo()
    story.run()
    story.run()
    assert said(story, sent) == ["the source epoch is 2: the partition waits for its snapshot"]
    story.snapshot("orders", order(7), 90)
    story.complete("Initial Snapshot")
    story.run()
    assert {key for key, state in story.states().items() if state is not None} == {"7"}


def test_a_command_lets_a_worker_begin_that_finds_another_log() -> None:
    story = Restored()
    story.loaded(1)
    story.run(source=lambda: "7301")
    with pytest.raises(SourceIdentityChanged):
        story.run(source=lambda: "7302")
    ordered(story, 2)
    story.run(source=lambda: "7302")
    assert (story.store.lives()[0].source, story.store.lives()[0].source_epoch) == ("7302", 2)


def test_a_command_is_for_its_partition_alone_and_for_a_feed_that_can_be_loaded_anew() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    one = Command(action="raise-epoch", translator="order", key="", partition=1, source_epoch=2)
    for command in (one, msgspec.structs.replace(one, partition=9)):
        control.send(log, command, 0)
    made = worker(log, store, begins="snapshot")
    for _ in range(3):
        made.turn()
    assert {number: life.source_epoch for number, life in store.lives().items()} == {0: 1, 1: 2, 2: 1}
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    sent = control.send(log, one, 0)
    made = worker(log, store)
    for _ in range(3):
        made.turn()
    (pin,) = [pin for pin in store.pins() if pin.command == sent]
    assert "does not begin with a snapshot" in pin.result
    assert store.lives()[1].source_epoch == 1
