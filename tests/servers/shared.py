"""Fixtures: real servers, each started once for all workers of a run and gone with the last of them.

    def test_it(kafka: Server, unused_name: str) -> None:    # dragoman.stack.server.Server
        client(bootstrap_servers=kafka.at).create_topic(f"{unused_name}.events")

With `--stack=docker` Kafka and PostgreSQL run in containers (`containers.py`), behind the same fixtures.

All tests share these servers, so names of topics, groups, databases and slots begin with `unused_name`, and nobody kills one.
A test that does starts its own:

    with shared(parts.kafka(jars()), tmp_path / "kafka") as broker:
        broker.kill()        # SIGKILL
        broker.restart()     # on the same port and data
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pymysql
import pytest

from dragoman.stack import parts
from dragoman.stack.artifacts import Jars, cache_folder, fetch
from dragoman.stack.server import Server, shared
from tests.capabilities import require
from tests.servers import containers
from tests.servers.containers import ContainerServer

AnyServer = Server | ContainerServer


def jars() -> Jars:
    """Kafka's and Debezium's jars, fetched if they are not here yet; skips where they cannot be had."""
    require("Java")
    require("Kafka's jars, or Maven and a Maven Central to fetch them from")
    return fetch(cache_folder(os.environ))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder in which all workers of this run keep the servers that they share."""
    base = tmp_path_factory.getbasetemp()
    workers: dict[str, str] = getattr(request.config, "workerinput", {})
    return (base.parent if "workerid" in workers else base) / "servers"


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> str:
    """Where the servers are: `native`, or `docker`."""
    return str(request.config.getoption("--stack"))


@pytest.fixture(scope="session")
def kafka(servers: Path, stack: str) -> Iterator[AnyServer]:
    """A Kafka that all workers share (a worker's own in a container): `kafka.at` is what clients call the bootstrap server."""
    if stack == "docker":
        require("a Docker engine")
        with containers.kafka() as container:
            yield container
        return
    with shared(parts.kafka(jars()), servers / "kafka") as broker:
        yield broker


@pytest.fixture(scope="session")
def connect(servers: Path, kafka: Server) -> Iterator[Server]:
    """A worker of Kafka Connect with exactly-once sources, on the shared Kafka: `http://{connect.at}`."""
    with shared(parts.connect(jars(), kafka.at, exactly_once=True), servers / "connect") as worker:
        yield worker


@pytest.fixture
def unused_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses: letters, digits and `_`, so that it may begin any other."""
    said = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower())[:24].strip("_")
    return f"{said}_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def postgres_server(servers: Path, stack: str) -> Iterator[AnyServer]:
    """A PostgreSQL that all workers share (a worker's own in a container), with logical replication."""
    if stack == "docker":
        require("a Docker engine")
        with containers.postgres() as container:
            yield container
        return
    require("PostgreSQL")
    with shared(parts.postgres(), servers / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_server: AnyServer) -> Iterator[psycopg.Connection]:
    """A connection of this worker's own to the shared PostgreSQL; autocommit."""
    host, port = postgres_server.host, postgres_server.port
    with psycopg.connect(host=host, port=port, user="dragoman", dbname="postgres", autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def mariadb_server(servers: Path) -> Iterator[Server]:
    """A MariaDB that all workers share, with a binary log."""
    require("MariaDB")
    with shared(parts.mariadb(), servers / "mariadb") as server:
        yield server


@pytest.fixture(scope="session")
def mariadb(mariadb_server: Server) -> Iterator[pymysql.connections.Connection[pymysql.cursors.Cursor]]:
    """A connection of this worker's own to the shared MariaDB; autocommit."""
    host, port = mariadb_server.host, mariadb_server.port
    connection = pymysql.connect(host=host, port=port, user="root", charset="utf8mb4", autocommit=True)
    yield connection
    connection.close()
