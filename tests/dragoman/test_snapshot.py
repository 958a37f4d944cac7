"""`dragoman snapshot` against a real connector: what it costs, how it goes, how it is stopped; and the notifications folded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from connectors.connect import ConnectClient
from connectors.debezium.records import Notification
from connectors.debezium.snapshots import Snapshots, TableScan
from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from tests.connectors.connect.world import secret_of, until
from tests.dragoman.support import dragoman, environment, make_shop, replace, succeeds, write
from translators.change import Coordinate

ROWS = 1000
TABLES = (
    "CREATE TABLE orders (o_id bigint PRIMARY KEY, o_c_id int NOT NULL, o_entry_d timestamptz, o_carrier_id smallint,"
    " o_sts char(1), o_rmk text)",
    "CREATE TABLE order_line (ol_o_id bigint, ol_number smallint, ol_i_id int, ol_quantity numeric(5,0),"
    " ol_amount numeric(8,2), ol_delivery_d timestamp(3), PRIMARY KEY (ol_o_id, ol_number))",
    "CREATE TABLE signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
    "ALTER TABLE orders REPLICA IDENTITY FULL",
    "ALTER TABLE order_line REPLICA IDENTITY FULL",
    f"INSERT INTO orders SELECT n, 1, now(), NULL, 'N', NULL FROM generate_series(1, {ROWS}) n",
    f"INSERT INTO order_line SELECT n, m, 7, 1, 2.50, NULL FROM generate_series(1, {ROWS}) n, generate_series(1, 2) m",
    "ANALYZE orders, order_line",
)


def source(name: str, kafka: str, connect: str, server: Server, secret: str, url: str) -> str:
    return f"""kind: kafka
bootstrap: {kafka}
begins: empty
exactly_once: true
transactions: {name}.transaction
notifications: {name}.notification
signals: public.signal
signal_topic: {name}.signals
connect: {{url: "http://{connect}", connector: {name}}}
database: {url}
feeds:
  order:
    topic: {name}.order
    partitions: 2
    tables: {{orders: o_id, order_line: ol_o_id}}
capture:
  host: {server.host}
  port: {server.port}
  user: dragoman
  password: {secret}
  database: {name}
  slot: {name}
  publication: {name}
  overrides: {{incremental.snapshot.chunk.size: 10, signal.poll.interval.ms: 200}}
"""


@pytest.fixture
def shop(kafka: Server, connect: Server, postgres_server: Server, unused_name: str, tmp_path: Path) -> Iterator[Path]:
    name = unused_name
    at = f"host={postgres_server.host} port={postgres_server.port} user=dragoman"
    with psycopg.connect(f"{at} dbname=postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(f"{at} dbname={name}", autocommit=True) as made:
            for statement in (*TABLES, f"CREATE PUBLICATION {name} FOR TABLE orders, order_line, signal"):
                made.execute(statement.encode())
        folder = make_shop(tmp_path / "shop")
        url = f"postgresql+psycopg://dragoman@{postgres_server.host}:{postgres_server.port}/{name}"
        write(
            folder / "sources" / "shop.yaml",
            source(name, kafka.at, connect.at, postgres_server, secret_of(tmp_path), "${LEGACY_URL}"),
        )
        replace(folder / "schema.yaml", "source: legacy", f"source: {name}")
        replace(folder / "schema.yaml", "decimal: precise", "decimal: string")
        replace(folder / "dragoman.yaml", "translators: order", f"translators: {name}")
        (folder / "mappings" / "order.yaml").rename(folder / "mappings" / f"{name}.yaml")
        replace(folder / "mappings" / f"{name}.yaml", "translator: order", f"translator: {name}")
        write(folder / "url", url)
        with closing(KafkaLog(kafka.at)) as log, ConnectClient(f"http://{connect.at}") as client:
            log.create(TopicSpec(name=f"{name}.signals", kind="feed", partitions=1))
            client.put(name, json.loads(succeeds("connectors", "explain", "--config", cwd=folder, LEGACY_URL=url).out))
            client.wait_until_working(name, 180)
            try:
                yield folder
            finally:
                client.delete(name)
                slots = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}'"
                until(lambda: not admin.execute(f"{slots} AND active".encode()).fetchall(), 60)
                if admin.execute(slots.encode()).fetchall():
                    # By its name: as a condition it may be asked of the slots of other tests first.
                    admin.execute("SELECT pg_drop_replication_slot(%s)", (name,))
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_tables_are_read_again_with_what_it_costs_said_before(shop: Path, unused_name: str) -> None:
    url = (shop / "url").read_text()
    told = dragoman("snapshot", "orders", "--where", "o_nope = 1", "--yes", cwd=shop, LEGACY_URL=url)
    assert (told.code, "o_nope" in told.err) == (2, True), told
    told = dragoman("snapshot", "ordrs", "--yes", cwd=shop, LEGACY_URL=url)
    assert told.code == 2 and "did you mean 'orders'?" in told.err

    told = dragoman("snapshot", "orders", cwd=shop, LEGACY_URL=url)
    assert (told.code, "reads order_line as well" in told.out) == (0, True)
    assert "No snapshot was asked for yet" in succeeds("snapshot", cwd=shop, LEGACY_URL=url).out

    told = succeeds("snapshot", "orders", "order_line", "--yes", cwd=shop, LEGACY_URL=url)
    words = " ".join(told.out.split())
    assert f"orders {ROWS:,}" in words and f"✓ orders {ROWS:,} rows read" in words
    assert f"✓ order_line {2 * ROWS:,} rows read Complete." in words
    succeeds("run", cwd=shop, LEGACY_URL=url)
    (account,) = [one for one in succeeds("run", "--json", cwd=shop, LEGACY_URL=url).lines if "tables" in one]
    assert account["fits"], account
    states = succeeds("events", unused_name, "--state", "--json", cwd=shop, LEGACY_URL=url).lines
    assert {one["eventclass"] for one in states} == {"snapshot"}

    more = (
        "INSERT INTO order_line SELECT n, m, 7, 1, 2.50, NULL FROM generate_series(1, 1000) n, generate_series(3, 22) m"
    )
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as legacy:
        legacy.execute(more)
    with subprocess.Popen(
        [sys.executable, "-m", "dragoman", "snapshot", "orders", "order_line", "--yes"],
        cwd=shop,
        env=environment(LEGACY_URL=url),
        stdout=subprocess.PIPE,
        text=True,
    ) as going:
        until(lambda: "goes on" in succeeds("snapshot", cwd=shop, LEGACY_URL=url).out)
        stopped = dragoman("snapshot", "--stop", cwd=shop, LEGACY_URL=url)
        assert going.wait(60) == stopped.code == 1
        assert going.stdout is not None
        assert "stopped before all of it was read" in stopped.out and "Not complete" in going.stdout.read()
    assert "nothing to stop" in succeeds("snapshot", "--stop", cwd=shop, LEGACY_URL=url).out

    (last,) = succeeds("snapshot", "--json", cwd=shop, LEGACY_URL=url).lines
    assert last["over"] and set(last["tables"]) == {"orders", "order_line"}


def folded(*told: tuple[str, str, dict[str, str]]) -> Snapshots:
    known = Snapshots(lambda name: name.removeprefix("public."))
    for run, kind, data in told:
        at = Coordinate("legacy.notification", 0, 0)
        known.take(Notification(id=run, aggregate_type="Incremental Snapshot", type=kind, data=data, at=at))
    return known


BOTH = {"data_collections": "public.orders,public\\.order_line"}


def scanned(table: str, status: str, rows: int = 0) -> dict[str, str]:
    return {"scanned_collection": table, "status": status, "total_rows_scanned": str(rows)}


def test_one_that_was_stopped_says_that_it_is_complete() -> None:
    known = folded(
        ("a", "STARTED", BOTH),
        (
            "a",
            "IN_PROGRESS",
            {"current_collection_in_progress": "public.orders", "last_processed_key": "7", "maximum_key": "9"},
        ),
        ("a", "TABLE_SCAN_COMPLETED", scanned("public.orders", "SUCCEEDED", 9)),
        ("a", "COMPLETED", {}),
        ("another", "ABORTED", {"data_collections": "public.order_line"}),
    )
    run = known.runs["a"]
    assert run.over and not run.is_whole and known.going_on is None and known.last is run
    assert run.tables["orders"] == TableScan(at="7", last="9", status="SUCCEEDED", rows=9)
    assert run.tables["order_line"].status == ""


def test_a_table_that_cannot_be_read_keeps_it_from_being_whole() -> None:
    ended = ("a", "TABLE_SCAN_COMPLETED", scanned("public\\.order_line", "UNKNOWN_SCHEMA"))
    known = folded(("a", "STARTED", BOTH), ("a", "TABLE_SCAN_COMPLETED", scanned("public.orders", "EMPTY")), ended)
    assert known.going_on is known.runs["a"]
    known = folded(("a", "STARTED", BOTH), ended, ("a", "COMPLETED", {}))
    assert not known.runs["a"].is_whole


def test_one_of_which_nothing_more_is_heard_is_over_when_the_next_begins() -> None:
    """A connector takes one at a time; one that was restarted goes on with its own and says STARTED again."""
    known = folded(("a", "STARTED", BOTH), ("a", "STARTED", BOTH), ("b", "STARTED", BOTH))
    assert known.runs["a"].over and known.going_on is known.runs["b"]
