"""The database that a scene's programs write to, and how its changes come to the feed; one that triggers capture.

A server that a connector follows is in `followed`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine

from connectors.capture import CaptureSpec, SqliteCapture, install
from connectors.feeds import Feed as CapturedFeed
from pipeline.engine.sources import CaptureSource
from pipeline.feed import Feed
from pipeline.log.memory import MemoryLog
from pipeline.log.port import TopicSpec
from pipeline.projection.spec import ProjectionSpec
from pipeline.state.port import StateStore
from reconcile.embedded import Pipeline, sides_of
from reconcile.fence import Pace
from reconcile.run import Sides
from tests.model.legacy import TABLES
from tests.model.product import FEED as TOPIC
from tests.model.product import NOTIFICATIONS, SCHEMA, TRANSACTIONS
from translators.compiled import CompiledTranslator
from translators.schema import LegacySchema
from translators.schema_text import read_schema

PARTITIONS = 3
FEED = Feed(topic=TOPIC, transactions=TRANSACTIONS, notifications=NOTIFICATIONS, begins="snapshot", exactly_once=True)
_TABLES = {
    "orders": "br CHAR(3), no NUMERIC(6,0), sts CHAR(1) NOT NULL, note TEXT, touched INTEGER, PRIMARY KEY (br, no)",
    "order_line": "br CHAR(3), no NUMERIC(6,0), ln SMALLINT, qty INTEGER, PRIMARY KEY (br, no, ln)",
    "payment": "pid INTEGER PRIMARY KEY, br CHAR(3) NOT NULL, no NUMERIC(6,0) NOT NULL, amt NUMERIC(8,2)",
    "txlog": "id INTEGER PRIMARY KEY, at TEXT",
}
_MARKER = "  txlog: {context: sales, key: [id], columns: {id: integer not null, at: timestamptz}}\n"


class Session(Protocol):
    """A transaction of a program."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """One statement, its values at question marks; how many rows it changed."""


class Legacy(Protocol):
    """A database and its capture. `begin` before anything else is asked of the capture."""

    feed: Feed
    schema: LegacySchema
    engine: Engine

    def transaction(self) -> Any:
        """A transaction of somebody, as a context that gives a `Session`."""

    def unseen(self) -> Any:
        """One that nobody captures."""

    def has(self, key: tuple[str, int]) -> bool:
        """Whether there is such an order."""

    def begin(self, log: MemoryLog) -> None:
        """Make the topics and show what is there."""

    def turn(self) -> int:
        """Send the next records; how many."""

    def passed(self) -> int | None:
        """What the capture says of its own position."""

    def sides(
        self, translator: CompiledTranslator, spec: ProjectionSpec, store: StateStore, pace: Pace, views: Engine
    ) -> Sides:
        """The product's sides of a check."""

    def close(self) -> None:
        """Give everything back."""


class _Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """See `Session`."""
        return self._connection.execute(statement, values).rowcount


class Captured:
    """A SQLite database of which triggers see every change."""

    feed = FEED

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        text = SCHEMA.format(connector="sqlite", namespace="main", identity="full") + _MARKER
        self.schema = read_schema(text, "schema.yaml")
        self.engine = create_engine(f"sqlite:///{folder / 'legacy.db'}")
        self._db = sqlite3.connect(folder / "legacy.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        for name, columns in _TABLES.items():
            self._db.execute(f"CREATE TABLE {name} ({columns})")
        self._watch()
        routed = dict.fromkeys(TABLES, ("br", "no"))
        feeds = (CapturedFeed(name="order", tables=routed, partitions=PARTITIONS),)
        self._spec = CaptureSpec(schema=self.schema, feeds=feeds, marker="txlog")
        self._capture = SqliteCapture(folder / "legacy.db", self._spec, clock)

    def _watch(self) -> None:
        tables = self.schema.tables
        install(self._db, [tables[name] for name in TABLES], tables["txlog"])

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """See `Legacy`."""
        self._db.execute("BEGIN")
        self._db.execute("INSERT INTO txlog (at) VALUES ('2026-11-20T06:14:00Z')")
        yield _Sqlite(self._db)
        self._db.execute("COMMIT")

    @contextmanager
    def unseen(self) -> Iterator[Session]:
        """See `Legacy`: the triggers are away for a moment."""
        for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            self._db.execute(f"DROP TRIGGER {name}")
        yield _Sqlite(self._db)
        self._watch()

    def has(self, key: tuple[str, int]) -> bool:
        """See `Legacy`."""
        return bool(self._db.execute("SELECT 1 FROM orders WHERE br = ? AND no = ?", key).fetchall())

    def begin(self, log: MemoryLog) -> None:
        """See `Legacy`."""
        self._log = log
        kinds = {TRANSACTIONS: "transaction", NOTIFICATIONS: "notification"}
        topics = [
            TopicSpec(name=name, kind=kinds.get(name, "feed"), partitions=count)  # type: ignore[arg-type]
            for name, count in self._spec.topics()
        ]
        self._source = CaptureSource(self._capture, "legacy", topics, log, limit=7)
        self._source.turn()

    def turn(self) -> int:
        """See `Legacy`."""
        return self._source.turn()

    def passed(self) -> int | None:
        """See `Legacy`: nobody asks."""
        return None

    def sides(
        self, translator: CompiledTranslator, spec: ProjectionSpec, store: StateStore, pace: Pace, views: Engine
    ) -> Sides:
        """See `Legacy`."""
        works = Pipeline(log=self._log, store=store, feed=FEED, schema=self.schema, stopped=lambda: None)
        return sides_of(translator, spec, works, pace, legacy=self.engine, views=views)

    def close(self) -> None:
        """See `Legacy`."""
        self._capture.close()
        self._db.close()
        self.engine.dispose()
