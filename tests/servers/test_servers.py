"""One server of the stack: shared by all who want it, on the loopback interface only, and gone with the last of them."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql
import pytest

from dragoman.stack import parts
from dragoman.stack.errors import PortTaken, RunsOtherwise, StartFailed
from dragoman.stack.postgres import Postgres
from dragoman.stack.processes import free_port
from dragoman.stack.records import Home, Ready, read
from dragoman.stack.server import Server, is_kept, shared, started, stop
from tests.capabilities import require
from tests.servers.shared import jars

ROOT = Path(__file__).parents[2]
USER = """
import sys, time
from pathlib import Path
from dragoman.stack import parts
from dragoman.stack.server import shared
with shared(parts.postgres(), Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    time.sleep(600)
"""


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def ask(server: Server, *queries: str) -> object:
    """One value out of PostgreSQL: what the last query answers."""
    with psycopg.connect(
        host=server.host, port=server.port, user="dragoman", autocommit=True, dbname="postgres"
    ) as connection:
        for query in queries:
            cursor = connection.execute(query.encode())
        row = cursor.fetchone()
        assert row is not None
        return row[0]


def broker_is_there(at: str) -> bool:
    """Whether a broker answers a request for the versions that it knows (ApiVersions, version 0), with no error."""
    host, port = at.split(":")
    request = struct.pack(">hhih", 18, 0, 4711, -1)
    try:
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return connection.recv(10)[4:] == struct.pack(">ih", 4711, 0)
    except ConnectionRefusedError:
        return False


def home(folder: Path) -> Home:
    """What would have to be cleaned up."""
    found = read(folder, Home)
    assert found is not None
    return found


def port_of(user: subprocess.Popen[str]) -> int:
    """The port that a user in another process was told."""
    assert user.stdout is not None
    return int(user.stdout.readline())


def test_users_share_a_server_that_ends_with_the_last_of_them_however_they_end(tmp_path: Path) -> None:
    require("PostgreSQL")
    folder = tmp_path / "server"
    command = [sys.executable, "-c", USER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:
        port = port_of(killed)
        with shared(parts.postgres(), folder) as server:
            assert server.port == port
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
            assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
            data = Path(home(folder).path)
            assert ask(server, "SHOW data_directory") == str(data / "data")
    eventually(lambda: not is_kept(folder) and not data.exists())
    assert read(folder, Ready) is None
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_after_the_end_another_user_gets_another_server(tmp_path: Path) -> None:
    require("PostgreSQL")
    with shared(parts.postgres(), tmp_path / "server") as server:
        first = server.ready
    eventually(lambda: not is_kept(tmp_path / "server"))
    with shared(parts.postgres(), tmp_path / "server") as server:
        assert server.ready.pid != first.pid
        assert ask(server, "SELECT 1") == 1


def test_a_killed_server_is_started_again_on_its_port_and_data(tmp_path: Path) -> None:
    require("PostgreSQL")
    with shared(parts.postgres(), tmp_path / "server") as server:
        before = server.ready
        ask(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", "CHECKPOINT", "SELECT 1")
        server.kill()
        assert not lives(before.pid)
        with pytest.raises(StartFailed, match=r"SIGKILL"):
            _ = server.port
        server.restart()
        assert (server.port, server.ready.pid == before.pid) == (before.port, False)
        assert ask(server, "SELECT n FROM kept") == 7


def test_a_server_goes_with_its_killed_keeper_and_the_next_start_cleans_up(tmp_path: Path) -> None:
    require("PostgreSQL")
    folder = tmp_path / "server"
    server = started(parts.postgres(), folder)
    try:
        pid, left = server.ready.pid, home(folder)
        os.kill(left.keeper, signal.SIGKILL)
        if sys.platform == "linux":
            eventually(lambda: not lives(pid))
        assert Path(left.path).exists()
        again = started(parts.postgres(), folder)
        assert ask(again, "SELECT 1") == 1
        assert not lives(pid)
        assert not Path(left.path).exists()
    finally:
        stop(folder)
    assert not is_kept(folder)
    assert read(folder, Home) is None


def test_a_server_that_is_there_is_taken_as_it_is_or_not_at_all(tmp_path: Path) -> None:
    require("PostgreSQL")
    folder = tmp_path / "server"
    port = free_port()
    try:
        first = started(parts.postgres(), folder, port).ready
        assert first.port == port
        assert started(parts.postgres(), folder).ready == first
        with pytest.raises(RunsOtherwise, match=f"listens on port {port}"):
            started(parts.postgres(), folder, port + 1)
        with pytest.raises(RunsOtherwise, match="binaries would change"):
            started(Postgres(binaries="elsewhere"), folder)
    finally:
        stop(folder)
    stop(folder)
    assert not lives(first.pid)


def test_a_mariadb_is_shared_with_a_binary_log(mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor]) -> None:
    with mariadb.cursor() as cursor:
        cursor.execute("SELECT @@log_bin, @@binlog_format, @@binlog_row_image, @@bind_address")
        assert cursor.fetchone() == (1, "ROW", "FULL", "127.0.0.1")


def test_a_killed_broker_is_started_again_and_says_when_it_is_there(tmp_path: Path) -> None:
    with shared(parts.kafka(jars()), tmp_path / "kafka") as broker:
        before = broker.at
        broker.kill()
        assert not broker_is_there(before)
        broker.restart()
        assert broker.at == before
        assert broker_is_there(before)


def test_all_share_one_kafka(kafka: Server, unused_name: str) -> None:
    assert broker_is_there(kafka.at)
    assert unused_name.startswith("test_all_share_one_kafka")


def test_a_port_that_somebody_has_is_told(tmp_path: Path) -> None:
    require("PostgreSQL")
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port}"):
            started(parts.postgres(), tmp_path / "server", port)
    assert not is_kept(tmp_path / "server")
