"""The product over the model's legacy database: its schema, a mapping with every kind of key, and workers of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from connectors.debezium.decode import Decoder
from pipeline.feed import Feed, Identity
from pipeline.log.port import Log, TopicSpec
from pipeline.state.port import StateStore
from pipeline.worker import TranslatorWorker
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema import LegacySchema
from translators.schema_text import read_schema

FEED, TRANSACTIONS, NOTIFICATIONS = "legacy.order", "legacy.transaction", "legacy.notification"

SCHEMA = """\
source: legacy
connector: {connector}
namespace: {namespace}
encoding: {{decimal: string, time: adaptive, binary: bytes}}
tables:
  orders:
    context: sales
    key: [br, no]
    replica_identity: {identity}
    columns:
      br: char(3) not null
      no: numeric(6,0) not null
      sts: char(1) not null
      note: text
      touched: integer
  order_line:
    context: sales
    key: [br, no, ln]
    replica_identity: full
    columns:
      br: char(3) not null
      no: numeric(6,0) not null
      ln: smallint not null
      qty: integer
  payment:
    context: sales
    key: [pid]
    replica_identity: full
    columns:
      pid: integer not null
      br: char(3) not null
      no: numeric(6,0) not null
      amt: numeric(8,2)
"""

STATE = """\
translator: order
context: sales
root: {{table: orders, key: [br, no]}}
parts:
  order_line: {{parent: [br, no], order: ln}}
  payment: {{parent: [br, no], order: pid}}
codes:
  status: {codes}
state:
  contract: Order.v1
  fields:
    branch: TRIM(br)
    number: no
    status: CODE('status', sts)
    note: note
    paid: COALESCE(SUM(payment.amt), 0)
    lines:
      each: order_line
      fields: {{number: ln, quantity: qty}}
    payments:
      each: payment
      fields: {{number: pid, amount: amt}}
"""

MAPPING = (
    STATE
    + """\
events:
  - {{type: OrderPlaced.v1, when: CREATED}}
  - {{type: OrderDropped.v1, when: DELETED}}
  - {{type: OrderShipped.v1, when: "OLD.status = 'new' AND NEW.status = 'shipped'"}}
  - {{type: LinesChanged.v1, when: NOT CREATED AND NOT DELETED AND CHANGED(lines)}}
  - type: PaymentsChanged.v1
    when: NOT CREATED AND NOT DELETED AND CHANGED(paid)
    fields: {{before: OLD.paid}}
  - type: OrderRenumbered.v1
    when: NOT CREATED AND NOT DELETED AND CHANGED(branch, number)
    fields: {{oldNumber: OLD.number}}
ignore:
  - {{when: NOT CHANGED(*), reason: nothing that matters}}
"""
)

Money = Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
Number = Annotated[Decimal, Field(max_digits=6, decimal_places=0)]
Status = Literal["new", "shipped", "cancelled", "strange"]


def _promise(name: str, kind: Literal["event", "state"]) -> Promise:
    return Promise(
        name=name,
        version=1,
        kind=kind,
        context="sales",
        owner="Sales",
        intent="Show what the model expects.",
        business_key=("branch", "number"),
        retention="30 days",
        lag_objective="60 s",
    )


class Line(BaseModel):
    """One line of an order."""

    number: int
    quantity: int | None


class Payment(BaseModel):
    """One payment for an order."""

    number: int
    amount: Money | None


class Order(Contract):
    """What an order is."""

    promise = _promise("Order", "state")

    branch: str
    number: Number
    status: Status
    note: str | None
    paid: Money
    lines: list[Line]
    payments: list[Payment]


class OrderPlaced(Contract):
    """An order came to be."""

    promise = _promise("OrderPlaced", "event")

    branch: str
    number: Number
    status: Status
    lines: list[Line]


class OrderDropped(Contract):
    """An order is gone."""

    promise = _promise("OrderDropped", "event")

    branch: str
    number: Number
    note: str | None


class OrderShipped(Contract):
    """An order left the house."""

    promise = _promise("OrderShipped", "event")

    branch: str
    number: Number
    note: str | None


class LinesChanged(Contract):
    """An order's lines are others."""

    promise = _promise("LinesChanged", "event")

    branch: str
    number: Number
    lines: list[Line]


class PaymentsChanged(Contract):
    """More or less was paid."""

    promise = _promise("PaymentsChanged", "event")

    branch: str
    number: Number
    paid: Money
    before: Money


class OrderRenumbered(Contract):
    """An order has another number."""

    promise = _promise("OrderRenumbered", "event")

    branch: str
    number: Number
    oldNumber: Number


CONTRACTS = {
    contract.promise.type: contract
    for contract in (Order, OrderPlaced, OrderDropped, OrderShipped, LinesChanged, PaymentsChanged, OrderRenumbered)
}


@cache
def schema(connector: str) -> LegacySchema:
    """The legacy schema as that connector's database declares it."""
    namespace, identity = ("public", "default") if connector == "postgresql" else ("shop", "full")
    text = SCHEMA.format(connector=connector, namespace=namespace, identity=identity)
    return read_schema(text, "schema.yaml")


@cache
def translator(connector: str, fixed: bool) -> CompiledTranslator:
    """The mapping; `fixed` knows one code more."""
    codes = "{N: new, S: shipped, C: cancelled" + (", X: strange}" if fixed else "}")
    text = MAPPING.format(codes=codes)
    return compile_mapping(read_mapping(text, "mapping.yaml"), text, schema(connector), CONTRACTS)


@cache
def decoder(connector: str) -> Decoder:
    """One for all workers: it keeps nothing but what it has learnt of the schema."""
    return Decoder(schema(connector), NOTIFICATIONS)


def worker(
    log: Log,
    store: StateStore,
    feed: Feed,
    connector: str,
    *,
    fixed: bool,
    batch_size: int,
    passed: Callable[[], int | None] = lambda: None,
    owned: Iterable[int] | None = None,
) -> TranslatorWorker:
    """A worker that has taken over, all partitions or those `owned`. `passed` is what the connector's offset says."""
    made = TranslatorWorker(
        log=log,
        store=store,
        translator=translator(connector, fixed),
        decoder=decoder(connector),
        feed=feed,
        identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="test"),
        batch_size=batch_size,
        passed=passed,
    )
    if owned is None:
        made.begin()
    else:
        made.prepare()
        made.take(owned)
    return made


def create_topics(log: Log, partitions: int) -> None:
    """What the connector writes to."""
    log.create(TopicSpec(name=FEED, kind="feed", partitions=partitions))
    log.create(TopicSpec(name=TRANSACTIONS, kind="transaction", partitions=1))
    log.create(TopicSpec(name=NOTIFICATIONS, kind="notification", partitions=1))
