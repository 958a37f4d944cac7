"""One moment of a PostgreSQL or a MariaDB, and its position in the log that a connector follows: no locks, no writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import msgspec
from sqlalchemy import Connection, Engine, text

from connectors.debezium.sources import binlog_position
from reconcile.errors import SideUnreadable
from reconcile.position import Moment, Touched

_ATTEMPTS = 500
"""How often several connections try to see the same moment: one in two tries does at a thousand commits a second."""

# What a row was as text says more than drivers' dates can hold. SET takes no snapshot, a SELECT does.
_AS_TEXT = ("SET LOCAL DateStyle TO 'ISO'", "SET LOCAL TimeZone TO 'UTC'")
# Read behind the snapshot of its own statement, so that nothing which the snapshot shows stands behind it.
_LSN = text(
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END"
    " - '0/0'::pg_lsn)::bigint"
)
_NO_PLACE = "the server does not say where a snapshot stands in its binary log (MariaDB does, with the log on)"
_MARIADB_SESSION = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")


@contextmanager
def postgres_moment(engine: Engine, streams: int) -> Iterator[Moment]:
    """One transaction: rows come through cursors on the server's side, of which it may have many."""
    with _reading(engine) as connection:
        yield Moment((connection,), int(connection.execute(_LSN).scalar_one()))


class Shared(msgspec.Struct, frozen=True):
    """A moment of PostgreSQL that other processes can see, by the name of its snapshot, while its own transaction is open."""

    snapshot: str
    position: int


def exported(connection: Connection) -> str:
    """The name of the snapshot that a transaction sees."""
    return str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())


@contextmanager
def shared_moment(engine: Engine, shared: Shared) -> Iterator[Moment]:
    """A transaction that sees another one's moment.

    https://www.postgresql.org/docs/current/sql-set-transaction.html
    """
    with _reading(engine, shared.snapshot) as connection:
        yield Moment((connection,), shared.position)


@contextmanager
def _reading(engine: Engine, snapshot: str | None = None) -> Iterator[Connection]:
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        if snapshot is not None:
            connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        for statement in _AS_TEXT:
            connection.exec_driver_sql(statement)
        yield connection


class Moments:
    """The moments of a server that a connector follows, for who asks nothing of what came between them."""

    def __init__(self, connector: str) -> None:
        self._connector = connector

    def moment(self, engine: Engine, streams: int) -> AbstractContextManager[Moment]:
        """See `reconcile.position.SourcePosition`; `SideUnreadable` if the database is another one than `connector` follows."""
        opened = {"postgresql": postgres_moment, "mariadb": mariadb_moment}.get(self._connector)
        if opened is None or engine.dialect.name not in _DIALECTS[self._connector]:
            reason = f"schema.yaml says {self._connector}, and the URL is one of {engine.dialect.name}"
            raise SideUnreadable(side="legacy", reason=reason)
        return opened(engine, streams)

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        """See the port: nobody knows."""
        return None


_DIALECTS: dict[str, tuple[str, ...]] = {"postgresql": ("postgresql",), "mariadb": ("mariadb", "mysql")}


@contextmanager
def mariadb_moment(engine: Engine, streams: int, side: str = "legacy") -> Iterator[Moment]:
    """A transaction for each stream, since one reads one result at a time; all began at the same place in the binary log."""
    with ExitStack() as held:
        connections = tuple(_session(held.enter_context(engine.connect())) for _ in range(streams))
        for _ in range(_ATTEMPTS):
            first, *others = (_begin(connection) for connection in connections)
            if first is None:
                raise SideUnreadable(side=side, reason=_NO_PLACE)
            if all(place == first for place in others):
                yield Moment(connections, first)
                return
        reason = f"{streams} connections never saw the same moment in {_ATTEMPTS} tries: too much is written"
        raise SideUnreadable(side=side, reason=reason)


def _session(connection: Connection) -> Connection:
    # Not back into the pool: it has settings of its own, and rows may be left that nobody has read.
    connection.detach()
    for statement in _MARIADB_SESSION:
        connection.exec_driver_sql(statement)
    return connection


def tells_moments(engine: Engine) -> bool:
    """Whether several connections can know that they see one moment: MariaDB says so where it keeps a binary log."""
    with engine.connect() as connection:
        return _begin(_session(connection)) is not None


def _begin(connection: Connection) -> int | None:
    """Begin anew; where the snapshot stands in the binary log, exactly, if the server says so.

    https://mariadb.com/kb/en/enhancements-for-start-transaction-with-consistent-snapshot/
    """
    connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    told = {
        str(name).lower(): str(value)
        for name, value in connection.exec_driver_sql("SHOW STATUS LIKE 'binlog_snapshot_%%'")
    }
    pos = told.get("binlog_snapshot_position", "")
    return binlog_position(told.get("binlog_snapshot_file"), int(pos) if pos.isdigit() else None)
