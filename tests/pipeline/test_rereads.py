"""Snapshots of a partition that is live: rows find their place among the changes, correct what differs, and are no news."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipeline import control, failpoint
from pipeline.log.port import Outgoing
from tests.pipeline.harness import append, published
from tests.pipeline.test_moves import Story, line, order
from tests.pipeline.world import BASE_TIME, NOTIFICATIONS, Row, snapshot_record


class Reading(Story):
    """A story in which the source is read again."""

    def incremental(self, table: str, row: Row, window: int | None = None) -> None:
        """A row of an incremental snapshot, read at `window` (now, unless said)."""
        told = snapshot_record(table, row, 0, "incremental")
        value = json.loads(told.value or b"")
        at = self.last if window is None else window
        value["source"] |= {"lsn": None, "txId": None, "sequence": json.dumps([str(at), str(at)])}
        self.log.append([msgspec.structs.replace(told, partition=0, value=json.dumps(value).encode())])

    def blocking(self, table: str, row: Row, at: int) -> None:
        """A row of a blocking snapshot that was taken at position `at`."""
        self.log.append([msgspec.structs.replace(snapshot_record(table, row, 0, "true", at), partition=0)])

    def note(self, kind: str, type_: str, run: str = "n", **data: str) -> None:
        value = {"id": run, "aggregate_type": kind, "type": type_, "additional_data": data, "timestamp": BASE_TIME}
        body = json.dumps(value).encode()
        self.log.append([Outgoing(topic=NOTIFICATIONS, partition=0, timestamp=1, key=b'{"id":"n"}', value=body)])

    def complete(self, kind: str = "Incremental Snapshot", run: str = "n", **status: str) -> None:
        for table in ("orders", "order_line"):
            said = status.get(table, "SUCCEEDED")
            self.note(kind, "TABLE_SCAN_COMPLETED", run, scanned_collection=f"public.{table}", status=said)
        self.note(kind, "COMPLETED", run)

    def classes(self, key: str) -> list[str]:
        return [e.event_class for e in published(self.log, "order.state") if e.subject == key]


def known() -> Reading:
    story = Reading()
    story.commit(("orders", "c", None, order(1)), ("order_line", "c", None, line(1)))
    story.run()
    return story


def test_rows_that_are_as_they_are_kept_say_nothing() -> None:
    story = known()
    story.incremental("orders", order(1))
    story.incremental("order_line", line(1))
    story.complete()
    story.run()
    assert story.classes("1") == ["live"]
    assert story.store.counts()["orders", "loaded"] == 1


def test_a_row_that_differs_is_corrected_and_published_when_all_is_read() -> None:
    story = known()
    story.incremental("order_line", line(1, 1, 8))
    story.run()
    assert story.classes("1") == ["live"]
    story.complete()
    story.run()
    assert story.classes("1") == ["live", "snapshot"]
    assert (story.states()["1"] or {})["lines"] == [{"number": 1, "quantity": 8}]
    assert [name for _, name in story.events()] == ["OrderPlaced.v1"]


def test_a_change_of_a_known_key_is_news_while_the_source_is_read_again() -> None:
    story = known()
    story.incremental("order_line", line(1, 1, 8))
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run()
    assert [name for _, name in story.events()] == ["OrderPlaced.v1", "OrderShipped.v1"]
    story.complete()
    story.run()
    assert story.classes("1") == ["live", "live"]


def test_a_key_that_was_not_known_is_partial_until_all_its_tables_are_read() -> None:
    story = known()
    story.incremental("orders", order(2))
    story.commit(("orders", "u", order(2), order(2, "S")))
    story.incremental("order_line", line(2, 1, 5))
    story.run()
    assert "2" not in story.states()
    story.complete()
    story.run()
    assert story.states()["2"] == {"number": 2, "status": "shipped", "lines": [{"number": 1, "quantity": 5}]}
    assert story.classes("2") == ["snapshot"]
    story.commit(("orders", "u", order(2, "S"), order(2, "N")))
    story.run()
    assert story.classes("2") == ["snapshot", "live"]
    assert [name for _, name in story.events()] == ["OrderPlaced.v1"]


def test_a_table_whose_scan_failed_is_not_complete() -> None:
    story = known()
    story.incremental("orders", order(2))
    story.complete(order_line="SQL_EXCEPTION")
    story.run()
    assert "2" not in story.states()
    assert story.store.load(["2"])["2"].partial
    story.incremental("orders", order(2))
    story.incremental("order_line", line(2))
    story.complete()
    story.run()
    assert story.classes("2") == ["snapshot"]


def test_a_reading_of_some_rows_says_nothing_of_those_that_it_does_not_show() -> None:
    """Both tables are read to their end, but only where a condition holds: another line of order 2 may be anywhere."""
    story = known()
    story.incremental("orders", order(2))
    story.incremental("order_line", line(2))
    story.incremental("order_line", line(1, 1, 8))
    story.complete(run=control.snapshot_run(7, whole=False))
    story.run()
    assert "2" not in story.states()
    assert story.store.load(["2"])["2"].partial
    assert story.classes("1") == ["live", "snapshot"]
    story.complete(run=control.snapshot_run(8, whole=True))
    story.run()
    assert story.classes("2") == ["snapshot"]


def test_a_row_waits_for_the_transactions_that_were_open_before_it() -> None:
    story = known()
    told = story.commit(("orders", "u", order(1), order(1, "S")), ends=False)
    story.incremental("orders", order(1, "S"))
    story.incremental("order_line", line(1))
    story.run(settled=False)
    assert [name for _, name in story.events()] == ["OrderPlaced.v1"]
    append(story.log, [story.end])
    story.run()
    assert [name for _, name in story.events()] == ["OrderPlaced.v1", "OrderShipped.v1"]
    assert told


def test_a_row_that_is_changed_behind_the_snapshot_row_is_newer() -> None:
    story = known()
    story.commit(("orders", "u", order(1), order(1, "S")), ends=False)
    end = story.end
    story.incremental("order_line", line(1, 1, 3))
    story.commit(("order_line", "u", line(1, 1, 3), line(1, 1, 4)))
    append(story.log, [end])
    story.complete()
    story.run()
    assert (story.states()["1"] or {})["lines"] == [{"number": 1, "quantity": 4}]


def test_a_row_older_than_a_change_that_was_seen_is_dropped() -> None:
    story = known()
    before = story.last
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.incremental("orders", order(1), window=before)
    story.complete()
    story.run()
    assert (story.states()["1"] or {})["status"] == "shipped"
    assert story.store.counts()["orders", "repeat"] == 1


def test_a_row_that_does_not_say_where_it_was_read_cannot_stand_against_a_change() -> None:
    story = known()
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.blocking("orders", order(1), 0)
    story.complete("Initial Snapshot")
    story.run()
    assert (story.states()["1"] or {})["status"] == "shipped"


def test_rows_of_a_blocking_snapshot_speak_of_a_position_that_the_stream_has_to_pass() -> None:
    story = known()
    at = story.lsn + 100
    story.blocking("orders", order(1, "S"), at)
    story.blocking("order_line", line(1), at)
    story.complete("Initial Snapshot")
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.run(settled=False)
    assert [name for _, name in story.events()] == ["OrderPlaced.v1", "OrderShipped.v1"]
    story.lsn = at
    story.commit(("orders", "u", order(1, "S"), order(1, "S") | {"touched": 1}))
    story.commit(("orders", "u", order(1, "S") | {"touched": 1}, order(1, "S") | {"touched": 2}))
    story.run()
    assert story.classes("1") == ["live", "live"]


def test_a_snapshot_read_twice_changes_nothing_more() -> None:
    story = known()
    for _ in range(2):
        story.incremental("orders", order(2))
        story.incremental("order_line", line(2))
        story.complete()
        story.run()
    assert story.classes("2") == ["snapshot"]


def test_a_key_that_waits_gets_the_rows_when_it_is_released() -> None:
    story = known()
    story.commit(("orders", "u", order(1), order(1, "X")))
    story.run()
    story.incremental("order_line", line(1, 1, 8))
    story.complete()
    story.run()
    assert len(story.store.waiting("1")) == 2
    assert story.classes("1") == ["live"]


@pytest.mark.parametrize("name", ["reread.after-pin", "reread.after-publish"])
def test_killed_while_it_is_published_it_goes_on_before_anything_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = known()
    for number in (2, 3, 4):
        story.incremental("orders", order(number))
        story.incremental("order_line", line(number))
    story.complete()

    def die(at: str) -> None:
        if at == name:
            raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.partition.failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        story.run(batch_size=2)
    monkeypatch.undo()
    story.commit(("orders", "u", order(2), order(2, "S")))
    story.run()
    assert story.classes("2") == ["snapshot", "live"]
    assert [story.classes(key) for key in "34"] == [["snapshot"], ["snapshot"]]
    assert [name for key, name in story.events() if key == "2"] == ["OrderShipped.v1"]
    assert {name} <= failpoint.NAMES


def test_what_is_kept_again_is_read_from_the_feed_as_long_as_it_waits() -> None:
    story = known()
    story.commit(("orders", "u", order(1), order(1, "S")), ends=False)
    story.incremental("order_line", line(1, 1, 8))
    story.run(settled=False)
    append(story.log, [story.end])
    story.complete()
    story.run()
    state: Any = story.states()["1"]
    assert state["lines"] == [{"number": 1, "quantity": 8}]
