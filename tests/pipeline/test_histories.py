"""Histories that went wrong once, or nearly: each a few transactions by hand, and what has to come of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import pipeline.commands
from pipeline import control
from pipeline.control import Action, Command
from pipeline.feed import group_of
from pipeline.life import StateAndLogApart
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Page, TopicSpec
from pipeline.state.memory import MemoryState
from pipeline.state.port import Save
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import Orders, append, by_key, create_topics, published, version_of, worker
from tests.pipeline.world import (
    BASE_TIME,
    FEED,
    PARTITIONS,
    TRANSACTIONS,
    Commit,
    Row,
    RowChange,
    completed,
    marker,
    partition,
    record,
    snapshot_record,
)


def fresh() -> tuple[MemoryLog, MemoryState]:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    return log, store


def run(log: MemoryLog, store: MemoryState, **how: Any) -> TranslatorWorker:
    made = worker(log, store, **how)
    while made.turn():
        pass
    return made


def order(number: int, status: str) -> Row:
    return {"o_id": number, "status": status, "touched": 0}


def line(number: int, quantity: int) -> Row:
    return {"ol_o_id": number, "ol_number": 1, "qty": quantity}


def commit(txid: int, after: int | None, *changes: tuple[str, str, int, Row | None, Row | None, int]) -> Commit:
    rows = [RowChange(*change) for change in changes]
    return Commit(txid, after, rows, rows[-1].lsn + 1, BASE_TIME)


def records(*commits: Commit) -> list[Outgoing]:
    return [record(c, change, i) for c in commits for i, change in enumerate(c.changes, 1)]


def ends(*commits: Commit) -> list[Outgoing]:
    return [marker(c, "END") for c in commits]


def events(log: MemoryLog) -> list[tuple[str, str, int]]:
    return [(e.subject, e.name, version_of(e)) for e in published(log, "order.events")]


def names(log: MemoryLog) -> list[str]:
    return [name for _, name, _ in events(log)]


def late(store: MemoryState) -> int:
    return sum(n for (_, label), n in store.counts().items() if label == "late")


PLACED = commit(700, 990, ("orders", "c", 1, None, order(1, "N"), 1000))
SHIPPED = commit(701, 1001, ("orders", "u", 1, order(1, "N"), order(1, "S"), 1010))


def test_a_snapshot_cut_and_begun_again_shows_what_is_there_now() -> None:
    log, store = fresh()
    append(log, [snapshot_record("orders", order(n, "N"), n, "first") for n in (1, 4)])
    run(log, store, begins="snapshot")
    append(log, [snapshot_record("orders", order(1, "S"), 1, "last", 950)])
    log.append([completed()])
    run(log, store, begins="snapshot")
    last = {key: states[-1].data for key, states in by_key(published(log, "order.state")).items()}
    assert last == {"1": {"number": 1, "status": "shipped", "lines": []}}


def test_a_partition_that_the_second_snapshot_does_not_mention_is_empty() -> None:
    log, store = fresh()
    append(log, [snapshot_record("orders", order(n, "N"), n, "first") for n in (1, 2)])
    assert partition(1) != partition(2)
    append(log, [snapshot_record("orders", order(1, "S"), 1, "last", 950)])
    log.append([completed()])
    run(log, store, begins="snapshot")
    assert by_key(published(log, "order.state")).keys() == {"1"}


def test_a_transaction_that_does_not_say_what_came_before_keeps_its_place() -> None:
    log, store = fresh()
    dropped = commit(702, None, ("orders", "d", 1, order(1, "S"), None, 1020))
    append(log, [*records(PLACED, SHIPPED, dropped), *ends(PLACED, SHIPPED, dropped)])
    run(log, store)
    assert names(log) == ["OrderPlaced.v1", "OrderShipped.v1", "OrderDropped.v1"]


class Staged(MemoryLog):
    """Calls `then` between the readings of the two partitions of the transaction topic."""

    then: Callable[[], None] | None = None

    def end(self, topic: str, partition: int) -> int:
        if (topic, partition) == (TRANSACTIONS, 1) and self.then is not None:
            then, self.then = self.then, None
            then()
        return super().end(topic, partition)


def test_an_end_also_closes_what_came_before_it() -> None:
    log, store = Staged(), MemoryState()
    log.create(TopicSpec(name=FEED, kind="feed", partitions=PARTITIONS))
    log.create(TopicSpec(name=TRANSACTIONS, kind="transaction", partitions=2))
    second = commit(701, None, ("orders", "u", 1, order(1, "N"), order(1, "S"), 1010))
    append(log, records(PLACED))
    made = worker(log, store)

    def then() -> None:
        log.append(ends(PLACED))
        log.append(records(second))
        log.append([msgspec.structs.replace(ends(second)[0], partition=1)])

    log.then = then
    while made.turn():
        pass
    assert names(log) == ["OrderPlaced.v1", "OrderShipped.v1"]


@pytest.mark.parametrize("action", ["release", "discard"])
def test_a_key_whose_root_is_inserted_anew_is_known_again_also_if_that_step_had_to_wait(action: Action) -> None:
    unseen = commit(700, 990, ("order_line", "u", 1, line(1, 1), line(1, 2), 1000))
    anew = commit(
        701,
        1001,
        ("order_line", "d", 1, line(1, 2), None, 1010),
        ("orders", "c", 1, None, order(1, "X"), 1012),
    )
    shipped = commit(702, 1021, ("orders", "u", 1, order(1, "X"), order(1, "S"), 1030))

    def life(first: Orders) -> tuple[list[Any], Any, bool]:
        log, store = fresh()
        append(log, [*records(unseen, anew), *ends(unseen, anew)])
        run(log, store, translator=first)
        if store.waiting("1"):
            at = store.waiting("1")[0].partition
            control.send(log, Command(action=action, translator="order", key="1", partition=at), 0)
        run(log, store, translator=Orders(X="new"))
        append(log, [*records(shipped), *ends(shipped)])
        run(log, store, translator=Orders(X="new"))
        return events(log), published(log, "order.state")[-1].data, store.load(["1"])["1"].partial

    at_once, waited = life(Orders(X="new")), life(Orders())
    assert waited[1:] == at_once[1:] == ({"number": 1, "status": "shipped", "lines": []}, False)
    if action == "release":
        assert waited[0] == at_once[0]


def test_a_row_of_a_transaction_that_was_closed_is_late() -> None:
    log, store = fresh()
    both = commit(
        700,
        990,
        ("orders", "c", 1, None, order(1, "N"), 1000),
        ("order_line", "c", 1, None, line(1, 1), 1002),
    )
    first, second = records(both)
    append(log, [first, *ends(both)])
    made = worker(log, store)
    made.turn()
    append(log, [second, *ends(both)])
    made.turn()
    assert late(store) == 1
    assert names(log) == ["OrderPlaced.v1", "LinesChanged.v1"]


def test_state_without_its_log_and_log_without_its_state_are_refused() -> None:
    log, store = fresh()
    append(log, [*records(PLACED), *ends(PLACED)])
    run(log, store)
    with pytest.raises(StateAndLogApart):
        worker(log, MemoryState())
    with pytest.raises(StateAndLogApart):
        worker(fresh()[0], store)


class Flaky(MemoryState):
    """Fails to save once."""

    fails = False

    def save(self, save: Save) -> None:
        if self.fails:
            self.fails = False
            raise OSError("no disk")
        super().save(save)


def test_a_worker_whose_turn_failed_does_not_turn_again_and_the_next_one_loses_nothing() -> None:
    log, store = MemoryLog(), Flaky()
    create_topics(log)
    append(log, [*records(PLACED, SHIPPED), *ends(PLACED, SHIPPED)])
    made = worker(log, store)
    store.fails = True
    with pytest.raises(OSError, match="no disk"):
        made.turn()
    with pytest.raises(RuntimeError):
        made.turn()
    run(log, store)
    assert list(dict.fromkeys(names(log))) == ["OrderPlaced.v1", "OrderShipped.v1"]
    assert store.load(["1"])["1"].version == 2


def test_commands_are_executed_in_the_order_in_which_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies after it pinned the first, ahead of an open step, and stands further back when the second comes."""
    log, store = fresh()
    refused = commit(701, 1001, ("orders", "u", 1, order(1, "N"), order(1, "X"), 1010))
    stays_open = commit(702, 1021, ("orders", "c", 4, None, order(4, "N"), 1030))
    assert partition(1) == partition(4)
    append(log, [*records(PLACED, refused, stays_open), *ends(PLACED, refused)])
    run(log, store)
    made = worker(log, store, translator=Orders(X="strange"))
    made.turn()
    send(log, "discard")

    def die(name: str) -> None:
        if name == "control.after-pin":
            raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.commands, "failpoint", die)
    with pytest.raises(KeyboardInterrupt):
        made.turn()
    monkeypatch.undo()
    send(log, "release")
    run(log, store, translator=Orders(X="strange"))
    discarded, released = sorted((p for p in store.pins() if p.command >= 0), key=lambda pin: pin.command)
    assert "events of 1 step given up" in discarded.result
    assert released.result == "nothing waits for this key"


def send(log: MemoryLog, action: Action) -> None:
    control.send(log, Command(action=action, translator="order", key="1", partition=partition(1)), 0)


def test_a_release_that_stops_halfway_says_what_it_published() -> None:
    log, store = fresh()
    first = commit(700, 990, ("orders", "c", 1, None, order(1, "X"), 1000))
    second = commit(701, 1001, ("orders", "u", 1, order(1, "X"), order(1, "Y"), 1010))
    append(log, [*records(first, second), *ends(first, second)])
    run(log, store)
    send(log, "release")
    run(log, store, translator=Orders(X="strange"))
    assert store.pins()[-1].result.startswith("1 step applied, 1 events published; 1 still wait: code.unmapped")


class Unsettled(MemoryLog):
    """A log in which a transaction is open: below `stable` records can be read, the watermark is behind it."""

    stable: int | None = None

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        if self.stable is None or topic != FEED:
            return super().read(topic, partition, offset, limit)
        return super().read(topic, partition, offset, max(0, min(limit, self.stable - offset)))


def test_what_cannot_be_read_yet_is_not_passed_over_and_an_end_does_not_close_its_step() -> None:
    log, store = Unsettled(), MemoryState()
    create_topics(log)
    placed = commit(
        700, 990, ("orders", "c", 1, None, order(1, "N"), 1000), ("order_line", "c", 1, None, line(1, 1), 1002)
    )
    append(log, [*records(placed), *ends(placed)])
    at = partition(1)
    log.stable = 1
    made = worker(log, store)
    while made.turn():
        pass
    assert names(log) == []
    log.stable = None
    while made.turn():
        pass
    assert names(log) == ["OrderPlaced.v1"]
    assert log.committed(group_of("order"))[FEED, at] == log.end(FEED, at)
