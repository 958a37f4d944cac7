"""Another source epoch: the source is loaded anew, and what it does not hold any more is gone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.epochs import EpochWithoutSnapshot
from pipeline.grouping import PositionsWentBack
from pipeline.life import SourceIdentityChanged
from tests.pipeline.harness import ORDER_FEED, balance, published
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
