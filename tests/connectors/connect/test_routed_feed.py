"""A routed connector on the real stack: an aggregate's rows on one partition, through kills of the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.connect import ConnectClient, connector_config
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from tests.connectors.connect.world import (
    PARTITIONS,
    PASSWORD,
    Legacy,
    MariaDBLegacy,
    PostgresLegacy,
    changes,
    declared,
    order,
    records,
    secret_of,
    topics,
    until,
)
from tests.servers.shared import jars

Make = Callable[[], Legacy]


@pytest.fixture(params=["postgres", "mariadb"])
def make(request: pytest.FixtureRequest, kafka: Server, unused_name: str, tmp_path: Path) -> Make:
    """Makes a legacy database in one of the shared servers."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    secret = secret_of(tmp_path)
    if request.param == "postgres":
        return lambda: PostgresLegacy(server, unused_name, secret)
    return lambda: MariaDBLegacy(server, unused_name, secret, kafka.at)


@pytest.fixture
def legacy(make: Make) -> Legacy:
    """A legacy database with 20 orders in it."""
    made = make()
    for number in range(20):
        made.commit(*order(number, lines(number)))
    return made


def lines(number: int) -> int:
    """How many lines an order has."""
    return 1 + number % 4


def expected() -> Counter[str]:
    """How many changes of each kind the test below makes: 20 orders in the snapshot, 200 new and sold, every third deleted."""
    rows = [1 + lines(number) for number in range(220)]
    return Counter(r=sum(rows[:20]), c=sum(rows[20:]) + 1, u=200, d=sum(rows[::3]))


def test_an_aggregate_lies_on_one_partition(kafka: Server, connect: Server, legacy: Legacy, unused_name: str) -> None:
    with (
        ConnectClient(f"http://{connect.at}") as client,
        declared(client, unused_name, connector_config(legacy.spec), legacy),
    ):
        for number in range(20, 220):
            legacy.commit(*order(number, lines(number)), f"UPDATE ord SET o_sts = 'sold' WHERE o_id = {number}")
        for number in range(0, 220, 3):
            legacy.commit(f"DELETE FROM ordlin WHERE l_ord = {number}", f"DELETE FROM ord WHERE o_id = {number}")
        legacy.commit("INSERT INTO ord VALUES (999, 'last')")
        feed = f"{unused_name}.order"
        until(lambda: any(one.order == 999 for one in records(kafka.at, feed)))
        found = records(kafka.at, feed)
        ends = [one.value for one in records(kafka.at, f"{unused_name}.transaction") if one.value["status"] == "END"]
        told = [one.value["type"] for one in records(kafka.at, f"{unused_name}.notification")]
        made = topics(kafka.at, unused_name)
        shown = client.config(unused_name)
    places: dict[int, set[int]] = {}
    for one in found:
        places.setdefault(one.order, set()).add(one.partition)
    assert {number for number, partitions in places.items() if len(partitions) > 1} == set()
    assert {one.partition for one in found} == set(range(PARTITIONS))
    assert all(one.value is not None for one in found)
    assert Counter(one.value["op"] for one in found) == expected()
    assert sum(end["event_count"] for end in ends) == expected().total() - expected()["r"]
    assert "COMPLETED" in told
    assert {made[feed], made[f"{unused_name}.transaction"], made[f"{unused_name}.notification"]} == {PARTITIONS, 1}
    assert not [name for name in made if name.endswith((".ord", ".ordlin"))]
    assert shown is not None
    assert PASSWORD not in str(shown)


@pytest.mark.parametrize(("make", "exactly_once"), [("postgres", False), ("mariadb", True)], indirect=["make"])
def test_a_killed_worker_goes_on_and_loses_nothing(
    kafka: Server, make: Make, exactly_once: bool, unused_name: str, tmp_path: Path
) -> None:
    legacy = make()
    worker = parts.connect(jars(), kafka.at, exactly_once=exactly_once, group=f"{unused_name}_connect")
    feed = f"{unused_name}.order"
    with shared(worker, tmp_path / "connect") as connect, ConnectClient(f"http://{connect.at}") as client:
        config = connector_config(replace(legacy.spec, exactly_once=exactly_once))
        with declared(client, unused_name, config, legacy):
            legacy.commit(*(statement for number in range(400) for statement in order(number, 9)))
            until(lambda: bool(records(kafka.at, feed)) or not exactly_once)
            legacy.commit(*(statement for number in range(400, 800) for statement in order(number, 9)))
            connect.kill()
            legacy.commit(*order(800, 9))
            connect.restart()
            client.wait_until_working(unused_name, 180)
            until(lambda: len(changes(records(kafka.at, feed))) == 801 * 10)
            found = records(kafka.at, feed)
    assert len({(one.order, one.partition) for one in found}) == 801
    if exactly_once:
        assert len(found) == len(changes(found))
