"""Two workers of one cluster: what Connect answers while they agree on who does what, and how a killed one's task goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from connectors.connect import ConnectClient, connector_config
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from tests.connectors.connect.world import PostgresLegacy, changes, declared, order, records, secret_of, until
from tests.servers.shared import jars

SETTINGS = {
    # A worker that died is missed soon, and its task is not kept for it.
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "1500",
    "scheduled.rebalance.max.delay.ms": "0",
}


def test_a_connector_is_declared_during_rebalances_and_survives_the_worker_that_runs_it(
    kafka: Server, postgres_server: Server, unused_name: str, tmp_path: Path
) -> None:
    name = unused_name
    legacy = PostgresLegacy(postgres_server, name, secret_of(tmp_path))
    legacy.commit(*order(1, 2))
    config = connector_config(legacy.spec)
    part = parts.connect(jars(), kafka.at, exactly_once=True, group=f"{name}_connect", settings=SETTINGS)
    with ExitStack() as held, ThreadPoolExecutor() as pool:
        first = held.enter_context(shared(part, tmp_path / "a"))
        # The other one joins while the connector is declared.
        joining = pool.submit(held.enter_context, shared(part, tmp_path / "b"))
        client = held.enter_context(ConnectClient(f"http://{first.at}"))
        held.enter_context(declared(client, name, config, legacy))
        second = joining.result()
        _told_while_busy(first, second, name, config)
        client.wait_until_working(name, 60)
        _goes_on_when_killed(first, second, name, legacy)
        until(lambda: len(changes(records(kafka.at, f"{name}.order"))) == 6, 60)
        found = records(kafka.at, f"{name}.order")
        assert len(found) == len(changes(found))


def _told_while_busy(first: Server, second: Server, name: str, config: dict[str, str]) -> None:
    """Connect answers 409, and what our client asks for is carried out all the same, by whichever worker."""
    assert _answers_409(f"http://{first.at}", name, config)
    with ConnectClient(f"http://{second.at},http://{first.at}") as client:
        for size in ("512", "1024", "1500"):
            assert client.put(name, {**config, "max.batch.size": size}) is True
            until(lambda: (client.config(name) or {}).get("max.batch.size") == size, 30)  # noqa: B023 - asked at once


def _goes_on_when_killed(first: Server, second: Server, name: str, legacy: PostgresLegacy) -> None:
    with ConnectClient(f"http://{first.at},http://{second.at}") as client:
        status = client.status(name)
        assert status is not None
        runs, other = (first, second) if status.tasks[0].worker == first.at else (second, first)
        at = other.at
        runs.kill()
        legacy.commit(*order(2, 2))
        until(lambda: _runs_at(client, name, at), 60)
        client.wait_until_working(name, 60)


def _answers_409(url: str, name: str, config: dict[str, str]) -> bool:
    """Whether the worker says that it is busy when it is told one thing after the other."""
    with httpx.Client(base_url=url, timeout=30) as raw:
        for size in range(2048, 2088):
            body = {**config, "name": name, "max.batch.size": str(size)}
            answer = raw.put(f"/connectors/{name}/config", json=body)
            if answer.status_code == 409:
                return True
    return False


def _runs_at(client: ConnectClient, name: str, at: str) -> bool:
    status = client.status(name)
    return status is not None and status.is_running and all(task.worker == at for task in status.tasks)
