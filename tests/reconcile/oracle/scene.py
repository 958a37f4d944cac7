"""A legacy that is written to, a capture, the real translator and projection in one process, and the check in the middle.

Whenever the check waits or reads, the rest of the world goes on: programs write, the parts of the pipeline turn or stall, a
worker is killed at one of its seams. All of it is drawn from one seed. What is right, `tests.model.meaning` says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, create_engine

from connectors.debezium.decode import Decoder
from pipeline.failpoint import arm
from pipeline.feed import Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Page
from pipeline.projection.project import Projection
from pipeline.projection.spec import read_projection
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from reconcile.check import CheckSpec
from reconcile.fence import Pace
from reconcile.position import Moment
from reconcile.run import RunResult, Sides, reconcile
from reconcile.view import ProjectionView
from tests.model.faults import SEAMS, Killed, disarm, in_process
from tests.model.product import CONTRACTS, MAPPING
from tests.reconcile.oracle.legacies import FEED, Captured, Legacy, Session
from tests.reconcile.world import Clock
from translators.compiled import compile_mapping
from translators.mapping import read_mapping

VIEW = """\
projection: order_view
reads: order
database: view.db
table: order_view
key: {branch: branch, number: number}
columns: {status: status, note: note, paid: paid}
children:
  lines: {table: order_line_view, columns: {line_number: number, quantity: quantity}}
  payments: {table: order_payment_view, columns: {payment_number: number, amount: amount}}
"""
CHECK = CheckSpec(check="order_view", mapping="order", view="order_view", limit=0, owner="Orders")
STILL, MOVING = 30, 14
"""How many orders nobody touches once the check runs, and how many the programs have in mind."""
LONGEST_STALL = 8
KEYS = ("A", "B", "C")


Opening = Callable[[Clock, random.Random], Legacy]
"""Makes the legacy of a scene, empty, for its clock and its dice."""


class Losing(MemoryLog):
    """A log of which a reader does not get the records of some keys, though their offsets go by."""

    def __init__(self, log: MemoryLog, keys: set[str]) -> None:
        super().__init__()
        self._topics, self._partitions, self._committed = log._topics, log._partitions, log._committed
        self._keys = {key.encode() for key in keys}

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        page = super().read(topic, partition, offset, limit)
        return Page([record for record in page.records if record.key not in self._keys], page.next)


class Scene:
    """One world in a folder."""

    def __init__(self, folder: Path, seed: int, legacy: Opening | None = None, views: Engine | None = None) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.losing: set[str] = set()
        self.deaths = self.writes = 0
        self._stalled = {"capture": 0, "worker": 0, "projection": 0}
        self._payments = iter(range(1, 1_000_000))
        self.source = Captured(folder, self.clock) if legacy is None else legacy(self.clock, self.dice)
        self.views = create_engine(f"sqlite:///{folder / 'view.db'}") if views is None else views
        self.schema = self.source.schema
        mapping = MAPPING.format(codes="{N: new, S: shipped, C: cancelled}")
        self.translator = compile_mapping(read_mapping(mapping, "mapping.yaml"), mapping, self.schema, CONTRACTS)
        self.log, self.store = MemoryLog(), MemoryState()
        self.still = [(self.dice.choice(KEYS), number) for number in range(1, STILL + 1)]
        self.moving = [(self.dice.choice(KEYS), number) for number in range(1000, 1000 + MOVING)]
        for order in (*self.still, *self.moving):
            self.place(order)
        self._pipeline()

    def close(self) -> None:
        self.source.close()
        self.views.dispose()

    # The legacy's programs.

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        with self.source.transaction() as session:
            yield session
        self.writes += 1

    def place(self, order: tuple[str, int]) -> None:
        """A new order with lines and payments."""
        key = (order[0].ljust(3), order[1])
        with self.transaction() as db:
            note = self.dice.choice((None, "", "note", "  blanks  "))
            db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, 0)", (*key, self.dice.choice("NSC"), note))
            for line in range(self.dice.randrange(3)):
                db.execute("INSERT INTO order_line VALUES (?, ?, ?, ?)", (*key, line, self.dice.choice((None, 0, 7))))
            if self.dice.random() < 0.6:
                self._pay(db, key)

    def _pay(self, db: Session, key: tuple[str, int]) -> None:
        amount = self.dice.choice((None, "10.00", "0.50", "-3.25"))
        db.execute("INSERT INTO payment VALUES (?, ?, ?, ?)", (next(self._payments), *key, amount))

    def work(self) -> None:
        """One transaction of somebody on an order that moves: also back to what it was, gone, and there again."""
        order = self.dice.choice(self.moving[:3] if self.dice.random() < 0.5 else self.moving)
        key, of = (order[0].ljust(3), order[1]), "br = ? AND no = ?"
        if not self.source.has(key):
            self.place(order)
            return
        with self.transaction() as db:
            match self.dice.randrange(6):
                case 0:
                    db.execute(f"UPDATE orders SET sts = ? WHERE {of}", (self.dice.choice("NSC"), *key))
                case 1:
                    db.execute(f"UPDATE orders SET note = ? WHERE {of}", (self.dice.choice((None, "", "n", "m")), *key))
                case 2:
                    db.execute(f"UPDATE order_line SET qty = coalesce(qty, 0) + 1 WHERE {of}", key)
                case 3:
                    self._pay(db, key)
                case 4:
                    db.execute(f"DELETE FROM payment WHERE {of}", key)
                case 5:
                    for table in ("orders", "order_line", "payment"):
                        db.execute(f"DELETE FROM {table} WHERE {of}", key)

    # The pipeline.

    def _pipeline(self) -> None:
        self.source.begin(self.log)
        self.worker = self.new_worker()
        self.view_spec = read_projection(VIEW, "consumers/order_view.yaml")
        self.projection().prepare()
        self.flow()

    def new_worker(self) -> TranslatorWorker:
        """A worker that takes over from the one before."""
        made = TranslatorWorker(
            log=self.log,
            store=self.store,
            translator=self.translator,
            decoder=Decoder(self.schema, FEED.notifications),
            feed=self.source.feed,
            passed=self.source.passed,
            identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="0"),
            batch_size=self.dice.choice((1, 5, 100)),
        )
        made.begin()
        return made

    def projection(self) -> Projection:
        log = Losing(self.log, self.losing)
        return Projection(self.view_spec, self.translator.bound.shape, self.views, log, self.clock, "order.state")

    def flow(self) -> None:
        """Everything that was written comes all the way."""
        while self.source.turn() + self.worker.turn() + self.projection().turn():
            pass

    def happen(self) -> None:
        """A moment goes by: some write, some parts turn, some stall, somebody dies."""
        for _ in range(self.dice.randrange(6)):
            self.work()
        for part, turn in (
            ("capture", self.source.turn),
            ("worker", self._turn_worker),
            ("projection", lambda: self.projection().turn(self.dice.choice((1, 2, 500)))),
        ):
            if self._stalled[part]:
                self._stalled[part] -= 1
            elif self.dice.random() < 0.04:
                self._stalled[part] = self.dice.randrange(1, LONGEST_STALL)
            elif self.dice.random() < 0.6:
                turn()

    def _turn_worker(self) -> int:
        if self.dice.random() < 0.1:
            arm(f"{self.dice.choice(SEAMS)}:{self.dice.randrange(1, 3)}")
        with in_process():
            try:
                return self.worker.turn()
            except Killed:
                self.deaths += 1
        disarm()
        self.worker = self.new_worker()
        return 1

    # The check.

    def check(self, gate: bool = False) -> RunResult:
        """One run of the check, with the world going on whenever it waits or reads."""
        self.clock.on_wait = self.happen
        result = reconcile(CHECK, self.sides(), run="r-1", clock=self.clock, gate=gate)
        self.clock.on_wait = lambda: None
        return result

    def sides(self) -> Sides:
        """What is compared, with the world going on whenever it is read."""
        pace = Pace(clock=self.clock, wait=self.clock.wait, deadline=timedelta(seconds=120))
        sides = self.source.sides(self.translator, self.view_spec, self.store, pace, self.views)
        sides.reader.source_position = _BusyPosition(sides.reader.source_position, self.happen)
        view = _BusyView(self.views, self.view_spec, self.translator.bound.shape, "order.state", self.happen)
        return msgspec.structs.replace(sides, view=view)


class _BusyPosition:
    """The world goes on before and after each moment of the source is taken."""

    def __init__(self, position: Any, happen: Callable[[], None]) -> None:
        self._position, self._happen = position, happen

    @contextmanager
    def moment(self, engine: Engine, streams: int) -> Iterator[Moment]:
        self._happen()
        with self._position.moment(engine, streams) as moment:
            self._happen()
            yield moment
            self._happen()

    def touched(self, moment: Moment, after: int) -> Any:
        return self._position.touched(moment, after)


class _BusyView(ProjectionView):
    """The world goes on before and after each look at the view."""

    def __init__(self, *of: Any) -> None:
        *usual, self._happen = of
        super().__init__(*usual)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        self._happen()
        with super().connected() as connection:
            yield connection
        self._happen()
