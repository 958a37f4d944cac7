"""MariaDB with a row-based binary log: `root` is its superuser, without a password."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.stack.processes import HOST

_PROTOCOL = 10
"""The first byte of what a server says to a connection, behind the packet's own four."""


class MariaDB(msgspec.Struct, frozen=True, kw_only=True, tag="mariadb"):
    """MariaDB with its own defaults but for speed and what a change feed needs."""

    name: ClassVar[str] = "mariadb"
    title: ClassVar[str] = "MariaDB"
    user: ClassVar[str | None] = "mysql"
    start_seconds: ClassVar[int] = 120

    server: str
    install: str

    def initialise(self, home: Path, port: int) -> list[list[str]]:
        """The command that makes the data folder."""
        options = ["--no-defaults", f"--datadir={home / 'data'}", "--auth-root-authentication-method=normal"]
        return [[self.install, *options, "--skip-test-db", "--skip-name-resolve"]]

    def command(self, home: Path, port: int) -> list[str]:
        """What runs until it is ended."""
        options = {
            "datadir": home / "data",
            "socket": home / "socket",
            "pid-file": home / "pid",
            "port": port,
            "bind-address": HOST,
            "innodb-flush-log-at-trx-commit": 0,
            "innodb-buffer-pool-size": "64M",
            "log-bin": "binlog",
            "binlog-format": "ROW",
            "binlog-row-image": "FULL",
            "server-id": 1,
        }
        named = [f"--{name}={value}" for name, value in options.items()]
        return [self.server, "--no-defaults", "--skip-name-resolve", *named]

    def url(self, at: str) -> str:
        """How a client reaches it at `host:port`."""
        return f"mysql://root@{at}"

    def is_ready(self, port: int) -> bool:
        """Whether it greets a connection."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=5) as connection:
            greeting = connection.recv(5)
            return len(greeting) == 5 and greeting[4] == _PROTOCOL
        return False
