"""33,822 records of a real routed feed: every transaction whole, the right events, in any interleaving of its partitions.

The oracle reads the raw JSON by itself: it knows base64 decimals and epoch milliseconds, and nothing of the product.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.debezium.decode import Decoder
from pipeline import cloudevents
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.log.recording import ingest, read_recording
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from tests.golden.order_contracts import CONTRACTS
from translators.compiled import compile_mapping
from translators.mapping import read_mapping
from translators.schema_text import read_schema

DATA = Path(__file__).parents[1] / "data" / "orders"
FEED, TRANSACTIONS = "legacy.order", "legacy.transaction"
Said = tuple[int, int, str, Any]


@cache
def raw() -> list[dict[str, Any]]:
    with gzip.open(DATA / "feed.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def decimal(text: str | None, scale: int) -> str | None:
    if text is None:
        return None
    return format(Decimal(int.from_bytes(base64.b64decode(text), "big", signed=True)).scaleb(-scale), "f")


def business(order: dict[str, Any] | None, lines: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    if order is None:
        return None
    shown = [
        {
            "number": n,
            "item": line["ol_i_id"],
            "quantity": decimal(line["ol_quantity"], 0),
            "amount": decimal(line["ol_amount"], 2),
            "deliveredAt": moment(line["ol_delivery_d"]),
        }
        for n, line in sorted(lines.items())
    ]
    total = sum((Decimal(line["amount"] or 0) for line in shown), Decimal("0.00"))
    return {
        "orderNumber": order["o_id"],
        "customer": order["o_c_id"],
        "enteredAt": order["o_entry_d"],
        "carrier": order["o_carrier_id"],
        "status": {"N": "new", "D": "delivered"}[order["o_sts"]],
        "remark": (order["o_rmk"] or "").strip(" ") or None,
        "total": format(total, "f"),
        "lines": shown,
    }


def moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)).replace(tzinfo=None).isoformat()


@cache
def oracle() -> tuple[list[Said], list[Said], dict[int, dict[str, Any]]]:
    """Events and states by (order, version), and the final state, from the raw records alone."""
    events: list[Said] = []
    states: list[Said] = []
    orders: dict[int, dict[str, Any]] = {}
    lines: dict[int, dict[int, dict[str, Any]]] = {}
    versions: Counter[int] = Counter()
    for (order, _), changes in steps():
        versions[order] += 1
        old = business(orders.get(order), lines.get(order, {}))
        for value in changes:
            row, after = value["after"] or value["before"], value["after"]
            kept: dict[int, dict[str, Any]] = orders if "o_id" in row else lines.setdefault(order, {})
            key = row["o_id"] if "o_id" in row else row["ol_number"]
            if after is None:
                del kept[key]
            else:
                kept[key] = after
        new = business(orders.get(order), lines.get(order, {}))
        if old != new:
            states.append((order, versions[order], "Order.v1", new))
        events += [(order, versions[order], kind, data) for kind, data in said(old, new)]
    return events, states, {o: business(row, lines.get(o, {})) or {} for o, row in orders.items()}


def said(old: dict[str, Any] | None, new: dict[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if old is None and new is not None:
        yield "OrderPlaced.v1", {k: new[k] for k in ("orderNumber", "customer", "total", "lines")}
    if old is not None and new is None:
        yield "OrderWithdrawn.v1", {k: old[k] for k in ("orderNumber", "total")}
    if old and new and (old["status"], new["status"]) == ("new", "delivered"):
        yield "OrderDelivered.v1", {k: new[k] for k in ("orderNumber", "customer", "carrier")}


def steps() -> list[tuple[tuple[int, int], list[dict[str, Any]]]]:
    """(order, transaction) -> its changes, in the order of the partition."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for item in raw():
        if item["topic"] == FEED and item["value"] is not None:
            value = json.loads(item["value"])
            row = value["after"] or value["before"]
            order = row["o_id"] if "o_id" in row else row["ol_o_id"]
            found.setdefault((order, value["source"]["txId"]), []).append(value)
    return list(found.items())


def worker(log: MemoryLog, store: MemoryState, batch_size: int) -> TranslatorWorker:
    text = (DATA / "mapping.yaml").read_text()
    schema = read_schema((DATA / "schema.yaml").read_text(), "schema.yaml")
    made = TranslatorWorker(
        log=log,
        store=store,
        translator=compile_mapping(read_mapping(text, "mapping.yaml"), text, schema, CONTRACTS),
        decoder=Decoder(schema),
        feed=Feed(topic=FEED, transactions=TRANSACTIONS, notifications=None, begins="empty", exactly_once=True),
        identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="test"),
        batch_size=batch_size,
    )
    made.begin()
    return made


def published(log: MemoryLog, topic: str) -> list[Said]:
    found = []
    for partition in range(4):
        for record in log.read(topic, partition, 0, 1_000_000).records:
            event = cloudevents.read(record)
            found.append((int(event.subject), int(event.sequence.split(".")[1]), event.name, event.data))
    return found


def assert_right(log: MemoryLog, store: MemoryState) -> None:
    events, states, final = oracle()
    in_order = lambda said: said[:3]  # noqa: E731
    assert sorted(published(log, "order.events"), key=in_order) == sorted(events, key=in_order)
    assert sorted(published(log, "order.state"), key=in_order) == sorted(states, key=in_order)
    counts = store.counts()
    read = sum(n for (_, label), n in counts.items() if label == "read")
    became = sum(n for (t, label), n in counts.items() if t and label != "read")
    assert read == became == sum(1 for i in raw() if i["topic"] == FEED and i["value"] is not None)
    assert len(final) == 1921 - 98


def test_the_whole_recording_at_once() -> None:
    log, store = MemoryLog(), MemoryState()
    ingest(read_recording(DATA / "feed.jsonl.gz", "text"), log)
    made = worker(log, store, 1_000)
    while made.turn():
        pass
    assert made.in_flight.total() == 0
    assert_right(log, store)
    assert not store.waiting_keys()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_partitions_in_any_interleaving_with_the_worker_running(seed: int) -> None:
    """Slices of partitions in random order, some far ahead of others; a worker turns, and is replaced, in between."""
    rng = random.Random(seed)
    log, store = MemoryLog(), MemoryState()
    for topic, kind in ((FEED, "feed"), (TRANSACTIONS, "transaction")):
        log.create(TopicSpec(name=topic, kind="feed" if kind == "feed" else "transaction", partitions=4))
    made = worker(log, store, rng.choice([50, 700]))
    for records in interleaved(rng):
        log.append(records)
        if rng.random() < 0.05:
            made.turn()
        if rng.random() < 0.005:
            made = worker(log, store, rng.choice([50, 700]))
    while made.turn():
        pass
    assert_right(log, store)


def interleaved(rng: random.Random) -> Iterator[list[Outgoing]]:
    lanes: dict[int, list[tuple[int, Outgoing]]] = {p: [] for p in range(4)}
    ends: dict[int, Outgoing] = {}
    left: Counter[int] = Counter()
    for item in raw():
        record = Outgoing(
            topic=item["topic"],
            partition=item["partition"],
            timestamp=item["timestamp"],
            key=item["key"].encode(),
            value=None if item["value"] is None else item["value"].encode(),
        )
        value = json.loads(item["value"]) if item["value"] is not None else {}
        if item["topic"] == FEED:
            txid = value["source"]["txId"] if value else 0
            lanes[item["partition"]].append((txid, record))
            left[txid] += 1
        elif value.get("status") == "END":
            ends[int(value["id"].split(":")[0])] = record
    for txid in ends.keys() - left.keys():
        yield [ends[txid]]
    while any(lanes.values()):
        lane = rng.choice([lane for lane in lanes.values() if lane])
        take = rng.choice([1, 5, 40, 400])
        taken, lane[:take] = lane[:take], []
        yield [record for _, record in taken]
        left.subtract(txid for txid, _ in taken)
        yield [ends[t] for t in dict.fromkeys(t for t, _ in taken) if not left[t] and t in ends]
