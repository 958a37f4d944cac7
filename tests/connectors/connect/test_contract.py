"""What is relied upon of Kafka Connect: held to by the real worker, and by the one in memory that other tests play with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connect import ConnectClient, SourceOffset, connector_config
from connectors.connect.errors import ConnectorUnknown, ConnectRefused, ConnectUnreachable
from connectors.connect.preflight import ConnectFacts, Relied, of_connect
from dragoman.stack.server import Server
from tests.connectors.connect.fake import CLASS, FAULTS, FakeCluster, Fault, lost, rebalance, unreached
from tests.connectors.connect.world import PostgresLegacy, Record, order, records, secret_of, until


@dataclass(frozen=True)
class World:
    """A cluster, and a configuration that it takes."""

    client: ConnectClient
    name: str
    config: dict[str, str]
    feed: Callable[[], list[Record]] | None = None
    """What the connector has written, where it is real."""


@pytest.fixture(params=["fake", "real"])
def world(request: pytest.FixtureRequest, unused_name: str, tmp_path: Path) -> Iterator[World]:
    """Without connectors of its name."""
    if request.param == "fake":
        yield World(FakeCluster().client(), unused_name, {"connector.class": CLASS, "topic.prefix": unused_name})
        return
    connect: Server = request.getfixturevalue("connect")
    legacy = PostgresLegacy(request.getfixturevalue("postgres_server"), unused_name, secret_of(tmp_path))
    legacy.commit(*order(1, 2))
    with ConnectClient(f"http://{connect.at}") as client:
        kafka: Server = request.getfixturevalue("kafka")
        try:
            written = lambda: records(kafka.at, f"{unused_name}.order")  # noqa: E731
            yield World(client, unused_name, connector_config(legacy.spec), written)
        finally:
            client.delete(unused_name)
            legacy.close()


def test_the_life_of_a_connector(world: World) -> None:
    client, name, config = world.client, world.name, world.config
    assert client.config(name) is None
    assert client.status(name) is None
    for call in (client.pause, client.resume, client.stop, client.restart, client.offsets, client.reset_offsets):
        with pytest.raises(ConnectorUnknown):
            call(name)
    assert CLASS in client.plugins()
    with pytest.raises(ConnectRefused):
        client.put(name, {**config, "connector.class": "no.such.Connector"})
    if world.feed is not None:
        assert {one.rpartition(".")[2] for one in client.plugins()} >= {"PostgresConnector", "MariaDbConnector"}
        wrong = {**config, "database.hostname": "127.0.0.1", "database.port": "1"}
        assert [setting for setting, _ in client.validate(name, wrong)] == ["database.hostname"]
        with pytest.raises(ConnectRefused, match=r"Connection to 127\.0\.0\.1:1 refused"):
            client.put(name, wrong)
    assert name not in client.names()

    assert client.put(name, config) is True
    assert client.put(name, config) is False
    client.wait_until_working(name)
    assert client.config(name) == {**config, "name": name}
    assert client.configs()[name] == {**config, "name": name}
    assert client.validate(name, config) == ()
    seen = ConnectFacts(version=client.worker()["version"], plugins=client.plugins(), config=client.config(name))
    assert list(of_connect(seen, Relied(connector=name, kind=CLASS, prefix=name, declared=config))) == []
    (held,) = client.offsets(name)
    assert held.partition == {"server": name}

    client.pause(name)
    client.pause(name)
    assert client.wait_until_state(name, "PAUSED").tasks
    with pytest.raises(ConnectRefused, match="STOPPED"):
        client.alter_offsets(name, [held])
    with pytest.raises(ConnectRefused, match="STOPPED"):
        client.reset_offsets(name)
    client.stop(name)
    assert client.wait_until_state(name, "STOPPED").tasks == ()
    # Anything is taken: whoever changes a position has to have asked the source.
    client.alter_offsets(name, [SourceOffset(partition=held.partition, offset={"lsn": "abc"})])
    until(lambda: [one.offset for one in client.offsets(name)] == [{"lsn": "abc"}])
    client.reset_offsets(name)
    assert client.offsets(name) == ()
    client.resume(name)
    client.wait_until_working(name)
    if (feed := world.feed) is not None:
        # Begun anew: the snapshot shows all rows again.
        until(lambda: [one.value["op"] for one in feed()] == ["r"] * 6)
    client.restart(name)
    client.wait_until_working(name)
    client.delete(name)
    client.delete(name)
    until(lambda: client.config(name) is None)


CONFIG = {"connector.class": CLASS, "topic.prefix": "legacy"}


@given(st.lists(st.sampled_from(FAULTS), max_size=60))
def test_whatever_is_lost_or_refused_on_the_way_all_is_done_once_it_goes_well(faults: list[Fault]) -> None:
    cluster = FakeCluster(faults)
    client = cluster.client("http://a:8083,http://b:8083")
    try:
        assert client.put("legacy", CONFIG) is True
        client.stop("legacy")
        client.wait_until_state("legacy", "STOPPED")
        client.alter_offsets("legacy", [SourceOffset(partition={"server": "legacy"}, offset={"lsn": 9})])
        client.resume("legacy")
        client.wait_until_running("legacy")
        assert [one.offset for one in client.offsets("legacy")] == [{"lsn": 9}]
        assert cluster.kept["legacy"].config == {**CONFIG, "name": "legacy"}
        client.delete("legacy")
        assert cluster.kept == {}
    except ConnectUnreachable:
        # Given up only after being busy for as long as anybody's patience lasts.
        assert cluster.now > 60


def test_another_worker_is_asked_when_one_is_busy_or_gone() -> None:
    cluster = FakeCluster([unreached, rebalance, lost])
    assert cluster.client("http://a:8083/, http://b:8083").names() == ()
    assert [one.partition("//")[2] for one in cluster.asked] == [
        "a:8083/connectors",
        "b:8083/connectors",
        "a:8083/connectors",
        "b:8083/connectors",
    ]


def test_a_configuration_that_was_taken_before_its_answer_was_lost_is_put_once() -> None:
    cluster = FakeCluster([])
    client = cluster.client()
    cluster.faults = [lambda do: do(), lost]
    assert client.put("legacy", CONFIG) is True
    assert [one.partition(" ")[0] for one in cluster.asked] == ["GET", "PUT", "GET"]
