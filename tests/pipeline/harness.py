"""Runs the product over a world's feed: a hand-written translator, the real step and worker, any log and store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from connectors.debezium.decode import Decoder
from pipeline import cloudevents
from pipeline.bounds import Limits
from pipeline.cloudevents import CloudEvent
from pipeline.feed import Feed, Identity
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.log.reading import read_through
from pipeline.state.port import StateStore
from pipeline.worker import TranslatorWorker
from tests.pipeline.world import FEED, NOTIFICATIONS, PARTITIONS, TRANSACTIONS
from translators.aggregate import Rows
from translators.facts import UNKNOWN, Facts
from translators.problem import Problem
from translators.schema import Encoding, LegacySchema, Table, column_type
from translators.translator import Event, Refused, Said, State
from translators.values import Row


class Orders:
    """Orders with lines, as a translator written by hand. `meanings` is its code table."""

    name = "order"
    context = "sales"
    owner = "Sales"
    tables = frozenset({"orders", "order_line"})
    root = "orders"
    has_parts = True
    keeps_rows = True
    layout = "orders"
    state_type = "Order.v1"
    event_types: tuple[str, ...] = ("OrderPlaced.v1", "OrderShipped.v1", "LinesChanged.v1", "OrderDropped.v1")

    def __init__(self, **more: str) -> None:
        self.meanings = {"N": "new", "S": "shipped", **more}
        self.version = "m" + "".join(sorted(self.meanings))

    def key_of(self, table: str, row: Row) -> str:
        return str(row["o_id"] if table == "orders" else row["ol_o_id"])

    def state(self, rows: Rows) -> State | None:
        root = rows.get("orders")
        if not root:
            return None
        (order,) = root.values()
        meaning = self.meanings.get(str(order["status"]))
        if meaning is None:
            raise Refused(Problem(code="code.unmapped", cause="semantic", message="unknown status", field="status"))
        lines = sorted(rows.get("order_line", {}).values(), key=lambda line: int(str(line["ol_number"])))
        return {
            "number": order["o_id"],
            "status": meaning,
            "lines": [{"number": line["ol_number"], "quantity": line["qty"]} for line in lines],
        }

    def correlation(self, rows: Rows) -> str | None:
        return None

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        if old == new:
            return Said(ignored="nobody cares")
        if old is None:
            return Said((Event("OrderPlaced.v1", {"number": (new or {})["number"]}),))
        if new is None:
            return Said((Event("OrderDropped.v1", {"number": old["number"]}),))
        events = []
        if (old["status"], new["status"]) == ("new", "shipped"):
            events.append(Event("OrderShipped.v1", {"number": new["number"]}))
        if old["lines"] != new["lines"]:
            events.append(Event("LinesChanged.v1", {"number": new["number"], "lines": new["lines"]}))
        return Said(tuple(events))


class Plain(Orders):
    """Orders alone, one row for each."""

    tables = frozenset({"orders"})
    has_parts = False
    keeps_rows = False
    layout = "orders without rows"
    event_types = ("OrderPlaced.v1", "OrderShipped.v1", "OrderDropped.v1")


def _table(name: str, key: tuple[str, ...], columns: dict[str, str]) -> Table:
    types = {column: column_type(text) for column, text in columns.items()}
    native = {column: text.removesuffix(" not null") for column, text in columns.items()}
    return Table(name=name, columns=types, native=native, key=key)


SCHEMA = LegacySchema(
    source="legacy",
    connector="postgresql",
    namespace="public",
    encoding=Encoding(),
    tables={
        "orders": _table(
            "orders", ("o_id",), {"o_id": "bigint not null", "status": "varchar(1)", "touched": "integer"}
        ),
        "order_line": _table(
            "order_line",
            ("ol_o_id", "ol_number"),
            {"ol_o_id": "bigint not null", "ol_number": "integer not null", "qty": "integer"},
        ),
    },
)


ORDER_FEED = Feed(topic=FEED, transactions=TRANSACTIONS, notifications=NOTIFICATIONS, begins="empty", exactly_once=True)


def create_topics(log: Log, partitions: int = PARTITIONS) -> None:
    log.create(TopicSpec(name=FEED, kind="feed", partitions=partitions))
    log.create(TopicSpec(name=TRANSACTIONS, kind="transaction", partitions=1))
    log.create(TopicSpec(name=NOTIFICATIONS, kind="notification", partitions=1))


def worker(
    log: Log,
    store: StateStore,
    *,
    begins: str = "empty",
    batch_size: int = 1_000,
    translator: Any = None,
    decoder: Decoder | None = None,
    passed: Callable[[], int | None] = lambda: None,
    source: Callable[[], str | None] = lambda: None,
    epoch: int = 1,
    begin: bool = True,
    changelog: bool = False,
    parking: Limits | None = None,
    reread: Callable[[str, str], None] | None = None,
    **feed: Any,
) -> TranslatorWorker:
    made = TranslatorWorker(
        log=log,
        store=store,
        translator=translator or Orders(),
        decoder=decoder or Decoder(SCHEMA, NOTIFICATIONS),
        feed=msgspec.structs.replace(ORDER_FEED, begins=begins, **feed),
        identity=Identity(namespace="com.example", source="legacy", source_epoch=epoch, version="test"),
        batch_size=batch_size,
        passed=passed,
        source=source,
        changelog=changelog,
        parking=parking,
        reread=reread,
    )
    if begin:
        made.begin()
    return made


def append(log: Log, records: Iterable[Outgoing]) -> None:
    """Feed records first, ENDs after them: no END is readable before the rows of its transaction."""
    records = list(records)
    log.append([r for r in records if r.topic == FEED])
    log.append([r for r in records if r.topic != FEED])


def published(log: Log, topic: str) -> list[CloudEvent]:
    """All curated records of a topic; within a key they are in order."""
    if topic not in log.topics():
        return []
    found = []
    for partition in range(log.topics()[topic].partitions):
        for records in read_through(log, topic, partition):
            found += [cloudevents.read(record) for record in records]
    return found


def by_key(events: Iterable[CloudEvent]) -> dict[str, list[CloudEvent]]:
    keys: dict[str, list[CloudEvent]] = {}
    for event in events:
        keys.setdefault(event.subject, []).append(event)
    return keys


def version_of(event: CloudEvent) -> int:
    return int(event.sequence.split(".")[1])


def balance(counts: Any, in_flight: Any = None) -> dict[str, tuple[int, int]]:
    """Per table: changes read, and the sum of what became of them."""
    apart = ("read", "late", "event: ")
    tables = {table for table, _ in counts if table}
    return {
        table: (
            counts.get((table, "read"), 0),
            sum(n for (t, label), n in counts.items() if t == table and not label.startswith(apart)),
        )
        for table in tables
    }
