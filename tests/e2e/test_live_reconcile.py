"""A legacy that is written to, a connector, Kafka, two workers of which one is killed, a view: and the check that proves it.

The oracle is plain Python over the legacy's rows (`tests.model.meaning`); it shares nothing with the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connectors.connect import ConnectClient, connector_config
from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from tests.connectors.connect.world import PASSWORD, secret_of, until
from tests.e2e.live import Shop, make
from tests.killed.legacy import MariaDBLegacy, PostgresLegacy
from tests.killed.writers import Writers
from tests.servers.databases import database

STILL = range(900_001, 900_013)
"""Orders that no program has in mind: they hold still."""


@pytest.fixture(params=["postgres", "mariadb"])
def shop(
    request: pytest.FixtureRequest, kafka: Server, connect: Server, unused_name: str, tmp_path: Path
) -> Iterator[Shop]:
    """A project whose connector works; nothing else of it has run."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    legacy: PostgresLegacy | MariaDBLegacy
    with ExitStack() as held:
        if request.param == "postgres":
            legacy = PostgresLegacy(server, unused_name, 4, signals=True)
            url = f"postgresql+psycopg://dragoman@{server.at}/{unused_name}"
            urls = (url, url)
        else:
            legacy = MariaDBLegacy(server, unused_name, secret_of(tmp_path), kafka.at, 1)
            views = held.enter_context(database("mariadb", server, f"{unused_name}_v"))
            urls = (f"mariadb+pymysql://{unused_name}:{quote(PASSWORD)}@{server.at}/{unused_name}", str(views.url))
        held.callback(legacy.close)
        still(legacy)
        config = connector_config(replace(legacy.spec, exactly_once=True))
        if request.param == "postgres":
            config |= signalled(kafka, f"{unused_name}.signal")
        client = held.enter_context(ConnectClient(f"http://{connect.at}"))
        held.callback(client.delete, unused_name)
        client.put(unused_name, config)
        client.wait_until_working(unused_name, 120)
        yield make(tmp_path / "shop", legacy, kafka, connect, urls)


def signalled(kafka: Server, topic: str) -> dict[str, str]:
    """The connector takes signals in a topic, so that single keys can be read again."""
    with closing(KafkaLog(kafka.at)) as log:
        log.create(TopicSpec(name=topic, kind="feed", partitions=1))
    return {
        "signal.enabled.channels": "source,kafka",
        "signal.kafka.topic": topic,
        "signal.kafka.bootstrap.servers": kafka.at,
        "signal.poll.interval.ms": "200",
    }


def still(legacy: PostgresLegacy | MariaDBLegacy) -> None:
    session = legacy.session()
    for number in STILL:
        session.execute("INSERT INTO orders VALUES ('Z', %s, 'N', %s, 0)", (number, f"note {number}"))
        session.execute("INSERT INTO order_line VALUES ('Z', %s, 1, 5)", (number,))
        session.execute("INSERT INTO payment VALUES (%s, 'Z', %s, 12.50)", (number, number))
    session.commit()
    session.close()


def following(shop: Shop, writers: Writers) -> Writers:
    """Programs that go on where others have stopped."""
    made = Writers(shop.legacy, 12, 3, 0.03, 400)
    made.numbers = writers.numbers
    made.start()
    return made


def unseen(shop: Shop, statement: str) -> None:
    """One change that the connector does not get, while nobody else writes: what a capture gap is."""
    legacy = shop.legacy
    if isinstance(legacy, PostgresLegacy):
        legacy.execute(f"ALTER PUBLICATION {shop.name} SET (publish = 'insert')")
        legacy.execute(statement)
        legacy.execute(f"ALTER PUBLICATION {shop.name} SET (publish = 'insert, update, delete, truncate')")
        return
    session = legacy.session()
    session.execute("SET SESSION sql_log_bin = 0")
    session.execute(statement)
    session.commit()
    session.close()


def causes(told: dict[str, Any]) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for group in told["causes"]:
        found.setdefault(tuple(group["causes"]), []).extend(group["keys"])
    return {cause: sorted(keys) for cause, keys in found.items()}


def test_a_killed_worker_leaves_nothing_to_find_and_what_is_seeded_is_found(
    shop: Shop, record_property: Callable[[str, object], None]
) -> None:
    writers = Writers(shop.legacy, 11, 3, 0.03, 400)
    with ExitStack() as held:
        first, _ = held.enter_context(shop.worker()), held.enter_context(shop.worker())
        writers.start()
        try:
            until(lambda: shop.size() > len(STILL), 300)
            writers.write_much()
            first.kill()
            clean = shop.check()
        finally:
            writers.stop()
        assert (clean["exit_code"], clean["confirmed"], clean["causes"]) == (0, 0, []), clean
        seeded = seed(shop)
        watched = shop.watch(sum(map(len, seeded.values())))
        assert watched == {key: list(cause) for cause, keys in seeded.items() for key in keys}
        if isinstance(shop.legacy, PostgresLegacy):
            shop.without_connect()
        gate = shop.check("--gate")
        assert causes(gate) == seeded, gate
        assert wrong(shop) == {key for keys in seeded.values() for key in keys}
        writers = following(shop, writers)
        try:
            found = shop.check()
            if isinstance(
                shop.legacy, MariaDBLegacy
            ):  # its connector is slow to tell how far it is while nobody writes
                mend(shop)
        finally:
            writers.stop()
        if isinstance(shop.legacy, PostgresLegacy):
            mend(shop)
    assert causes(found) == seeded, found
    assert (found["exit_code"], found["unconfirmed"], found["not_covered"]) == (1, 0, 0)
    for run in (clean, gate, found):
        record_property("run", f"{shop.legacy.connector}: {run['compared']} keys, {run['in_flight']} in flight")


def wrong(shop: Shop) -> set[str]:
    """The orders that the view shows otherwise than they are."""
    expected, shown = shop.expected(), shop.view()
    return {key for key in expected.keys() | shown.keys() if expected.get(key) != shown.get(key)}


def mend(shop: Shop) -> None:
    """All that is seeded is repaired by the owners of the keys, where the connector can be asked for single keys."""
    rest = {f"Z/{number}" for number in STILL}
    asked = isinstance(shop.legacy, PostgresLegacy)
    actions = {"Z/900001": "republish", "Z/900002": "republish", "Z/900003": "republish"}
    actions |= {"Z/900005": "republish", **({"Z/900004": "reload"} if asked else {})}
    (plan,) = shop.data("reconcile", "repair", "order_view", "--dry-run")
    assert {item["key"]: item["action"] for item in plan["items"]} == actions
    assert len(wrong(shop) & rest) == 5, "a dry run orders nothing"
    told = shop.data("reconcile", "repair", "order_view", "--plan", plan["file"])
    assert {one["key"]: one["outcome"] for one in told} == dict.fromkeys(actions, "closed"), told
    assert wrong(shop) & rest == (set() if asked else {"Z/900004"})
    found = {one["key"]: one for one in shop.data("reconcile", "findings", "--closed")}
    given = {key: [(order["action"], order["outcome"]) for order in one["repairs"]] for key, one in found.items()}
    assert given == {key: [(actions[key], "closed")] if key in actions else [] for key in found}
    assert {key: one["state"] for key, one in found.items()} == {
        key: "closed" if key in actions else "escalated" for key in found
    }
    assert asked or "`signal_topic`" in found["Z/900004"]["reason"]


def seed(shop: Shop) -> dict[tuple[str, ...], list[str]]:
    """Corruptions of orders that hold still, by the cause that they have."""
    assert shop.sql("UPDATE order_view SET note = 'by hand' WHERE number = 900001") == 1
    assert shop.sql("UPDATE order_line_view SET quantity = 6 WHERE number = 900002") == 1
    for table in ("order_line_view", "order_payment_view", "order_view"):
        assert shop.sql(f"DELETE FROM {table} WHERE number = 900003") == 1
    unseen(shop, "UPDATE orders SET note = 'nobody heard' WHERE br = 'Z' AND no = 900004")
    shop.overwrite("Z/900005")
    return {
        ("edited-in-view",): ["Z/900001", "Z/900002"],
        ("consumer-missed",): ["Z/900003"],
        ("capture-gap",): ["Z/900004"],
        ("not-published",): ["Z/900005"],
    }
