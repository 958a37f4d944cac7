"""How the pipeline opens its SQLite files, writes to them, and names what can go wrong with them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from pipeline.log.port import DiskFull
from translators.errors import DragomanError

BUSY_SECONDS = 30.0
"""How long a writer waits for another writer of the same file; readers never wait."""

CHECK_LIMIT = 16 * 1024 * 1024
"""Files up to this size (bytes) are checked page by page before they are written; bigger ones where they are read."""

_HEADER_BYTES = 100
_QUERY = re.compile(r"^-- :name (\w+)\n(.*?)(?=^-- :name |\Z)", re.MULTILINE | re.DOTALL)

# A write that finds no room is SQLITE_FULL only if the system said ENOSPC. Over a quota or a file size limit it
# is one of the other two. A failing device shows at the fsync or when reading, which are not among them.
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
# The statements are ours and constant: a table that is missing or a rule that is broken was not made by them.
_DAMAGED = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of file: how it is told from other SQLite databases, how it begins, and what its errors are called.

    `failed` and `damaged` have the fields path and reason, `newer` has path, found and known.
    """

    name: str
    application_id: int
    format: int
    schema: str
    failed: type[DragomanError]
    damaged: type[DragomanError]
    newer: type[DragomanError]


def named_queries(path: Path) -> Mapping[str, str]:
    """The statements of a file by the name that stands above each as `-- :name`."""
    return dict(_QUERY.findall(path.read_text("utf-8")))


def open_database(path: Path, kind: FileKind, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, so that `transaction` alone decides what is one unit. For one thread.

    A commit is on disk when it returns (WAL, synchronous=FULL), and readers of other processes may look meanwhile. The
    file is made if it is missing, except by a reader. A file of another kind, or damaged, is left as it is.
    """
    with translated(path, kind):
        if path.exists() and 0 < path.stat().st_size < _HEADER_BYTES:
            # SQLite would take some of these for an empty database.
            raise kind.damaged(path=path, reason="it ends in the middle of its header")
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(connection, path, kind, read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, kind: FileKind, read_only: bool) -> None:
    if not read_only:
        connection.execute("PRAGMA synchronous = FULL")
        if _is_empty(connection):
            _create(connection, kind)
    if _pragma(connection, "application_id") != kind.application_id:
        raise kind.damaged(path=path, reason=f"it is an SQLite database, but not a {kind.name}")
    found = _pragma(connection, "user_version")
    if found > kind.format:
        raise kind.newer(path=path, found=found, known=kind.format)
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        if path.stat().st_size <= CHECK_LIMIT:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise kind.damaged(path=path, reason=" ".join(str(verdict).split()))


def _create(connection: sqlite3.Connection, kind: FileKind) -> None:
    with transaction(connection):
        if not _is_empty(connection):
            return  # another process was faster
        for statement in _statements(kind.schema):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {kind.application_id}")
        connection.execute(f"PRAGMA user_version = {kind.format}")


def _is_empty(connection: sqlite3.Connection) -> bool:
    return _pragma(connection, "schema_version") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    """One by one: `executescript` would commit the transaction that they are in."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside is written wholly, or not at all if anything raises. The write lock is taken at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:  # SQLite has rolled back by itself after some errors of the disk
            connection.execute("ROLLBACK")


@contextmanager
def translated(path: Path, kind: FileKind) -> Iterator[None]:
    """Raise every error of SQLite and of the system from inside as `DiskFull`, `kind.damaged` or `kind.failed`."""
    try:
        yield
    except OSError as error:
        raise kind.failed(path=path, reason=error.strerror or str(error)) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where SQLite's message quotes a damaged name
        if getattr(error, "sqlite_errorcode", None) in NO_ROOM:
            raise DiskFull(path=path) from error
        named = kind.damaged if _is_damage(error) else kind.failed
        raise named(path=path, reason=" ".join(str(error).split())) from error


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # from Python itself: a closed connection or another thread, or else text that is no UTF-8
        return not isinstance(error, sqlite3.ProgrammingError)
    return code & 0xFF in _DAMAGED
