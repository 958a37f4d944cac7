"""Debezium 2.7 through the worker: as our connector has it, and as a connector of others fills a topic for each table.

The oracle is the rows that the database had in the end, as PostgreSQL wrote them; `record_older.py` has recorded all.
"""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from connectors.debezium.decode import Decoder
from pipeline import cloudevents
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.recording import ingest, read_recording
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from tests.golden.order_contracts import CONTRACTS, promise
from translators.compiled import compile_mapping
from translators.contract import Contract
from translators.mapping import read_mapping
from translators.schema_text import read_schema

OLDER, ORDERS = (Path(__file__).parents[1] / "data" / name for name in ("older", "orders"))
WITHDRAWN = {43, 49, 55, 61, 67}


class Heading(Contract):
    """An order without its lines."""

    promise = promise("Heading", "state", "Know which orders there are.")

    orderNumber: int
    status: Literal["new", "delivered"]
    remark: str | None


HEADING = """translator: order
context: ordering
root: {table: orders, key: o_id}
codes: {status: {N: new, D: delivered}}
state:
  contract: Heading.v1
  fields:
    orderNumber: o_id
    status: CODE('status', o_sts)
    remark: NULLIF(TRIM(o_rmk), '')
"""


@cache
def rows() -> list[tuple[str, dict[str, Any]]]:
    with gzip.open(OLDER / "rows.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [(one["table"], one["row"]) for one in map(lambda line: json.loads(line, parse_float=Decimal), lines)]


def turned(recording: str, mapping: str, feed: Feed, source: str) -> tuple[MemoryLog, TranslatorWorker]:
    """The worker at the end of a recording."""
    log, store = MemoryLog(), MemoryState()
    ingest(read_recording(OLDER / f"{recording}.jsonl.gz", "text"), log)
    schema = read_schema(
        (ORDERS / "schema.yaml").read_text().replace("source: legacy", f"source: {source}"), "schema.yaml"
    )
    contracts = {**CONTRACTS, "Heading.v1": Heading}
    made = TranslatorWorker(
        log=log,
        store=store,
        translator=compile_mapping(read_mapping(mapping, "mapping.yaml"), mapping, schema, contracts),
        decoder=Decoder(schema, feed.notifications),
        feed=feed,
        identity=Identity(namespace="com.example", source=source, source_epoch=1, version="test"),
    )
    made.begin()
    while made.turn():
        pass
    assert not store.waiting_keys()
    return log, made


def said(log: MemoryLog, topic: str) -> list[cloudevents.CloudEvent]:
    partitions = range(log.topics()[topic].partitions)
    return [cloudevents.read(one) for p in partitions for one in log.read(topic, p, 0, 100_000).records]


def last(log: MemoryLog) -> dict[int, Any]:
    """The last state of each order; None of one that is gone."""
    return {int(one.subject): one.data for one in said(log, "order.state")}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    remark = (row["o_rmk"] or "").strip(" ") or None
    return {"orderNumber": row["o_id"], "status": {"N": "new", "D": "delivered"}[row["o_sts"]], "remark": remark}


def test_an_older_debezium_says_what_the_current_one_does() -> None:
    feed = Feed(
        topic="legacy.order",
        transactions="legacy.transaction",
        notifications="legacy.notification",
        begins="snapshot",
        exactly_once=True,
    )
    log, made = turned("legacy", (ORDERS / "mapping.yaml").read_text(), feed, "legacy")
    assert made.in_flight.total() == 0 and made.loading == []
    found = {key: state for key, state in last(log).items() if state is not None}
    lines: dict[int, list[Any]] = {}
    for table, row in rows():
        if table == "order_line":
            at = None if row["ol_delivery_d"] is None else datetime.fromisoformat(row["ol_delivery_d"])
            line = (row["ol_number"], Decimal(row["ol_quantity"]), Decimal(row["ol_amount"]), at)
            lines.setdefault(row["ol_o_id"], []).append(line)
    assert found.keys() == {row["o_id"] for table, row in rows() if table == "orders"}
    for row in (row for table, row in rows() if table == "orders"):
        state = found[row["o_id"]]
        assert {name: state[name] for name in ("orderNumber", "status", "remark")} == shown(row)
        moments = [
            (x["number"], Decimal(x["quantity"]), Decimal(x["amount"]), at_of(x["deliveredAt"])) for x in state["lines"]
        ]
        assert moments == lines.get(row["o_id"], [])
    events = said(log, "order.events")
    named = {kind: {int(e.subject) for e in events if e.name == kind} for kind in {e.name for e in events}}
    streamed = set(range(40, 70))
    assert named == {
        "OrderPlaced.v1": streamed,
        "OrderWithdrawn.v1": WITHDRAWN,
        "OrderDelivered.v1": {number for number in streamed if number % 2 == 0},
    }


def at_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def test_topics_of_single_tables_are_read_as_others_fill_them() -> None:
    feed = Feed(
        topic="theirs.public.orders", transactions=None, notifications=None, begins="snapshot", exactly_once=False
    )
    log, made = turned("theirs", HEADING, feed, "theirs")
    # Nothing came after the last transaction, and nothing else proves that it is over.
    assert made.in_flight.total() == 1
    wanted = {row["o_id"]: shown(row) for table, row in rows() if table == "orders"}
    assert wanted[68]["status"] == "delivered"
    wanted[68] = {**wanted[68], "status": "new"}
    found = last(log)
    assert {key: state for key, state in found.items() if state is not None} == wanted
    assert {key for key, state in found.items() if state is None} == WITHDRAWN
