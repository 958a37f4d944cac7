"""The small transform that every rung does: one change of an order in, as Debezium sends it, one event out.

Python's rungs share `transform`, `Streams.java` says the same again, and every run compares what came out. A value is about
1,028 bytes coming in and 577 going out.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import orjson

ORDERS = 20_000
_STATUS = {"N": "new", "P": "paid", "S": "shipped", "C": "cancelled"}
_CHANNEL = {"W": "web shop", "T": "telephone", "B": "branch office"}
_WORDS = ("leave", "at", "the", "back", "door", "ring", "twice", "call", "before", "delivery", "no", "weekend", "gift")
_FIRST_MS = 1_795_166_836_000


def changes(count: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of so many updates of orders, each a transaction of its own."""
    chance = random.Random(seed)
    for number in range(count):
        order = chance.randrange(ORDERS)
        before = _row(chance, order)
        after = {**before, "status": chance.choice("PSC"), "total_cents": chance.randrange(10_000_000)}
        yield orjson.dumps({"o_id": order}), orjson.dumps(_envelope(number, before, after))


def _row(chance: random.Random, order: int) -> dict[str, Any]:
    return {
        "o_id": order,
        "status": "N",
        "customer": f"C{order * 7919 % 50_000:08}",
        "currency": "EUR",
        "total_cents": chance.randrange(10_000_000),
        "discount_cents": chance.randrange(10_000),
        "lines": 1 + order % 9,
        "channel": "WTB"[order % 3],
        "placed_ms": _FIRST_MS - order * 1_000,
        "street": f"Long Lane {order % 400}",
        "city": "Amsterdam",
        "remark": " ".join(chance.choices(_WORDS, k=10)),
        "upd_user": "BATCH01",
    }


def _envelope(number: int, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    lsn, stamp = 10_000 + 96 * number, _FIRST_MS + number
    return {
        "before": before,
        "after": after,
        "source": {
            "version": "3.6.3.Final",
            "connector": "postgresql",
            "name": "legacy",
            "ts_ms": stamp,
            "ts_us": 1_000 * stamp,
            "ts_ns": 1_000_000 * stamp,
            "snapshot": "false",
            "db": "shop",
            "sequence": f'["{lsn - 40}","{lsn}"]',
            "schema": "public",
            "table": "orders",
            "txId": 700 + number,
            "lsn": lsn,
        },
        "transaction": {"id": f"{700 + number}:{lsn}", "total_order": 1, "data_collection_order": 1},
        "op": "u",
        "ts_ms": stamp + 40,
        "ts_us": 1_000 * (stamp + 40),
    }


def transform(value: bytes) -> bytes:
    """The event that one change is."""
    change = orjson.loads(value)
    old, new, source = change["before"], change["after"], change["source"]
    identity = f"legacy|1|order|{new['o_id']}|{change['transaction']['id']}|{source['lsn']}|0"
    event = {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "type": "com.example.sales.OrderChanged.v1",
        "source": "/legacy/shop/order",
        "subject": str(new["o_id"]),
        "committed": source["ts_ms"],
        "position": source["lsn"],
        "data": data(old, new),
    }
    return orjson.dumps(event)


def data(old: Any, new: Any) -> dict[str, Any]:
    """What the event says of the order, from its row before and after."""
    return {
        "orderNumber": new["o_id"],
        "status": _STATUS[new["status"]],
        "statusBefore": _STATUS[old["status"]],
        "customerNumber": new["customer"].strip(" "),
        "total": {"amount": money(new["total_cents"]), "currency": new["currency"]},
        "totalBefore": {"amount": money(old["total_cents"]), "currency": old["currency"]},
        "discount": money(new["discount_cents"]),
        "lineCount": new["lines"],
        "channel": _CHANNEL[new["channel"]],
        "placed": new["placed_ms"],
        "address": {"street": new["street"], "city": new["city"]},
        "remark": new["remark"] or None,
    }


def money(cents: int) -> str:
    """Cents as a decimal."""
    return f"{cents // 100}.{cents % 100:02}"
