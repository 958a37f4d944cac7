"""Two workers of one cluster: what Connect answers while they agree on who does what, and how a killed one's task goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from threading import Event

import httpx

from connectors.connect import ConnectClient, connector_config
from connectors.connect.errors import ConnectRefused
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from tests.connectors.connect.world import PostgresLegacy, changes, order, records, secret_of, until
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
        with ConnectClient(f"http://{first.at}") as client:
            client.put(name, config)
            client.wait_until_working(name, 180)
        second = joining.result()
        client = held.enter_context(ConnectClient(f"http://{second.at},http://{first.at}"))
        held.callback(legacy.close)
        held.callback(client.delete, name)
        with answers([first.at, second.at], name) as seen:
            _declared_again_and_again(client, name, config)
            _goes_on_when_killed(client, first, second, name, legacy)
        until(lambda: len(changes(records(kafka.at, f"{name}.order"))) == 6, 60)
        found = [one for one in records(kafka.at, f"{name}.order") if one.value["op"] != "r"]
    assert len(found) == len(changes(found)) == 3
    # It was not calm: who asked without patience was told so, and our client takes each such answer for one that passes.
    busy = {(status, text) for status, text in seen if status not in (0, 200, 202, 404)}
    assert {409, 500} & {status for status, _ in busy}, Counter(seen)
    assert [one for one in busy if not _passes(*one)] == []


def _passes(status: int, message: str) -> bool:
    """Whether our client asks again after such an answer."""
    answer = httpx.Response(status, json={"error_code": status, "message": message})
    told = [answer, httpx.Response(200, json=["legacy"])]
    client = httpx.Client(transport=httpx.MockTransport(lambda _: told.pop(0)))
    try:
        return ConnectClient("http://w:1", client, pause=lambda _: None).names() == ("legacy",)
    except ConnectRefused:
        return False


def _declared_again_and_again(client: ConnectClient, name: str, config: dict[str, str]) -> None:
    """Each time the workers agree anew on who does what; what our client asks for is carried out all the same."""
    for size in (512, 1024, 1500):
        client.delete(name)
        wanted = {**config, "max.batch.size": str(size)}
        client.put(name, wanted)
        until(partial(_holds, client, name, wanted), 30)
    client.wait_until_working(name, 60)


def _goes_on_when_killed(
    client: ConnectClient, first: Server, second: Server, name: str, legacy: PostgresLegacy
) -> None:
    status = client.status(name)
    assert status is not None
    runs, other = (first, second) if status.tasks[0].worker == first.at else (second, first)
    at = other.at
    runs.kill()
    legacy.commit(*order(2, 2))
    until(lambda: _runs_at(client, name, at), 60)
    client.wait_until_working(name, 60)


@contextmanager
def answers(workers: list[str], name: str) -> Iterator[list[tuple[int, str]]]:
    """What workers answer to somebody who asks again and again: the status (0 for no answer), and the message with it."""
    seen: list[tuple[int, str]] = []
    ended = Event()
    asked = (
        ("GET", f"/connectors/{name}/config"),
        ("POST", f"/connectors/{name}/restart?includeTasks=true&onlyFailed=true"),
    )

    def ask(at: str) -> None:
        with httpx.Client(base_url=f"http://{at}", timeout=30) as raw:
            for method, path in cycle(asked):
                if ended.wait(0.02):
                    return
                try:
                    answer = raw.request(method, path)
                except httpx.TransportError:
                    seen.append((0, ""))
                else:
                    seen.append((answer.status_code, "" if answer.is_success else answer.json()["message"]))

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask, at) for at in workers]
        try:
            yield seen
        finally:
            ended.set()
    for one in asking:
        one.result()


def _holds(client: ConnectClient, name: str, wanted: dict[str, str]) -> bool:
    return client.config(name) == {**wanted, "name": name}


def _runs_at(client: ConnectClient, name: str, at: str) -> bool:
    status = client.status(name)
    return status is not None and status.is_running and all(task.worker == at for task in status.tasks)
