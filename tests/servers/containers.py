"""The same servers in containers, by testcontainers: what the fixtures give with `--stack=docker`.

The engine is the one that DOCKER_HOST names, or Docker's own default. Images are the official ones unless the environment
names others, as for docker-compose.yml.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from dragoman.stack.kafka import Kafka
from dragoman.stack.processes import HOST, free_port

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_POSTGRES, _KAFKA = (
    ("DRAGOMAN_POSTGRES_IMAGE", "postgres:15.14-bookworm"),
    ("DRAGOMAN_KAFKA_IMAGE", "apache/kafka:4.3.0"),
)
_START_SECONDS = 120
_LOOK_SECONDS = 0.2


class ContainerServer:
    """A server in a container that is running, as `dragoman.stack.server.Server` is one in a folder."""

    def __init__(self, container: DockerContainer, port: int, is_ready: Callable[[int], bool]) -> None:
        self._container = container
        self._is_ready = is_ready
        self.host, self.port = HOST, port

    @property
    def at(self) -> str:
        """`127.0.0.1:PORT`, as Kafka's clients want it."""
        return f"{self.host}:{self.port}"

    def kill(self) -> None:
        """End it as a crash would (SIGKILL); it is not started again before `restart`."""
        wrapped = self._container.get_wrapped_container()
        wrapped.kill("SIGKILL")
        wrapped.wait()

    def restart(self) -> None:
        """Start it again on the same port and data, and wait until it is ready."""
        self._container.get_wrapped_container().restart()
        self.wait()

    def wait(self) -> None:
        """Wait until it is ready; `AssertionError` with its last lines, if it does not get there."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready(self.port):
            said = b"\n".join(self._container.get_logs())[-2_000:]
            assert time.monotonic() < deadline, said.decode("utf-8", "replace")
            time.sleep(_LOOK_SECONDS)


@contextmanager
def kafka() -> Iterator[ContainerServer]:
    """A broker of its own."""
    port = free_port()
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "LOG_DIRS": "/var/lib/kafka/data",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "BROKER_SESSION_TIMEOUT_MS": "3000",
        "BROKER_HEARTBEAT_INTERVAL_MS": "500",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
        "HEAP_OPTS": "-Xmx512m -Xms256m",
    }
    container = _container(*_KAFKA, {f"KAFKA_{name}": value for name, value in settings.items()})
    # Its readiness is a question to the broker, whoever started it.
    with _running(container.with_bind_ports(9092, port), port, Kafka(java="", libs="").is_ready) as server:
        yield server


@contextmanager
def postgres() -> Iterator[ContainerServer]:
    """A PostgreSQL of its own with logical replication, whose superuser `dragoman` needs no password."""
    port = free_port()
    variables = {"POSTGRES_USER": "dragoman", "POSTGRES_DB": "postgres", "POSTGRES_HOST_AUTH_METHOD": "trust"}
    container = _container(*_POSTGRES, variables)
    container.with_command(["postgres", "-c", "wal_level=logical", "-c", "fsync=off"])
    with _running(container.with_bind_ports(5432, port), port, _takes_connections) as server:
        yield server


def _container(variable: str, official: str, variables: dict[str, str]) -> DockerContainer:
    # Its reaper is an image of its own; ours end with the fixture, and with the engine.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.core.container import DockerContainer

    return DockerContainer(os.environ.get(variable, official), env=variables)


@contextmanager
def _running(container: DockerContainer, port: int, is_ready: Callable[[int], bool]) -> Iterator[ContainerServer]:
    with container:
        server = ContainerServer(container, port, is_ready)
        server.wait()
        yield server


def _takes_connections(port: int) -> bool:
    try:
        psycopg.connect(host=HOST, port=port, user="dragoman", dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
