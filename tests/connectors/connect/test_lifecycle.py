"""Declared, paused, resumed, stopped, reset, restarted, deleted: on a real worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.connect import ConnectClient, connector_config
from connectors.connect.errors import ConnectRefused
from dragoman.stack.server import Server
from tests.connectors.connect.world import PostgresLegacy, declared, order, records, secret_of, until


def test_the_life_of_a_connector(
    kafka: Server, connect: Server, postgres_server: Server, unused_name: str, tmp_path: Path
) -> None:
    legacy = PostgresLegacy(postgres_server, unused_name, secret_of(tmp_path))
    legacy.commit(*order(1, 2))
    config = connector_config(legacy.spec)
    feed = f"{unused_name}.order"
    with ConnectClient(f"http://{connect.at}") as client:
        assert {one.rpartition(".")[2] for one in client.plugins()} >= {"PostgresConnector", "MariaDbConnector"}
        assert client.validate(unused_name, config) == ()
        wrong = {**config, "database.hostname": "127.0.0.1", "database.port": "1"}
        assert [name for name, _ in client.validate(unused_name, wrong)] == ["database.hostname"]
        with pytest.raises(ConnectRefused, match=r"Connection to 127\.0\.0\.1:1 refused"):
            client.put(unused_name, wrong)
        assert client.config(unused_name) is None
        with declared(client, unused_name, config, legacy):
            assert client.put(unused_name, config) is False
            assert unused_name in client.names()
            until(lambda: len(records(kafka.at, feed)) == 3)
            client.pause(unused_name)
            client.wait_until_state(unused_name, "PAUSED")
            legacy.commit(*order(2, 2))
            client.resume(unused_name)
            until(lambda: len(records(kafka.at, feed)) == 6)
            client.restart(unused_name)
            client.wait_until_working(unused_name)
            with pytest.raises(ConnectRefused):
                client.reset_offsets(unused_name)
            client.stop(unused_name)
            client.wait_until_state(unused_name, "STOPPED")
            assert [dict(one.partition) for one in client.offsets(unused_name)] == [{"server": unused_name}]
            client.reset_offsets(unused_name)
            assert client.offsets(unused_name) == ()
            client.resume(unused_name)
            # Begun anew: the snapshot shows all rows again.
            until(lambda: [one.value["op"] for one in records(kafka.at, feed)].count("r") == 9)
            client.delete(unused_name)
            assert client.config(unused_name) is None
