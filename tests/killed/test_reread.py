"""A snapshot that a real connector takes of a live feed, asked for through the signal table while programs write.

Afterwards the state of every order is what the source has, what was corrected is of class `snapshot`, and no event is said
that an onlooker who knew everything would not have said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import msgspec
import pytest

from connectors.connect import connector_config
from dragoman.stack.server import Server
from pipeline import control
from pipeline.cloudevents import CloudEvent
from pipeline.control import Command
from pipeline.loading import REREAD
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from tests.connectors.connect.world import until
from tests.killed.legacy import COLUMNS, PostgresLegacy
from tests.killed.product import Beside, Names, Product, everything
from tests.killed.run import halves
from tests.killed.stack import Connector, declared
from tests.killed.witness import Witness
from tests.killed.writers import Program, Writers
from tests.model.journal import Row, Transaction
from tests.model.judge import published, said_by
from tests.model.legacy import TABLES
from tests.model.meaning import KNOWN, key_of, state_of
from tests.model.oracle import Moment, Oracle
from tests.model.steps import Plan

ROWS = 3000


@pytest.fixture
def legacy(postgres_server: Server, unused_name: str) -> PostgresLegacy:
    return PostgresLegacy(postgres_server, unused_name, 4, signals=True)


class Scene:
    """A connector, programs that write, and the product."""

    def __init__(self, made: Connector, legacy: PostgresLegacy, writers: Writers, begins: str) -> None:
        names = Names(legacy.connector, legacy.namespace, legacy.spec.prefix, legacy.partitions)
        feed = msgspec.structs.replace(names.feed, begins=begins, exactly_once=True)
        self.made, self.legacy, self.writers = made, legacy, writers
        self.product = Product(names, Beside(made.log, names.prefix), made.passed, feed)

    def ask(self, how: str, *tables: str) -> None:
        """Tell the connector to take a snapshot."""
        data = json.dumps({"type": how, "data-collections": [f"public.{table}" for table in tables]})
        self.legacy.execute(f"INSERT INTO signals VALUES ('{how}', 'execute-snapshot', '{data}')")

    def is_reread(self) -> bool:
        """Whether a snapshot of the live feed is complete on every partition."""
        pins = [pin for pin in self.product.store.pins() if pin.command == REREAD and pin.result]
        return len({pin.partition for pin in pins}) == self.legacy.partitions

    def reload(self, key: str) -> int:
        """Give the command to read the rows of a key again; its number."""
        command = Command(action="reload", translator="order", key=key)
        number = control.send(self.product.log, command, 1_795_166_836_000)
        self.product.store.commands[number] = (command.action, key)
        return number

    def is_executed(self, command: int) -> bool:
        """Whether every partition says what became of a command."""
        results = [pin.result for pin in self.product.store.pins() if pin.command == command]
        return len(results) == self.legacy.partitions and all(results)

    def states(self) -> dict[str, list[CloudEvent]]:
        """The states that were published, by key."""
        return published(self.product.log, "order.state", once=True)


@contextmanager
def scene(legacy: PostgresLegacy, kafka: Server, connect: Server, begins: str, **overrides: str) -> Iterator[Scene]:
    """A connector under exactly-once, and programs that will write to what is there already."""
    writers = Writers(legacy, 3, 3, 0.05, 0)
    first = Program(legacy, writers.numbers, 3)
    first.load(ROWS)
    first.session.close()
    config = {**connector_config(replace(legacy.spec, exactly_once=True)), **overrides}
    with declared(connect, kafka, legacy, config) as made:
        yield Scene(made, legacy, writers, begins)


def quiesce(one: Scene, witness: Witness) -> list[Transaction]:
    """Wait until everything that was written was read; the journal."""
    one.writers.stop()
    journal = witness.journal()
    wanted = sum(halves(change) for transaction in journal for change in transaction.changes)
    worker = one.product.worker()
    until(lambda: worker.turn() == 0 and not worker.in_flight and streamed(one) >= wanted)
    witness.close()
    return journal


def streamed(one: Scene) -> int:
    """How many row changes stand in the feed."""
    return sum(b'"op":"r"' not in (record.value or b"") for record in everything(one.made.log, [one.made.feed]))


def by_key(tables: dict[str, list[Row]]) -> dict[str, dict[str, dict[tuple[object, ...], Row]]]:
    """What is in the tables, by business key."""
    rows: dict[str, dict[str, dict[tuple[object, ...], Row]]] = {}
    for table, kept in tables.items():
        for row in kept:
            place = tuple(row[column] for column in TABLES[table])
            rows.setdefault(key_of(table, row), {}).setdefault(table, {})[place] = row
    return rows


def assert_true(one: Scene, journal: list[Transaction], loaded: dict[str, list[Row]]) -> Counter[str]:
    """States are the source's, events are those of one who knew everything; how many of both, by class."""
    log = one.product.log
    states, events = (published(log, f"order.{what}", once=True) for what in ("state", "events"))
    rows = by_key(one.legacy.rows())
    for key in {*states, *rows}:
        last = states[key][-1].data if key in states else None
        assert last == state_of(rows.get(key, {}), KNOWN), key
    shown = [(table, row) for table, known in loaded.items() for row in known]
    plan = Plan(TABLES, shown, alone=False)
    for transaction in journal:
        plan.add(transaction)
    knowing = Oracle(journal, TABLES, shown)
    knowing.replay(Moment(key, "read", KNOWN) for key, steps in plan.steps.items() for _ in steps)
    for key, said in events.items():
        true = iter([(e.type, e.data, e.time) for e in knowing.orders[key].events])
        for event in map(said_by, said):
            assert (event.type, event.data, event.time) in true, f"{key}: {event}"
    found = Counter[str](state.event_class for said in states.values() for state in said)
    return found + Counter(events=sum(map(len, events.values())))


def test_an_incremental_snapshot_of_a_live_feed(legacy: PostgresLegacy, kafka: Server, connect: Server) -> None:
    settings = {"snapshot.mode": "no_data", "incremental.snapshot.chunk.size": "200"}
    with scene(legacy, kafka, connect, "empty", **settings) as one:
        witness, loaded = legacy.witness(), legacy.rows()
        one.writers.start()
        until(lambda: one.made.size() > 0)
        worker = one.product.worker()
        worker.turn()
        one.ask("incremental", *COLUMNS)
        until(lambda: worker.turn() < 0 or one.is_reread())
        found = assert_true(one, quiesce(one, witness), loaded)
    assert found["snapshot"] > ROWS // 16
    assert found["events"] > 0


def test_a_reload_while_programs_write(legacy: PostgresLegacy, kafka: Server, connect: Server) -> None:
    """Of keys that the feed has never shown, and of keys in use: their states are the source's when all was read."""
    topic = f"{legacy.name}.signal"
    settings = {
        "snapshot.mode": "no_data",
        "signal.enabled.channels": "source,kafka",
        "signal.kafka.topic": topic,
        "signal.kafka.bootstrap.servers": kafka.at,
        "signal.poll.interval.ms": "200",
    }
    with closing(KafkaLog(kafka.at)) as log:
        log.create(TopicSpec(name=topic, kind="feed", partitions=1))
    with scene(legacy, kafka, connect, "empty", **settings) as one:
        one.product.asks_by(one.made.log, topic)
        unseen = [key_of("orders", row) for row in legacy.rows()["orders"][-4:]]  # loaded, and in no program's mind
        witness = legacy.witness()
        one.writers.start()
        until(lambda: one.made.size() > 0)
        worker = one.product.worker()
        until(lambda: worker.turn() < 0 or len(one.states()) >= 3)
        used = list(one.states())[:3]
        given = [one.reload(key) for key in (*used, *unseen)]
        until(lambda: worker.turn() < 0 or all(one.is_executed(number) for number in given))
        quiesce(one, witness)
        states, rows = one.states(), by_key(one.legacy.rows())
    for key in (*used, *unseen):
        assert states[key][-1].data == state_of(rows.get(key, {}), KNOWN), key
    for key in unseen:
        assert [state.event_class for state in states[key]] == ["snapshot"], key
