"""What the schedules found, each as small as it gets."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline import control
from pipeline.control import Command
from pipeline.feed import Feed
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from tests.model import product
from tests.model.faults import WatchedState
from tests.model.journal import Row, RowChange
from tests.model.judge import judge
from tests.model.legacy import BASE_TIME, BIG, TABLES, Commit, Logged
from tests.model.meaning import FIXED, KNOWN
from tests.model.oracle import Oracle
from tests.model.source import Shown
from tests.model.wire import Postgres, Rereading, RereadRow

FEED = Feed(
    topic=product.FEED,
    transactions=product.TRANSACTIONS,
    notifications=product.NOTIFICATIONS,
    begins="empty",
    exactly_once=True,
)


def order(number: int, status: str = "N", note: str | None = None) -> Row:
    return {"br": "A  ", "no": number, "sts": status, "note": note, "touched": 0}


def line(number: int, quantity: int = 1) -> Row:
    return {"br": "A  ", "no": number, "ln": 1, "qty": quantity}


def commit(txid: int, before: int | None, *changes: tuple[str, Row | None, Row | None], lsn: int = 0) -> Commit:
    """A transaction whose rows stand from `lsn` on, eight apart."""
    lsn = lsn or txid * 1_000
    logged = tuple(Logged(RowChange(*change), lsn + 8 * at) for at, change in enumerate(changes))
    return Commit(txid, logged, lsn + 900, before, BASE_TIME)


def history(*transactions: Sequence[tuple[str, Row | None, Row | None]]) -> list[Commit]:
    """Transactions one after another."""
    found: list[Commit] = []
    for number, changes in enumerate(transactions, 701):
        found.append(commit(number, found[-1].lsn if found else 500, *changes))
    return found


def sent(one: Commit) -> list[Outgoing]:
    return [s.record for s in Postgres(1).one_pass([one], 0)]


def assert_as_the_oracle_says(
    commits: Sequence[Commit],
    *slices: Sequence[Outgoing],
    release: Sequence[str] = (),
    unseen: Shown | None = None,
    rereading: Rereading | None = None,
) -> WatchedState:
    """Let the feed arrive in these slices, a turn after each; then release keys under the corrected mapping."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    store.codes = KNOWN
    size = 10 if rereading is None else 1
    worker = product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=size)
    whole = [one.record for one in Postgres(1).one_pass(commits, 0, rereading=rereading)]
    if rereading is not None:
        whole += [Postgres(1).notification(kind, rereading.name, **details) for kind, details in rereading.notes()]
    for records in slices or [whole]:
        log.append(records)
        worker.turn()
    if release:
        store.codes = FIXED
        worker = product.worker(log, store, FEED, "postgresql", fixed=True, batch_size=10)
        for key in release:
            command = Command(action="release", translator="order", key=key, partition=0)
            store.commands[control.send(log, command, 0)] = ("release", key)
        worker.turn()
    reread = [] if rereading is None else [(row.at, row.table, row.row) for row in rereading.rows]
    oracle = Oracle([one.transaction for one in commits], TABLES, unseen=unseen or (), reread=reread, alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)
    return store


def test_an_end_does_not_close_a_later_transaction_whose_rows_stand_first_in_the_log() -> None:
    """Both are the first of a connector's pass, so that neither says which commit came before it."""
    first = commit(702, None, ("orders", None, order(1)), lsn=1_024)
    second = commit(701, None, ("orders", None, order(2)), ("order_line", None, line(2)), lsn=1_008)
    begin, root, child, end = sent(second)
    assert_as_the_oracle_says([first, second], [*sent(first)[:2], begin, root, sent(first)[2]], [child, end])


def test_what_is_made_and_renumbered_in_one_transaction_is_placed_under_its_last_number() -> None:
    assert_as_the_oracle_says(history([("orders", None, order(1)), ("orders", order(1), order(2))]))


def test_a_truncate_beside_a_renumbering_leaves_it_whole() -> None:
    """The order keeps its big value, and an event says that its number is another."""
    placed = [("orders", None, order(1, note=BIG)), ("order_line", None, line(1))]
    both = [("order_line", None, None), ("orders", order(1, note=BIG), order(2, note=BIG))]
    assert_as_the_oracle_says(history(placed, both))


def test_what_gets_a_number_that_was_given_up_in_the_same_transaction_is_new() -> None:
    reused = [("orders", order(1), order(2)), ("orders", None, order(1, "S"))]
    assert_as_the_oracle_says(history([("orders", None, order(1))], reused))


def test_what_gets_a_number_that_was_given_up_and_another_at_once_did_not_come_from_the_first() -> None:
    moved = [("orders", order(1), order(2)), ("orders", None, order(1, "S")), ("orders", order(1, "S"), order(3, "S"))]
    assert_as_the_oracle_says(history([("orders", None, order(1))], moved))


def test_a_renumbering_is_seen_whole_though_what_gets_the_old_number_is_rejected() -> None:
    reused = [("orders", order(1), order(2)), ("orders", None, order(1, "X"))]
    assert_as_the_oracle_says(history([("orders", None, order(1))], reused), release=["A/1"])


def test_an_order_that_nobody_has_seen_is_not_placed_by_a_renumbering() -> None:
    assert_as_the_oracle_says(history([("orders", order(1), order(2))]), unseen=[("orders", order(1))])


def test_a_number_that_an_order_only_passed_through_is_told_where_the_halves_are_apart() -> None:
    """Else nobody could follow it from the first number to the last."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 3)
    store.codes = KNOWN
    commits = history([("orders", None, order(1))], [("orders", order(1), order(2)), ("orders", order(2), order(3))])
    log.append([one.record for one in Postgres(3).one_pass(commits, 0)])
    product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=10).turn()
    oracle = Oracle([one.transaction for one in commits], TABLES, alone=False)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


def test_a_truncate_reaches_the_rows_of_a_key_that_waits() -> None:
    placed = [("orders", None, order(1, "X")), ("order_line", None, line(1))]
    assert_as_the_oracle_says(history(placed, [("order_line", None, None)]), release=["A/1"])


def test_a_renumbered_order_keeps_the_big_values_that_its_transaction_gave_it_before() -> None:
    noted, moved = order(1, note=BIG + "!"), order(2, note=BIG + "!")
    changed = [("orders", order(1, note=BIG), noted), ("orders", noted, moved)]
    assert_as_the_oracle_says(history([("orders", None, order(1, note=BIG))], changed))


def test_a_renumbered_order_keeps_the_big_values_of_steps_that_wait() -> None:
    noted, moved = order(1, "X", BIG + "!"), order(2, "N", BIG + "!")
    steps = [("orders", None, order(1, note=BIG))], [("orders", order(1, note=BIG), noted)], [("orders", noted, moved)]
    assert_as_the_oracle_says(history(*steps), release=["A/1"])


def test_what_a_change_does_not_send_is_filled_from_an_older_row_that_a_snapshot_shows() -> None:
    """The row itself is out of date; but the big value in it is not, since the change did not send it."""
    old, new = order(1, note=BIG), order(1, "S", BIG)
    shown = Rereading("incremental", (RereadRow(1, 0, 995, "orders", old),))
    store = assert_as_the_oracle_says(history([("orders", old, new)]), unseen=[("orders", old)], rereading=shown)
    assert store.load(["A/1"])["A/1"].published


def test_rows_that_a_connector_sends_again_count_once() -> None:
    row = RereadRow(1, 1, 701_900, "orders", order(1))
    commits = history([("orders", None, order(1))])
    store = assert_as_the_oracle_says(commits, rereading=Rereading("incremental", (row, row)))
    assert store.counts()["orders", "loaded"] == store.counts()["orders", "repeat"] == 1


def test_an_order_that_is_deleted_and_inserted_again_says_nothing_of_what_was_not_known_of_it() -> None:
    """Its lines may have been others before, and were never seen."""
    old = order(1, note="n")
    anew = [("orders", order(1, "S", "n"), None), ("orders", None, old), ("order_line", None, line(1))]
    unseen: Shown = [("orders", old), ("order_line", {**line(1), "ln": 2})]
    assert_as_the_oracle_says(history([("orders", old, order(1, "S", "n"))], anew), unseen=unseen)


def test_an_order_of_which_a_snapshot_shows_nothing_new_is_known_all_the_same() -> None:
    """A change of it was seen behind the snapshot's window, and it has no other rows."""
    old, new = order(1), order(1, "S")
    shown = Rereading("incremental", (RereadRow(1, 0, 995, "orders", old),))
    store = assert_as_the_oracle_says(history([("orders", old, new)]), unseen=[("orders", old)], rereading=shown)
    assert not store.load(["A/1"])["A/1"].partial


def test_a_truncate_is_news_and_ends_the_loading_of_its_partition() -> None:
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    wire, store.codes, store.begins_live = Postgres(1), KNOWN, False
    shown: Shown = [("orders", order(1)), ("order_line", line(1))]
    emptied = commit(701, 960, ("order_line", None, None))
    log.append([*wire.snapshot(shown, 950), *sent(emptied)])
    feed = msgspec.structs.replace(FEED, begins="snapshot")
    product.worker(log, store, feed, "postgresql", fixed=False, batch_size=10).turn()
    oracle = Oracle([emptied.transaction], TABLES, shown, alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


def test_an_end_is_read_again_as_long_as_rows_of_a_snapshot_hold_the_offset() -> None:
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    store.codes = KNOWN
    placed = commit(701, 960, ("orders", None, order(1)))
    later = Rereading("blocking", (RereadRow(0, 1, placed.lsn, "orders", order(1)),))
    log.append([one.record for one in Postgres(1).one_pass([placed], 0, rereading=later)])
    for _ in range(2):
        worker = product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=10)
        worker.turn()
        assert worker.in_flight.total() == 1  # the row of the snapshot


def test_a_worker_that_takes_over_still_knows_that_the_snapshot_is_complete() -> None:
    """Where COMPLETED may be readable before the rows, it counts once the connector has written down a position."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    wire, store.codes, store.begins_live = Postgres(1), KNOWN, False
    feed = msgspec.structs.replace(FEED, begins="snapshot", exactly_once=False)
    shown: Shown = [("orders", order(1))]
    log.append([*wire.snapshot(shown, 950), wire.notification("COMPLETED")])
    said: list[int | None] = [None, 960]
    for _ in range(2):
        product.worker(log, store, feed, "postgresql", fixed=False, batch_size=10, passed=lambda: said[0]).turn()
        said.pop(0)
    oracle = Oracle([], TABLES, shown, alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


def test_a_repeat_that_does_not_say_what_came_before_it_closes_nothing_else() -> None:
    """The connector died in its first transaction and again, so that each pass is without the commit before."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    store.codes = KNOWN
    first = commit(701, None, ("orders", None, order(1)))
    second = commit(702, first.lsn, ("orders", None, order(2)), ("order_line", None, line(2)))
    (_, row, end), (_, root, child, last) = sent(first), sent(second)
    passed: list[int] = []
    feed = msgspec.structs.replace(FEED, exactly_once=False)
    for records, position in (([row, root], 0), ([row, end], first.lsn), ([child, last], second.lsn)):
        log.append(records)
        passed.append(position)
        worker = product.worker(log, store, feed, "postgresql", fixed=False, batch_size=10, passed=lambda: passed[-1])
        worker.turn()
    oracle = Oracle([first.transaction, second.transaction], TABLES, alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


def test_a_row_that_speaks_of_a_later_place_waits_for_what_may_have_been_committed_before() -> None:
    """The connector has passed that place, but a transaction is open that does not say what came before it."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    store.codes = KNOWN
    placed = commit(701, None, ("orders", None, order(1)))
    shown = Rereading("blocking", (RereadRow(0, 1, placed.lsn, "orders", order(1)),))
    *before, end = [one.record for one in Postgres(1).one_pass([placed], 0, rereading=shown)]
    notes = [Postgres(1).notification(kind, shown.name, **details) for kind, details in shown.notes()]
    feed = msgspec.structs.replace(FEED, exactly_once=False)
    for records in ([*before, *notes], [end]):
        log.append(records)
        product.worker(log, store, feed, "postgresql", fixed=False, batch_size=1, passed=lambda: placed.lsn).turn()
    oracle = Oracle([placed.transaction], TABLES, reread=[(1, "orders", order(1))], alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


CUT: Shown = [("orders", order(1)), ("order_line", line(1))]
WHOLE: Shown = [("orders", order(2))]
LOADING = msgspec.structs.replace(FEED, begins="snapshot")


def begun_again(log: MemoryLog, store: WatchedState) -> tuple[list[Outgoing], list[Outgoing], Commit]:
    """Two partitions: of the first only a snapshot speaks that was cut, and a change; of the other the whole snapshot."""
    product.create_topics(log, 2)
    wire, store.codes, store.begins_live = Postgres(2), KNOWN, False
    placed = commit(701, 960, ("orders", None, order(3)))
    first = [wire.notification("STARTED"), *wire.snapshot(CUT, 900), wire.notification("STARTED")]
    first += [one.record for one in wire.one_pass([placed], 0)]
    return first, [*wire.snapshot(WHOLE, 950), wire.notification("COMPLETED")], placed


def assert_only_the_whole_snapshot_counts(log: MemoryLog, store: WatchedState, placed: Commit) -> None:
    oracle = Oracle([placed.transaction], TABLES, WHOLE, alone=False)
    oracle.replay(store.moments)
    for table, _ in CUT:
        oracle.counts[table, "loaded"] += 1
    judge(log, store, oracle, once=True)


def test_a_partition_that_only_a_cut_snapshot_mentions_waits_for_the_one_that_was_begun_again() -> None:
    log, store = MemoryLog(), WatchedState()
    first, second, placed = begun_again(log, store)
    worker = product.worker(log, store, LOADING, "postgresql", fixed=False, batch_size=10)
    for records in (first, second):
        log.append(records)
        worker.turn()
    assert_only_the_whole_snapshot_counts(log, store, placed)


def test_a_snapshot_that_is_begun_again_and_finds_nothing_takes_all_back() -> None:
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 2)
    wire, store.codes, store.begins_live = Postgres(2), KNOWN, False
    empty = [{"scanned_collection": f"public.{table}", "status": "EMPTY"} for table in TABLES]
    log.append([wire.notification("STARTED"), *wire.snapshot(CUT, 900), wire.notification("STARTED")])
    log.append([*(wire.notification("TABLE_SCAN_COMPLETED", **one) for one in empty), wire.notification("COMPLETED")])
    product.worker(log, store, LOADING, "postgresql", fixed=False, batch_size=10).turn()
    assert store.is_live(0)
    assert not store.load(["A/1"])["A/1"].rows


def test_workers_that_share_a_feed_know_the_last_snapshot_wherever_it_showed_rows() -> None:
    log, store = MemoryLog(), WatchedState()
    first, second, placed = begun_again(log, store)
    log.append([*first, *second])
    workers = [
        product.worker(log, store, LOADING, "postgresql", fixed=False, batch_size=1, owned=[partition])
        for partition in (1, 0)
    ]
    for worker in workers:
        while worker.turn():
            pass
    assert_only_the_whole_snapshot_counts(log, store, placed)


def test_a_table_that_only_a_cut_snapshot_read_to_its_end_was_not_read() -> None:
    """A blocking snapshot of a live feed was cut, and another one did not read the lines."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    wire, store.codes = Postgres(1), KNOWN
    shipped = commit(701, 960, ("orders", order(1), order(1, "S")))
    log.append([*sent(shipped)])
    for tables in (["order_line"], ["orders", "payment"]):
        log.append([wire.notification("STARTED")])
        for table in tables:
            details = {"scanned_collection": f"public.{table}", "status": "SUCCEEDED"}
            log.append([wire.notification("TABLE_SCAN_COMPLETED", **details)])
    log.append([wire.notification("COMPLETED")])
    product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=1).turn()
    assert store.load(["A/1"])["A/1"].partial
