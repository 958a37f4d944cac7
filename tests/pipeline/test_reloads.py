"""A key read again: its rows replace those in state, what changed behind the reading wins, what it overtakes is given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from pipeline import control, failpoint
from pipeline.control import ANYWHERE, Command
from pipeline.log.port import Outgoing
from pipeline.state.port import Save
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import Orders, append, published, version_of, worker
from tests.pipeline.test_moves import line, order
from tests.pipeline.test_rereads import Reading
from tests.pipeline.world import BASE_TIME, NOTIFICATIONS, Row


class Source(Reading):
    """A story whose source can be asked for one key: it shows `rows`, and then what `behind` does."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[tuple[str, Row]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.behind: Callable[[], object] = lambda: None
        self.failing: dict[str, str] = {}
        self.silent = False

    def show(self, *rows: tuple[str, Row]) -> None:
        key = str(rows[0][1].get("o_id", rows[0][1].get("ol_o_id")))
        self.rows[key] = list(rows)

    def ask(self, run: str, key: str) -> None:
        self.asked.append((run, key))
        if self.silent:
            return
        for table, row in self.rows.get(key, ()):
            self.incremental(table, row)
        self.behind()
        self.over(run)

    def over(self, run: str) -> None:
        for table in ("orders", "order_line"):
            status = self.failing.get(table, "SUCCEEDED")
            self._told(run, "TABLE_SCAN_COMPLETED", scanned_collection=f"public.{table}", status=status)
        self._told(run, "COMPLETED")

    def _told(self, run: str, type_: str, **data: str) -> None:
        value = {"id": run, "aggregate_type": "Incremental Snapshot", "type": type_, "additional_data": data}
        body = json.dumps({**value, "timestamp": BASE_TIME}).encode()
        self.log.append([Outgoing(topic=NOTIFICATIONS, partition=0, timestamp=1, key=b'{"id":"n"}', value=body)])

    def reload(self, key: str = "1", at: int = 0, **how: Any) -> str:
        one = Command(action="reload", translator="order", key=key, partition=at, finding="f-1")
        sent = control.send(self.log, one, 5_000)
        self.run(reread=self.ask, **how)
        return next(pin.result for pin in self.store.pins() if pin.command == sent)

    def spoil(self, key: str, **rows: dict[str, Row]) -> None:
        """Somebody, or a defect, changed what is kept of a key."""
        stored = self.store.load([key])[key]
        wrong = msgspec.structs.replace(stored, rows={**stored.rows, **rows})
        self.store.save(Save(partition=0, aggregates={key: wrong}))

    def told(self, key: str = "1") -> Any:
        return [e for e in published(self.log, "order.state") if e.subject == key][-1]


def known(*more: tuple[str, str, Row | None, Row | None]) -> Source:
    story = Source()
    story.commit(("orders", "c", None, order(1)), ("order_line", "c", None, line(1)), *more)
    story.run()
    return story


def test_rows_that_are_wrong_in_state_are_replaced_and_those_that_are_gone_removed() -> None:
    story = known()
    story.spoil("1", order_line={"1/1": line(1, 1, 9), "1/2": line(1, 2, 5)})
    story.show(("orders", order(1)), ("order_line", line(1)))
    said = story.reload()
    assert said == "2 rows read, 1 removed; its state is published"
    told = story.told()
    assert told.data == {"number": 1, "status": "new", "lines": [{"number": 1, "quantity": 1}]}
    assert (told.event_class, told.attributes["dragoman_finding"], told.record.timestamp) == ("repair", "f-1", 5_000)
    assert version_of(told) == 2
    assert [name for _, name in story.events()] == ["OrderPlaced.v1"]
    assert story.asked == [("dragoman.reload.order.0", "1")]


def test_a_key_that_the_source_has_no_more_is_told_by_a_tombstone() -> None:
    story = known()
    assert story.reload() == "0 rows read, 2 removed; its state is published"
    assert (story.told().data, story.told().event_class) == (None, "repair")
    assert story.store.load(["1"])["1"].rows == {}


@pytest.mark.parametrize("at", [0, ANYWHERE])
def test_a_key_never_seen_is_loaded_and_is_no_news(at: int) -> None:
    story = known()
    story.show(("orders", order(4, "S")), ("order_line", line(4)))
    assert story.reload("4", at) == "2 rows read, 0 removed; its state is published"
    assert (story.told("4").data["status"], story.told("4").event_class) == ("shipped", "snapshot")
    story.commit(("orders", "u", order(4, "S"), order(4, "N")))
    story.run(reread=story.ask)
    assert story.classes("4") == ["snapshot", "live"]
    assert not [name for key, name in story.events() if key == "4"]


def test_a_key_that_nobody_knows_is_said() -> None:
    story = known()
    assert story.reload("4") == "nothing is known of this key, and the source has no row of it"
    assert story.reload("5", ANYWHERE) == "the key is not on this partition"


def test_a_row_changed_behind_the_reading_wins_and_is_news() -> None:
    story = known()
    story.show(("orders", order(1)), ("order_line", line(1)))
    story.behind = lambda: story.commit(("orders", "u", order(1), order(1, "S")), ("order_line", "c", None, line(1, 2)))
    story.reload()
    assert story.told().data["status"] == "shipped"
    assert [e["number"] for e in story.told().data["lines"]] == [1, 2]
    assert [name for _, name in story.events()] == ["OrderPlaced.v1", "OrderShipped.v1", "LinesChanged.v1"]


def test_a_change_that_is_open_when_the_reading_ends_is_applied_behind_it() -> None:
    story = known()
    story.show(("orders", order(1)), ("order_line", line(1, 1, 7)))
    story.behind = lambda: story.commit(("orders", "u", order(1), order(1, "S")), ends=False)
    story.spoil("1", order_line={"1/1": line(1, 1, 9)})
    assert story.reload(settled=False).endswith("its state is published")
    assert (story.told().data["status"], story.told().event_class) == ("new", "repair")
    append(story.log, [story.end])
    story.run(reread=story.ask)
    assert (story.told().data["status"], story.told().event_class) == ("shipped", "live")
    assert story.told().data["lines"] == [{"number": 1, "quantity": 7}]


def parked() -> Source:
    """Order 1 waits behind a status that nobody knows, with one more step behind."""
    story = known()
    story.commit(("orders", "u", order(1), order(1, "X")))
    story.commit(("order_line", "c", None, line(1, 2)))
    story.run()
    assert len(story.store.waiting("1")) == 2
    return story


def test_waiting_steps_that_the_reading_overtakes_are_given_up_and_named_in_the_accounting() -> None:
    story = parked()
    story.show(("orders", order(1, "S")), ("order_line", line(1)), ("order_line", line(1, 2)))
    said = story.reload()
    assert said == "3 rows read, 0 removed; 3 waiting steps given up; its state is published"
    assert not story.store.waiting()
    assert (story.told().data["status"], len(story.told().data["lines"])) == ("shipped", 2)
    assert story.told().event_class == "repair"
    assert [name for _, name in story.events()] == ["OrderPlaced.v1"]
    counts = story.store.counts()
    assert counts["orders", "ignored: discarded by a reload"] == 2
    assert not counts.get(("orders", "rejected")) and not counts.get(("orders", "parked"))
    story.commit(("orders", "u", order(1, "S"), order(1, "N")))
    story.run(reread=story.ask)
    assert version_of(story.told()) == story.store.load(["1"])["1"].version
    assert story.classes("1") == ["live", "repair", "live"]


def test_steps_behind_the_reading_stay_in_order_and_versions_only_rise() -> None:
    story = parked()
    story.show(("orders", order(1, "N")), ("order_line", line(1)), ("order_line", line(1, 2)))

    def behind() -> None:
        story.commit(("orders", "u", order(1), order(1, "S")))
        story.commit(("orders", "u", order(1, "S"), order(1, "X")))
        story.commit(("order_line", "u", line(1), line(1, 1, 4)))

    story.behind = behind
    said = story.reload()
    assert "still wait: code.unmapped" in said
    assert [name for _, name in story.events()] == ["OrderPlaced.v1", "OrderShipped.v1"]
    left = story.store.waiting("1")
    assert [step.problem is None for step in left] == [False, True]
    versions = [version_of(e) for e in published(story.log, "order.state")]
    assert versions == sorted(set(versions))
    assert versions[-1] < left[0].version
    control.send(story.log, Command(action="release", translator="order", key="1", partition=0), 0)
    story.run(Orders(X="strange"), reread=story.ask)
    assert story.told().data == {
        "number": 1,
        "status": "strange",
        "lines": [{"number": 1, "quantity": 4}, {"number": 2, "quantity": 1}],
    }
    versions = [version_of(e) for e in published(story.log, "order.state")]
    assert versions == sorted(set(versions))


def test_a_step_that_the_reading_parts_keeps_only_what_is_newer() -> None:
    """The line was read before the transaction, the order behind it: the older row never overwrites the newer one."""
    story = parked()

    def ask(run: str, key: str) -> None:
        story.incremental("order_line", line(1))
        story.incremental("order_line", line(1, 2))
        story.commit(("orders", "u", order(1, "X"), order(1, "S")), ("order_line", "u", line(1), line(1, 1, 6)))
        story.incremental("orders", order(1, "S") | {"touched": 1})
        story.over(run)

    story.ask = ask  # type: ignore[method-assign]
    story.reload()
    stored = story.store.load(["1"])["1"]
    assert stored.rows["orders"]["1"] == order(1, "S") | {"touched": 1}
    assert stored.rows["order_line"]["1/1"]["qty"] == 6
    assert not story.store.waiting()
    assert story.told().data["lines"][0]["quantity"] == 6


def test_a_reading_that_failed_replaces_nothing() -> None:
    story = known()
    story.show(("orders", order(1, "S")))
    story.failing = {"order_line": "SQL_EXCEPTION"}
    assert story.reload() == "the source could not read order_line: nothing was replaced"
    assert story.store.load(["1"])["1"].rows["order_line"] == {"1/1": line(1)}


def test_rows_of_which_no_state_can_be_made_are_kept_and_said() -> None:
    story = known()
    story.show(("orders", order(1, "X")), ("order_line", line(1)))
    assert story.reload().endswith("its state cannot be published: code.unmapped: unknown status")
    assert story.store.load(["1"])["1"].rows["orders"]["1"]["status"] == "X"


def test_a_source_that_cannot_be_asked_is_said() -> None:
    story = known()
    sent = control.send(story.log, Command(action="reload", translator="order", key="1", partition=0), 0)
    story.run()
    assert [pin.result for pin in story.store.pins() if pin.command == sent] == [
        "the source cannot be asked for single keys"
    ]


def test_other_keys_that_are_being_read_again_are_not_whole_with_it() -> None:
    story = known()
    story.incremental("orders", order(2))
    story.show(("orders", order(1)), ("order_line", line(1)))
    story.reload()
    assert story.store.load(["2"])["2"].partial
    assert "2" not in story.states()
    story.incremental("order_line", line(2))
    story.complete()
    story.run(reread=story.ask)
    assert story.classes("2") == ["snapshot"]


def test_a_worker_that_was_started_again_asks_again() -> None:
    story = known()
    story.silent = True
    assert story.reload() == ""
    story.silent = False
    story.show(("orders", order(1, "S")), ("order_line", line(1)))
    story.run(reread=story.ask)
    assert story.store.pins()[-1].result.endswith("its state is published")
    assert len(story.asked) == 2


def test_a_source_that_reads_is_asked_for_one_key_at_a_time() -> None:
    """A connector adds what it is asked for to the reading that goes on, and tells only of the first."""
    story = known(("orders", "c", None, order(2)))
    story.silent = True
    for key in ("1", "2"):
        control.send(story.log, Command(action="reload", translator="order", key=key, partition=0), 0)
    one = worker(story.log, story.store, reread=story.ask)
    work(one)
    assert story.asked == [("dragoman.reload.order.0", "1")]
    story.incremental("orders", order(1, "S"))
    story.over("dragoman.reload.order.0")
    work(one)
    assert story.asked[1:] == [("dragoman.reload.order.1", "2")]
    assert [pin.result for pin in story.store.pins() if pin.command == 0] == [
        "1 rows read, 1 removed; its state is published"
    ]


def test_what_may_have_become_part_of_another_reading_is_asked_for_again() -> None:
    story = known()
    story.silent = True
    sent = control.send(story.log, Command(action="reload", translator="order", key="1", partition=0), 0)
    one = worker(story.log, story.store, reread=story.ask)
    work(one)
    story.over("dragoman.reload.another.7")
    work(one)
    assert story.asked == [("dragoman.reload.order.0", "1")] * 2
    story.incremental("orders", order(1, "S"))
    story.over("dragoman.reload.order.0")
    work(one)
    assert next(pin.result for pin in story.store.pins() if pin.command == sent).startswith("1 rows read")
    assert len(story.asked) == 2


def work(one: TranslatorWorker) -> None:
    for _ in range(5):
        one.turn()


POINTS = (
    "control.after-pin",
    "reload.after-ask",
    "reload.after-pin",
    "publish.after-state-stream",
    "state.after-commit",
)


@pytest.mark.parametrize("passage", [1, 2])
@pytest.mark.parametrize("name", POINTS)
def test_cut_anywhere_it_is_done_again_with_the_same_bytes(
    name: str, passage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> Source:
        story = parked()
        story.show(("orders", order(1, "N")), ("order_line", line(1)))
        story.behind = lambda: story.commit(("orders", "u", order(1), order(1, "S")))
        return story

    smooth, story = made(), made()
    smooth.reload()
    assert name in failpoint.NAMES
    passed = 0

    def die(at: str) -> None:
        nonlocal passed
        passed += at == name
        if at == name and passed == passage:
            raise KeyboardInterrupt

    for module in ("commands", "reload", "publish"):
        monkeypatch.setattr(f"pipeline.{module}.failpoint", die)
    try:
        story.reload()
        assert passed < passage, "the point was not passed"
    except KeyboardInterrupt:
        monkeypatch.undo()
        if story.asked:
            story.behind = lambda: None
            story.show(("orders", order(1, "S")), ("order_line", line(1)))
        story.run(reread=story.ask)
    assert story.states() == smooth.states()
    assert not story.store.waiting()
    assert len(story.asked) == 1 or name not in ("reload.after-pin", "publish.after-state-stream")
    if len(story.asked) == 1 and name != "control.after-pin":
        for topic in ("order.state", "order.events"):
            want = [(e.id, e.record.value, e.record.headers) for e in published(smooth.log, topic)]
            got = [(e.id, e.record.value, e.record.headers) for e in published(story.log, topic)]
            assert list(dict.fromkeys(got)) == want
