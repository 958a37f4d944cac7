"""What a machine may lack that a test needs: the only reasons for which a test may be skipped.

A test calls `require("chromium")` and is skipped where the machine has none, with a reason that begins with `REASON`.
Under `--no-skips` the run fails on every other skip, so what a machine could have run is never left out unnoticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.binaries import has_java, has_mariadb, has_postgres
from dragoman.stack.errors import FetchFailed, MavenMissing

REASON = "not on this machine: "


def chromium() -> str | None:
    """The path of a Chromium on this machine, for `playwright`'s `executable_path`."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _checkout() -> bool:
    return shutil.which("git") is not None and (Path(__file__).parents[1] / ".git").exists()


@cache
def _jars() -> bool:
    try:
        fetch(cache_folder(os.environ))
    except (FetchFailed, MavenMissing):
        return False
    return True


@cache
def _engine() -> bool:
    """Whether the engine answers that clients would ask: the one of DOCKER_HOST, or the machine's own."""
    client = shutil.which("docker")
    return client is not None and subprocess.run([client, "info"], capture_output=True, check=False).returncode == 0


CAPABILITIES: dict[str, Callable[[], bool]] = {
    "a git checkout": _checkout,
    "chromium": lambda: chromium() is not None,
    "PostgreSQL": has_postgres,
    "MariaDB": has_mariadb,
    "mysqlclient, or what it is built with": lambda: find_spec("MySQLdb") is not None,
    "Java": has_java,
    "Kafka's jars, or Maven and a Maven Central to fetch them from": _jars,
    "a Docker engine": _engine,
    "an unprivileged user": lambda: os.geteuid() != 0,
}


def require(capability: str) -> None:
    """Skip the running test where this machine lacks `capability`; KeyError for one that nobody has described."""
    if not CAPABILITIES[capability]():
        pytest.skip(REASON + capability)


def is_lacking(reason: str) -> bool:
    """Whether a skip's reason names a capability that this machine really lacks."""
    probe = CAPABILITIES.get(reason.removeprefix(REASON)) if reason.startswith(REASON) else None
    return probe is not None and not probe()
