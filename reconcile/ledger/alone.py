"""One repair at a time: a lock beside the ledger that ends with the process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from reconcile.ledger.opening import told
from translators.errors import DragomanError

_LOCK = 7_263_640_022
"""Names the lock in PostgreSQL; any number that nobody else uses."""


class RepairRunning(DragomanError):
    """Another repair is under way."""

    code: ClassVar[str] = "repair.running"
    hint: ClassVar[str] = (
        "Wait until it ends: two at once could order the same, and neither breaker would see all of it."
    )


class RepairLockUnknown(DragomanError):
    """The ledger is kept in {dialect}, which has no lock that repairs know."""

    code: ClassVar[str] = "repair.lock-unknown"
    hint: ClassVar[str] = "Keep the ledger in SQLite or PostgreSQL: `ledger:` in dragoman.yaml says where it is."


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Hold the lock of the ledger's repairs while the block runs; `RepairRunning` if somebody has it."""
    match engine.dialect.name:
        case "sqlite":
            with _by_file(f"{engine.url.database}.repairing"):
                yield
        case "postgresql":
            with _by_session(engine):
                yield
        case other:
            raise RepairLockUnknown(dialect=other)


@contextmanager
def _by_file(path: str) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RepairRunning from error
        yield
    finally:
        os.close(lock)


@contextmanager
def _by_session(engine: Engine) -> Iterator[None]:
    """Given back at once; where that fails, by the server when it sees that the connection has ended."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        with told():
            ours = session.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one()
        if not ours:
            raise RepairRunning
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):
                session.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            session.invalidate()
