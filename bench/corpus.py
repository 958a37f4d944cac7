"""What the benchmarks run on: the insurer's legacy, driven by its own seeded generator, captured into a log."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from connectors.capture import install
from dragoman.project import Project
from dragoman.settings import read_settings
from examples.insurer.legacy import generator

EXAMPLE = Path(__file__).parents[1] / "examples" / "insurer"
POLICIES, CLAIMS = 2_000, 800


@contextmanager
def insurer(transactions: int) -> Iterator[tuple[Project, sqlite3.Connection]]:
    """A fresh insurer: snapshot data, then `transactions` of its application and a nightly job, captured by triggers."""
    with TemporaryDirectory() as folder:
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("var", "__pycache__"))
        project = Project(read_settings(Path(folder), {}))
        database = Path(folder) / "var" / "legacy.db"
        database.parent.mkdir(exist_ok=True)
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        generator.build(connection)
        generator.initial_load(connection, 1, POLICIES, CLAIMS)
        schema = project.schema
        captured = [t for name, t in schema.tables.items() if name not in ("txlog", "ptymst", "agtmst")]
        install(connection, captured, schema.tables["txlog"])
        yield project, connection
        connection.close()


def live(connection: sqlite3.Connection, transactions: int) -> None:
    """What the insurer's application does in a day, and the nightly job that touches every policy."""
    clock = generator.steady_clock(datetime(2026, 3, 1, tzinfo=UTC), timedelta(seconds=30))
    application = generator.Application(connection, 7, clock)
    application.run(transactions)
    application.nightly_job()
