"""Starts one database server and keeps it for as long as somebody holds a lock on its `users` file; then nothing is left.

    python -m tests.servers.keeper postgres FOLDER

A process of its own, so that the server outlives none of its users: however they end, the kernel gives up their locks.
`FOLDER/ready.json` says how to connect, `FOLDER/failed` why there is no server.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql

from tests.servers.binaries import mariadb_commands, postgres_folder, runner

START_SECONDS = 60


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Postgres:
    """PostgreSQL in UTF-8, its text compared as English sorts it: as on most servers, and not by code point."""

    user = "postgres"

    def initialise(self, folder: Path) -> None:
        binaries = postgres_folder()
        assert binaries is not None
        self.binaries = binaries
        options = ["-D", str(folder / "data"), "-U", "dragoman", "-A", "trust", "-E", "UTF8", "-N"]
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        run([str(binaries / "initdb"), *options, *locale], self.user, folder)

    def command(self, folder: Path, port: int) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.binaries / "postgres"), "-D", str(folder / "data"), *options]

    def connect(self, port: int) -> None:
        psycopg.connect(host="127.0.0.1", port=port, user="dragoman", dbname="postgres").close()


class MariaDB:
    """MariaDB with its own defaults but for speed."""

    user = "mysql"

    def initialise(self, folder: Path) -> None:
        commands = mariadb_commands()
        assert commands is not None
        self.server, install = commands
        options = ["--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal"]
        run([install, *options, "--skip-test-db", "--skip-name-resolve"], self.user, folder)

    def command(self, folder: Path, port: int) -> list[str]:
        options = {"datadir": folder / "data", "socket": folder / "socket", "pid-file": folder / "pid", "port": port}
        quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--skip-log-bin"]
        named = [f"--{name}={value}" for name, value in options.items()]
        return [self.server, "--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", *named, *quick]

    def connect(self, port: int) -> None:
        pymysql.connect(host="127.0.0.1", port=port, user="root").close()


def run(command: list[str], user: str, folder: Path) -> None:
    """Run a command to its end as the server's user; RuntimeError with what it printed if it fails."""
    done = subprocess.run(command, user=runner(user), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")


def start(kind: Postgres | MariaDB, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """The running server and its port."""
    kind.initialise(folder)
    port = free_port()
    with (folder / "log").open("wb") as log:
        command = kind.command(folder, port)
        server = subprocess.Popen(command, user=runner(kind.user), cwd=folder, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            kind.connect(port)
        except (psycopg.OperationalError, pymysql.err.OperationalError):
            if server.poll() is not None or time.monotonic() > deadline:
                stop(server)
                raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:]) from None
            time.sleep(0.05)
        else:
            return server, port


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server: quickly, for nobody needs its data."""
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def keep(kind: Postgres | MariaDB, folder: Path) -> None:
    """Start, wait until nobody uses it, stop and remove everything."""
    home = Path(tempfile.mkdtemp(prefix=f"dragoman-{kind.user}-"))
    ready = folder / "ready.json"
    try:
        if (user := runner(kind.user)) is not None:
            shutil.chown(home, user)
        server, port = start(kind, home)
        try:
            (folder / "starting").write_text(json.dumps({"host": "127.0.0.1", "port": port}))
            (folder / "starting").rename(ready)
            with (folder / "users").open() as users:
                fcntl.flock(users, fcntl.LOCK_EX)
                ready.unlink()
                stop(server)
        finally:
            stop(server)
    finally:
        shutil.rmtree(home)


KINDS: dict[str, Callable[[], Postgres | MariaDB]] = {"postgres": Postgres, "mariadb": MariaDB}

if __name__ == "__main__":
    try:
        keep(KINDS[sys.argv[1]](), Path(sys.argv[2]))
    except BaseException:
        (Path(sys.argv[2]) / "failed").write_text(traceback.format_exc())
        raise
