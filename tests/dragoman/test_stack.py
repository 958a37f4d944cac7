"""`dragoman stack`: up, status, down in real processes, and what it says where a stack cannot be had."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.stack.records import Home, read
from tests.capabilities import require
from tests.dragoman.support import Outcome, dragoman
from tests.servers.test_servers import eventually, lives


@pytest.fixture
def cwd(tmp_path: Path) -> Any:
    """A folder to be in; the stack in it is ended."""
    yield tmp_path
    dragoman("stack", "down", cwd=tmp_path)


def empty_path(tmp_path: Path) -> str:
    """A PATH on which nothing is found."""
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    return str(nothing)


def rows(outcome: Outcome) -> dict[str, Any]:
    """The parts that a command tells of, by name."""
    assert outcome.code in (0, 1), outcome.err
    return {one["part"]: one for one in outcome.lines}


def test_up_status_and_down(cwd: Path) -> None:
    require("PostgreSQL")
    assert "no stack" in dragoman("stack", "status", cwd=cwd).out
    started = dragoman("stack", "up", "--only", "postgres", cwd=cwd)
    assert (started.code, started.err) == (0, "")
    assert "✓ PostgreSQL" in started.out
    told = rows(dragoman("stack", "status", "--json", cwd=cwd))["postgres"]
    assert told["url"] in started.out
    with psycopg.connect(told["url"]) as connection:
        assert connection.execute("SHOW wal_level").fetchone() == ("logical",)
    # Up repeats safely: what runs stays.
    assert rows(dragoman("stack", "up", "--only", "postgres", "--json", cwd=cwd))["postgres"]["pid"] == told["pid"]
    home = read(cwd / "var/stack/postgres", Home)
    ended = dragoman("stack", "down", cwd=cwd)
    assert (ended.code, ended.out) == (0, "ended and removed: postgres\n")
    assert not lives(told["pid"])
    assert home is not None
    assert not Path(home.path).exists()
    assert not lives(home.keeper)
    assert not (cwd / "var/stack").exists()
    assert "nothing was running" in dragoman("stack", "down", cwd=cwd).out


def test_a_part_that_was_killed_is_told_and_started_again_where_it_was(cwd: Path) -> None:
    require("PostgreSQL")
    before = rows(dragoman("stack", "up", "--only", "postgres", "--json", cwd=cwd))["postgres"]
    os.kill(before["pid"], signal.SIGKILL)
    eventually(lambda: rows(dragoman("stack", "status", "--json", cwd=cwd))["postgres"]["state"] == "ended")
    told = dragoman("stack", "status", cwd=cwd)
    assert told.code == 1
    assert "SIGKILL" in told.out
    after = rows(dragoman("stack", "up", "--only", "postgres", "--json", cwd=cwd))["postgres"]
    assert (after["url"], after["pid"] == before["pid"]) == (before["url"], False)


def test_up_cleans_up_after_a_crash(cwd: Path) -> None:
    require("PostgreSQL")
    before = rows(dragoman("stack", "up", "--only", "postgres", "--json", cwd=cwd))["postgres"]
    left = read(cwd / "var/stack/postgres", Home)
    assert left is not None
    os.kill(left.keeper, signal.SIGKILL)
    eventually(lambda: not lives(before["pid"]))
    assert rows(dragoman("stack", "status", "--json", cwd=cwd))["postgres"]["state"] == "crashed"
    after = rows(dragoman("stack", "up", "--only", "postgres", "--json", cwd=cwd))["postgres"]
    assert (after["state"], lives(after["pid"])) == ("running", True)
    assert not Path(left.path).exists()
    os.kill(after["pid"], signal.SIGKILL)
    assert dragoman("stack", "down", cwd=cwd).code == 0
    assert not (cwd / "var/stack").exists()


def test_the_port_of_ones_choice_or_the_reason_why_not(cwd: Path) -> None:
    require("PostgreSQL")
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        refused = dragoman("stack", "up", "--only", "postgres", "--port", f"postgres={port}", cwd=cwd)
    assert refused.code == 2
    assert "stack.port-taken" in refused.err
    assert str(port) in refused.err
    started = dragoman("stack", "up", "--only", "postgres", "--port", f"postgres={port}", "--json", cwd=cwd)
    assert f":{port}/" in rows(started)["postgres"]["url"]
    other = dragoman("stack", "up", "--only", "postgres", "--port", f"postgres={port + 1}", cwd=cwd)
    assert "stack.runs-otherwise" in other.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--only", "kafak"), "stack.part-unknown"),
        (("--port", "kafka"), "stack.port-unreadable"),
        (("--port", "kafka=0"), "stack.port-unreadable"),
        (("--port", "kafka=99999"), "stack.port-unreadable"),
        (("--port", "zookeeper=2181"), "stack.part-unknown"),
    ],
)
def test_what_cannot_be_understood(cwd: Path, words: tuple[str, ...], code: str) -> None:
    refused = dragoman("stack", "up", *words, cwd=cwd)
    assert (refused.code, refused.out) == (2, "")
    assert code in refused.err
    assert not (cwd / "var").exists()


def test_a_machine_without_java(cwd: Path) -> None:
    require("Kafka's jars, or Maven and a Maven Central to fetch them from")
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=empty_path(cwd))
    assert refused.code == 2
    assert "stack.java-missing" in refused.err
    assert "default-jre-headless" in refused.err


def test_a_java_that_is_too_old(cwd: Path) -> None:
    require("Kafka's jars, or Maven and a Maven Central to fetch them from")
    program(cwd / "bin" / "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=f"{cwd / 'bin'}:{os.defpath}")
    assert "is Java 11" in refused.err


def test_a_machine_without_maven(cwd: Path) -> None:
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=empty_path(cwd), DRAGOMAN_CACHE=str(cwd / "c"))
    assert refused.code == 2
    assert "stack.maven-missing" in refused.err


def test_a_maven_that_reaches_nobody(cwd: Path) -> None:
    program(cwd / "bin" / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    path = f"{cwd / 'bin'}:{os.defpath}"
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=path, DRAGOMAN_CACHE=str(cwd / "c"))
    assert refused.code == 2
    assert "stack.fetch-failed" in refused.err
    assert "Could not transfer" in refused.err
    assert not list((cwd / "c").glob("*/*"))


def test_jars_that_are_not_the_pinned_ones_are_not_kept(cwd: Path) -> None:
    program(
        cwd / "bin" / "mvn",
        """for word; do case $word in -DoutputDirectory=*) echo evil >"${word#*=}/evil.jar";; esac; done""",
    )
    path = f"{cwd / 'bin'}:{os.defpath}"
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=path, DRAGOMAN_CACHE=str(cwd / "c"))
    assert refused.code == 2
    assert "stack.jars-differ" in refused.err
    assert not list((cwd / "c").glob("*/*"))


def test_a_start_that_fails_shows_the_last_lines(cwd: Path) -> None:
    require("Kafka's jars, or Maven and a Maven Central to fetch them from")
    program(
        cwd / "bin" / "java",
        """case $1 in -version) echo 'version "17.0.1"' >&2;; *) echo "no memory today"; exit 3;; esac""",
    )
    refused = dragoman("stack", "up", "--only", "kafka", cwd=cwd, PATH=f"{cwd / 'bin'}:{os.defpath}")
    assert refused.code == 2
    assert "stack.start-failed" in refused.err
    assert "no memory today" in refused.out
    log = cwd / "var" / "stack" / "kafka" / "log"
    assert str(log) in refused.err.replace("\n         ", "")
    assert "no memory today" in log.read_text()


def program(path: Path, script: str) -> None:
    """A program of our own in place of another."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
