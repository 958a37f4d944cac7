"""Records a day of the insurer in PostgreSQL, as its connector writes it to a real Kafka, and its rows in the end.

python -m tests.examples.record             # writes the example's variant `recorded` anew
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from connectors.connect import ConnectClient
from connectors.debezium.sources import committed_position
from dragoman.example import make_folder
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from examples.insurer.legacy import postgres
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Record
from pipeline.log.reading import read_through
from pipeline.log.recording import write_recording
from tests.examples.support import PROJECT
from tests.servers.shared import jars

FEED, ROWS = "feed.jsonl.gz", "rows.jsonl.gz"
TABLES = {"polmst": "pol_no", "covdtl": "pol_no, cov_seq", "clmhdr": "clm_no", "clmlin": "clm_no, lin_no"} | {
    "clmpay": "clm_no, pay_seq"
}
PATIENCE = 120


def variables(database: Server, broker: Server, worker: Server) -> dict[str, str]:
    """What the variant `postgres` is told of its surroundings."""
    return {
        "KAFKA_BOOTSTRAP": broker.at,
        "CONNECT_URL": f"http://{worker.at}",
        "LEGACY_URL": f"postgresql+psycopg://dragoman@{database.at}/postgres",
        "LEGACY_HOST": database.host,
        "LEGACY_PORT": str(database.port),
        "LEGACY_DATABASE": "postgres",
    }


def conninfo(database: Server) -> str:
    """How programs connect to it."""
    return f"host={database.host} port={database.port} user=dragoman dbname=postgres"


def record(folder: Path, policies: int, claims: int, transactions: int, seed: int) -> tuple[int, int]:
    """Write the feed and the rows into a folder; how many records and rows."""
    # The server asks for no password, but the worker has to find what the project refers to.
    os.environ["LEGACY_PASSWORD"] = "none"  # noqa: S105
    with ExitStack() as held:
        home = Path(held.enter_context(tempfile.TemporaryDirectory()))
        database = held.enter_context(shared(parts.postgres(), home / "postgres"))
        broker = held.enter_context(shared(parts.kafka(jars()), home / "kafka"))
        worker = held.enter_context(shared(parts.connect(jars(), broker.at, exactly_once=True), home / "connect"))
        postgres.load(conninfo(database), seed, policies, claims)
        make_folder(home / "project", "postgres")
        surroundings = variables(database, broker, worker)
        source = Project(read_settings(home / "project", surroundings)).source
        apply = [sys.executable, "-m", "dragoman", "connectors", "apply", "--project", str(home / "project")]
        subprocess.run(apply, env={**os.environ, **surroundings}, check=True)
        with ConnectClient(f"http://{worker.at}") as client:
            postgres.work(conninfo(database), seed + 1, transactions)
            wait_until_passed(client, conninfo(database))
            client.stop("legacy")
        topics = [feed.topic for feed in source.feeds] + [f"legacy.{name}" for name in ("transaction", "notification")]
        with closing(KafkaLog(broker.at)) as log:
            records = write_recording(folder / FEED, (one for topic in topics for one in everything(log, topic)))
        with gzip.GzipFile(filename="", mode="wb", fileobj=(folder / ROWS).open("wb"), mtime=0) as file:
            lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows(conninfo(database))]
            file.writelines(lines)
    return records, len(lines)


def wait_until_passed(client: ConnectClient, database: str) -> None:
    """Wait until the connector has committed that it has read all that is written by now."""
    with psycopg.connect(database) as connection:
        (end,) = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone() or (0,)
    deadline = time.monotonic() + PATIENCE
    while (committed_position(client.offsets("legacy")[0].offset) or 0) < end:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def everything(log: KafkaLog, topic: str) -> Iterator[Record]:
    """All records of a topic, partition by partition."""
    for partition in range(log.topics()[topic].partitions):
        for found in read_through(log, topic, partition):
            yield from found


def rows(database: str) -> Iterator[Mapping[str, Any]]:
    """The rows of the captured tables, decimals as text: `{"table": ..., "row": {...}}`."""
    with psycopg.connect(database, row_factory=dict_row) as connection:
        for table, key in TABLES.items():
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY {key}".encode()):
                told = {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}
                yield {"table": table, "row": told}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="tests.examples.record", description="Record a day of the insurer.")
    parser.add_argument("--folder", type=Path, default=PROJECT / "variants" / "recorded")
    parser.add_argument("--policies", type=int, default=300)
    parser.add_argument("--claims", type=int, default=120)
    parser.add_argument("--transactions", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    records, kept = record(given.folder, given.policies, given.claims, given.transactions, given.seed)
    print(f"{records:,} records, {kept:,} rows in {given.folder}")


if __name__ == "__main__":
    main()
