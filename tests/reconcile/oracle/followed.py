"""A PostgreSQL or MariaDB that a scene's programs write to, and the connector that follows it.

The connector is the model's (`tests.model.wire`). It is told of each transaction by who commits it; positions and names of
transactions are the server's own.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine

from connectors.debezium.decode import Decoder
from pipeline.log.memory import MemoryLog
from pipeline.log.port import TopicSpec
from pipeline.projection.spec import ProjectionSpec
from pipeline.state.port import StateStore
from reconcile.fence import Pace
from reconcile.kafka_sides import LivePipeline, live_sides
from reconcile.run import Sides
from tests.model.journal import Row, RowChange
from tests.model.legacy import TABLES, Commit, Logged
from tests.model.product import NOTIFICATIONS, TRANSACTIONS
from tests.model.source import scans
from tests.model.wire import Half, MariaDb, Postgres, Sent, Wire
from tests.reconcile.oracle.legacies import FEED, PARTITIONS, Session
from translators.compiled import CompiledTranslator
from translators.schema import LegacySchema

MOST = 40
"""Records of one turn."""
_FILE = 2**33
"""What a file of the binary log counts in a position."""


class Server(Protocol):
    """What a server says of its log, and how its connector tells where a change stands."""

    wire: Wire

    def position(self, connection: Connection) -> int:
        """The end of its log."""

    def name(self, connection: Connection, *, committed: bool) -> int | None:
        """The number of the transaction, told before it is committed or after that; `None` where it is not known yet."""

    def mute(self, connection: Connection) -> None:
        """Keep what the transaction does out of the log."""


class _Binlog(MariaDb):
    def __init__(self, partitions: int, database: str) -> None:
        super().__init__(partitions)
        self.namespace = database

    def source(self, table: str, time: int, snapshot: str) -> dict[str, Any]:
        """See `Wire`."""
        return {**super().source(table, time, snapshot), "db": self.namespace}

    def place(self, commit: Commit, half: Half, before: int | None) -> dict[str, Any]:
        """See `Wire`: all rows of a transaction are told as one event's."""
        row = [logged is half.logged for logged in commit.logged].index(True)
        return {"gtid": self.identity(commit, half), **self._at(half.logged.lsn), "row": row}

    def snapshot_place(self, lsn: int) -> dict[str, Any]:
        """See `Wire`."""
        return {"gtid": None, **self._at(lsn), "row": 0}

    def identity(self, commit: Commit, half: Half) -> str:
        """See `Wire`."""
        return f"0-1-{commit.txid}"

    def boundary(self, commit: Commit, status: str) -> str:
        """See `Wire`."""
        return f"0-1-{commit.txid}"

    def aside(self, commit: Commit) -> None:
        """See `Wire`."""

    @staticmethod
    def _at(lsn: int) -> dict[str, Any]:
        file, pos = divmod(lsn, _FILE)
        return {"file": f"binlog.{file:06d}", "pos": pos}


class InMariaDB:
    """MariaDB: rows stand where their transaction begins."""

    def __init__(self, partitions: int, database: str) -> None:
        self.wire: Wire = _Binlog(partitions, database)

    def position(self, connection: Connection) -> int:
        """See `Server`."""
        file, pos, *_ = connection.exec_driver_sql("SHOW MASTER STATUS").one()
        return int(file.rpartition(".")[2]) * _FILE + int(pos)

    def name(self, connection: Connection, *, committed: bool) -> int | None:
        """See `Server`."""
        if not committed:
            return None
        return int(connection.exec_driver_sql("SELECT @@last_gtid").scalar_one().rpartition("-")[2])

    def mute(self, connection: Connection) -> None:
        """See `Server`."""
        connection.exec_driver_sql("SET SESSION sql_log_bin = 0")


class InPostgres:
    """PostgreSQL: rows stand behind where the log ended when their transaction began."""

    def __init__(self, partitions: int) -> None:
        self.wire: Wire = Postgres(partitions)

    def position(self, connection: Connection) -> int:
        """See `Server`."""
        return int(connection.exec_driver_sql("SELECT pg_current_wal_insert_lsn() - '0/0'").scalar_one())

    def name(self, connection: Connection, *, committed: bool) -> int | None:
        """See `Server`."""
        return None if committed else int(connection.exec_driver_sql("SELECT pg_current_xact_id()").scalar_one())

    def mute(self, connection: Connection) -> None:
        """See `Server`: this transaction is told to nobody."""


class _Statements:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """See `Session`."""
        return self._connection.exec_driver_sql(statement.replace("?", "%s"), tuple(values)).rowcount


class Followed:
    """A PostgreSQL or MariaDB and its connector.

    Where Connect does not enforce exactly-once, it dies now and then, and sends again what it sent since it last wrote down
    its place. `engines` are those of the programs and of the check.
    """

    def __init__(
        self,
        engines: tuple[Engine, Engine],
        server: Server,
        schema: LegacySchema,
        clock: Callable[[], datetime],
        dice: random.Random,
    ) -> None:
        self._programs, self.engine = engines
        self.schema = schema
        self.feed = msgspec.structs.replace(FEED, exactly_once=dice.random() < 0.5)
        self._server, self._clock, self._dice = server, clock, dice
        self._connection = self._programs.connect()
        self._commits: list[Commit] = []
        self._queue: deque[Sent] = deque()
        self._sent = self._written = 0
        self._passed: int | None = None
        self._rows = self._read()
        self._connection.commit()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """See `Legacy`."""
        connection, server = self._connection, self._server
        begin, name = server.position(connection), server.name(connection, committed=False)
        yield _Statements(connection)
        changes = self._changes()
        connection.commit()
        if not changes:
            return
        logged = tuple(Logged(change, begin + (name is not None) * (1 + row)) for row, change in enumerate(changes))
        txid = server.name(connection, committed=True) if name is None else name
        before = self._commits[-1].lsn if self._commits else None
        time = round(self._clock().timestamp() * 1_000_000)
        self._commits.append(Commit(txid or 0, logged, server.position(connection), before, time))
        connection.commit()
        self._queue += self._server.wire.one_pass(self._commits, len(self._commits) - 1)

    @contextmanager
    def unseen(self) -> Iterator[Session]:
        """See `Legacy`."""
        with self._programs.connect() as connection:
            connection.detach()
            self._server.mute(connection)
            yield _Statements(connection)
            connection.commit()
        self._rows = self._read()
        self._connection.commit()

    def has(self, key: tuple[str, int]) -> bool:
        """See `Legacy`."""
        return any(
            (row["br"].rstrip(), row["no"]) == (key[0].rstrip(), key[1]) for row in self._rows["orders"].values()
        )

    def begin(self, log: MemoryLog) -> None:
        """See `Legacy`."""
        self._log = log
        for name, kind, partitions in (
            (FEED.topic, "feed", PARTITIONS),
            (TRANSACTIONS, "transaction", 1),
            (NOTIFICATIONS, "notification", 1),
        ):
            log.create(TopicSpec(name=name, kind=kind, partitions=partitions))  # type: ignore[arg-type]
        wire, rows = self._server.wire, [(table, row) for table, of in self._rows.items() for row in of.values()]
        self._queue.clear()
        self._sent = self._written = len(self._commits)
        log.append([wire.notification("STARTED")])
        log.append(wire.snapshot(rows, self._position()))
        log.append([wire.notification(kind, **details) for kind, details in scans(rows, wire.namespace)])
        self._passed = self._position()

    def turn(self) -> int:
        """See `Legacy`."""
        if not self.feed.exactly_once and self._dice.random() < 0.05:
            self._queue = deque(self._server.wire.one_pass(self._commits, self._written, blind=True))
        if not self._queue:
            behind, self._written = len(self._commits) - self._written, len(self._commits)
            self._passed = self._position()
            return behind
        going = [self._queue.popleft() for _ in range(min(len(self._queue), self._dice.randrange(1, MOST)))]
        self._log.append([sent.record for sent in going])
        self._sent = max([self._sent, *(sent.commit + 1 for sent in going if sent.is_end)])
        if self._sent > self._written and self._dice.random() < 0.3:
            self._written, self._passed = self._sent, self._commits[self._sent - 1].lsn
        return len(going)

    def passed(self) -> int | None:
        """See `Legacy`."""
        return self._passed

    def tick(self) -> str | None:
        """As the product asks a connector: its database is never idle."""
        return None

    def stopped(self) -> str | None:
        """As the product asks a connector: it works."""
        return None

    def sides(
        self, translator: CompiledTranslator, spec: ProjectionSpec, store: StateStore, pace: Pace, views: Engine
    ) -> Sides:
        """See `Legacy`."""
        works = LivePipeline(
            log=self._log,
            store=store,
            catch_up=lambda: None,
            feed=self.feed,
            schema=self.schema,
            decoder=Decoder(self.schema, NOTIFICATIONS),
            capture=self,
            stopped=lambda: None,
        )
        return live_sides(translator, spec, works, pace, legacy=self.engine, views=views)

    def close(self) -> None:
        """See `Legacy`."""
        self._connection.close()
        self._programs.dispose()
        self.engine.dispose()

    def _position(self) -> int:
        found = self._server.position(self._connection)
        self._connection.commit()
        return found

    def _changes(self) -> list[RowChange]:
        """What the open transaction did, by what is there now."""
        before, after = self._rows, self._read()
        self._rows = after
        found = []
        for table in TABLES:
            keys = dict.fromkeys((*before[table], *after[table]))
            pairs = [(before[table].get(key), after[table].get(key)) for key in keys]
            found += [RowChange(table, old, new) for old, new in pairs if old != new]
        return found

    def _read(self) -> dict[str, dict[tuple[object, ...], Row]]:
        found: dict[str, dict[tuple[object, ...], Row]] = {}
        for table, key in TABLES.items():
            rows = [_row(row) for row in self._connection.exec_driver_sql(f"SELECT * FROM {table}").mappings()]
            found[table] = {tuple(row[column] for column in key): row for row in rows}
        return found


def _row(found: Any) -> Row:
    """A row as the journal has it: amounts are texts, order numbers are whole."""
    return {
        column: (str(value) if column == "amt" else int(value)) if isinstance(value, Decimal) else value
        for column, value in found.items()
    }
