"""Somebody else's read model of items: their tables, their names and types, and the code that fills them from the stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, text

from pipeline.log.port import Log
from reconcile.check import CheckSpec, read_check
from reconcile.embedded import OwnDeclared, last_hop
from reconcile.evidence import Witness
from reconcile.fence import APART, Fence, Pace, capture_hop, translator_hop
from reconcile.own_view import OwnView
from reconcile.run import RunResult, Sides
from tests.reconcile.world import SHAPE, World

ID = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgresql": "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "mariadb": "INTEGER PRIMARY KEY AUTO_INCREMENT",
}
TABLES = """
CREATE TABLE things (id {id}, code VARCHAR(20), title VARCHAR(80), cents INTEGER, contact VARCHAR(40), seen VARCHAR(80),
    created_at VARCHAR(30), removed_at VARCHAR(30));
CREATE TABLE thing_lines (id {id}, thing_id INTEGER, line_no INTEGER, quantity VARCHAR(20));
CREATE TABLE positions (topic VARCHAR(40), part INTEGER, upcoming INTEGER);
"""
CHECK = """
check: item_portal
mapping: item
view: portal
limit: 0
owner: Portal
{beside}
tables:
  database: portal.db
  table: things
  id: id
  key:
    code: number
  columns:
    title: name
    cents / 100.0: amount
    contact: owner
  where: removed_at IS NULL
  ignores:
    - created_at
  {below}
  children:
    lines:
      table: thing_lines
      parent: thing_id
      id: id
      {order}
      columns:
        line_no: sequence
        quantity: quantity
"""
CHECKPOINT = "checkpoint: {table: positions, partition: part, offset: upcoming, where: topic = 'item.state'}"


def declared(*, group: str = "", version: bool = False, order: str = "identity: sequence") -> CheckSpec:
    """The check of the model, by its checkpoint or by a group."""
    below = "version: seen" if version else ""
    beside = f"group: {group}" if group else ""
    below = below if group else f"{below}\n  {CHECKPOINT}"
    return read_check(CHECK.format(beside=beside, below=below, order=order), "checks/portal.yaml")


class Portal:
    """The model in `engine`, filled from a world's state stream."""

    def __init__(self, world: World, engine: Engine) -> None:
        self.world, self.engine = world, engine
        self.losing: set[str] = set()
        for statement in TABLES.format(id=ID[engine.dialect.name]).strip().split(";"):
            if statement.strip():
                self.sql(statement)
        for part in (0, 1):
            self.sql("INSERT INTO positions VALUES ('item.state', :part, 0)", part=part)
        world.clock.on_wait = lambda: None

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with self.engine.begin() as connection:
            found = connection.execute(text(statement), values)
            return list(found) if found.returns_rows else []

    def id_of(self, code: str) -> int:
        return int(self.sql("SELECT min(id) FROM things WHERE code = :code", code=code)[0][0])

    def flow(self) -> None:
        """Everything written so far comes all the way."""
        self.world.capture()
        self.world.publish()
        self.follow()

    def follow(self) -> None:
        """The consumer reads the stream to its end; rows and offset in one transaction."""
        log: Log = self.world.log
        for part in (0, 1):
            (offset,) = self.sql("SELECT upcoming FROM positions WHERE part = :part", part=part)[0]
            page = log.read("item.state", part, offset, 1_000)
            with self.engine.begin() as connection:
                for record in page.records:
                    key = (record.key or b"").decode().replace("%2F", "/").replace("%25", "%")
                    if key not in self.losing:
                        sequence = dict(record.headers)["ce_sequence"] or b""
                        self._apply(connection, key, record.value, sequence.decode())
                connection.execute(
                    text("UPDATE positions SET upcoming = :next WHERE part = :part"), {"next": page.next, "part": part}
                )
            log.commit("portal", {("item.state", part): page.next})

    def _apply(self, db: Connection, code: str, value: bytes | None, sequence: str) -> None:
        found = db.execute(text("SELECT id FROM things WHERE code = :code"), {"code": code}).first()
        if value is None:
            db.execute(text("UPDATE things SET removed_at = 'now' WHERE code = :code"), {"code": code})
            return
        data = json.loads(value)
        values = {
            "code": code,
            "title": data["name"],
            "cents": int(data["amount"].replace(".", "")),
            "contact": data["owner"],
            "seen": sequence,
        }
        if found is None:
            db.execute(
                text(
                    "INSERT INTO things (code, title, cents, contact, seen) VALUES (:code, :title, :cents, :contact, :seen)"
                ),
                values,
            )
            found = db.execute(text("SELECT id FROM things WHERE code = :code"), {"code": code}).one()
        else:
            setting = "title = :title, cents = :cents, contact = :contact, seen = :seen, removed_at = NULL"
            db.execute(text(f"UPDATE things SET {setting} WHERE code = :code"), values)
        db.execute(text("DELETE FROM thing_lines WHERE thing_id = :id"), {"id": found[0]})
        # In whatever order: nothing in the model says one.
        for line in sorted(data["lines"], key=lambda one: -one["sequence"]):
            db.execute(
                text("INSERT INTO thing_lines (thing_id, line_no, quantity) VALUES (:id, :sequence, :quantity)"),
                {"id": found[0], **line},
            )

    def view(self, check: CheckSpec) -> OwnView:
        assert check.tables is not None
        of = OwnDeclared(check.view, check.tables)
        return OwnView(self.engine, of.name, of.tables, SHAPE, "item.state")

    def check(self, check: CheckSpec | None = None, *, gate: bool = False) -> RunResult:
        """One run."""
        check = check or declared()
        sides = self.sides(check)
        return self.world.run(check, gate, view=sides.view, fence=sides.fence, witness=sides.witness)

    def sides(self, check: CheckSpec) -> Sides:
        """What is compared, with the hops as they are wired."""
        world, view = self.world, self.view(check)
        hops = (
            capture_hop(lambda: world.captured, lambda: None),
            translator_hop(world.log, "legacy.item", "dragoman.item", world.store.is_live, lambda: None),
            *last_hop(world.log, "item.state", "portal", view, lambda: None, check.group),
        )
        fence = Fence(hops, Pace(clock=world.clock, wait=world.clock.wait), None if check.group is None else APART)
        witness = Witness(world.log, "item.state", world.store, view)
        return world.sides(view=view, fence=fence, witness=witness)


@contextmanager
def disposed(engine: Engine) -> Iterator[Engine]:
    yield engine
    engine.dispose()
