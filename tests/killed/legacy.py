"""The model's tables in real databases: PostgreSQL and MariaDB, with what a connector and a witness need there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, Protocol

import psycopg
import pymysql

from connectors.connect import ConnectorSpec, MariaDBSource, PostgresSource
from connectors.feeds import Feed
from dragoman.stack.server import Server
from tests.connectors.connect.world import PASSWORD, until
from tests.killed.witness import BinaryLog, Rows, TestDecoding, Witness
from tests.model.journal import Row
from translators.schema import Encoding

COLUMNS = {
    "orders": ("br", "no", "sts", "note", "touched"),
    "order_line": ("br", "no", "ln", "qty"),
    "payment": ("pid", "br", "no", "amt"),
}
ROUTES = ("br", "no")
_TABLES = (
    "CREATE TABLE orders (br CHAR(3) NOT NULL, no NUMERIC(6,0) NOT NULL, sts CHAR(1) NOT NULL, note TEXT,"
    " touched INTEGER, PRIMARY KEY (br, no))",
    "CREATE TABLE order_line (br CHAR(3) NOT NULL, no NUMERIC(6,0) NOT NULL, ln SMALLINT NOT NULL, qty INTEGER,"
    " PRIMARY KEY (br, no, ln))",
    "CREATE TABLE payment (pid INTEGER NOT NULL PRIMARY KEY, br CHAR(3) NOT NULL, no NUMERIC(6,0) NOT NULL,"
    " amt NUMERIC(8,2))",
)
_ENCODING = Encoding(decimal="string", time="adaptive", binary="bytes")


class Refused(Exception):
    """The database did not take a statement: a key is taken, or two transactions waited for each other."""


class Session(Protocol):
    """One connection: statements in a transaction."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Execute a statement; how many rows it changed. `Refused`."""

    def load(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Insert many rows, as programs that load do."""

    def commit(self) -> None:
        """End the transaction. `Refused`."""

    def rollback(self) -> None:
        """Give it up."""

    def close(self) -> None:
        """Give up the connection."""


class Legacy(Protocol):
    """A database with orders, their lines and payments."""

    connector: Literal["postgresql", "mariadb"]
    namespace: str
    partitions: int
    spec: ConnectorSpec

    def session(self) -> Session:
        """A new connection."""

    def witness(self) -> Witness:
        """One that sees every transaction from now on, as the database itself tells it."""

    def rows(self) -> dict[str, list[Row]]:
        """What is in the tables."""

    def close(self) -> None:
        """Remove the database, and what the connector holds of the server."""


class PostgresLegacy:
    """A database of its own in a PostgreSQL. Orders have the default replica identity and notes outside of their rows."""

    connector: Literal["postgresql", "mariadb"] = "postgresql"
    namespace = "public"

    def __init__(self, server: Server, name: str, partitions: int, *, signals: bool = False) -> None:
        self.name, self.partitions = name, partitions
        self._at = f"host={server.host} port={server.port} user=dragoman"
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        tables = [*COLUMNS, *(["signals"] if signals else [])]
        with self._connected(name) as connection:
            for statement in (
                *_TABLES,
                "CREATE TABLE signals (id VARCHAR(64) PRIMARY KEY, type VARCHAR(32) NOT NULL, data TEXT)",
                "ALTER TABLE orders ALTER COLUMN note SET STORAGE EXTERNAL",
                "ALTER TABLE order_line REPLICA IDENTITY FULL",
                "ALTER TABLE payment REPLICA IDENTITY FULL",
                f"CREATE PUBLICATION {name} FOR TABLE {', '.join(tables)}",
            ):
                connection.execute(statement.encode())
        source = PostgresSource(
            host=server.host,
            port=server.port,
            user="dragoman",
            password="",
            database=name,
            slot=name,
            publication=name,
        )
        self.spec = _spec(name, source, "public", partitions, signals)

    @contextmanager
    def _connected(self, database: str) -> Iterator[psycopg.Connection]:
        with psycopg.connect(f"{self._at} dbname={database}", autocommit=True) as connection:
            yield connection

    def session(self) -> Session:
        """See `Legacy`."""
        return PostgresSession(psycopg.connect(f"{self._at} dbname={self.name}"))

    def witness(self) -> Witness:
        """See `Legacy`."""
        connection = psycopg.connect(f"{self._at} dbname={self.name}", autocommit=True)
        return TestDecoding(connection, f"w_{self.name}"[:60], Rows(COLUMNS, self.rows()))

    def execute(self, statement: str) -> list[Any]:
        """One statement of its own, and its rows."""
        with self._connected(self.name) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def rows(self) -> dict[str, list[Row]]:
        """See `Legacy`."""
        found = {table: self.execute(f"SELECT * FROM {table}") for table in COLUMNS}
        return {table: [_row(COLUMNS[table], row) for row in rows] for table, rows in found.items()}

    def close(self) -> None:
        """See `Legacy`."""
        mine = f"FROM pg_replication_slots WHERE database = '{self.name}'"
        until(lambda: not self.execute(f"SELECT 1 {mine} AND active"), 60)
        self.execute(f"SELECT pg_drop_replication_slot(slot_name) {mine}")
        with self._connected("postgres") as connection:
            connection.execute(f"DROP DATABASE {self.name} WITH (FORCE)".encode())


class PostgresSession:
    """A connection to PostgreSQL."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """See `Session`."""
        try:
            return self._connection.execute(statement.encode(), tuple(values) or None).rowcount
        except (psycopg.IntegrityError, psycopg.OperationalError) as error:
            raise Refused from error

    def load(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """One COPY: all rows that fit on a page have one place in the log."""
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def commit(self) -> None:
        """See `Session`."""
        self._connection.commit()

    def rollback(self) -> None:
        """See `Session`."""
        self._connection.rollback()

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()


class MariaDBLegacy:
    """A database of its own in a MariaDB, for a user that may only read and replicate."""

    connector: Literal["postgresql", "mariadb"] = "mariadb"

    def __init__(self, server: Server, name: str, secret: str, bootstrap: str, partitions: int) -> None:
        self.name, self.namespace, self.partitions = name, name, partitions
        self._server = server
        grants = "SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT"
        for statement in (
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
            f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT {grants} ON *.* TO {name}@'%'",
        ):
            self._execute("mysql", statement)
        for statement in _TABLES:
            self._execute(name, statement)
        source = MariaDBSource(
            host=server.host,
            port=server.port,
            user=name,
            password=secret,
            server_id=1000 + int(name.rpartition("_")[2], 16) % 1_000_000,
            bootstrap=bootstrap,
        )
        self.spec = _spec(name, source, name, partitions, signals=False)

    def _connected(self, database: str, *, autocommit: bool) -> pymysql.connections.Connection[Any]:
        at = self._server
        return pymysql.connect(
            host=at.host, port=at.port, user="root", database=database, charset="utf8mb4", autocommit=autocommit
        )

    def _execute(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        connection = self._connected(database, autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def session(self) -> Session:
        """See `Legacy`."""
        return MariaDBSession(self._connected(self.name, autocommit=False))

    def witness(self) -> Witness:
        """See `Legacy`."""
        file, position, *_ = self._execute(self.name, "SHOW MASTER STATUS")[0]
        rows = Rows(COLUMNS, self.rows())
        return BinaryLog(self._server.host, self._server.port, self.name, (file, int(position)), rows)

    def rows(self) -> dict[str, list[Row]]:
        """See `Legacy`."""
        found = {table: self._execute(self.name, f"SELECT * FROM {table}") for table in COLUMNS}
        return {table: [_row(COLUMNS[table], row) for row in rows] for table, rows in found.items()}

    def close(self) -> None:
        """See `Legacy`."""
        self._execute("mysql", f"DROP DATABASE {self.name}")
        self._execute("mysql", f"DROP USER {self.name}@'%'")


class MariaDBSession:
    """A connection to MariaDB."""

    def __init__(self, connection: pymysql.connections.Connection[Any]) -> None:
        self._connection = connection
        self.execute("SET SESSION innodb_lock_wait_timeout = 5")

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """See `Session`."""
        with self._connection.cursor() as cursor:
            try:
                return int(cursor.execute(statement, tuple(values) or None))
            except (pymysql.IntegrityError, pymysql.OperationalError) as error:
                raise Refused from error

    def load(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Statements of a thousand rows each."""
        waiting = list(rows)
        marks = ", ".join(["%s"] * len(COLUMNS[table]))
        with self._connection.cursor() as cursor:
            for begin in range(0, len(waiting), 1000):
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", waiting[begin : begin + 1000])

    def commit(self) -> None:
        """See `Session`."""
        self._connection.commit()

    def rollback(self) -> None:
        """See `Session`."""
        self._connection.rollback()

    def close(self) -> None:
        """See `Session`."""
        with suppress(pymysql.Error):
            self._connection.close()


def _row(columns: Sequence[str], values: Sequence[Any]) -> Row:
    """A row as the journal holds it: amounts are text, all other numbers are numbers."""
    row = dict(zip(columns, values, strict=True))
    for column, value in row.items():
        if value is not None and column not in ("br", "sts", "note"):
            row[column] = str(value) if column == "amt" else int(value)
    return row


def _spec(
    name: str, source: PostgresSource | MariaDBSource, namespace: str, partitions: int, signals: bool
) -> ConnectorSpec:
    feed = Feed(name="order", tables={f"{namespace}.{table}": ROUTES for table in COLUMNS}, partitions=partitions)
    return ConnectorSpec(
        prefix=name,
        source=source,
        feeds=(feed,),
        encoding=_ENCODING,
        signals=f"{namespace}.signals" if signals else None,
        exactly_once=False,
    )
