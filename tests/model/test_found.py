"""What the schedules found, each as small as it gets."""

from __future__ import annotations

from pipeline.feed import Feed
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from tests.model import product
from tests.model.journal import Row, RowChange
from tests.model.judge import judge
from tests.model.legacy import BASE_TIME, TABLES, Commit, Logged
from tests.model.meaning import KNOWN
from tests.model.oracle import Moment, Oracle
from tests.model.wire import Postgres

FEED = Feed(
    topic=product.FEED,
    transactions=product.TRANSACTIONS,
    notifications=product.NOTIFICATIONS,
    begins="empty",
    exactly_once=True,
)


def order(number: int) -> Row:
    return {"br": "A  ", "no": number, "sts": "N", "note": None, "touched": 0}


def line(number: int) -> Row:
    return {"br": "A  ", "no": number, "ln": 1, "qty": 1}


def commit(txid: int, before: int | None, *inserted: tuple[str, Row, int]) -> Commit:
    logged = tuple(Logged(RowChange(table, None, row), lsn) for table, row, lsn in inserted)
    return Commit(txid, logged, 1_000 + txid, before, BASE_TIME)


def sent(one: Commit) -> list[Outgoing]:
    return [s.record for s in Postgres(1).one_pass([one], 0)]


def test_an_end_does_not_close_a_later_transaction_whose_rows_stand_first_in_the_log() -> None:
    """Both are the first of a connector's pass, so that neither says which commit came before it."""
    first = commit(702, None, ("orders", order(1), 1_024))
    second = commit(701, None, ("orders", order(2), 1_008), ("order_line", line(2), 1_016))
    log, store = MemoryLog(), MemoryState()
    product.create_topics(log, 1)
    worker = product.worker(log, store, FEED, "postgresql", fixed=False, batch_size=10)
    begin, root, child, end = sent(second)
    for records in ([*sent(first)[:2], begin, root, sent(first)[2]], [child, end]):
        log.append(records)
        worker.turn()
    oracle = Oracle([first.transaction, second.transaction], TABLES)
    oracle.replay([Moment("A/1", "read", KNOWN), Moment("A/2", "read", KNOWN)])
    judge(log, store, oracle, once=True)
