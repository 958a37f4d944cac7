"""A project over a real legacy database, a real connector and Kafka, run by the real command as processes.

The tables and the programs that write to them are those of `tests.killed`; what an order is, `tests.model.meaning` says.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, Record
from tests.dragoman.support import environment, replace, write
from tests.killed.legacy import COLUMNS, MariaDBLegacy, PostgresLegacy
from tests.model.meaning import KNOWN, state_of, text_of
from tests.model.product import SCHEMA, STATE

ROOT = Path(__file__).parents[2]
CONNECT_SECRET = "${env:LEGACY_PASSWORD}"  # noqa: S105 - how a worker of Connect would find it

MAPPING = (
    STATE
    + """\
events:
  - {{type: OrderShipped.v1, when: "OLD.status = 'new' AND NEW.status = 'shipped'"}}
"""
)

CONTRACTS = '''\
"""What the shop promises of its orders."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dragoman import Contract, Promise

Money = Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
Number = Annotated[Decimal, Field(max_digits=6, decimal_places=0)]


def promise(name, kind):
    return Promise(
        name=name, version=1, kind=kind, context="sales", owner="Sales", intent="Ship what was paid.",
        business_key=("branch", "number"), retention="30 days", lag_objective="60 s",
    )


class Line(BaseModel):
    """One line of an order."""

    number: int
    quantity: int | None


class Payment(BaseModel):
    """One payment for an order."""

    number: int
    amount: Money | None


class Order(Contract):
    """What an order is."""

    promise = promise("Order", "state")

    branch: str
    number: Number
    status: Literal["new", "shipped", "cancelled"]
    note: str | None
    paid: Money
    lines: list[Line]
    payments: list[Payment]


class OrderShipped(Contract):
    """An order left the house."""

    promise = promise("OrderShipped", "event")

    branch: str
    number: Number
    note: str | None
'''

VIEW = """\
projection: {name}_view
reads: {name}
database: {database}
table: order_view
key: {{branch: branch, number: number}}
columns: {{status: status, note: note, paid: paid}}
children:
  lines:
    table: order_line_view
    columns: {{line_number: number, quantity: quantity}}
  payments:
    table: order_payment_view
    columns: {{payment_number: number, amount: amount}}
"""

SOURCE = """\
kind: kafka
bootstrap: {bootstrap}
begins: snapshot
exactly_once: true
transactions: {name}.transaction
notifications: {name}.notification
connect: {{url: "http://{connect}", connector: {name}}}
database: ${{LEGACY_DATABASE}}
feeds:
  order:
    topic: {name}.order
    partitions: {partitions}
    tables: {{orders: [br, no], order_line: [br, no], payment: [br, no]}}
capture:
  host: 127.0.0.1
  user: dragoman
  password: ${{env:LEGACY_PASSWORD}}
"""


@dataclass(frozen=True)
class Shop:
    """The project of a legacy in `folder`. `legacy_url` and `view_url` are its databases, for SQLAlchemy; `kafka` is where its
    topics are."""

    folder: Path
    legacy: PostgresLegacy | MariaDBLegacy
    legacy_url: str
    view_url: str
    kafka: str

    @property
    def name(self) -> str:
        """The translator's."""
        return self.legacy.name

    def command(self, *words: str, **pipes: Any) -> subprocess.Popen[str]:
        """The command, started as a person would."""
        return subprocess.Popen(
            [sys.executable, "-m", "dragoman", *words],
            cwd=self.folder,
            env=environment(LEGACY_DATABASE=self.legacy_url),
            text=True,
            **pipes,
        )

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        """`dragoman run --follow` while the block runs; what it says on standard error is in a file."""
        with (self.folder / f"worker-{os.urandom(3).hex()}.err").open("w") as said:
            process = self.command("run", "--follow", "--json", stdout=subprocess.DEVNULL, stderr=said)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(60)

    def check(self, *options: str) -> dict[str, Any]:
        """`dragoman reconcile run`: what it says of the one check, with its exit code."""
        process = self.command("reconcile", "run", "--json", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=170)
        assert process.returncode in (0, 1, 2) and out, err
        (told,) = [json.loads(line) for line in out.splitlines()]
        assert told["exit_code"] == process.returncode
        return dict(told)

    def data(self, *words: str, codes: tuple[int, ...] = (0,)) -> list[dict[str, Any]]:
        """What another command says as data."""
        process = self.command(*words, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=170)
        assert process.returncode in codes, err + out
        return [json.loads(line) for line in out.splitlines()]

    def watch(self, enough: int) -> dict[str, list[str]]:
        """`dragoman reconcile watch` until it has found so much and is asked to end; by key the causes of all that it found."""
        words = ("reconcile", "watch", "--within", "40s", "--every", "1s", "--json")
        said: list[dict[str, Any]] = []
        with (self.folder / "watch.err").open("w") as err:
            process = self.command(*words, stdout=subprocess.PIPE, stderr=err)
            late = Timer(150, process.kill)
            late.start()
            with process.stdout as out:  # type: ignore[union-attr]
                for line in out:
                    said.append(json.loads(line))
                    if sum(one["what"] == "found" for one in said) == enough:
                        process.send_signal(signal.SIGTERM)
            late.cancel()
        assert process.wait(60) == 0, (said, (self.folder / "watch.err").read_text())
        return {one["finding"]["key"]: one["finding"]["causes"] for one in said if one["what"] == "found"}

    def without_connect(self) -> None:
        """From now on nobody says where Kafka Connect is: PostgreSQL's slot has to tell."""
        file = self.folder / "sources" / "shop.yaml"
        lines = file.read_text().splitlines(keepends=True)
        write(file, "".join(line for line in lines if not line.startswith("connect:")))

    def sql(self, statement: str, **values: object) -> int:
        """Write into the view by hand; how many rows that hit."""
        engine = create_engine(self.view_url)
        with engine.begin() as connection:
            hit = connection.execute(text(statement), values).rowcount
        engine.dispose()
        return hit

    def overwrite(self, key: str) -> None:
        """Somebody else writes a record of a key into the state stream: the next version, with another sum."""
        with closing(KafkaLog(self.kafka)) as log:
            last = [record for record in _records(log, f"{self.name}.state") if record.key == key.encode()][-1]
            epoch, version, *rest = dict(last.headers)["ce_sequence"].decode().split(".")  # type: ignore[union-attr]
            higher = ".".join((epoch, f"{int(version) + 1:012d}", *rest))
            headers = tuple((name, higher.encode() if name == "ce_sequence" else said) for name, said in last.headers)
            value = re.sub(rb'"paid":"[0-9.]+"', b'"paid":"77.70"', last.value or b"")
            assert value != last.value
            log.append(
                [
                    Outgoing(
                        topic=last.topic,
                        timestamp=0,
                        key=last.key,
                        value=value,
                        headers=headers,
                        partition=last.partition,
                    )
                ]
            )

    def size(self) -> int:
        """How many orders the view shows; none while it is not there yet."""
        engine = create_engine(self.view_url)
        try:
            with engine.connect() as connection:
                return int(connection.execute(text("SELECT count(*) FROM order_view")).scalar_one())
        except DBAPIError:
            return 0
        finally:
            engine.dispose()

    def view(self) -> dict[str, dict[str, Any]]:
        """The orders that the view shows, in the model's words."""
        engine = create_engine(self.view_url)
        with engine.connect() as connection:
            rows = {t: [dict(r) for r in connection.execute(text(f"SELECT * FROM {t}")).mappings()] for t in TABLES}
        engine.dispose()
        found = {}
        for row in rows["order_view"]:
            key = text_of((row["branch"], row["number"]))
            found[key] = {
                "status": row["status"],
                "note": row["note"],
                "paid": f"{row['paid']:.2f}" if not isinstance(row["paid"], str) else row["paid"],
                "lines": sorted((one["line_number"], one["quantity"]) for one in _of(rows["order_line_view"], row)),
                "payments": sorted(
                    (one["payment_number"], None if one["amount"] is None else f"{one['amount']}")
                    for one in _of(rows["order_payment_view"], row)
                ),
            }
        return found

    def expected(self) -> dict[str, dict[str, Any]]:
        """The orders as the legacy's rows have them now, by the model's meaning of them."""
        grouped: dict[str, dict[str, dict[tuple[object, ...], Any]]] = {}
        for table, rows in self.legacy.rows().items():
            for row in rows:
                key = text_of((row["br"], row["no"]))
                grouped.setdefault(key, {}).setdefault(table, {})[tuple(row[c] for c in COLUMNS[table][:4])] = row
        found = {}
        for key, tables in grouped.items():
            state = state_of(tables, KNOWN)
            if state is not None:
                lines = sorted((one["number"], one["quantity"]) for one in state["lines"])
                payments = sorted((one["number"], one["amount"]) for one in state["payments"])
                found[key] = {**{n: state[n] for n in ("status", "note", "paid")}, "lines": lines, "payments": payments}
        return found


def _records(log: KafkaLog, topic: str) -> Iterator[Record]:
    for partition in range(log.topics()[topic].partitions):
        offset, end = 0, log.end(topic, partition)
        while offset < end and (page := log.read(topic, partition, offset, 10_000)).next > offset:
            yield from page.records
            offset = page.next


TABLES = ("order_view", "order_line_view", "order_payment_view")


def _of(rows: list[dict[str, Any]], parent: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [row for row in rows if (row["branch"], row["number"]) == (parent["branch"], parent["number"])]


def make(
    folder: Path, legacy: PostgresLegacy | MariaDBLegacy, kafka: Server, connect: Server, urls: tuple[str, str]
) -> Shop:
    """A project of this legacy that has not run yet; `urls` are those of the legacy and of the view."""
    is_postgres = isinstance(legacy, PostgresLegacy)
    name = legacy.name
    for part in ("sources", "mappings", "contracts", "consumers", "checks"):
        (folder / part).mkdir(parents=True)
    write(
        folder / "dragoman.yaml",
        f"project: {name}\nnamespace: com.example.shop\ntranslators: {name}\nsource: shop\n"
        "log: var/log.db\nstate: var/state.db\n",
    )
    identity = "default" if is_postgres else "full"
    write(
        folder / "schema.yaml",
        SCHEMA.format(connector=legacy.connector, namespace=legacy.namespace, identity=identity),
    )
    source = SOURCE.format(bootstrap=kafka.at, name=name, connect=connect.at, partitions=legacy.partitions)
    source = f"engine: faust\nsignal_topic: {name}.signal\n{source}" if is_postgres else source
    own = f"  database: {name}\n  slot: {name}\n  publication: {name}\n" if is_postgres else "  server_id: 4711\n"
    write(folder / "sources" / "shop.yaml", source + own)
    replace(folder / "schema.yaml", "source: legacy", f"source: {name}")
    mapping = MAPPING.format(codes="{N: new, S: shipped, C: cancelled}")
    write(folder / "mappings" / f"{name}.yaml", mapping.replace("translator: order", f"translator: {name}"))
    write(folder / "contracts" / "order.py", CONTRACTS)
    database = urls[1] or "var/view.db"
    write(folder / "consumers" / "order_view.yaml", VIEW.format(name=name, database=database))
    write(
        folder / "checks" / "order_view.yaml",
        f"check: order_view\nmapping: {name}\nview: {name}_view\nlimit: 0\nowner: Orders\n",
    )
    return Shop(folder, legacy, urls[0], urls[1] or f"sqlite:///{folder / 'var' / 'view.db'}", kafka.at)
