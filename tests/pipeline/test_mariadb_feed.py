"""The recorded MariaDB feed through the worker: BEGINs without END, GTIDs, two halves of a changed key at one position."""

from __future__ import annotations

from typing import Any

from connectors.debezium.decode import Decoder
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.news import news_of
from pipeline.state.memory import MemoryState
from tests.connectors.debezium.captures import Raw, capture, mariadb_schema
from tests.pipeline.harness import create_topics, published, worker
from tests.pipeline.world import FEED, TRANSACTIONS
from translators.translator import Event, Said

TABLE, TRANSACTION, DDL = "mar.inv.t", "mar.transaction", "mar"


class Things:
    """The rows of `t`, by hand: what happened is told by name."""

    name, context, owner, version = "order", "things", "Nobody", "1"
    tables, root, has_parts = frozenset({"t"}), "t", False
    keeps_rows, layout = True, "t"
    state_type, event_types = "Thing.v1", ("Made.v1", "Changed.v1", "Gone.v1")

    def key_of(self, table: str, row: Any) -> str:
        return str(row["id"])

    def state(self, rows: Any) -> Any:
        return next(({"id": row["id"], "text": str(row)} for row in rows.get("t", {}).values()), None)

    def correlation(self, rows: Any) -> None:
        return None

    def events(self, old: Any, new: Any, old_rows: Any, new_rows: Any, facts: Any = None) -> Said:
        name = "Made.v1" if old is None else "Gone.v1" if new is None else "Changed.v1"
        return Said((Event(name, {"id": (new or old)["id"]}),))


def put(log: MemoryLog, record: Raw) -> None:
    topic = TRANSACTIONS if record.topic == TRANSACTION else FEED
    log.append(
        [Outgoing(topic=topic, partition=0, timestamp=1, key=record.key, value=record.value, headers=record.headers)]
    )


def told(
    *, upto: int = 54, again: bool = False, passed: int | None = None, **how: Any
) -> tuple[MemoryLog, MemoryState]:
    log, store = MemoryLog(), MemoryState()
    create_topics(log, 1)
    records = [one for one in capture("v_mar")[:upto] if one.topic in (TABLE, TRANSACTION, DDL)]
    for record in records:
        put(log, record)
    for record in records[8:] if again else ():
        put(log, record)
    made = worker(
        log,
        store,
        translator=Things(),
        begins="snapshot",
        decoder=Decoder(mariadb_schema()),
        passed=lambda: passed,
        **how,
    )
    while made.turn():
        pass
    return log, store


EXPECTED = [
    ("2", "Made.v1", "0-223344-14"),
    ("1", "Changed.v1", "0-223344-15"),
    ("20", "Changed.v1", "0-223344-16"),
    ("20", "Gone.v1", "0-223344-17"),
    ("30", "Made.v1", "0-223344-21"),
]


def steps(log: MemoryLog) -> list[tuple[str, str, str]]:
    return [(e.subject, e.name, e.attributes["correlationid"].split(":", 2)[2]) for e in published(log, "order.events")]


def test_the_whole_feed() -> None:
    log, store = told()
    assert steps(log) == EXPECTED
    states = {event.subject: event.data is not None for event in published(log, "order.state")}
    assert states == {"1": True, "2": False, "20": False, "30": True}
    counts = store.counts()
    assert counts["", "closed: later"] == 4
    assert counts["", "closed: end"] == 1
    assert {(one.kind, one.table) for one in news_of(counts)} == {("altered", "t")}


def test_repeats_of_a_connector_that_was_killed_change_nothing() -> None:
    log, store = told(again=True)
    assert steps(log) == EXPECTED
    assert store.counts()["t", "read"] == 7 + store.counts()["t", "repeat"]


def test_without_ends_the_last_step_stays_open_until_the_connector_has_passed_it() -> None:
    log, _ = told(exactly_once=False)
    assert steps(log) == EXPECTED[:4]
    log, store = told(exactly_once=False, passed=8589942122 + 1)
    assert steps(log) == EXPECTED
    assert store.counts()["", "closed: passed"] == 1


def test_a_begin_without_an_end_closes_nothing() -> None:
    # Up to the row of 0-223344-21, whose END is missing; the BEGINs of the statements before never got one.
    log, _ = told(upto=45)
    assert steps(log) == EXPECTED[:4]
