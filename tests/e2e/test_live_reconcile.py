"""A legacy that is written to, a connector, Kafka, two workers of which one is killed, a view: and the check that proves it.

The oracle is plain Python over the legacy's rows (`tests.model.meaning`); it shares nothing with the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connectors.connect import ConnectClient, connector_config
from dragoman.stack.server import Server
from tests.connectors.connect.world import PASSWORD, secret_of, until
from tests.e2e.live import Shop, make
from tests.killed.legacy import MariaDBLegacy, PostgresLegacy
from tests.killed.writers import Writers

STILL = range(900_001, 900_013)
"""Orders that no program has in mind: they hold still."""


@pytest.fixture(params=["postgres", "mariadb"])
def shop(
    request: pytest.FixtureRequest, kafka: Server, connect: Server, unused_name: str, tmp_path: Path
) -> Iterator[Shop]:
    """A project whose connector works; nothing else of it has run."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    legacy: PostgresLegacy | MariaDBLegacy
    if request.param == "postgres":
        legacy = PostgresLegacy(server, unused_name, 4)
        url = f"postgresql+psycopg://dragoman@{server.at}/{unused_name}"
        urls = (url, url)
    else:
        legacy = MariaDBLegacy(server, unused_name, secret_of(tmp_path), kafka.at, 1)
        urls = (f"mariadb+pymysql://{unused_name}:{quote(PASSWORD)}@{server.at}/{unused_name}", "")
    still(legacy)
    config = connector_config(replace(legacy.spec, exactly_once=True))
    with ConnectClient(f"http://{connect.at}") as client:
        try:
            client.put(unused_name, config)
            client.wait_until_working(unused_name, 120)
            yield make(tmp_path / "shop", legacy, kafka, connect, urls)
        finally:
            client.delete(unused_name)
            legacy.close()


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
            until(lambda: shop.size() > len(STILL), 90)
            writers.write_much()
            first.kill()
            clean = shop.check()
        finally:
            writers.stop()
        assert (clean["exit_code"], clean["confirmed"], clean["causes"]) == (0, 0, []), clean
        seeded = seed(shop)
        writers = following(shop, writers)
        try:
            found = shop.check()
        finally:
            writers.stop()
        assert causes(found) == seeded, found
        assert (found["exit_code"], found["unconfirmed"], found["not_covered"]) == (1, 0, 0)
        if isinstance(shop.legacy, PostgresLegacy):
            shop.without_connect()
        last = shop.check("--gate")
    assert causes(last) == seeded, last
    expected, shown = shop.expected(), shop.view()
    wrong = {key for key in expected.keys() | shown.keys() if expected.get(key) != shown.get(key)}
    assert wrong == {key for keys in seeded.values() for key in keys}
    for run in (clean, found, last):
        record_property("run", f"{shop.legacy.connector}: {run['compared']} keys, {run['in_flight']} in flight")


def seed(shop: Shop) -> dict[tuple[str, ...], list[str]]:
    """Corruptions of orders that hold still, by the cause that they have."""
    assert shop.sql("UPDATE order_view SET note = 'by hand' WHERE number = 900001") == 1
    assert shop.sql("UPDATE order_line_view SET quantity = 6 WHERE number = 900002") == 1
    for table in ("order_line_view", "order_payment_view", "order_view"):
        assert shop.sql(f"DELETE FROM {table} WHERE number = 900003") == 1
    unseen(shop, "UPDATE orders SET note = 'nobody heard' WHERE br = 'Z' AND no = 900004")
    return {
        ("edited-in-view",): ["Z/900001", "Z/900002"],
        ("consumer-missed",): ["Z/900003"],
        ("capture-gap",): ["Z/900004"],
    }
