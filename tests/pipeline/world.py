"""A small source database and its oracle: what steps must come out of its transactions, told without the product's code.

The world keeps orders with lines in plain dicts. `Feed` writes down what a Debezium PostgreSQL connector would send for
each transaction; `expected` says what a correct translator makes of the transactions.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pipeline.log.port import Outgoing

PARTITIONS = 3
FEED = "legacy.order"
TRANSACTIONS = "legacy.transaction"
NOTIFICATIONS = "legacy.notification"
BASE_TIME = 1_795_166_836_000_000

Row = dict[str, Any]


@dataclass
class RowChange:
    """One row change: where in the log it stands, and the row before and after."""

    table: str
    op: str
    order: int
    before: Row | None
    after: Row | None
    lsn: int


@dataclass
class Commit:
    """One committed transaction."""

    txid: int
    after: int | None
    changes: list[RowChange]
    end: int
    time: int


@dataclass
class World:
    """Orders and lines, changed by random transactions. Transaction ids are not in commit order, as in PostgreSQL."""

    seed: int
    orders: dict[int, Row] = field(default_factory=dict)
    lines: dict[tuple[int, int], Row] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)
    lsn: int = 1_000
    last_commit: int | None = None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.txids = list(range(700, 700 + 100_000))
        self.fresh = 1

    def run(self, transactions: int) -> None:
        for _ in range(transactions):
            self.transaction()

    def transaction(self) -> None:
        changes: list[RowChange] = []
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            self.something(changes)
        if not changes:
            return
        pick = self.random.randrange(min(4, len(self.txids)))
        self.lsn += 16
        time = BASE_TIME + len(self.commits) * 1_000
        self.commits.append(Commit(self.txids.pop(pick), self.last_commit, changes, self.lsn, time))
        self.last_commit = self.lsn

    def something(self, changes: list[RowChange]) -> None:
        known = sorted(self.orders)
        what = self.random.choice(("place", "place", "line", "ship", "touch", "drop", "remark", "bad"))
        if what == "place" or not known:
            self.place(changes)
            return
        order = self.random.choice(known)
        if what == "line":
            self.add_line(changes, order, 1 + max((n for o, n in self.lines if o == order), default=0))
        elif what == "ship":
            self.update(changes, order, status="S")
            for key in [k for k in self.lines if k[0] == order]:
                self.change(changes, "order_line", key, {**self.lines[key], "qty": self.lines[key]["qty"] + 1})
        elif what == "touch":
            self.update(changes, order, touched=self.random.randrange(10**6))
        elif what == "drop":
            for key in [k for k in self.lines if k[0] == order]:
                self.change(changes, "order_line", key, None)
            self.change(changes, "orders", order, None)
        elif what == "remark":
            self.update(changes, order, status=self.random.choice("NS"))
        else:
            self.update(changes, order, status=self.random.choice("NSX"))

    def place(self, changes: list[RowChange]) -> None:
        gone = [n for n in range(1, self.fresh) if n not in self.orders]
        order = self.random.choice(gone) if gone and self.random.random() < 0.3 else self.fresh
        self.fresh = max(self.fresh, order + 1)
        lines = self.random.randrange(4)
        first = self.random.random() < 0.2
        if first:
            self.add_line(changes, order, 1)
        self.change(changes, "orders", order, {"o_id": order, "status": "N", "touched": 0})
        for number in range(2, 2 + lines):
            self.add_line(changes, order, number)

    def add_line(self, changes: list[RowChange], order: int, number: int) -> None:
        qty = self.random.randrange(1, 9)
        self.change(changes, "order_line", (order, number), {"ol_o_id": order, "ol_number": number, "qty": qty})

    def update(self, changes: list[RowChange], order: int, **values: Any) -> None:
        self.change(changes, "orders", order, {**self.orders[order], **values})

    def change(self, changes: list[RowChange], table: str, key: Any, after: Row | None) -> None:
        rows: dict[Any, Row] = self.orders if table == "orders" else self.lines
        before = rows.get(key)
        op = "d" if after is None else "c" if before is None else "u"
        self.lsn += 8
        order = key if table == "orders" else key[0]
        changes.append(RowChange(table, op, order, deepcopy(before), deepcopy(after), self.lsn))
        if after is None:
            rows.pop(key, None)
        else:
            rows[key] = after


def partition(order: int) -> int:
    """Where the connector routes an order and its lines."""
    return order * 7 % PARTITIONS


def record(commit: Commit, change: RowChange, total_order: int) -> Outgoing:
    """One row change as the connector sends it (JSON without schema)."""
    row = change.after or change.before or {}
    key = {"o_id": row["o_id"]} if change.table == "orders" else {n: row[n] for n in ("ol_o_id", "ol_number")}
    after = None if commit.after is None else str(commit.after)
    value = {
        "before": change.before,
        "after": change.after,
        "source": {
            **_source(change.table, commit.time, "false"),
            "sequence": json.dumps([after, str(change.lsn)]),
            "txId": commit.txid,
            "lsn": change.lsn,
        },
        "transaction": {"id": f"{commit.txid}:{change.lsn}", "total_order": total_order, "data_collection_order": 1},
        "op": change.op,
        "ts_ms": commit.time // 1_000 + 5,
    }
    return _outgoing(FEED, partition(change.order), commit.time // 1_000, key, value)


def snapshot_record(table: str, row: Row, order: int, mark: str, lsn: int = 900) -> Outgoing:
    """One row of an initial snapshot."""
    key = {"o_id": row["o_id"]} if table == "orders" else {n: row[n] for n in ("ol_o_id", "ol_number")}
    source = {**_source(table, BASE_TIME, mark), "sequence": f'[null,"{lsn}"]', "txId": 699, "lsn": lsn}
    value = {"before": None, "after": row, "source": source, "transaction": None, "op": "r", "ts_ms": 1}
    return _outgoing(FEED, partition(order), 1, key, value)


def completed() -> Outgoing:
    """The notification that the initial snapshot is complete."""
    value = {
        "id": "n1",
        "aggregate_type": "Initial Snapshot",
        "type": "COMPLETED",
        "additional_data": {},
        "timestamp": 1,
    }
    return _outgoing(NOTIFICATIONS, 0, 1, {"id": "n1"}, value)


def marker(commit: Commit, status: str) -> Outgoing:
    """A BEGIN or END record."""
    identity = f"{commit.txid}:{commit.changes[0].lsn if status == 'BEGIN' else commit.end}"
    count = len(commit.changes) if status == "END" else None
    value = {"status": status, "id": identity, "event_count": count, "data_collections": None, "ts_ms": 1}
    return _outgoing(TRANSACTIONS, 0, commit.time // 1_000, {"id": identity}, value)


def _source(table: str, time: int, snapshot: str) -> dict[str, Any]:
    return {
        "version": "3.6.3.Final",
        "connector": "postgresql",
        "name": "legacy",
        "ts_ms": time // 1_000,
        "ts_us": time,
        "snapshot": snapshot,
        "db": "postgres",
        "schema": "public",
        "table": table,
    }


def _outgoing(topic: str, at: int, timestamp: int, key: Row, value: Row) -> Outgoing:
    return Outgoing(
        topic=topic,
        partition=at,
        timestamp=timestamp,
        key=json.dumps(key).encode(),
        value=json.dumps(value, separators=(",", ":")).encode(),  # as Connect's converter writes it
    )


def feed(commits: list[Commit]) -> Iterator[Outgoing]:
    """All records of these transactions in commit order, each followed by its END."""
    for commit in commits:
        yield marker(commit, "BEGIN")
        for number, change in enumerate(commit.changes, 1):
            yield record(commit, change, number)
        yield marker(commit, "END")


# --- the oracle -------------------------------------------------------------------------------------------------------


@dataclass
class Expected:
    """What must be published: events and states per order, in order; `version` counts the order's steps."""

    events: list[tuple[int, int, str]] = field(default_factory=list)
    states: list[tuple[int, int, dict[str, Any] | None]] = field(default_factory=list)
    parked: dict[int, int] = field(default_factory=dict)
    final: dict[int, dict[str, Any]] = field(default_factory=dict)


MEANINGS = {"N": "new", "S": "shipped"}


def business(
    orders: dict[int, Row], lines: dict[tuple[int, int], Row], order: int, meanings: dict[str, str] = MEANINGS
) -> dict[str, Any] | None:
    """What an order is, in the target's words; `KeyError` for a status that nobody knows."""
    if order not in orders:
        return None
    own = sorted((n, row["qty"]) for (o, n), row in lines.items() if o == order)
    status = meanings[orders[order]["status"]]
    return {"number": order, "status": status, "lines": [{"number": n, "quantity": q} for n, q in own]}


def expected(commits: list[Commit], loaded: World | None = None, meanings: dict[str, str] = MEANINGS) -> Expected:
    """What a correct translator publishes live for these transactions, after loading the rows of `loaded`."""
    out = Expected()
    orders = deepcopy(loaded.orders) if loaded else {}
    lines = deepcopy(loaded.lines) if loaded else {}
    versions: dict[int, int] = dict.fromkeys(set(orders) | {o for o, _ in lines}, 1) if loaded else {}
    for commit in commits:
        for order in dict.fromkeys(change.order for change in commit.changes):
            versions[order] = versions.get(order, 0) + 1
            if order in out.parked:
                out.parked[order] += 1
                continue
            old = business(orders, lines, order, meanings)
            trial_orders, trial_lines = dict(orders), dict(lines)
            for change in commit.changes:
                if change.order == order:
                    _apply(trial_orders, trial_lines, change)
            try:
                new = business(trial_orders, trial_lines, order, meanings)
            except KeyError:
                out.parked[order] = 1
                continue
            orders, lines = trial_orders, trial_lines
            out.events += [(order, versions[order], kind) for kind in _events(old, new)]
            if old != new:
                out.states.append((order, versions[order], new))
    for order in orders:
        state = business(orders, lines, order, meanings)
        if state is not None:
            out.final[order] = state
    return out


def _events(old: dict[str, Any] | None, new: dict[str, Any] | None) -> list[str]:
    if old is None:
        return ["OrderPlaced.v1"] if new is not None else []
    if new is None:
        return ["OrderDropped.v1"]
    found = ["OrderShipped.v1"] if old["status"] == "new" and new["status"] == "shipped" else []
    return found + (["LinesChanged.v1"] if old["lines"] != new["lines"] else [])


def _apply(orders: dict[int, Row], lines: dict[tuple[int, int], Row], change: RowChange) -> None:
    row = change.after or change.before or {}
    if change.table == "orders":
        orders.pop(row["o_id"], None)
        if change.after is not None:
            orders[row["o_id"]] = change.after
    else:
        lines.pop((row["ol_o_id"], row["ol_number"]), None)
        if change.after is not None:
            lines[row["ol_o_id"], row["ol_number"]] = change.after


_KINDS = {("N", "S"): "OrderShipped.v1"}


def told_alone(commits: list[Commit]) -> Counter[tuple[str, str, str]]:
    """The events that rows changes tell, each once however often it is said: (key, transaction, type)."""
    told: Counter[tuple[str, str, str]] = Counter()
    for commit in commits:
        for change in commit.changes:
            before, after = (change.before or {}).get("status"), (change.after or {}).get("status")
            if change.table != "orders":
                continue
            kind = (
                "OrderPlaced.v1"
                if before is None
                else "OrderDropped.v1"
                if after is None
                else _KINDS.get((before, after))
            )
            if kind is not None:
                told[str(change.order), str(commit.txid), kind] += 1
    return told
