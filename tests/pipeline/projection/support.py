"""A small contract, its projection, and state records as a translator would publish them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field
from sqlalchemy import Engine, create_engine

from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.projection.project import Projection
from pipeline.projection.spec import ProjectionSpec, read_projection
from translators.contract import Contract, shape_of

Amount = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]


class Premium(BaseModel):
    amount: Amount
    frequency: Literal["monthly", "annual"]


class Coverage(BaseModel):
    kind: str
    sumInsured: Amount
    note: str | None


class Policy(Contract):
    policyNumber: Annotated[str, Field(max_length=10)]
    holder: int | None
    premium: Premium | None
    score: float | None
    begins: date | None
    changed: datetime | None
    renewed: bool | None
    rate: Decimal | None
    coverages: list[Coverage]


SHAPE = shape_of(Policy)
TOPIC = "policy.state"
TOPICS = TopicSpec(name=TOPIC, kind="state", partitions=2, compacted=True)
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

DECLARED = """\
projection: policies
reads: policy
database: var/views.db
table: policy_view
key:
  policy_number: policyNumber
columns:
  holder: holder
  premium_amount: premium.amount
  frequency: premium.frequency
  score: score
  begins: begins
  changed: changed
  renewed: renewed
  rate: rate
children:
  coverages:
    table: coverage_view
    columns:
      kind: kind
      sum_insured: sumInsured
      note: note
"""


def spec() -> ProjectionSpec:
    return read_projection(DECLARED, "consumers/policies.yaml")


def state(key: str = "P1", **changes: Any) -> dict[str, Any]:
    """A whole state as its JSON says it; a change to `...` leaves the field out."""
    whole = {
        "policyNumber": key,
        "holder": 4711,
        "premium": {"amount": "412.50", "frequency": "annual"},
        "score": 0.5,
        "begins": "2026-03-01",
        "changed": "2026-02-28T23:59:59.123456+01:00",
        "renewed": False,
        "rate": "0.0000000000000000000000000001",
        "coverages": [coverage("fire"), coverage("water", note="cellar")],
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not ...}


def coverage(kind: str, sum_insured: str = "1000.00", note: Any = None) -> dict[str, Any]:
    element = {"kind": kind, "sumInsured": sum_insured, "note": note}
    return {name: value for name, value in element.items() if value is not ...}


def sequence(version: int, generation: int = 1, epoch: int = 1) -> str:
    return f"{epoch:04d}.{version:012d}.{generation:06d}.0000"


def record(
    key: str, version: int, data: object, *, partition: int | None = None, topic: str = TOPIC, **headers: str
) -> Outgoing:
    """One state record; `data` `None` is a tombstone. Headers by their names without `ce_` replace the usual ones."""
    usual = {
        "specversion": "1.0",
        "id": f"{key}-{version}",
        "type": "com.example.policy.Policy.v1",
        "subject": key,
        "sequence": sequence(version),
        "time": "2026-02-28T22:59:59Z",
        **headers,
    }
    return Outgoing(
        topic=topic,
        timestamp=0,
        key=key.encode(),
        value=None if data is None else data if isinstance(data, bytes) else orjson.dumps(data),
        headers=(
            *((f"ce_{name}", value.encode()) for name, value in usual.items()),
            ("dragoman_position", str(10**20 + version).encode()),
        ),
        partition=partition,
    )


def memory_log(*records: Outgoing) -> MemoryLog:
    log = MemoryLog()
    log.create(TOPICS)
    log.append(records)
    return log


def database(folder: Path) -> Engine:
    return create_engine(f"sqlite:///{folder / 'views.db'}")


def projection(engine: Engine, log: Log) -> Projection:
    made = Projection(spec(), SHAPE, engine, log, lambda: NOW, TOPIC)
    made.prepare()
    return made


def drain(reader: Projection, limit: int = 500) -> None:
    while reader.turn(limit):
        pass


def rows(folder: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What any SQLite client sees in the view's file."""
    connection = sqlite3.connect(folder / "views.db")
    try:
        return connection.execute(query, parameters).fetchall()
    finally:
        connection.close()


def edit(folder: Path, *statements: str) -> None:
    """Somebody writes into the view's file by hand."""
    connection = sqlite3.connect(folder / "views.db")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def view(folder: Path) -> dict[str, tuple[Any, ...]]:
    """key -> version, holder, premium and the coverages' kinds."""
    children: Mapping[str, Sequence[tuple[Any, ...]]] = {
        key: rows(folder, "SELECT kind FROM coverage_view WHERE policy_number = ? ORDER BY _ordinal", key)
        for (key,) in rows(folder, "SELECT policy_number FROM policy_view")
    }
    columns = "_key, _version, holder, premium_amount"
    return {
        key: (*known, tuple(kind for (kind,) in children[key]))
        for key, *known in rows(folder, f"SELECT {columns} FROM policy_view ORDER BY _key")
    }
