"""The command in real processes, on small projects made for a test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.capture import install
from examples.insurer.legacy.generator import Application, build, initial_load, steady_clock
from tests.examples.support import spec

ROOT = Path(__file__).parents[2]
INSURER = ROOT / "examples" / "insurer"
ORDERS = ROOT / "tests" / "data" / "orders"
SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines: every line has to be one value."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**variables: str) -> dict[str, str]:
    """What a command sees: nothing of the machine that could colour or shorten its words."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1", **variables}


def dragoman(
    *words: str,
    cwd: Path,
    stdin: str = "",
    before: Callable[[], object] | None = None,
    **variables: str,
) -> Outcome:
    """Run the command in a folder, as a person there would. `before` runs in the process before the command does."""
    run = subprocess.run(
        [sys.executable, "-m", "dragoman", *words],
        cwd=cwd,
        env=environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        preexec_fn=before,
    )
    return Outcome(run.returncode, run.stdout, run.stderr)


def succeeds(*words: str, cwd: Path, **variables: str) -> Outcome:
    """Run a command that has to succeed."""
    outcome = dragoman(*words, cwd=cwd, before=None, **variables)
    assert outcome.code == 0, outcome.out + outcome.err
    return outcome


@contextmanager
def following(project: Path) -> Iterator[subprocess.Popen[str]]:
    """`dragoman run --follow` while the block runs; it holds the log before the block begins."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "run", "--follow", "--json"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: worker.poll() is None and is_running(project))
        yield worker
    finally:
        if worker.poll() is None:
            worker.send_signal(signal.SIGTERM)
            worker.wait(SECONDS)
        for stream in (worker.stdout, worker.stderr):
            assert stream is not None
            stream.close()


def is_running(project: Path) -> bool:
    """Whether `status` names a running worker."""
    told = dragoman("status", "--json", cwd=project)
    return told.code == 0 and told.lines[0]["worker"] is not None


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.05)


def make_insurer(folder: Path) -> Path:
    """A copy of the example, without a database."""
    shutil.copytree(INSURER, folder, ignore=shutil.ignore_patterns("var", "__pycache__"))
    (folder / "var").mkdir()
    return folder


def make_legacy(project: Path, seed: int = 3, policies: int = 12, claims: int = 6) -> None:
    """The insurer's database with its old data and the triggers."""
    with legacy(project) as connection:
        build(connection)
        connection.execute("PRAGMA synchronous = OFF")
        initial_load(connection, seed, policies, claims)
        install(connection, spec().tables, spec().marker_table)


@contextmanager
def legacy(project: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the insurer's database."""
    with closing(sqlite3.connect(project / "var" / "legacy.db", isolation_level=None)) as connection:
        yield connection


@contextmanager
def application(project: Path, seed: int = 4) -> Iterator[Application]:
    """The insurer's programs on its database."""
    with legacy(project) as connection:
        last = connection.execute("SELECT count(*) FROM txlog").fetchone()[0]
        opened = datetime(2026, 3, 2, 7, 30, tzinfo=UTC) + timedelta(minutes=last)
        yield Application(connection, seed, steady_clock(opened, timedelta(seconds=7)))


def make_shop(folder: Path, recording: Path | None = None) -> Path:
    """A project over a recorded feed: orders with lines, from a real connector."""
    for name in ("sources", "mappings", "contracts"):
        (folder / name).mkdir(parents=True)
    write(
        folder / "dragoman.yaml",
        "project: shop\nnamespace: com.example.shop\ntranslators: order\nsource: shop\nlog: var/log.db\nstate: var/state.db\n",
    )
    write(
        folder / "sources" / "shop.yaml",
        "kind: recording\npath: feed.jsonl.gz\nencoding: text\nbegins: empty\ntransactions: legacy.transaction\n"
        "exactly_once: true\nfeeds:\n  order:\n    topic: legacy.order\n    tables:\n      - orders\n      - order_line\n",
    )
    shutil.copy(ORDERS / "schema.yaml", folder / "schema.yaml")
    shutil.copy(ORDERS / "mapping.yaml", folder / "mappings" / "order.yaml")
    shutil.copy(ROOT / "tests" / "golden" / "order_contracts.py", folder / "contracts" / "order.py")
    shutil.copy(recording or ROOT / "tests" / "data" / "orders-excerpt.jsonl.gz", folder / "feed.jsonl.gz")
    return folder


def write(path: Path, text: str) -> None:
    """Write a text file."""
    path.write_text(text, encoding="utf-8")


def replace(path: Path, old: str, new: str) -> None:
    """Change a text file; what is changed has to be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    write(path, text.replace(old, new, 1))


def query(path: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """What a SQLite database answers."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, values).fetchall()
