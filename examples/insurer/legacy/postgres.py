"""The legacy in PostgreSQL: the same tables and programs, several of them at once.

    python -m legacy.postgres load                           # the tables, the old data, and what a connector needs
    python -m legacy.postgres load --reader dragoman         # and a user for it, whose password is in READER_PASSWORD
    python -m legacy.postgres work --transactions 2000       # a day of four programs

Where it is, and as who, PostgreSQL's own variables say: PGHOST, PGUSER, PGPASSWORD, PGDATABASE.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.string import TextLoader

from .generator import SCHEMA, Application, initial_load
from .writer import Cursor

CAPTURE = Path(__file__).with_name("capture.sql")
PROGRAMS = 4
SUSPENDED = 6


class Postgres:
    """A connection as the programs use it: `?` for values, and decimals as the text that they are."""

    def __init__(self, conninfo: str = "") -> None:
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.connection.adapters.register_loader("numeric", TextLoader)

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor:
        """Execute a statement."""
        return self.connection.execute(statement.replace("?", "%s").encode(), values or None)

    def __enter__(self) -> Postgres:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def load(conninfo: str, seed: int, policies: int, claims: int) -> bool:
    """Make the tables, and fill them with the old data, as far as that is not done; whether the old data was not there yet."""
    with Postgres(conninfo) as legacy:
        if not legacy.execute("SELECT 1 FROM pg_tables WHERE tablename = 'txlog'").fetchone():
            # In one go, which is one transaction.
            legacy.execute(SCHEMA.read_text(encoding="utf-8") + CAPTURE.read_text(encoding="utf-8"))
        if legacy.execute("SELECT 1 FROM txlog LIMIT 1").fetchone():
            return False
        initial_load(legacy, seed, policies, claims)
        return True


def let_read(conninfo: str, reader: str, password: str) -> None:
    """A user for the connector, who may do what that needs and no more; made, or given this password."""
    with Postgres(conninfo) as legacy:
        known = legacy.execute("SELECT 1 FROM pg_roles WHERE rolname = ?", (reader,)).fetchone()
        name, verb = sql.Identifier(reader), sql.SQL("ALTER" if known else "CREATE")
        for statement in (
            sql.SQL("{} ROLE {} LOGIN REPLICATION PASSWORD {}").format(verb, name, sql.Literal(password)),
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name),
            sql.SQL("GRANT UPDATE ON dragoman_heartbeat TO {}").format(name),
            sql.SQL("GRANT INSERT, DELETE ON dragoman_signal TO {}").format(name),
        ):
            legacy.connection.execute(statement)


def work(conninfo: str, seed: int, transactions: int, *, programs: int = PROGRAMS, pause: float = 0.0) -> Counter[str]:
    """A day of several programs at once, each with its share of the policies and claims; how often each kind was done.

    Halfway one of them uses a code that nobody knows, and another one begins the nightly job, while the others work on.
    """
    with ExitStack() as held:
        made = []
        for number in range(programs):
            legacy = held.enter_context(Postgres(conninfo))
            made.append(Application(legacy, seed + number, lambda: datetime.now(UTC), (number, programs)))
        extra: dict[int, Callable[[Application], object]] = {
            0: lambda application: application.unmapped_code(SUSPENDED),
            programs - 1: lambda application: application.nightly_job(),
        }
        pool = held.enter_context(ThreadPoolExecutor(programs))
        days = [
            pool.submit(_day, one, transactions // programs, pause, extra.get(number, lambda _: None))
            for number, one in enumerate(made)
        ]
        return sum((day.result() for day in days), Counter[str]())


def _day(
    application: Application, transactions: int, pause: float, midday: Callable[[Application], object]
) -> Counter[str]:
    done: Counter[str] = Counter()
    for number in range(transactions):
        if number == transactions // 2:
            midday(application)
        done += application.run(1)
        time.sleep(pause)
    return done


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="legacy.postgres", description="The legacy insurer in PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True)
    loading = commands.add_parser("load", help="make the tables and the old data, if they are not there")
    loading.add_argument("--policies", type=int, default=1_200)
    loading.add_argument("--claims", type=int, default=500)
    loading.add_argument("--reader", help="a user for the connector, to be made too")
    working = commands.add_parser("work", help="let the programs work")
    working.add_argument("--transactions", type=int, default=2_000)
    working.add_argument("--programs", type=int, default=PROGRAMS)
    working.add_argument("--pause", type=float, default=0.0, help="seconds between two transactions of a program")
    for command in (loading, working):
        command.add_argument("--seed", type=int, default=7, help="another number, another insurer")
    given = parser.parse_args()
    if given.command == "load":
        made = load("", given.seed, given.policies, given.claims)
        if given.reader:
            let_read("", given.reader, os.environ["READER_PASSWORD"])
        print("the old data is loaded" if made else "the tables are there already")
        return
    done = work("", given.seed + 1, given.transactions, programs=given.programs, pause=given.pause)
    print(", ".join(f"{count} {name}" for name, count in sorted(done.items())))


if __name__ == "__main__":
    main()
