"""`dragoman connectors` on a real worker, broker and database: planned, applied, steered and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from typer.testing import CliRunner

from connectors.connect import ConnectClient
from dragoman.app import app
from dragoman.stack.server import Server
from pipeline.log.kafka.admin import TopicAdmin
from tests.connectors.connect.world import PASSWORD, records, secret_of, until
from tests.dragoman.support import Outcome, make_shop, replace, write
from translators.errors import DragomanError

TABLES = (
    "CREATE TABLE orders (o_id BIGINT PRIMARY KEY, o_c_id INT NOT NULL, o_entry_d TIMESTAMPTZ, o_carrier_id SMALLINT, "
    "o_sts CHAR(1), o_rmk TEXT)",
    "CREATE TABLE order_line (ol_o_id BIGINT, ol_number SMALLINT, ol_i_id INT, ol_quantity NUMERIC(5,0), "
    "ol_amount NUMERIC(8,2), ol_delivery_d TIMESTAMP(3), PRIMARY KEY (ol_o_id, ol_number))",
    "ALTER TABLE orders REPLICA IDENTITY FULL",
    "ALTER TABLE order_line REPLICA IDENTITY FULL",
    "INSERT INTO orders VALUES (1, 1, now(), NULL, 'N', NULL)",
)
SOURCE = """kind: kafka
bootstrap: {kafka}
begins: snapshot
exactly_once: true
transactions: {name}.transaction
notifications: {name}.notification
signal_topic: {name}-signals
database: ${{LEGACY_URL}}
connect:
  url: http://{connect}
  connector: {name}
feeds:
  order:
    topic: {name}.order
    partitions: 4
    tables: {{orders: o_id, order_line: ol_o_id}}
capture:
  host: {host}
  port: {port}
  user: {name}
  password: {secret}
  database: {name}
  slot: {name}
  publication: {name}
  heartbeat: SELECT pg_logical_emit_message(false, 'dragoman', now()::text)
  overrides:
    max.batch.size: 1024
"""


MARIA_TABLES = (
    "CREATE TABLE orders (o_id BIGINT PRIMARY KEY, o_c_id INT NOT NULL, o_entry_d TIMESTAMP NULL, o_carrier_id SMALLINT, "
    "o_sts CHAR(1), o_rmk TEXT)",
    "CREATE TABLE order_line (ol_o_id BIGINT, ol_number SMALLINT, ol_i_id INT, ol_quantity DECIMAL(5,0), "
    "ol_amount DECIMAL(8,2), ol_delivery_d DATETIME(3), PRIMARY KEY (ol_o_id, ol_number))",
    "INSERT INTO orders VALUES (1, 1, now(), NULL, 'N', NULL)",
    "INSERT INTO order_line VALUES (1, 1, 7, 2, 1.50, NULL)",
)


@dataclass(frozen=True)
class Commands:
    """`dragoman connectors` of a project."""

    folder: Path
    url: str

    def succeeds(self, *words: str) -> Outcome:
        outcome = self.run(*words)
        assert outcome.code == 0, outcome
        return outcome

    def run(self, *words: str) -> Outcome:
        """Inside this process, since there are many: a process of its own takes longer than what it asks for."""
        arguments = ["connectors", *words, "--project", str(self.folder)]
        done = CliRunner().invoke(app, arguments, env={"LEGACY_URL": self.url})
        if isinstance(done.exception, DragomanError):
            return Outcome(2, done.stdout, done.exception.code)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Outcome(done.exit_code, done.stdout, "")

    def plan(self) -> Any:
        (told,) = self.run("plan", "--json").lines
        return told


@dataclass(frozen=True)
class Shop(Commands):
    """A project whose connector does not exist yet, with its database."""

    name: str
    kafka: Server
    connect: Server
    database: psycopg.Connection

    @property
    def kept(self) -> Path:
        return self.folder / "plan.json"

    def change(self, old: str, new: str) -> None:
        replace(self.folder / "sources" / "shop.yaml", old, new)

    def slots(self) -> int:
        query = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{self.name}'"
        return len(self.database.execute(query.encode()).fetchall())

    def confirmed(self) -> str:
        query = f"SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{self.name}'"
        (lsn,) = self.database.execute(query.encode()).fetchone() or ("",)
        return str(lsn)

    def order(self, number: int) -> None:
        self.database.execute(f"INSERT INTO orders VALUES ({number}, 1, now(), NULL, 'N', NULL)".encode())


@pytest.fixture
def shop(kafka: Server, connect: Server, postgres_server: Server, unused_name: str, tmp_path: Path) -> Iterator[Shop]:
    """Gone afterwards, with the connector and the slot."""
    name, server = unused_name, postgres_server
    folder = make_shop(tmp_path / "shop")
    login = f"host={server.host} port={server.port} user=dragoman"
    with psycopg.connect(f"{login} dbname=postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(f"{login} dbname={name}", autocommit=True) as database:
            # Who may read and replicate, and write nothing: the heartbeat is a message in the log.
            reader = (f"CREATE ROLE {name} LOGIN REPLICATION", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
            for statement in (*TABLES, *reader, f"CREATE PUBLICATION {name} FOR TABLE orders, order_line"):
                database.execute(statement.encode())
            named_as(folder, name)
            said = {"kafka": kafka.at, "connect": connect.at, "name": name, "host": server.host, "port": server.port}
            write(folder / "sources" / "shop.yaml", SOURCE.format(**said, secret=secret_of(tmp_path)))
            url = f"postgresql+psycopg://dragoman@{server.host}:{server.port}/{name}"
            yield Shop(folder, url, name, kafka, connect, database)
        with ConnectClient(f"http://{connect.at}") as client:
            client.delete(name)
        query = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
        until(lambda: not _active(admin, name), 60)
        admin.execute(query.encode())
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE {name}".encode())


def named_as(folder: Path, name: str) -> None:
    """The project's topics get names that nobody else on the broker has."""
    replace(folder / "dragoman.yaml", "translators: order", f"translators: {name}")
    (folder / "mappings" / "order.yaml").rename(folder / "mappings" / f"{name}.yaml")
    replace(folder / "mappings" / f"{name}.yaml", "translator: order", f"translator: {name}")
    replace(folder / "schema.yaml", "source: legacy", f"source: {name}")


def _active(admin: psycopg.Connection, name: str) -> bool:
    query = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND active"
    return bool(admin.execute(query.encode()).fetchall())


def test_a_connector_is_planned_applied_changed_and_taken_away(shop: Shop) -> None:
    _planned_and_applied(shop)
    _moved_and_refused(shop)
    _steered(shop)
    _taken_away(shop)


def _planned_and_applied(shop: Shop) -> None:
    name = shop.name
    with TopicAdmin(shop.kafka.at) as admin:
        said = shop.succeeds("plan", "--out", str(shop.kept)).out
        assert "11 topics to make" in said or "10 topics to make" in said
        assert f"+ connector {name} is made" in said
        assert not [one for one in admin.describe() if name in one]
        assert shop.slots() == 0
        applied = shop.succeeds("apply", "--plan", str(shop.kept)).out
        assert f"the connector {name} works: RUNNING" in applied
        assert PASSWORD not in said + applied + shop.kept.read_text()
        found = admin.describe()
        made = {one.removeprefix(f"{name}."): found[one] for one in found if name in one}
    assert {one: topic.partitions for one, topic in made.items()} == {
        "order": 4,
        "transaction": 1,
        "notification": 1,
        f"__debezium-heartbeat.{name}": 1,
        "message": 1,
        f"{name}-signals": 1,
        "events": 4,
        "state": 4,
        "changelog": 4,
        "dead-letters": 1,
    }
    assert {made[one].settings["cleanup.policy"] for one in ("order", "transaction", "events")} == {"delete"}
    assert {made[one].settings["cleanup.policy"] for one in ("state", "changelog")} == {"compact"}
    assert {made[one].settings["retention.ms"] for one in ("order", "transaction")} == {str(14 * 86_400_000)}
    assert [one.value["op"] for one in records(shop.kafka.at, f"{name}.order")] == ["r"]
    # Nobody works in this database, and the connector's user may not write: the slot moves all the same.
    before = shop.confirmed()
    until(lambda: shop.confirmed() != before, 30)
    assert shop.plan()["items"][0]["action"] == "keep"
    assert "nothing to do" in shop.succeeds("apply").out


def _moved_and_refused(shop: Shop) -> None:
    name = shop.name
    stale = shop.run("apply", "--plan", str(shop.kept))
    assert (stale.code, stale.err) == (2, "connect.plan-stale")
    shop.change("max.batch.size: 1024", "max.batch.size: 512")
    before = shop.plan()["digest"]
    with TopicAdmin(shop.kafka.at) as admin:
        admin.set(f"{name}.order", {"retention.ms": "-1", "cleanup.policy": "delete", "max.message.bytes": "2000000"})
        assert shop.run("apply", "--plan", before).err == "connect.plan-stale"
        told = shop.run("plan").out
        assert "retention.ms: for ever → 14 days  [destructive]" in told
        assert "~ max.batch.size: 1024 → 512" in told
        unconfirmed = shop.run("apply")
        assert (unconfirmed.code, unconfirmed.err) == (2, "connect.unconfirmed")
        assert admin.describe()[f"{name}.order"].own["retention.ms"] == "-1"
        shop.succeeds("apply", "--yes")
        own = admin.describe()[f"{name}.order"].own
    # What others have set and nothing here declares stays as it is.
    assert (own["retention.ms"], own["max.message.bytes"]) == (str(14 * 86_400_000), "2000000")
    shop.change("partitions: 4", "partitions: 8")
    planned = shop.run("plan")
    assert planned.code == 1
    assert "4 → 8 partitions  [refused]" in planned.out
    assert shop.run("apply", "--yes").err == "connect.plan-refused"
    shop.change("partitions: 8", "partitions: 4")


def _steered(shop: Shop) -> None:
    feed = f"{shop.name}.order"
    shop.succeeds("pause")
    shop.order(2)
    assert "stays PAUSED" in shop.succeeds("apply").out
    assert "works" in shop.succeeds("resume").out
    until(lambda: len(records(shop.kafka.at, feed)) == 2)
    (held,) = shop.succeeds("offsets", "--json").lines
    assert held["position"].startswith("LSN ")
    for wrong in ("0/1", "FFFFFFFF/0", "abc"):
        refused = shop.run("offsets", "--set", wrong, "--yes")
        assert (refused.code, refused.err) == (2, "connect.position-unusable")
    # Its heartbeats would move the slot beyond the position that is set here.
    shop.succeeds("pause")
    now = shop.database.execute("SELECT pg_current_wal_lsn()::text").fetchone()
    assert now is not None
    assert shop.run("offsets", "--set", now[0]).err == "connect.unconfirmed"
    assert f"set its position: LSN {now[0]}" in shop.succeeds("offsets", "--set", now[0], "--yes").out
    shop.order(3)
    until(lambda: len(records(shop.kafka.at, feed)) == 3)


def _taken_away(shop: Shop) -> None:
    name = shop.name
    assert shop.run("destroy").err == "connect.unconfirmed"
    assert shop.slots() == 1
    told = shop.succeeds("destroy", "--yes").out
    assert f"dropped the slot {name}" in told
    assert shop.slots() == 0
    with ConnectClient(f"http://{shop.connect.at}") as client:
        until(lambda: name not in client.names())
    assert len(records(shop.kafka.at, f"{name}.order")) == 3
    assert f"there was no slot {name}" in shop.succeeds("destroy", "--yes", "--topics").out
    with TopicAdmin(shop.kafka.at) as admin:
        until(lambda: f"{name}.order" not in admin.describe())
        assert {f"{name}.changelog", f"{name}.state"} <= admin.describe().keys()


def test_a_mariadb_is_planned_applied_and_taken_away(
    kafka: Server, connect: Server, mariadb_server: Server, unused_name: str, tmp_path: Path
) -> None:
    name, server, folder = unused_name, mariadb_server, make_shop(tmp_path / "shop")
    named_as(folder, name)
    replace(
        folder / "schema.yaml", "connector: postgresql\nnamespace: public", f"connector: mariadb\nnamespace: {name}"
    )
    replace(folder / "schema.yaml", "time: adaptive", "time: adaptive_time_microseconds, bigint_unsigned: precise")
    said = {"kafka": kafka.at, "connect": connect.at, "name": name, "host": server.host, "port": server.port}
    source = SOURCE.format(**said, secret=secret_of(tmp_path))
    login = f"  database: {name}\n  slot: {name}\n  publication: {name}\n"
    heartbeat = "  heartbeat: SELECT pg_logical_emit_message(false, 'dragoman', now()::text)\n"
    number = 1000 + int(name.rpartition("_")[2], 16) % 1_000_000
    write(folder / "sources" / "shop.yaml", source.replace(login, f"  server_id: {number}\n").replace(heartbeat, ""))
    with pymysql.connect(host=server.host, port=server.port, user="root", autocommit=True) as connection:
        admin = connection.cursor()
        for statement in (f"CREATE DATABASE {name}", f"USE {name}", *MARIA_TABLES):
            admin.execute(statement)
        admin.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")
        admin.execute(
            f"GRANT SELECT, RELOAD, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {name}@'%'"
        )
        shop = Commands(folder, f"mysql+pymysql://root@{server.host}:{server.port}/{name}")
        try:
            assert f"the connector {name} works: RUNNING" in shop.succeeds("apply").out
            admin.execute("INSERT INTO orders VALUES (2, 1, now(), NULL, 'N', NULL)")
            until(lambda: len(records(kafka.at, f"{name}.order")) == 3)
            assert [one.value["op"] for one in records(kafka.at, f"{name}.order")].count("r") == 2
            assert {item["action"] for item in shop.plan()["items"]} == {"keep"}
            assert "nothing to do" in shop.succeeds("apply").out
            (held,) = shop.succeeds("offsets", "--json").lines
            told = CliRunner().invoke(app, ["status", "--project", str(folder)], env={"LEGACY_URL": shop.url}).stdout
            assert f"read up to {held['position'].partition(',')[0]}" in told and "log-purged" not in told
            refused = shop.run("offsets", "--set", "no-such.000001:4", "--yes")
            assert ":" in held["position"] and refused.err == "connect.position-unusable"
            assert "forgot its offsets" in shop.succeeds("destroy", "--yes").out
            assert PASSWORD not in "".join(map(str, shop.plan()["items"]))
        finally:
            with ConnectClient(f"http://{connect.at}") as client:
                client.delete(name)
            admin.execute(f"DROP DATABASE {name}")
            admin.execute(f"DROP USER {name}@'%'")
