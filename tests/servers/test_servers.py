"""The servers that tests share: there for every user, on the loopback interface only, and gone with the last of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.capabilities import require
from tests.servers.shared import ROOT, server

USER = """
import sys, time
from pathlib import Path
from tests.servers.shared import server
with server("postgres", Path(sys.argv[1])) as at:
    print(at["port"], flush=True)
    time.sleep(60)
"""


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
        with server("postgres", folder) as at:
            assert at["port"] == port
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
            with psycopg.connect(**at, user="dragoman", dbname="postgres") as connection:
                row = connection.execute("SHOW listen_addresses").fetchone()
                home = connection.execute("SHOW data_directory").fetchone()
    assert row == ("127.0.0.1",)
    assert home is not None
    deadline = time.monotonic() + 20
    while (folder / "ready.json").exists() or Path(home[0]).parent.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**at, user="dragoman", dbname="postgres")


def test_after_the_end_another_user_gets_another_server(tmp_path: Path) -> None:
    require("PostgreSQL")
    with server("postgres", tmp_path / "server") as first:
        pass
    with server("postgres", tmp_path / "server") as second:
        assert json.loads((tmp_path / "server" / "ready.json").read_text()) == second
        psycopg.connect(**second, user="dragoman", dbname="postgres").close()
    assert set(first) == {"host", "port"}
