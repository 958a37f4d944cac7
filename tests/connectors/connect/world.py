"""Legacy databases with orders and their lines, on real servers, and a reader of what a connector makes of them.

The line table has a column `o_id` that is not the order's: routing by the name of a column alone would split orders.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pymysql
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from connectors.connect import ConnectClient, ConnectorSpec, MariaDBSource, PostgresSource
from connectors.feeds import Feed
from dragoman.stack.server import Server
from translators.schema import Encoding

PARTITIONS = 4
PASSWORD = "correct horse"  # noqa: S105 - of databases that live as long as a test
ORDER = "CREATE TABLE ord (o_id INT PRIMARY KEY, o_sts VARCHAR(10) NOT NULL)"
LINE = "CREATE TABLE ordlin (l_ord INT, l_no INT, qty INT NOT NULL, o_id INT NOT NULL, PRIMARY KEY (l_ord, l_no))"


@dataclass(frozen=True)
class Record:
    """One record of a topic. `value` is the JSON in it."""

    topic: str
    partition: int
    offset: int
    key: Any
    value: Any

    @property
    def row(self) -> dict[str, Any]:
        """The row after the change, or the one that was deleted."""
        row: dict[str, Any] = self.value["after"] or self.value["before"]
        return row

    @property
    def order(self) -> int:
        """The number of the order that the row belongs to."""
        number: int = self.row["l_ord" if "l_no" in self.row else "o_id"]
        return number

    @property
    def change(self) -> tuple[object, ...]:
        """What tells this change from all others of the test, which never makes a row the same twice."""
        return (self.value["op"], *sorted(self.row.items()))


class Legacy(Protocol):
    """A database of orders."""

    spec: ConnectorSpec

    def commit(self, *statements: str) -> None:
        """Execute statements in one transaction."""

    def close(self) -> None:
        """Give up what the connector holds of the server."""


class PostgresLegacy:
    """Orders in a database of their own of the shared PostgreSQL."""

    def __init__(self, server: Server, name: str, secret: str) -> None:
        self._server = server
        self._name = name
        with self._connected("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        self._connection = self._connected(name)
        for statement in (ORDER, LINE, "ALTER TABLE ordlin REPLICA IDENTITY FULL"):
            self._connection.execute(statement.encode())
        self._connection.execute(f"CREATE PUBLICATION {name} FOR TABLE ord, ordlin".encode())
        source = PostgresSource(
            host=server.host,
            port=server.port,
            user="dragoman",
            password=secret,
            database=name,
            slot=name,
            publication=name,
        )
        self.spec = spec(name, source, "public")

    def _connected(self, database: str) -> psycopg.Connection:
        at = self._server
        return psycopg.connect(host=at.host, port=at.port, user="dragoman", dbname=database, autocommit=True)

    def commit(self, *statements: str) -> None:
        with self._connection.transaction():
            for statement in statements:
                self._connection.execute(statement.encode())

    def close(self) -> None:
        self._connection.close()
        with self._connected("postgres") as connection:
            until(lambda: self._slots(connection, "AND active") == 0, 60)
            if self._slots(connection, ""):
                # By its name: as a condition it may be asked of the slots of other tests first.
                connection.execute("SELECT pg_drop_replication_slot(%s)", (self._name,))
            connection.execute(f"DROP DATABASE {self._name} WITH (FORCE)".encode())

    def _slots(self, connection: psycopg.Connection, condition: str) -> int:
        query = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{self._name}' {condition}"
        return len(connection.execute(query.encode()).fetchall())


class MariaDBLegacy:
    """Orders in a database of their own of the shared MariaDB, for a user that may only read and replicate."""

    def __init__(self, server: Server, name: str, secret: str, bootstrap: str) -> None:
        self._connection = pymysql.connect(host=server.host, port=server.port, user="root", autocommit=False)
        self._name = name
        self.commit(
            f"CREATE DATABASE {name}",
            f"USE {name}",
            ORDER,
            LINE,
            f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {name}@'%'",
        )
        source = MariaDBSource(
            host=server.host,
            port=server.port,
            user=name,
            password=secret,
            server_id=_server_id(name),
            bootstrap=bootstrap,
        )
        self.spec = spec(name, source, name)

    def commit(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self._connection.commit()

    def close(self) -> None:
        self.commit(f"DROP DATABASE {self._name}", f"DROP USER {self._name}@'%'")
        self._connection.close()


def _server_id(name: str) -> int:
    return 1000 + int(name.rpartition("_")[2], 16) % 1_000_000


def spec(name: str, source: PostgresSource | MariaDBSource, namespace: str) -> ConnectorSpec:
    """Both tables in one feed, routed by the order's number."""
    tables = {f"{namespace}.ord": ("o_id",), f"{namespace}.ordlin": ("l_ord",)}
    feed = Feed(name="order", tables=tables, partitions=PARTITIONS)
    return ConnectorSpec(prefix=name, source=source, feeds=(feed,), encoding=Encoding(decimal="string"))


def secret_of(folder: Path) -> str:
    """A reference to the password, in a file that only the worker of Connect reads."""
    path = folder / "secrets.properties"
    path.write_text(f"password={PASSWORD}\n")
    return f"${{file:{path}:password}}"


@contextmanager
def declared(connect: ConnectClient, name: str, config: dict[str, str], legacy: Legacy) -> Iterator[None]:
    """The connector, working; gone afterwards, with all that it holds."""
    try:
        connect.put(name, config)
        connect.wait_until_working(name, 180)
        yield
    finally:
        connect.delete(name)
        legacy.close()


def order(number: int, lines: int) -> list[str]:
    """The statements of a new order with its lines. Another order's number stands in the column that must not route."""
    values = ", ".join(f"({number}, {line}, {line}, {number * 7 + line})" for line in range(lines))
    return [f"INSERT INTO ord VALUES ({number}, 'new')", f"INSERT INTO ordlin VALUES {values}"]


def topics(at: str, prefix: str) -> dict[str, int]:
    """The topics of a connector, with the number of their partitions."""
    return {name: number for name, number in asyncio.run(_topics(at)).items() if prefix in name}


async def _topics(at: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=at)
    await admin.start()
    try:
        return {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}
    finally:
        await admin.close()


def records(at: str, topic: str) -> list[Record]:
    """All committed records of a topic, by partition and offset; none of one that is not there yet."""
    return asyncio.run(_records(at, topic))


async def _records(at: str, topic: str) -> list[Record]:
    partitions = [TopicPartition(topic, number) for number in range((await _topics(at)).get(topic, 0))]
    if not partitions:
        return []
    found: list[Record] = []
    async with AIOKafkaConsumer(bootstrap_servers=at, isolation_level="read_committed") as consumer:
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [Record(m.topic, m.partition, m.offset, _json(m.key), _json(m.value)) for m in batch]
    return sorted(found, key=lambda one: (one.partition, one.offset))


def _json(data: bytes | None) -> Any:
    return None if data is None else json.loads(data)


def until(holds: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.3)


def changes(found: Sequence[Record]) -> set[tuple[object, ...]]:
    """The changes of these records, repeats once."""
    return {one.change for one in found}
