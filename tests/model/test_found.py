"""What the schedules found, each as small as it gets."""

from __future__ import annotations

from collections.abc import Sequence

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
from tests.model.wire import Postgres

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
    commits: Sequence[Commit], *slices: Sequence[Outgoing], release: Sequence[str] = ()
) -> None:
    """Let the feed arrive in these slices, a turn after each; then release keys under the corrected mapping."""
    log, store = MemoryLog(), WatchedState()
    product.create_topics(log, 1)
    store.codes = KNOWN
    worker = product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=10)
    for records in slices or [[record for one in commits for record in sent(one)]]:
        log.append(records)
        worker.turn()
    if release:
        store.codes = FIXED
        worker = product.worker(log, store, FEED, "postgresql", fixed=True, batch_size=10)
        for key in release:
            command = Command(action="release", translator="order", key=key, partition=0)
            store.commands[control.send(log, command, 0)] = ("release", key)
        worker.turn()
    oracle = Oracle([one.transaction for one in commits], TABLES, alone=True)
    oracle.replay(store.moments)
    judge(log, store, oracle, once=True)


def test_an_end_does_not_close_a_later_transaction_whose_rows_stand_first_in_the_log() -> None:
    """Both are the first of a connector's pass, so that neither says which commit came before it."""
    first = commit(702, None, ("orders", None, order(1)), lsn=1_024)
    second = commit(701, None, ("orders", None, order(2)), ("order_line", None, line(2)), lsn=1_008)
    begin, root, child, end = sent(second)
    assert_as_the_oracle_says([first, second], [*sent(first)[:2], begin, root, sent(first)[2]], [child, end])


def test_what_is_made_and_renumbered_in_one_transaction_is_placed_under_its_last_number() -> None:
    assert_as_the_oracle_says(history([("orders", None, order(1)), ("orders", order(1), order(2))]))


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
