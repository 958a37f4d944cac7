"""A PostgreSQL and a MariaDB as the legacy side: one moment, the feed's order and values, and what moved meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from connectors.debezium.decode import Decoder
from dragoman.stack.server import Server
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from reconcile.errors import SideUnreadable
from reconcile.fence import Fence, Pace
from reconcile.kafka_sides import FeedPosition, connector_hop
from reconcile.sources import Layout, LegacyReader
from reconcile.watch import preflight
from tests.connectors.connect.world import PASSWORD
from tests.killed.legacy import MariaDBLegacy, PostgresLegacy
from tests.model.product import CONTRACTS, MAPPING, SCHEMA
from tests.reconcile.world import Clock
from translators.compiled import CompiledTranslator, compile_mapping
from translators.mapping import read_mapping
from translators.schema import LegacySchema
from translators.schema_text import read_schema

FEED = "legacy.order"
Legacy = PostgresLegacy | MariaDBLegacy


class Place:
    """A legacy database, a feed in memory, and the product's reader of both."""

    def __init__(self, legacy: Legacy, engine: Engine) -> None:
        self.legacy, self.engine = legacy, engine
        identity = "default" if isinstance(legacy, PostgresLegacy) else "full"
        text = SCHEMA.format(connector=legacy.connector, namespace=legacy.namespace, identity=identity)
        self.schema: LegacySchema = read_schema(text, "schema.yaml")
        mapping = MAPPING.format(codes="{N: new, S: shipped, C: cancelled}")
        self.translator: CompiledTranslator = compile_mapping(
            read_mapping(mapping, "mapping.yaml"), mapping, self.schema, CONTRACTS
        )
        self.log = MemoryLog()
        self.log.create(TopicSpec(name=FEED, kind="feed", partitions=1))
        self.reader = self.read_as(legacy.connector)

    def read_as(self, connector: str) -> LegacyReader:
        """A reader that takes the database for one of this kind."""
        position = FeedPosition(self.log, FEED, Decoder(self.schema), self.translator, connector)
        layout = Layout.of(self.translator.bound)
        return LegacyReader(self.engine, self.schema, self.translator, layout, position)

    def order(self, branch: str, number: int, lines: int = 1, note: str | None = None) -> None:
        """One order with lines and a payment, in a transaction."""
        session = self.legacy.session()
        session.execute("INSERT INTO orders VALUES (%s, %s, 'N', %s, 0)", (branch, number, note))
        for line in range(lines):
            session.execute("INSERT INTO order_line VALUES (%s, %s, %s, 5)", (branch, number, line))
        session.execute("INSERT INTO payment VALUES (%s, %s, %s, 12.50)", (number, branch, number))
        session.commit()
        session.close()

    def arrives(self, table: str, op: str, row: dict[str, Any]) -> None:
        """A record of a change comes to the feed."""
        source: dict[str, Any] = {"connector": self.legacy.connector, "ts_ms": 1, "snapshot": "false", "table": table}
        if isinstance(self.legacy, PostgresLegacy):
            source |= {"schema": "public", "txId": 7, "lsn": 9, "sequence": '["8","9"]'}
        else:
            source |= {"db": self.legacy.namespace, "gtid": "0-1-7", "file": "bin.000001", "pos": 4, "row": 0}
        sides = {"before": row if op == "d" else None, "after": None if op == "d" else row}
        value = {**sides, "source": source, "op": op, "ts_ms": 1, "transaction": None}
        key = {c: row[c] for c in self.schema.tables[table].key}
        self.log.append(
            [Outgoing(topic=FEED, timestamp=1, key=json.dumps(key).encode(), value=json.dumps(value).encode())]
        )


@pytest.fixture(params=["postgres", "mariadb"])
def place(request: pytest.FixtureRequest, unused_name: str) -> Iterator[Place]:
    server: Server = request.getfixturevalue(f"{request.param}_server")
    legacy: Legacy
    if request.param == "postgres":
        legacy = PostgresLegacy(server, unused_name, 1)
        engine = create_engine(f"postgresql+psycopg://dragoman@{server.at}/{unused_name}")
    else:
        legacy = MariaDBLegacy(server, unused_name, "", "nowhere:1", 1)
        engine = create_engine(f"mariadb+pymysql://{unused_name}:{PASSWORD}@{server.at}/{unused_name}")
    yield Place(legacy, engine)
    engine.dispose()
    legacy.close()


def test_things_come_in_the_order_of_their_keys_with_the_values_of_the_feed(place: Place) -> None:
    numbers = (1, 2, 10, 100, 19)
    for branch in ("A", "a%", "B/", "Ä"):
        for number in numbers:
            place.order(branch, number * 10 + ord(branch[0]), 2, "  blanks stay  ")
    with place.reader.snapshot() as snapshot:
        found = list(snapshot.read())
    keys = [aggregate.key for aggregate in found]
    assert keys == sorted(keys) and len(keys) == 20
    assert keys[0].startswith("A/1") and any(key.startswith("a%25/") for key in keys)
    assert any(key.startswith("B%2F/") for key in keys)
    with place.reader.snapshot() as snapshot:
        assert snapshot.read_keys([*keys, "A/7", "x"]) == {aggregate.key: aggregate.rows for aggregate in found}
        # Databases that ignore case would find the order of another branch.
        assert snapshot.read_keys([keys[0].replace("A/", "a/")]) == {}
    states = {aggregate.key: place.translator.state(aggregate.rows) for aggregate in found}
    for state in states.values():
        assert state is not None
        assert (state["note"], str(state["paid"]), len(state["lines"])) == ("  blanks stay  ", "12.50", 2)
    assert next(iter(states.values()))["branch"] == "A"  # type: ignore[index]


def test_all_tables_are_read_as_of_one_moment(place: Place) -> None:
    """While somebody writes orders and their lines in one transaction each, no order is seen without its lines."""
    for number in range(30):
        place.order("A", number)
    going = threading.Event()

    def write() -> None:
        number = 1000
        while not going.is_set():
            number += 1
            place.order("B", number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(6):
            with place.reader.snapshot() as snapshot:
                position = snapshot.position
                torn = [a.key for a in snapshot.read() if set(a.rows) != {"orders", "order_line", "payment"}]
            assert torn == []
            with place.reader.snapshot() as snapshot:
                assert snapshot.position >= position
    finally:
        going.set()
        writer.join()


def test_what_came_to_the_feed_since_a_moment_has_moved(place: Place) -> None:
    place.order("A", 1)
    order: dict[str, Any] = {"br": "A  ", "no": "1", "sts": "N", "note": None, "touched": 0}
    place.arrives("orders", "c", order)
    with place.reader.snapshot() as first:
        position = first.position
    with place.reader.snapshot() as snapshot:
        assert snapshot.touched(position) == frozenset()
    place.order("B", 2)
    place.arrives("payment", "d", {"pid": 1, "br": "B  ", "no": "2", "amt": "1.00"})
    place.arrives("orders", "c", {**order, "no": "3"})
    place.log.append([Outgoing(topic=FEED, timestamp=1, key=None, value=None)])
    with place.reader.snapshot() as snapshot:
        assert snapshot.touched(position) == frozenset({"B/2", "A/3"})
        assert snapshot.touched(snapshot.position) == frozenset()
    place.order("B", 3)
    place.arrives("orders", "t", order)
    with place.reader.snapshot() as snapshot:
        assert snapshot.touched(position) is None, "a truncated table says nothing of its rows"


def test_a_database_that_is_another_than_the_schema_says_is_not_read(place: Place) -> None:
    other = "mariadb" if place.legacy.connector == "postgresql" else "postgresql"
    with pytest.raises(SideUnreadable, match=r"schema\.yaml says"), place.read_as(other).snapshot():
        pass


def test_the_position_is_behind_everything_that_a_moment_shows(place: Place) -> None:
    with place.reader.snapshot() as snapshot:
        before = snapshot.position
    place.order("A", 1)
    with place.reader.snapshot() as snapshot:
        assert snapshot.position > before


class Said:
    """A connector, as a test has it."""

    def __init__(self, passed: list[int | None], tick: str | None = None, stopped: str | None = None) -> None:
        self.told, self.ticks = passed, 0
        self._tick, self._stopped = tick, stopped

    def passed(self) -> int | None:
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]

    def tick(self) -> str | None:
        self.ticks += 1
        return self._tick

    def stopped(self) -> str | None:
        return self._stopped


@pytest.mark.parametrize(
    ("said", "stop", "detail"),
    [
        (Said([None, 5, 9, 10]), None, "its committed offset has passed 10"),
        (Said([9]), "lag", "it has passed 9 of 10"),
        (Said([9], tick="nobody may write"), "lag", "it has passed 9 of 10. nobody may write"),
        (Said([None]), "unknown", "nobody says how far the connector has come"),
        (Said([None], stopped="the connector is PAUSED"), "stopped", "the connector is PAUSED"),
    ],
)
def test_the_connector_is_a_hop_of_its_own(said: Said, stop: str | None, detail: str) -> None:
    clock = Clock()
    passed = Fence((connector_hop(said),), Pace(clock=clock, wait=clock.wait)).wait_for(10)
    assert (passed.stop, passed.hops[-1].detail, said.ticks) == (stop, detail, 1)


def test_a_moment_needs_a_database_that_answers(tmp_path: Path, unused_name: str, postgres_server: Server) -> None:
    schema = read_schema(SCHEMA.format(connector="postgresql", namespace="public", identity="full"), "schema.yaml")
    mapping = MAPPING.format(codes="{N: new, S: shipped, C: cancelled}")
    translator = compile_mapping(read_mapping(mapping, "mapping.yaml"), mapping, schema, CONTRACTS)
    log = MemoryLog()
    log.create(TopicSpec(name=FEED, kind="feed", partitions=1))
    engine = create_engine(f"postgresql+psycopg://dragoman@{postgres_server.at}/{unused_name}")
    position = FeedPosition(log, FEED, Decoder(schema), translator, "postgresql")
    reader = LegacyReader(engine, schema, translator, Layout.of(translator.bound), position)
    with pytest.raises(SideUnreadable, match="does not exist"), reader.snapshot():
        pass
    engine.dispose()


def test_a_watch_does_not_scan_a_big_table(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The payments of an order are found by an index, or there are few of them; the statement that is told mends it."""
    monkeypatch.setattr(preflight, "BIG", 3)
    for number in range(3):
        place.order("A", number)
    preflight.check_indexes(place.reader)
    place.order("A", 4)
    with pytest.raises(preflight.Unindexed) as refused:
        preflight.check_indexes(place.reader)
    assert refused.value.message.startswith("payment has more than 3 rows")
    session = place.legacy.session()
    session.execute(refused.value.advice.partition(", or let")[0])
    session.commit()
    session.close()
    preflight.check_indexes(place.reader)


def test_a_statement_of_a_watch_does_not_go_on_for_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "SECONDS", 1)
    with place.reader.connected() as connection:
        connection.exec_driver_sql("SELECT 1")
    ended: list[str] = []
    preflight.limit_statements(place.engine, lambda: ended.append("one"))
    sleep = "pg_sleep" if isinstance(place.legacy, PostgresLegacy) else "sleep"
    with pytest.raises(SideUnreadable, match="statement"), place.reader.connected() as connection:
        connection.exec_driver_sql(f"SELECT {sleep}(20)")
    with pytest.raises(SideUnreadable), place.reader.connected() as connection:
        connection.exec_driver_sql("SELECT nothing_of_that_name")
    assert ended == ["one"], "an error of another kind is none of the time"
    with place.reader.snapshot() as snapshot:
        assert list(snapshot.read()) == []
