"""What closes a step, and that nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.feed import group_of
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import append, create_topics, published, worker
from tests.pipeline.world import (
    BASE_TIME,
    FEED,
    PARTITIONS,
    TRANSACTIONS,
    Commit,
    RowChange,
    completed,
    marker,
    partition,
    record,
    snapshot_record,
)

LARGE = 400


def lines(txid: int, after: int | None, count: int, lsn: int = 2_000) -> Commit:
    """One transaction: an order and `count` lines."""
    order = RowChange("orders", "c", 1, None, {"o_id": 1, "status": "N", "touched": 0}, lsn)
    rows = [
        RowChange("order_line", "c", 1, None, {"ol_o_id": 1, "ol_number": n, "qty": n}, lsn + 8 * n)
        for n in range(1, count + 1)
    ]
    return Commit(txid, after, [order, *rows], lsn + 8 * count + 40, BASE_TIME)


def told(commit: Commit) -> list[Outgoing]:
    return [record(commit, change, number) for number, change in enumerate(commit.changes, 1)]


class Connector:
    """What the connector's own offset says; the worker asks."""

    def __init__(self) -> None:
        self.log, self.store = MemoryLog(), MemoryState()
        create_topics(self.log)
        self.offset: int | None = None

    def worker(self, **how: Any) -> TranslatorWorker:
        made = worker(self.log, self.store, exactly_once=False, passed=lambda: self.offset, **how)
        return made

    def said(self) -> list[int]:
        return [len((state.data or {})["lines"]) for state in published(self.log, "order.state")]

    def proofs(self) -> dict[str, int]:
        return {label.removeprefix("closed: "): n for (_, label), n in self.store.counts().items() if "closed" in label}


def test_an_end_that_is_readable_before_the_last_rows_closes_nothing_without_exactly_once() -> None:
    connector = Connector()
    large = lines(700, 1_000, LARGE)
    rows = told(large)
    connector.log.append([*rows[: LARGE // 2], marker(large, "END")])
    made = connector.worker()
    made.turn()
    connector.log.append(rows[LARGE // 2 :])
    made.turn()
    assert connector.said() == []
    assert made.in_flight.total() == LARGE + 1
    connector.offset = large.end
    made.turn()
    assert connector.said() == [LARGE]
    assert connector.proofs() == {"passed": 1}


def test_rows_that_only_open_a_step_write_nothing() -> None:
    connector = Connector()
    commit = lines(700, 1_000, 3)
    append(connector.log, told(commit))
    made = connector.worker(changelog=True)
    ends = [connector.log.end("order.changelog", partition) for partition in range(PARTITIONS)]
    made.turn()
    assert made.in_flight.total() == 4
    assert [connector.log.end("order.changelog", partition) for partition in range(PARTITIONS)] == ends
    connector.offset = commit.end
    made.turn()
    assert connector.said() == [3]
    assert connector.store.counts()["order_line", "read"] == 3


@pytest.mark.parametrize("after", [1_000, None])
def test_the_offset_has_to_pass_the_last_commit_before_not_only_reach_it(after: int | None) -> None:
    connector = Connector()
    commit = lines(700, after, 3)
    append(connector.log, [*told(commit), marker(commit, "END")])
    made = connector.worker()
    for offset in (None, 999, 1_000, *([] if after else [commit.end - 1])):
        connector.offset = offset
        made.turn()
        assert connector.said() == [], offset
    connector.offset = commit.end
    made.turn()
    assert connector.said() == [3]


def test_a_transaction_without_the_commit_before_it_waits_for_its_end() -> None:
    connector = Connector()
    commit = lines(700, None, 3)
    append(connector.log, told(commit))
    made = connector.worker()
    connector.offset = commit.end + 1_000
    made.turn()
    assert connector.said() == []
    connector.log.append([marker(commit, "END")])
    made.turn()
    assert connector.said() == [3]


def test_an_end_that_a_step_may_still_need_is_read_again_after_a_restart() -> None:
    connector = Connector()
    commit = lines(700, None, 3)
    append(connector.log, [*told(commit), marker(commit, "BEGIN"), marker(commit, "END")])
    connector.worker().turn()
    assert connector.log.committed(group_of("order")).get((TRANSACTIONS, 0), 0) == 1
    connector.offset = commit.end
    made = connector.worker()
    made.turn()
    assert connector.said() == [3]
    made.turn()
    assert connector.log.committed(group_of("order"))[TRANSACTIONS, 0] == 2


def test_a_connector_that_is_down_leaves_the_step_open_and_nothing_is_lost_at_a_restart() -> None:
    connector = Connector()
    commit = lines(700, 1_000, 3)
    append(connector.log, told(commit))
    for _ in range(3):
        made = connector.worker()
        made.turn()
        assert (connector.said(), made.in_flight.total()) == ([], 4)
    assert connector.log.committed(group_of("order")).get((FEED, partition(1)), 0) == 0
    later = Commit(701, commit.end, [RowChange("orders", "c", 4, None, {"o_id": 4, "status": "N"}, 9_000)], 9_100, 1)
    later.changes[0].after = {"o_id": 4, "status": "N", "touched": 0}
    append(connector.log, told(later))
    connector.worker().turn()
    assert connector.said() == [3]
    assert connector.proofs() == {"later": 1}


def test_what_was_committed_before_a_transaction_that_was_passed_is_over_too() -> None:
    connector = Connector()
    first = lines(700, None, 2)
    shipped = {"o_id": 1, "status": "S", "touched": 0}
    rows = [RowChange("orders", "u", 1, first.changes[0].after, shipped, first.end + 400)]
    second = Commit(701, None, rows, first.end + 500, BASE_TIME)
    append(connector.log, [*told(first), *told(second), marker(second, "END")])
    made = connector.worker()
    made.turn()
    assert connector.said() == []
    connector.offset = second.end
    made.turn()
    assert [e.name for e in published(connector.log, "order.events")] == ["OrderPlaced.v1", "OrderShipped.v1"]


def test_completed_before_the_last_snapshot_rows_loads_nothing_without_exactly_once() -> None:
    connector = Connector()
    rows = [("order_line", {"ol_o_id": 1, "ol_number": n, "qty": n}) for n in (1, 2)]
    first, *rest = [snapshot_record("orders", {"o_id": 1, "status": "N", "touched": 0}, 1, "first")] + [
        snapshot_record(table, row, 1, "true") for table, row in rows
    ]
    connector.log.append([first, completed()])
    made = connector.worker(begins="snapshot")
    made.turn()
    assert connector.said() == []
    connector.log.append(rest)
    made.turn()
    assert connector.said() == []
    connector.offset = 0
    made.turn()
    assert (connector.said(), made.loading) == ([2], [])


def test_ends_are_read_on_a_topic_that_is_made_after_the_worker_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.marks._LOOK", 0)
    log, store = MemoryLog(), MemoryState()
    log.create(TopicSpec(name=FEED, kind="feed", partitions=PARTITIONS))
    made = worker(log, store)
    commit = lines(700, 1_000, 3)
    log.append(told(commit))
    made.turn()
    assert published(log, "order.events") == []
    log.create(TopicSpec(name=TRANSACTIONS, kind="transaction", partitions=1))
    log.append([marker(commit, "END")])
    made.turn()
    assert [event.name for event in published(log, "order.events")] == ["OrderPlaced.v1"]
