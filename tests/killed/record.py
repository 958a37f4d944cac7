"""Records a run with kills: `python -m tests.killed.record postgres tests/data/killed/postgres.jsonl.gz --kills 4`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dragoman.stack import parts
from dragoman.stack.server import shared
from tests.connectors.connect.world import secret_of
from tests.killed import recording
from tests.killed.legacy import Legacy, MariaDBLegacy, PostgresLegacy
from tests.killed.run import PAUSE, PROGRAMS, Live, Run
from tests.killed.stack import connector
from tests.killed.writers import Writers
from tests.servers.shared import jars


def main() -> None:
    """Start servers, let it happen, write what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", choices=("postgres", "mariadb"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--large", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = recorded(Path(folder), asked.database, asked.kills, asked.large, asked.seed)
    recording.write(run, asked.path)
    sys.stdout.write(f"{dict(run.look.figures)}, {asked.path.stat().st_size:,} bytes\n")


def recorded(folder: Path, database: str, kills: int, large: int, seed: int) -> Run:
    """One run on servers of its own."""
    server = parts.postgres() if database == "postgres" else parts.mariadb()
    with shared(server, folder / "database") as at, shared(parts.kafka(jars()), folder / "kafka") as kafka:
        legacy: Legacy
        if database == "postgres":
            legacy = PostgresLegacy(at, "legacy", 4)
        else:
            legacy = MariaDBLegacy(at, "legacy_1", secret_of(folder), kafka.at, 1)
        writers = Writers(legacy, seed, PROGRAMS, 4 * PAUSE, large)
        witness = legacy.witness()
        with connector(kafka, legacy, folder) as made:
            return Live(made, writers, witness, seed).go(kills, large)


if __name__ == "__main__":
    main()
