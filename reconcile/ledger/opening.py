"""Opening the ledger: its database is brought up to date first, once, whoever else opens it at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from translators.errors import DragomanError

MIGRATIONS = Path(__file__).parent / "migrations"

_LOCK = 7_263_640_021
"""Names the lock of PostgreSQL under which migrations run; any number that nobody else uses."""


class LedgerUnusable(DragomanError):
    """The ledger cannot be used: {reason}."""

    code: ClassVar[str] = "ledger.unusable"
    hint: ClassVar[str] = "`ledger:` in dragoman.yaml says where it is, a path or a URL; without it no run is recorded."


class LedgerNewer(DragomanError):
    """The ledger was written by a newer Dragoman: {reason}."""

    code: ClassVar[str] = "ledger.newer"
    hint: ClassVar[str] = "Use that version, or name another ledger in dragoman.yaml; nothing was changed."


def open_ledger(url: str, *, to: str = "head") -> Engine:
    """The ledger's database, migrated. The folder of a SQLite file has to be there."""
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise LedgerUnusable(reason=error) from error
    if engine.dialect.name == "sqlite":
        _begin_at_once(engine)
    try:
        migrate(engine, to)
    except BaseException:
        engine.dispose()
        raise
    return engine


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the database to a revision, all of it or nothing."""
    # Imported here: half a second for whoever only wants to know what a ledger is.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with told(), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise LedgerNewer(reason=error) from error


@contextmanager
def told() -> Iterator[None]:
    """Errors of the database in our words, without the values of the statement."""
    try:
        yield
    except DBAPIError as error:
        raise LedgerUnusable(reason=str(error.orig).partition("\n")[0]) from error


def _begin_at_once(engine: Engine) -> None:
    """Transactions of SQLite that take the lock first: pysqlite's own begin too late, and not for tables."""

    def plain(connection: object, record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", plain)
    event.listen(engine, "begin", begin)
