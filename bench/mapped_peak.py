"""The benchmark's mapping of three tables in a process of its own: `python -m bench.mapped_peak compare LEGACY VIEWS`.

Prints seconds, keys that differ and the MiB that the process took at most. `make VIEWS` makes the view's tables.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from importlib import import_module
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from sqlalchemy import Engine, create_engine

from bench.memory import peak
from pipeline.projection.spec import read_projection
from pipeline.projection.tables import make_tables
from reconcile.choice import plan_of
from reconcile.compare import Counts, candidates
from reconcile.moments import postgres_moment
from reconcile.position import Moment, Touched
from reconcile.sources import Layout, LegacyReader
from reconcile.streams import WHOLE
from reconcile.view import ProjectionView
from translators.compiled import compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema

ORDERS = 1_000_000
VIEW = "order_view"

SCHEMA = """
source: legacy
connector: postgresql
namespace: public
tables:
  orders:
    key: [id]
    columns: {id: bigint not null, customer: int not null, sts: char(2) not null, note: text, amt: int not null, placed: date,
      extra: text}
  line:
    key: [order_id, seq]
    columns: {order_id: bigint not null, seq: int not null, item: varchar(12) not null, qty: int not null,
      price: "decimal(9,2) not null"}
  payment:
    key: [order_id, seq]
    columns: {order_id: bigint not null, seq: int not null, amt: "decimal(9,2)"}
"""
MAPPING = """
translator: order
context: sales
root: {table: orders, key: id}
parts:
  line: {parent: order_id, order: seq}
  payment: {parent: order_id, order: seq}
codes:
  status: {N: new, P: paid, S: sent, D: done}
state:
  contract: Order.v1
  fields:
    id: id
    status: CODE('status', TRIM(sts))
    note: note
    amount: amt / 100
    placed: placed
    items: COUNT(line)
    pieces: SUM(line.qty)
    paid: COALESCE(SUM(payment.amt), 0)
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""
PROJECTION = """
projection: order_view
reads: order
database: views
table: order_view
key: {id: id}
columns: {status: status, note: note, amount: amount, placed: placed, items: items, pieces: pieces, paid: paid}
"""

Money = Annotated[Decimal, Field(max_digits=38, decimal_places=2)]


class Order(Contract):
    """What an order is."""

    promise: ClassVar[Promise] = Promise(
        name="Order",
        version=1,
        kind="state",
        context="sales",
        owner="Sales",
        intent="Measure.",
        business_key=("id",),
        retention="30 days",
        lag_objective="60 s",
    )
    id: int
    status: Literal["new", "paid", "sent", "done"]
    note: str | None
    amount: Money
    placed: date | None
    items: int
    pieces: int | None
    paid: Money


class Unmoved:
    """The position of a source that nobody writes to."""

    @contextmanager
    def moment(self, engine: Engine, streams: int) -> Iterator[Moment]:
        """See the port."""
        with postgres_moment(engine, streams) as moment:
            yield moment

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        """See the port."""
        return iter(())


SPEC = read_projection(PROJECTION, "order_view.yaml")


def _view(url: str) -> ProjectionView:
    schema = read_schema(SCHEMA, "schema.yaml")
    shape = compile_mapping(read_mapping(MAPPING, "order.yaml"), MAPPING, schema, {"Order.v1": Order}).bound.shape
    return ProjectionView(create_engine(url), SPEC, shape, "order.state")


def compared(legacy: str, views: str) -> dict[str, float]:
    """Compare once, by the plan of the check."""
    schema = read_schema(SCHEMA, "schema.yaml")
    translator = compile_mapping(read_mapping(MAPPING, "order.yaml"), MAPPING, schema, {"Order.v1": Order})
    reader = LegacyReader(create_engine(legacy), schema, translator, Layout.of(translator.bound), Unmoved())
    counts, rows = Counts(), Counter[str]()
    import_module("reconcile.mapped_lines")  # or else its first use, which is now, would be measured with it
    begun = time.perf_counter()
    view = _view(views)
    with reader.snapshot() as snapshot:
        plan = plan_of(snapshot, view)
        if plan.name != "mapped stream":
            raise AssertionError(plan)
        with plan.opened(snapshot, WHOLE, rows) as sides:
            differing = len(list(candidates(sides, WHOLE, counts)))
    seconds = time.perf_counter() - begun
    cpu = time.process_time()
    return {"seconds": seconds, "differing": differing, "mebibytes": peak(), "cpu": cpu, "compared": counts.compared}


if __name__ == "__main__":
    if sys.argv[1] == "make":
        made = _view(sys.argv[2]).tables
        make_tables(create_engine(sys.argv[2]), [made.header])
    else:
        print(json.dumps(compared(*sys.argv[2:])))
