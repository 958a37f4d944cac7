"""Rows that change their aggregate, roots that are renumbered, tables that are emptied: whole, told, or refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pipeline import control
from pipeline.control import Command
from pipeline.grouping import HELD
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.moves import RowMoved, TableTruncated
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import Orders, append, balance, create_topics, published, worker
from tests.pipeline.world import BASE_TIME, FEED, Commit, Row, RowChange, marker, partition, record
from translators.translator import Event, Said

NEW, OLD = "__debezium.newkey", "__debezium.oldkey"


class Renumbered(Orders):
    """Orders that say when their number changes, and which have no line."""

    event_types = (*Orders.event_types, "OrderRenumbered.v1")

    def events(self, old: Any, new: Any, old_rows: Any, new_rows: Any, facts: Any = None) -> Any:
        said = super().events(old, new, old_rows, new_rows)
        if old is not None and new is not None and old["number"] != new["number"]:
            return Said((*said.events, Event("OrderRenumbered.v1", {"number": new["number"]})))
        return said


class Story:
    """A feed of `partitions`, written one transaction at a time."""

    def __init__(self, partitions: int = 1) -> None:
        self.log, self.store = MemoryLog(), MemoryState()
        self.partitions = partitions
        self.lsn, self.txid, self.last = 1000, 700, 990
        create_topics(self.log, partitions)

    def commit(
        self, *changes: tuple[str, str, Row | None, Row | None], ends: bool = True, time: int = BASE_TIME
    ) -> list[Outgoing]:
        """Changes (table, op, before, after) of one transaction; `u` of a key is told as the source tells it."""
        rows, headers = [], []
        for table, op, before, after in changes:
            self.lsn += 10
            if op == "k":
                rows += [self._row(table, "d", before, None), self._row(table, "c", None, after)]
                headers += [{NEW: self._key(table, after)}, {OLD: self._key(table, before)}]
            else:
                rows.append(self._row(table, op, before, after))
                headers.append({})
        self.lsn += 5
        done = Commit(self.txid, self.last, rows, self.lsn, time)
        self.txid, self.last = self.txid + 1, self.lsn
        told = [
            msgspec.structs.replace(
                record(done, row, number),
                partition=partition(row.order) % self.partitions,
                headers=tuple((name, json.dumps(key).encode()) for name, key in more.items()),
            )
            for number, (row, more) in enumerate(zip(rows, headers, strict=True), 1)
        ]
        self.end = marker(done, "END")
        append(self.log, [*told, self.end] if ends else told)
        return told

    def truncate(
        self,
        table: str,
        partition: int = 0,
        *more: tuple[str, str, Row | None, Row | None],
        origin: str | None = None,
    ) -> None:
        self.lsn += 10
        value = {
            "op": "t",
            "ts_ms": BASE_TIME // 1000,
            "source": {
                "connector": "postgresql",
                "db": "legacy",
                "schema": "public",
                "table": table,
                "txId": self.txid,
                "lsn": self.lsn,
                "sequence": json.dumps([str(self.last), str(self.lsn)]),
                "ts_us": BASE_TIME,
                "ts_ms": BASE_TIME // 1000,
                "origin": origin,
            },
            "transaction": None,
        }
        self.log.append(
            [Outgoing(topic=FEED, partition=partition, timestamp=1, key=None, value=json.dumps(value).encode())]
        )
        self.commit(*more) if more else append(self.log, [self._end()])

    def _end(self) -> Outgoing:
        self.lsn += 5
        done = Commit(self.txid, self.last, [], self.lsn, BASE_TIME)
        self.txid, self.last = self.txid + 1, self.lsn
        return marker(done, "END")

    def _row(self, table: str, op: str, before: Row | None, after: Row | None) -> RowChange:
        row = after or before or {}
        order = row["o_id"] if table == "orders" else row["ol_o_id"]
        return RowChange(table, op, order, before, after, self.lsn)

    def _key(self, table: str, row: Row | None) -> Row:
        names = ("o_id",) if table == "orders" else ("ol_o_id", "ol_number")
        return {name: (row or {})[name] for name in names}

    def run(self, translator: Orders | None = None, *, settled: bool = True, **how: Any) -> None:
        made = worker(self.log, self.store, translator=translator or Renumbered(), **how)
        while made.turn():
            pass
        assert bool(made.in_flight.total()) != settled
        for table, (read, outcomes) in balance(self.store.counts()).items():
            assert read == outcomes, (table, self.store.counts())

    def events(self) -> list[tuple[str, str]]:
        return [(e.subject, e.name) for e in published(self.log, "order.events")]

    def states(self) -> dict[str, Any]:
        return {e.subject: e.data for e in published(self.log, "order.state")}

    def headers(self, key: str) -> dict[str, str]:
        last = [e for e in published(self.log, "order.state") if e.subject == key][-1]
        return {n: v for n, v in last.attributes.items() if n.startswith("renumbered")}


def order(number: int, status: str = "N") -> Row:
    return {"o_id": number, "status": status, "touched": 0}


def line(number: int, position: int = 1, quantity: int = 1) -> Row:
    return {"ol_o_id": number, "ol_number": position, "qty": quantity}


def placed(partitions: int = 1, *numbers: int) -> Story:
    story = Story(partitions)
    for number in numbers or (1,):
        story.commit(("orders", "c", None, order(number)), ("order_line", "c", None, line(number)))
    return story


def test_a_renumbered_root_is_one_thing_with_another_number() -> None:
    story = placed()
    story.commit(("orders", "k", order(1), order(4)), ("order_line", "k", line(1), line(4)))
    story.run()
    assert story.events() == [("1", "OrderPlaced.v1"), ("4", "OrderRenumbered.v1")]
    assert story.states() == {"1": None, "4": {"number": 4, "status": "new", "lines": [{"number": 1, "quantity": 1}]}}
    assert story.headers("1") == {"renumberedto": "4"}
    assert story.headers("4") == {"renumberedfrom": "1"}


def test_two_roots_that_swap_their_numbers() -> None:
    story = placed(1, 1, 2)
    story.commit(
        ("orders", "k", order(1), order(9)),
        ("orders", "k", order(2), order(1)),
        ("orders", "k", order(9), order(2, "S")),
        ("order_line", "k", line(1), line(9)),
        ("order_line", "k", line(2), line(1)),
        ("order_line", "k", line(9), line(2)),
    )
    story.run()
    assert sorted(story.events()[2:]) == [
        ("1", "OrderRenumbered.v1"),
        ("2", "OrderRenumbered.v1"),
        ("2", "OrderShipped.v1"),
    ]
    assert (story.headers("1"), story.headers("2")) == (
        {"renumberedfrom": "2", "renumberedto": "2"},
        {"renumberedfrom": "1", "renumberedto": "1"},
    )
    assert story.states()["2"]["status"] == "shipped"


def test_a_root_renumbered_and_then_deleted_is_gone() -> None:
    story = placed()
    story.commit(
        ("orders", "k", order(1), order(4)),
        ("orders", "d", order(4), None),
        ("order_line", "d", line(1), None),
    )
    story.run()
    assert story.events() == [("1", "OrderPlaced.v1"), ("1", "OrderDropped.v1")]
    assert story.states() == {"1": None}


def test_with_several_partitions_a_renumbering_is_told_and_no_event_is_made_up() -> None:
    story = placed(3)
    assert partition(1) != partition(2)
    story.commit(("orders", "k", order(1), order(2, "S")), ("order_line", "k", line(1), line(2)))
    story.run()
    assert story.events() == [("1", "OrderPlaced.v1")]
    assert story.states()["1"] is None
    assert story.states()["2"]["status"] == "shipped"
    assert (story.headers("1"), story.headers("2")) == ({"renumberedto": "2"}, {"renumberedfrom": "1"})
    story.commit(("orders", "u", order(2, "S"), order(2, "N")))
    story.run()
    assert story.states()["2"]["status"] == "new"


def test_a_renumbering_of_a_parked_key_waits_and_is_told_when_it_is_released() -> None:
    story = placed()
    story.commit(("orders", "u", order(1), order(1, "X")))
    story.run()
    story.commit(("orders", "k", order(1, "X"), order(4, "S")), ("order_line", "k", line(1), line(4)))
    story.run()
    assert len(story.store.waiting("1")) == 2
    assert "OrderShipped.v1" not in [name for _, name in story.events()]
    control.send(story.log, Command(action="release", translator="order", key="1", partition=0), 0)
    story.run(Renumbered(X="strange"))
    assert story.states()["1"] is None
    assert story.headers("1") == {"renumberedto": "4"}
    assert story.headers("4") == {"renumberedfrom": "1"}
    assert "OrderDropped.v1" not in [name for _, name in story.events()]


def test_a_line_whose_key_names_another_order_moves_to_it() -> None:
    for partitions in (1, 3):
        story = placed(partitions, 1, 2)
        story.commit(("order_line", "k", line(1), line(2, 2, 7)))
        story.run()
        assert story.states()["1"]["lines"] == []
        assert [item["quantity"] for item in story.states()["2"]["lines"]] == [1, 7]
        assert sorted(key for key, name in story.events() if name == "LinesChanged.v1") == ["1", "2"]


class Owned(Orders):
    """Orders to which a line belongs by a column that is not part of the line's key."""

    def key_of(self, table: str, row: Row) -> str:
        return str(row["o_id"] if table == "orders" else row["qty"])


def test_a_line_that_moves_by_a_column_is_whole_with_one_partition() -> None:
    story = Story()
    for number in (1, 2):
        story.commit(("orders", "c", None, order(number)))
    story.commit(("order_line", "c", None, line(5, 1, 1)))
    story.commit(("order_line", "u", line(5, 1, 1), line(5, 1, 2)))
    story.run(Owned())
    assert [len((story.states()[key] or {})["lines"]) for key in ("1", "2")] == [0, 1]
    assert story.events()[2:] == [("1", "LinesChanged.v1")] * 2 + [("2", "LinesChanged.v1")]


def test_a_line_that_moves_by_a_column_stops_one_of_several_partitions() -> None:
    story = Story(3)
    story.commit(("orders", "c", None, order(1)))
    story.commit(("order_line", "u", line(1, 1, 1), line(1, 1, 2)))
    with pytest.raises(RowMoved) as caught:
        story.run(Owned())
    assert (caught.value.where or "").startswith(FEED)


def test_a_truncate_empties_every_aggregate() -> None:
    story = placed(1, 1, 2, 3)
    story.truncate("order_line")
    story.run()
    assert [story.states()[key]["lines"] for key in "123"] == [[], [], []]
    assert [name for _, name in story.events()[3:]] == ["LinesChanged.v1"] * 3


def test_rows_that_come_after_a_truncate_in_its_transaction_stay() -> None:
    story = placed(1, 1, 2)
    story.truncate("order_line", 0, ("order_line", "c", None, line(2, 1, 9)))
    story.run(batch_size=2)
    assert story.states()["1"]["lines"] == []
    assert story.states()["2"]["lines"] == [{"number": 1, "quantity": 9}]
    story.truncate("orders")
    story.run()
    assert story.states() == {"1": None, "2": None}
    assert [name for _, name in story.events()[-2:]] == ["OrderDropped.v1"] * 2


def test_a_truncate_of_a_feed_of_several_partitions_stops_it() -> None:
    story = placed(3)
    story.truncate("order_line", 1)
    with pytest.raises(TableTruncated) as caught:
        story.run()
    assert caught.value.where == f"{FEED} 1:{story.log.end(FEED, 1) - 1}"


@pytest.mark.parametrize("held", [3, HELD])
def test_a_transaction_larger_than_memory_gives_the_same_steps(monkeypatch: pytest.MonkeyPatch, held: int) -> None:
    monkeypatch.setattr("pipeline.partition.HELD", held)
    story = Story()
    many = [("orders", "c", None, order(n)) for n in range(1, 20)]
    many += [("order_line", "c", None, line(n, at)) for at in range(1, 4) for n in range(1, 20)]
    told = story.commit(*many)
    story.log.append([msgspec.structs.replace(record) for record in told[:30]])
    story.run(batch_size=7)
    assert story.events() == [(str(n), "OrderPlaced.v1") for n in range(1, 20)]
    assert all(len(state["lines"]) == 3 for state in story.states().values())
    assert story.store.counts()["", "closed: end"] == 1


def test_what_a_truncate_removes_has_the_origin_of_the_truncate() -> None:
    asked: list[tuple[Any, Any]] = []

    class Asking(Renumbered):
        def events(self, old: Any, new: Any, old_rows: Any, new_rows: Any, facts: Any = None) -> Any:
            asked.append((new, facts.origin))
            return super().events(old, new, old_rows, new_rows)

    story = placed(1, 1)
    story.truncate("orders", origin="elsewhere")
    story.run(Asking())
    assert asked[-1] == (None, "elsewhere")
