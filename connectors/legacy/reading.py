"""Connections that read and change nothing, in the words of each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection

_SESSION = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
_LIMIT = {
    "postgresql": "SET statement_timeout = '{seconds}s'",
    "mariadb": "SET SESSION max_statement_time = {seconds}",
}
_TRANSACTION = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "START TRANSACTION READ ONLY",
    "mariadb": "START TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


def sqlite_file(path: str | Path) -> URL:
    """A SQLite file that is there, opened for reading only."""
    return URL.create("sqlite", database=Path(path).resolve().as_uri(), query={"mode": "ro", "uri": "true"})


def only_read(connection: Connection, dialect: str, seconds: int) -> None:
    """Nothing of this session can change anything, and no statement keeps the database busy for long.

    For connections that commit each statement and are not used for anything else. SQLite knows no limit of time.
    """
    connection.exec_driver_sql(_SESSION[dialect])
    limit = time_limit(dialect, seconds)
    if limit is not None:
        connection.exec_driver_sql(limit)


def time_limit(dialect: str, seconds: int) -> str | None:
    """What ends each statement of a session after so long; `None` where a database knows no such limit."""
    limit = _LIMIT.get(dialect)
    return None if limit is None else limit.format(seconds=seconds)


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """One transaction of the database, in which no row can be written; a kind that is not known here is left as it is.

    In a MariaDB a statement that changes tables ends it, and is carried out: whoever passes on statements refuses those.
    """
    dialect = connection.dialect.name
    if dialect in _TRANSACTION:
        connection.exec_driver_sql(_TRANSACTION[dialect])
    try:
        yield
    finally:
        if dialect == "sqlite":
            # What is set there outlives the transaction, and connections are used again.
            connection.rollback()
            connection.exec_driver_sql("PRAGMA query_only = OFF")
