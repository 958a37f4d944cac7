"""A small world to be reconciled: a legacy in SQLite, a log, a view, and a plain model that says what is right.

The translator is written by hand and the model is plain dictionaries: nothing here is a mapping of the product's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from connectors.capture.triggers import install
from pipeline.cloudevents import Producer, Records, StepFacts
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Page, TopicSpec
from pipeline.projection.project import Projection
from pipeline.projection.spec import ProjectionSpec, read_projection
from pipeline.state.memory import MemoryState
from pipeline.state.port import Save, Stored, Waiting
from reconcile.check import CheckSpec
from reconcile.evidence import Witness
from reconcile.fence import Fence, Pace, capture_hop, translator_hop, view_hop
from reconcile.position import ChangeTable
from reconcile.run import RunResult, Sides, reconcile
from reconcile.sources import Layout, LegacyReader
from reconcile.streams import KeyRange
from reconcile.view import ProjectionView, ViewRow, ViewSide
from translators.aggregate import Rows
from translators.change import Change, Coordinate
from translators.contract import Shape
from translators.facts import UNKNOWN, Facts
from translators.problem import Problem
from translators.schema import Encoding, LegacySchema, Table, column_type
from translators.translator import Refused, Said, State
from translators.values import Row, key_text

Model = dict[str, Any]
"""What a thing is: `name`, `cents`, `owner`, and `lines`, a list of (sequence, quantity)."""

HEADER = {"itm_no": "char(12) not null", "nam": "varchar(80)", "amt": "integer not null", "own": "varchar(40)"}
LINE = {"itm_no": "char(12) not null", "seq": "smallint not null", "qty": "decimal(9,2)"}

VIEW = """
projection: item_view
reads: item
database: view.db
table: item_view
key: {number: number}
columns: {name: name, amount: amount, owner: owner}
children:
  lines:
    table: item_line_view
    columns: {sequence: sequence, quantity: quantity}
"""

SHAPE: Mapping[str, Shape] = {
    "number": Shape(kind="text", max_length=12),
    "name": Shape(kind="text", nullable=True),
    "amount": Shape(kind="decimal", digits=15, places=2),
    "owner": Shape(kind="text", nullable=True, data_class="personal"),
    "lines": Shape(
        kind="list",
        fields={
            "sequence": Shape(kind="integer"),
            "quantity": Shape(kind="decimal", nullable=True, digits=9, places=2),
        },
    ),
}

UNMAPPED = Problem(
    code="code.unmapped",
    cause="semantic",
    message="name: 'LT' is not in the code table name",
    field="name",
    where="mappings/item.yaml:18:12",
    hint="Add the code to `codes.name`.",
)

CHECK = CheckSpec(check="item_view", mapping="item", view="item_view", limit=0, owner="Item read model")
START = datetime(2026, 11, 20, 6, 14, tzinfo=UTC)


def table(name: str, columns: Mapping[str, str], key: tuple[str, ...]) -> Table:
    native = {column: text.removesuffix(" not null") for column, text in columns.items()}
    return Table(name=name, columns={c: column_type(t) for c, t in columns.items()}, native=native, key=key)


SCHEMA = LegacySchema(
    source="legacy",
    connector="sqlite",
    namespace="main",
    encoding=Encoding(decimal="string"),
    tables={"item": table("item", HEADER, ("itm_no",)), "itmlin": table("itmlin", LINE, ("itm_no", "seq"))},
)


class ItemTranslator:
    """An item and its lines. A name of `LT` is refused, as an unmapped code would be."""

    name = "item"
    context = "stock"
    version = "7f3c21a"
    owner = "Stock integration"
    tables = frozenset({"item", "itmlin"})
    root = "item"
    has_parts = True
    keeps_rows = True
    layout = "orders"
    state_type = "Item.v1"
    event_types: tuple[str, ...] = ()

    def key_of(self, table: str, row: Row) -> str:
        return key_text((row["itm_no"],))

    def state(self, rows: Rows) -> State | None:
        root = next(iter(rows.get("item", {}).values()), None)
        if root is None:
            return None
        if root["nam"] == "LT":
            raise Refused(UNMAPPED)
        assert isinstance(root["amt"], int)
        lines = sorted(rows.get("itmlin", {}).values(), key=lambda row: str(row["seq"]).zfill(5))
        return {
            "number": root["itm_no"],
            "name": root["nam"],
            "amount": (Decimal(root["amt"]) / 100).quantize(Decimal("0.01")),
            "owner": root["own"],
            "lines": [{"sequence": line["seq"], "quantity": line["qty"]} for line in lines],
        }

    def correlation(self, rows: Rows) -> str | None:
        return None

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        return Said()


def stated(number: str, model: Model) -> dict[str, Any]:
    """The state of a model, as its record says it: written by hand, beside the translator."""
    cents = model["cents"]
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return {
        "number": number,
        "name": model["name"],
        "amount": f"{sign}{cents // 100}.{cents % 100:02d}",
        "owner": model["owner"],
        "lines": [{"sequence": seq, "quantity": qty} for seq, qty in sorted(model["lines"])],
    }


STATED = stated
"""The same, where a test puts another in its place."""

PRODUCER = Producer(
    namespace="com.example",
    context="stock",
    source="legacy",
    source_epoch=1,
    translator="item",
    state_epoch=1,
    generation=1,
    mapping_version="7f3c21a",
    producer_version="0",
    events_topic="item.events",
    state_topic="item.state",
)


@dataclass
class Clock:
    """A clock that only moves when somebody waits."""

    now: datetime = START
    on_wait: Callable[[], None] = field(default=lambda: None)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, pause: timedelta) -> None:
        self.now += max(pause, timedelta(seconds=1))
        self.on_wait()


class World:
    """Everything in one folder. `write` and `delete` change the legacy; `flow` lets the pipeline catch up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.model: dict[str, Model] = {}
        self.legacy_path, self.view_path = folder / "legacy.db", folder / "view.db"
        self.legacy = sqlite3.connect(self.legacy_path, isolation_level=None)
        self.legacy.execute("PRAGMA journal_mode=WAL")
        self.legacy.execute("CREATE TABLE item (itm_no CHAR(12) PRIMARY KEY, nam TEXT, amt INTEGER NOT NULL, own TEXT)")
        self.legacy.execute("CREATE TABLE itmlin (itm_no CHAR(12), seq INTEGER, qty TEXT, PRIMARY KEY (itm_no, seq))")
        install(self.legacy, SCHEMA.tables.values())
        self.log = MemoryLog()
        self.store = MemoryState()
        self.log.create(TopicSpec(name="legacy.item", kind="feed", partitions=2))
        self.log.create(TopicSpec(name="item.state", kind="state", partitions=2, compacted=True))
        for partition in (0, 1):
            self.store.save(Save(partition=partition, live=True))
        self.spec: ProjectionSpec = read_projection(VIEW, "consumers/item_view.yaml")
        self.engines: list[Engine] = [
            create_engine(f"sqlite:///{self.legacy_path}"),
            create_engine(f"sqlite:///{self.view_path}"),
        ]
        self.projection = Projection(self.spec, SHAPE, self.engines[1], self.log, self.clock, "item.state")
        self.projection.prepare()
        self.captured = 0
        self.versions: dict[str, int] = {}
        self.pending: list[str] = []
        self.losing: set[str] = set()

    def close(self) -> None:
        self.legacy.close()
        for engine in self.engines:
            engine.dispose()

    # What the legacy's own application does.

    def write(
        self,
        number: str,
        name: str | None = "bolt",
        cents: int = 100,
        owner: str | None = "Ada",
        lines: tuple[tuple[int, str | None], ...] = (),
    ) -> None:
        """Insert or change one item in one transaction."""
        self.model[number] = {"name": name, "cents": cents, "owner": owner, "lines": list(lines)}
        padded = number.ljust(12)
        self.legacy.execute("BEGIN")
        self.legacy.execute("DELETE FROM itmlin WHERE itm_no = ?", (padded,))
        self.legacy.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)", (padded, name, cents, owner))
        self.legacy.executemany("INSERT INTO itmlin VALUES (?, ?, ?)", [(padded, *line) for line in lines])
        self.legacy.execute("COMMIT")
        self.pending.append(number)

    def delete(self, number: str) -> None:
        """Delete one item in one transaction."""
        del self.model[number]
        self.legacy.execute("BEGIN")
        for table in ("item", "itmlin"):
            self.legacy.execute(f"DELETE FROM {table} WHERE itm_no = ?", (number.ljust(12),))
        self.legacy.execute("COMMIT")
        self.pending.append(number)

    # What the pipeline does.

    def flow(self) -> None:
        """Everything written so far is captured, published and applied."""
        self.capture()
        self.publish()
        self.project()

    def capture(self) -> None:
        """The feed gets one record per write; the capture notes the position."""
        for number in self.pending[self.log.end("legacy.item", 0) + self.log.end("legacy.item", 1) :]:
            self.log.append([Outgoing(topic="legacy.item", timestamp=0, key=number.encode(), value=b"{}")])
        self.captured = self.legacy.execute("SELECT coalesce(max(pos), 0) FROM _dragoman_changes").fetchone()[0]

    def publish(self) -> None:
        """The state of every key that was written, then the group's offsets."""
        done = sum(self.log.committed("dragoman.item").values())
        ends = {("legacy.item", partition): self.log.end("legacy.item", partition) for partition in (0, 1)}
        for number in self.pending[done : sum(ends.values())]:
            self.publish_state(number, self.model.get(number))
        self.log.commit("dragoman.item", ends)

    def publish_state(self, number: str, model: Model | None) -> None:
        """One record of the state stream; nothing for what the translator would refuse."""
        if model is not None and model["name"] == "LT":
            return
        version = self.versions[number] = self.versions.get(number, 0) + 1
        facts = StepFacts(
            key=key_text((number,)),
            version=version,
            transaction=str(version),
            lowest=version,
            position=version,
            first_row=f"item/{number}",
            time=self.clock.now,
            feed_partition=0,
            arrived=0,
        )
        state = None if model is None else stated(number, model)
        self.log.append([Records(PRODUCER, facts).state("Item.v1", state, "live")])
        stored = Stored(partition=0, version=version, published=model is not None)
        self.store.save(Save(partition=0, aggregates={facts.key: stored}))

    def park(self, number: str, behind: int = 0, problem: Problem = UNMAPPED) -> None:
        """The key's step is refused and waits, with some later ones behind it."""
        change = Change(
            table="item", op="u", row_key=number, before=None, after=None, position=1, transaction="1",
            committed_after=None, time=None, at=Coordinate("legacy.item", 0, 0),
        )  # fmt: skip
        steps = [
            Waiting(
                key=number, partition=0, version=90 + step, changes=(change,), dead_letter="dl-20511",
                problem=problem if step == 0 else None, first_seen=int(START.timestamp() * 1000), mapping_version="1",
            )
            for step in range(behind + 1)
        ]  # fmt: skip
        self.store.save(Save(partition=0, waiting=steps))

    def project(self) -> None:
        """The view reads the state stream to its end; the records of keys in `losing` are lost on the way."""
        if not self.losing:
            self.projection.turn()
            return
        lossy = Lossy(self.log, self.losing)
        Projection(self.spec, SHAPE, self.engines[1], lossy, self.clock, "item.state").turn()

    # What somebody does to the view.

    def sql(self, statement: str, *values: object) -> None:
        """Write into the view by hand."""
        with sqlite3.connect(self.view_path) as connection:
            connection.execute(statement, values)
        connection.close()

    # What is judged.

    def sides(self, **changed: Any) -> Sides:
        """The product's sides of this world."""
        translator = ItemTranslator()
        layout = Layout("item", ("itm_no",), {"itmlin": ("itm_no",)})
        reader = LegacyReader(self.engines[0], SCHEMA, translator, layout, ChangeTable())
        view = ProjectionView(self.engines[1], self.spec, SHAPE, "item.state")
        hops = (
            capture_hop(lambda: self.captured, lambda: None),
            translator_hop(self.log, "legacy.item", "dragoman.item", self.store.is_live, lambda: None),
            view_hop(self.log, "item.state", "item_view", view.checkpoint, lambda: None),
        )
        fence = Fence(hops, Pace(clock=self.clock, wait=self.clock.wait))
        witness = Witness(self.log, "item.state", self.store, view)
        return Sides(**{"reader": reader, "view": view, "witness": witness, "fence": fence, **changed})

    def run(self, check: CheckSpec = CHECK, gate: bool = False, **changed: Any) -> RunResult:
        """One run of the check."""
        return reconcile(check, self.sides(**changed), run="r-2026-11-20-0614", clock=self.clock, gate=gate)


class Doctored:
    """A view side that is the real one but for what a test puts in its place."""

    def __init__(
        self,
        view: ViewSide,
        read_keys: Callable[[Sequence[str]], Mapping[str, ViewRow]] | None = None,
        rows: Callable[[KeyRange], AbstractContextManager[Iterator[ViewRow]]] | None = None,
    ) -> None:
        self.shape = view.shape
        self.rows = rows or view.rows
        self.read_keys = read_keys or view.read_keys
        self.checkpoint = view.checkpoint
        self.parked = view.parked


class Lossy(MemoryLog):
    """A log whose reader does not get the records of some keys, though their offsets go by."""

    def __init__(self, log: MemoryLog, losing: set[str]) -> None:
        super().__init__()
        self._topics, self._partitions, self._committed = log._topics, log._partitions, log._committed
        self._lost = {key_text((key,)).encode() for key in losing}

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        page = super().read(topic, partition, offset, limit)
        return Page([record for record in page.records if record.key not in self._lost], page.next)
