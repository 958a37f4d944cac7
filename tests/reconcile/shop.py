"""A small legacy with the real pipeline behind it in one process: triggers, translator, projection; and what goes wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import create_engine

from connectors.capture import CaptureSpec, SqliteCapture, install
from connectors.debezium.decode import Decoder
from connectors.feeds import Feed as CapturedFeed
from pipeline.engine.sources import CaptureSource
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Record, TopicSpec
from pipeline.projection.content import row_hash
from pipeline.projection.project import Projection
from pipeline.projection.rows import ViewReader
from pipeline.projection.spec import read_projection
from pipeline.projection.tables import Tables
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from reconcile.check import CheckSpec, read_check
from reconcile.embedded import Pipeline, sides_of
from reconcile.fence import Pace
from reconcile.run import RunResult, reconcile
from tests.reconcile.oracle.scene import Losing
from tests.reconcile.world import Clock
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema

SCHEMA = """\
source: legacy
connector: sqlite
namespace: main
encoding: {decimal: string, time: adaptive, binary: bytes}
tables:
  parcel:
    context: post
    key: [no]
    replica_identity: full
    columns: {no: integer not null, code: char(2) not null, label: text, fee: "numeric(8,3)", sent: timestamptz}
  txlog: {context: post, key: [id], columns: {id: integer not null, at: timestamptz}}
"""
MAPPING = """\
translator: parcel
context: post
root: {table: parcel, key: no}
codes:
  status: {P: posted, D: delivered}
state:
  contract: Parcel.v1
  fields:
    number: no
    status: CODE('status', TRIM(code))
    label: label
    fee: ROUND(fee, 3)
    sent: sent
"""
VIEW = """\
projection: parcel_view
reads: parcel
database: view.db
table: parcel_view
key: {number: number}
columns: {status: status, label: label, fee: fee, sent: sent}
"""
FEED = Feed(
    topic="legacy.parcel",
    transactions="legacy.transaction",
    notifications="legacy.notification",
    begins="snapshot",
    exactly_once=True,
)
CHECK = read_check(
    "check: parcel_view\nmapping: parcel\nview: parcel_view\nlimit: 0\nowner: Tracking\n", "checks/p.yaml"
)
PARCELS = 40


class Parcel(Contract):
    """A parcel."""

    promise = Promise(
        name="Parcel",
        version=1,
        kind="state",
        context="post",
        owner="Sorting",
        intent="Show where it is.",
        business_key=("number",),
        retention="30 days",
        lag_objective="60 s",
    )

    number: int
    status: Literal["posted", "delivered"]
    label: str | None
    fee: Annotated[Decimal, Field(max_digits=12, decimal_places=3)]
    sent: datetime | None


class Shop:
    """Forty parcels, all the way through. `flow` lets what was written come all the way."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, Clock()
        self.schema = read_schema(SCHEMA, "schema.yaml")
        self.translator = translated(self.schema, MAPPING)
        self.log, self.store, self.losing = MemoryLog(), MemoryState(), set[str]()
        self.db = sqlite3.connect(folder / "legacy.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.execute(
            "CREATE TABLE parcel (no INTEGER PRIMARY KEY, code CHAR(2) NOT NULL, label TEXT, fee NUMERIC(8,3), sent TEXT)"
        )
        self.db.execute("CREATE TABLE txlog (id INTEGER PRIMARY KEY, at TEXT)")
        self.capturing()
        for number in range(1, PARCELS + 1):
            row = (number, "P", f"Parcel {number} ", f"{number}.125", "2026-11-20T06:14:00Z")
            self.write("INSERT INTO parcel VALUES (?, ?, ?, ?, ?)", *row)
        self.engines = [create_engine(f"sqlite:///{folder / name}") for name in ("legacy.db", "view.db")]
        feeds = (CapturedFeed(name="parcel", tables={"parcel": ("no",)}, partitions=2),)
        spec = CaptureSpec(schema=self.schema, feeds=feeds, marker="txlog")
        self.capture = SqliteCapture(folder / "legacy.db", spec, self.clock)
        kinds = {"legacy.transaction": "transaction", "legacy.notification": "notification"}
        topics = [TopicSpec(name=n, kind=kinds.get(n, "feed"), partitions=c) for n, c in spec.topics()]  # type: ignore[arg-type]
        self.source = CaptureSource(self.capture, "legacy", topics, self.log, limit=50)
        self.source.turn()
        self.worker = self.new_worker()
        self.view_spec = read_projection(VIEW, "consumers/parcel_view.yaml")
        self.projection().prepare()
        self.flow()

    def close(self) -> None:
        self.capture.close()
        self.db.close()
        for engine in self.engines:
            engine.dispose()

    # The legacy's programs.

    def capturing(self) -> None:
        install(self.db, [self.schema.tables["parcel"]], self.schema.tables["txlog"])

    def write(self, statement: str, *values: object) -> None:
        """One transaction."""
        self.db.execute("BEGIN")
        self.db.execute("INSERT INTO txlog (at) VALUES ('2026-11-20T06:14:00Z')")
        assert self.db.execute(statement, values).rowcount
        self.db.execute("COMMIT")

    def past_the_capture(self, statement: str, *values: object) -> None:
        """One transaction that no trigger sees."""
        self.flow()
        for (name,) in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            self.db.execute(f"DROP TRIGGER {name}")
        self.write(statement, *values)
        self.capturing()

    # The pipeline.

    def new_worker(self, mapping: str = MAPPING) -> TranslatorWorker:
        """A worker that takes over, perhaps with another mapping."""
        made = TranslatorWorker(
            log=self.log,
            store=self.store,
            translator=translated(self.schema, mapping),
            decoder=Decoder(self.schema, FEED.notifications),
            feed=FEED,
            identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="0"),
        )
        made.begin()
        return made

    def projection(self) -> Projection:
        log = Losing(self.log, self.losing)
        return Projection(self.view_spec, self.translator.bound.shape, self.engines[1], log, self.clock, "parcel.state")

    def flow(self) -> None:
        while self.source.turn() + self.worker.turn() + self.projection().turn():
            pass
        self.clock.wait(timedelta(minutes=1))

    def records(self, number: int) -> list[Record]:
        """What the state stream holds of a parcel."""
        found = [r for p in (0, 1) for r in self.log.read("parcel.state", p, 0, 1_000_000).records]
        return [record for record in found if record.key == str(number).encode()]

    def append(self, record: Record, value: bytes | None = None, headers: Any = None) -> None:
        """Put a record into the state stream, behind all others of its partition."""
        self.log.append(
            [
                Outgoing(
                    topic="parcel.state",
                    partition=record.partition,
                    timestamp=record.timestamp,
                    key=record.key,
                    value=value or record.value,
                    headers=headers or record.headers,
                )
            ]
        )

    # What somebody else does to the view.

    def by_hand(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "view.db")) as view, view:
            assert view.execute(statement, values).rowcount

    def applied_otherwise(self, column: str, change: Callable[[Any], Any], *numbers: int) -> None:
        """What builds the view writes another value than was published, as its own: a defect in it, put live for a while."""
        for number in numbers:
            self.write("UPDATE parcel SET code = 'D' WHERE no = ?", number)
        self.flow()
        (applied,) = {self.clock.now}
        for number in numbers:
            with closing(sqlite3.connect(self.folder / "view.db")) as view, view:
                (value,) = view.execute(f"SELECT {column} FROM parcel_view WHERE number = ?", (number,)).fetchone()
                view.execute(f"UPDATE parcel_view SET {column} = ? WHERE number = ?", (change(value), number))
            self._hashed(number)
        self.clock.wait(timedelta(minutes=1))
        assert self.clock.now > applied

    def without_a_guard(self, number: int, record: Record) -> None:
        """What builds the view applies whatever record comes, however old it is."""
        from pipeline import cloudevents

        event = cloudevents.read(record)
        assert event.data is not None
        self.by_hand(
            "UPDATE parcel_view SET status = ?, label = ?, _version = ?, _event_id = ? WHERE number = ?",
            event.data["status"], event.data["label"], event.sequence, event.id, number,
        )  # fmt: skip
        self._hashed(number)

    def _hashed(self, number: int) -> None:
        with self.engines[1].connect() as connection:
            reader = ViewReader(Tables.of(self.view_spec, self.translator.bound.shape))
            stored = reader.read_keys(connection, [str(number)])[str(number)]
        self.by_hand(
            "UPDATE parcel_view SET _row_hash = ? WHERE number = ?", row_hash(stored.header, stored.children), number
        )

    # What is judged.

    def check(self, check: CheckSpec = CHECK) -> RunResult:
        works = Pipeline(log=self.log, store=self.store, feed=FEED, schema=self.schema, stopped=lambda: None)
        pace = Pace(clock=self.clock, wait=self.clock.wait)
        spec, views = (None, None) if check.stream else (self.view_spec, self.engines[1])
        sides = sides_of(self.translator, spec, works, pace, legacy=self.engines[0], views=views)
        return reconcile(check, sides, run="r-1", clock=self.clock)


def translated(schema: Any, text: str) -> CompiledTranslator:
    return compile_mapping(read_mapping(text, "mappings/parcel.yaml"), text, schema, {"Parcel.v1": Parcel})


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.close()
