"""The errors of databases, told in our own words: which are the database's trouble, and which one record's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from pipeline.log.port import DiskFull
from pipeline.projection.errors import RowRefused, ViewError, ViewReadOnly, ViewUnavailable
from pipeline.sqlite import NO_ROOM
from translators.errors import DragomanError

# https://www.sqlite.org/rescode.html
_SQLITE_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_SQLITE_UNAVAILABLE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}

# https://www.postgresql.org/docs/current/errcodes-appendix.html: class, or the whole code.
_STATE_FULL = ("53100",)
_STATE_READ_ONLY = ("25006", "42501")
_STATE_UNAVAILABLE = ("08", "40", "53", "55", "57")
_STATE_REFUSED = ("22", "23", "P0", "44")

# https://mariadb.com/kb/en/mariadb-error-codes/
_MYSQL_FULL = {1021, 1041, 1114}
_MYSQL_READ_ONLY = {1142, 1290, 1792, 1836}
_MYSQL_REFUSED = {1264, 1366, 1406, 1644, 3819, 4025}


def label(engine: Engine) -> str:
    """How a database is called in messages: its file, or its URL without the password."""
    if engine.dialect.name == "sqlite":
        return engine.url.database or "in memory"
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Raise the database's errors from inside as a `ViewError` or `DiskFull`; they mean that nothing was committed."""
    try:
        yield
    except PoolExhausted as error:
        raise ViewUnavailable(database=label(engine), reason=_first_line(error)) from error
    except DBAPIError as error:
        kind = _trouble(error)
        if kind is DiskFull:
            raise DiskFull(path=label(engine)) from error
        raise kind(database=label(engine), reason=_first_line(error.orig)) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, each of whose statements sees what is committed by then.

    By MySQL's and MariaDB's default, who looks for a key that is not there yet locks the gap between its neighbours: two
    workers that write new keys would wait for each other.
    """
    with engine.connect() as connection:
        if engine.dialect.name in ("mysql", "mariadb"):
            connection = connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            yield connection


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """What is inside is written wholly, or not at all with `RowRefused` if the database does not take the values.

    The database's own trouble is raised as it is: then the whole transaction is over.
    """
    inner = connection.begin_nested()
    try:
        yield
    except DBAPIError as error:
        if not is_refusal(error):
            raise
        inner.rollback()
        raise RowRefused(reason=_first_line(error.orig)) from error
    inner.commit()


def is_refusal(error: DBAPIError) -> bool:
    """Whether the database refused the values of a statement: the same statement will be refused again."""
    state, number = _state(error), _number(error)
    if state is not None:
        return state.startswith(_STATE_REFUSED)
    return isinstance(error, IntegrityError | DataError) or number in _MYSQL_REFUSED


def is_trouble(error: DBAPIError) -> bool:
    """Whether the database itself is the trouble (away, locked, full, read-only), and not what it was asked to do."""
    return not is_refusal(error) and _trouble(error) is not ViewError


def _trouble(error: DBAPIError) -> type[DragomanError]:
    """The kind of our error that says what the database means."""
    kind = _sqlite_trouble(error) or _state_trouble(error) or _number_trouble(error)
    if kind is not None:
        return kind
    # A driver that only says "operational" means the connection.
    operational = isinstance(error, OperationalError | InterfaceError) and _sqlite_code(error) is None
    return ViewUnavailable if error.connection_invalidated or operational else ViewError


def _sqlite_trouble(error: DBAPIError) -> type[DragomanError] | None:
    code = _sqlite_code(error)
    if code is None:
        return None
    if code in NO_ROOM:
        return DiskFull
    if code & 0xFF in _SQLITE_READ_ONLY:
        return ViewReadOnly
    return ViewUnavailable if code & 0xFF in _SQLITE_UNAVAILABLE else None


def _state_trouble(error: DBAPIError) -> type[DragomanError] | None:
    state = _state(error)
    if state is None:
        return None
    if state.startswith(_STATE_FULL):
        return DiskFull
    if state.startswith(_STATE_READ_ONLY):
        return ViewReadOnly
    return ViewUnavailable if state.startswith(_STATE_UNAVAILABLE) else ViewError


def _number_trouble(error: DBAPIError) -> type[DragomanError] | None:
    number = _number(error)
    if number in _MYSQL_FULL:
        return DiskFull
    return ViewReadOnly if number in _MYSQL_READ_ONLY else None


def _sqlite_code(error: DBAPIError) -> int | None:
    return getattr(error.orig, "sqlite_errorcode", None)


def _state(error: DBAPIError) -> str | None:
    """The SQLSTATE, as the drivers of PostgreSQL tell it."""
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)


def _number(error: DBAPIError) -> int | None:
    """The error number, as the drivers of MySQL and MariaDB tell it."""
    first = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return first if isinstance(first, int) else None


def _first_line(error: BaseException | None) -> str:
    """What was said, without the details: they repeat the values of the row."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
