"""Records orders with the oldest Debezium that is supported: as our connector has them, routed, and as one of others has them,
a topic for each table and everything else as it is by default. And the rows in the end.

python -m tests.golden.record_older         # writes tests/data/older anew
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from connectors.connect import ConnectClient
from dragoman.stack import parts
from dragoman.stack.artifacts import Jars
from dragoman.stack.server import Server, shared
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.recording import write_recording
from tests.connectors.connect.world import until
from tests.dragoman.support import make_shop, write
from tests.examples.record import everything
from tests.servers.shared import jars

VERSION = "2.7.4.Final"
FOLDER = Path(__file__).parents[1] / "data" / "older"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"
TABLES = (
    "CREATE TABLE orders (o_id bigint PRIMARY KEY, o_c_id int NOT NULL, o_entry_d timestamptz, o_carrier_id smallint,"
    " o_sts char(1), o_rmk text)",
    "CREATE TABLE order_line (ol_o_id bigint, ol_number smallint, ol_i_id int, ol_quantity numeric(5,0),"
    " ol_amount numeric(8,2), ol_delivery_d timestamp(3), PRIMARY KEY (ol_o_id, ol_number))",
    "ALTER TABLE orders REPLICA IDENTITY FULL",
    "ALTER TABLE order_line REPLICA IDENTITY FULL",
    "CREATE PUBLICATION legacy FOR TABLE orders, order_line",
)
SOURCE = """kind: kafka
bootstrap: {kafka}
begins: snapshot
exactly_once: true
transactions: legacy.transaction
notifications: legacy.notification
connect: {{url: "http://{connect}", connector: legacy}}
feeds:
  order:
    topic: legacy.order
    partitions: 4
    tables: {{orders: o_id, order_line: ol_o_id}}
capture: {{host: {host}, port: {port}, user: dragoman, password: "${{env:PASSWORD}}", database: postgres, slot: legacy,
  publication: legacy}}
"""


def theirs(server: Server) -> dict[str, str]:
    """A connector as the manual shows it: what is not needed is not said."""
    return {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": server.host,
        "database.port": str(server.port),
        "database.user": "dragoman",
        "database.password": "none",
        "database.dbname": "postgres",
        "topic.prefix": "theirs",
        "slot.name": "theirs",
        "publication.name": "legacy",
        "table.include.list": "public.orders,public.order_line",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
    }


def work(legacy: psycopg.Connection[Any], first: int) -> None:
    """A few transactions of every kind; several orders in some of them."""
    dice = random.Random(first)
    for number in range(first, first + 30, 2):
        with legacy.transaction():
            for order in (number, number + 1):
                legacy.execute(
                    "INSERT INTO orders VALUES (%s, %s, now(), NULL, 'N', %s)", (order, order % 7, "é €" * (order % 3))
                )
                for line in range(1, 2 + order % 4):
                    amount = dice.randrange(1, 99_999)
                    legacy.execute(
                        "INSERT INTO order_line VALUES (%s, %s, %s, %s, %s / 100.0, NULL)",
                        (order, line, line, line, amount),
                    )
        with legacy.transaction():
            legacy.execute("UPDATE orders SET o_sts = 'D', o_carrier_id = 3 WHERE o_id = %s", (number,))
            legacy.execute(
                "UPDATE order_line SET ol_delivery_d = '2026-03-01 10:00:00.125' WHERE ol_o_id = %s", (number,)
            )
        if number % 6 == 0:
            with legacy.transaction():
                legacy.execute("DELETE FROM order_line WHERE ol_o_id = %s", (number + 1,))
                legacy.execute("DELETE FROM orders WHERE o_id = %s", (number + 1,))


def older(home: Path) -> Jars:
    """The stack's own libraries, and the plug-in of that version."""
    plugins = home / "plugins"
    artifact = f"io.debezium:debezium-connector-postgres:{VERSION}:tar.gz:plugin"
    command = ["mvn", "--batch-mode", "--quiet", COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={plugins}"]
    subprocess.run(command, cwd=home, check=True)
    return Jars(libs=jars().libs, plugins=plugins)


def record() -> None:
    """Write feed and rows."""
    os.environ["PASSWORD"] = "none"  # noqa: S105 - the server asks for none
    with ExitStack() as held:
        home = Path(held.enter_context(tempfile.TemporaryDirectory()))
        database = held.enter_context(shared(parts.postgres(), home / "postgres"))
        broker = held.enter_context(shared(parts.kafka(jars()), home / "kafka"))
        worker = held.enter_context(shared(parts.connect(older(home), broker.at, exactly_once=True), home / "connect"))
        at = f"host={database.host} port={database.port} user=dragoman dbname=postgres"
        legacy = held.enter_context(psycopg.connect(at, autocommit=True, row_factory=dict_row))
        for statement in TABLES:
            legacy.execute(statement.encode())
        work(legacy, 2)
        project = make_shop(home / "shop")
        said = {"kafka": broker.at, "connect": worker.at, "host": database.host, "port": database.port}
        write(project / "sources" / "shop.yaml", SOURCE.format(**said))
        subprocess.run([sys.executable, "-m", "dragoman", "connectors", "apply", "--project", str(project)], check=True)
        client = held.enter_context(ConnectClient(f"http://{worker.at}"))
        client.put("theirs", theirs(database))
        client.wait_until_working("theirs")
        work(legacy, 40)
        log = held.enter_context(closing(KafkaLog(broker.at)))
        ours = ("legacy.order", "legacy.transaction", "legacy.notification")
        for name, topics, last in (("legacy", ours, 1), ("theirs", ("theirs.public.orders",), 0)):
            until(lambda last=last, topics=topics: end(legacy) in ends(log, topics[last]), 60)  # type: ignore[misc]
            write_recording(FOLDER / f"{name}.jsonl.gz", (one for topic in topics for one in everything(log, topic)))
        with gzip.GzipFile(filename="", mode="wb", fileobj=(FOLDER / "rows.jsonl.gz").open("wb"), mtime=0) as file:
            file.writelines(json.dumps(row, default=str).encode() + b"\n" for row in rows(legacy))


def end(legacy: Any) -> int:
    """The transaction of the row that was written last."""
    found = legacy.execute("SELECT max(xmin::text::bigint) AS xid FROM orders").fetchone()
    return int(found["xid"])


def ends(log: KafkaLog, topic: str) -> set[int]:
    """The transactions that a topic has heard of."""
    values = [json.loads(one.value) for one in everything(log, topic) if one.value]
    return {int(v["id"].partition(":")[0]) if "id" in v else v["source"]["txId"] for v in values}


def rows(legacy: Any) -> Iterator[dict[str, Any]]:
    """The rows in the end, as PostgreSQL writes them."""
    for table, key in (("orders", "o_id"), ("order_line", "ol_o_id, ol_number")):
        for row in legacy.execute(f"SELECT to_jsonb({table}) AS row FROM {table} ORDER BY {key}"):
            yield {"table": table, "row": row["row"]}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    record()
