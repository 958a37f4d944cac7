"""Fixtures: a real PostgreSQL and a real MariaDB, started once for all workers of a run and gone with the last of them."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.capabilities import require

ROOT = Path(__file__).parents[2]
START_SECONDS = 90


@contextmanager
def server(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """How to connect to the server that all users of `folder` share; started by the first of them."""
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users:
        with (folder / "door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # waits where the last keeper is still stopping its server
            if not (folder / "ready.json").exists():
                _start(kind, folder)
        yield json.loads((folder / "ready.json").read_text())


def _start(kind: str, folder: Path) -> None:
    command = [sys.executable, "-m", "tests.servers.keeper", kind, str(folder)]
    # A session of its own: Ctrl-C reaches us, and the keeper then sees our lock go.
    quiet = subprocess.DEVNULL
    keeper = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "ready.json").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            failed = folder / "failed"
            raise RuntimeError(failed.read_text() if failed.exists() else f"{kind} did not start in {START_SECONDS} s")
        time.sleep(0.05)
    keeper.returncode = 0  # it outlives this process: no wait, and no warning that there was none


def _shared_folder(factory: pytest.TempPathFactory, worker: str, kind: str) -> Path:
    base = factory.getbasetemp()
    return (base if worker == "master" else base.parent) / f"server-{kind}"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """A connection of this worker's own to a PostgreSQL that all workers share; autocommit."""
    require("PostgreSQL")
    with (
        server("postgres", _shared_folder(tmp_path_factory, _worker(request), "postgres")) as at,
        psycopg.connect(**at, user="dragoman", dbname="postgres", autocommit=True) as connection,
    ):
        yield connection


@pytest.fixture(scope="session")
def mariadb(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[pymysql.connections.Connection[pymysql.cursors.Cursor]]:
    """A connection of this worker's own to a MariaDB that all workers share; autocommit."""
    require("MariaDB")
    with server("mariadb", _shared_folder(tmp_path_factory, _worker(request), "mariadb")) as at:
        connection = pymysql.connect(**at, user="root", charset="utf8mb4", autocommit=True)
        yield connection
        connection.close()


def _worker(request: pytest.FixtureRequest) -> str:
    workers: dict[str, str] = getattr(request.config, "workerinput", {})
    return workers.get("workerid", "master")
