"""PostgreSQL, ready for logical replication: `dragoman` is its superuser, without a password."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.stack.processes import HOST


class Postgres(msgspec.Struct, frozen=True, kw_only=True, tag="postgres"):
    """PostgreSQL in UTF-8, its text compared as English sorts it: as on most servers, and not by code point."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    user: ClassVar[str | None] = "postgres"
    start_seconds: ClassVar[int] = 120

    binaries: str

    def initialise(self, home: Path, port: int) -> list[list[str]]:
        """The command that makes the cluster."""
        options = ["-D", str(home / "data"), "-U", "dragoman", "-A", "trust", "-E", "UTF8", "-N"]
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        return [[f"{self.binaries}/initdb", *options, *locale]]

    def command(self, home: Path, port: int) -> list[str]:
        """What runs until it is ended: quick and not durable, for its data goes with it."""
        settings = {
            "listen_addresses": HOST,
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "64MB",
            "wal_level": "logical",
            "max_wal_senders": 20,
            "max_replication_slots": 20,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [f"{self.binaries}/postgres", "-D", str(home / "data"), *options]

    def url(self, at: str) -> str:
        """How a client reaches it at `host:port`."""
        return f"postgresql://dragoman@{at}/postgres"

    def is_ready(self, port: int) -> bool:
        """Whether it takes connections."""
        command = [f"{self.binaries}/pg_isready", "-q", "-h", HOST, "-p", str(port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
