"""The example insurer in a folder of its own: a legacy with data and traffic, run by the real command as a process."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.capture import install
from dragoman.project import Project
from dragoman.settings import read_settings
from examples.insurer.legacy import generator
from pipeline import cloudevents
from pipeline.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "insurer"
CAPTURED = ("polmst", "covdtl", "clmhdr", "clmlin", "clmpay")
TRANSLATORS = ("policy", "claim", "payment")


def make(folder: Path, policies: int = 40) -> Path:
    """A project whose legacy holds `policies` and is captured from now on; nothing has run."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("var", "__pycache__"))
    database = folder / "var" / "legacy.db"
    database.parent.mkdir()
    connection = sqlite3.connect(database, isolation_level=None)
    generator.build(connection)
    generator.initial_load(connection, 1, policies, policies // 2)
    schema = Project(read_settings(folder, {})).schema
    install(connection, [schema.tables[name] for name in CAPTURED], schema.tables["txlog"])
    connection.close()
    return folder


def application(connection: sqlite3.Connection) -> generator.Application:
    clock = generator.steady_clock(datetime(2026, 3, 1, tzinfo=UTC), timedelta(seconds=30))
    return generator.Application(connection, 7, clock)


def work(folder: Path, transactions: int) -> None:
    """The insurer's people work."""
    connection = sqlite3.connect(folder / "var" / "legacy.db", isolation_level=None)
    application(connection).run(transactions)
    connection.close()


def dragoman(
    folder: Path, *arguments: str, failpoint: str | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command on the project, as a person would."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN")}
    if failpoint is not None:
        environment["DRAGOMAN_FAILPOINT"] = failpoint
    command = [sys.executable, "-m", "dragoman", *arguments, "--project", str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )


Content = tuple[str, str, bytes | None, Any]


def streams(folder: Path) -> dict[str, dict[str, list[Content]]]:
    """Per curated topic and business key the records in order: id, sequence, value, headers."""
    log = EmbeddedLog(folder / "var" / "log.db")
    found: dict[str, dict[str, list[Content]]] = {}
    for topic in [f"{name}.{kind}" for name in TRANSLATORS for kind in ("events", "state")]:
        keys = found.setdefault(topic, {})
        for partition in range(log.topics()[topic].partitions):
            for record in log.read(topic, partition, 0, 1_000_000).records:
                event = cloudevents.read(record)
                keys.setdefault(event.subject, []).append((event.id, event.sequence, record.value, record.headers))
    log.close()
    return found


def view(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the view, but for the time at which they were applied."""
    return {t: rows(folder / "var" / "views.db", t) for t in ("policy_view", "policy_coverage_view")}


def letters(folder: Path) -> list[tuple[Any, ...]]:
    """The letters that were sent, without their numbers."""
    return sorted(row[1:] for row in rows(folder / "var" / "letters.db", "letter"))


def rows(database: Path, table: str) -> list[tuple[Any, ...]]:
    """A table's rows, in order, without the column `_applied_time`."""
    connection = sqlite3.connect(database)
    cursor = connection.execute(f"SELECT * FROM {table}")
    kept = [i for i, column in enumerate(cursor.description) if column[0] != "_applied_time"]
    found = sorted((tuple(row[i] for i in kept) for row in cursor), key=repr)
    connection.close()
    return found
