"""What a running worker answers to probes is so: by a clock that the test moves, and over a real socket."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest

from dragoman.probes import SILENT_SECONDS, AddressUnusable, Probes, answering

STUCK = 900.0


@dataclass
class Part:
    name: str
    joined: bool
    seen: float | None


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probes(clock: Clock) -> Probes:
    return Probes(STUCK, clock)


def test_who_has_not_begun_is_healthy_and_not_ready(probes: Probes) -> None:
    assert probes.healthy()[0]
    assert probes.ready() == (False, {"starting": True})


def test_ready_is_who_has_all_its_partitions(probes: Probes, clock: Clock) -> None:
    policy, claim = Part("policy", True, clock.now), Part("claim", False, clock.now)
    probes.started([policy, claim])
    assert probes.ready() == (False, {"ready": {"policy": True, "claim": False}})
    claim.joined = True
    assert probes.ready()[0]


def test_a_process_that_says_nothing_is_not_ready_and_in_the_end_not_healthy(probes: Probes, clock: Clock) -> None:
    policy = Part("policy", True, clock.now)
    probes.started([policy])
    clock.now += SILENT_SECONDS
    probes.alive()
    assert not probes.ready()[0] and probes.healthy()[0]
    clock.now = policy.seen + STUCK if policy.seen is not None else 0
    probes.alive()
    assert probes.healthy() == (False, {"silent_seconds": {"dragoman": 0.0, "policy": STUCK}})


def test_a_batch_that_does_not_end_is_not_healthy_also_in_this_process(probes: Probes, clock: Clock) -> None:
    probes.started([Part("policy", True, None)])
    clock.now += STUCK
    assert not probes.healthy()[0] and probes.ready()[0]
    probes.alive()
    assert probes.healthy()[0]


def test_probes_are_answered_while_the_block_runs(probes: Probes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with answering(f"127.0.0.1:{port}", probes):
        assert [ask(port, path)[0] for path in ("/healthz", "/readyz", "/")] == [200, 503, 404]
        assert ask(port, "/readyz")[1] == {"ok": False, "starting": True}
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/healthz")
    with (
        answering(f"127.0.0.1:{port}", probes, lambda: "x 1\n# EOF\n"),
        urlopen(f"http://127.0.0.1:{port}/metrics") as found,
    ):
        assert found.headers["Content-Type"].startswith("application/openmetrics-text")
        assert found.read() == b"x 1\n# EOF\n"
        assert ask(port, "/")[1] == {"ok": False, "paths": ["/healthz", "/metrics", "/readyz"]}


def ask(port: int, path: str) -> tuple[int, object]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("address", ["8080", ":8080", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_address_without_a_host_or_a_port_is_told(probes: Probes, address: str) -> None:
    with pytest.raises(AddressUnusable), answering(address, probes):
        pass


def test_a_port_that_is_taken_is_told(probes: Probes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressUnusable) as caught, answering(at, probes):
            pass
    assert caught.value.fields["reason"]
