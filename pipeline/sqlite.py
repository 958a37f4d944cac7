"""How the pipeline opens its SQLite files, writes to them, and names what can go wrong with them."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

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
NO_ROOM_OF_SYSTEM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of file: how it is told from other SQLite databases, how it begins, and what its errors are called.

    `failed`, `damaged` and `read_only` have the fields path and reason, `busy` path and seconds, `newer` path, found and known.
    """

    name: str
    application_id: int
    format: int
    schema: str
    failed: type[DragomanError]
    damaged: type[DragomanError]
    newer: type[DragomanError]
    read_only: type[DragomanError]
    busy: type[DragomanError]
    older: Mapping[int, Mapping[str, str]] = {}
    """By earlier format: for each table of today the query that reads it from the tables of that time; {of} is put
    behind the name of each of those."""
    functions: Mapping[str, Callable[[Any], int]] = {}
    """What those queries call, with one argument."""


def named_queries(path: Path) -> Mapping[str, str]:
    """The statements of a file by the name that stands above each as `-- :name`."""
    return dict(_QUERY.findall(path.read_text("utf-8")))


def open_database(path: Path, kind: FileKind, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, so that `transaction` alone decides what is one unit. For one thread.

    A commit is on disk when it returns (WAL, synchronous=FULL), and readers of other processes may look meanwhile. The
    file is made if it is missing, except by a reader. A file of another kind, or damaged, is left as it is. One of an
    earlier format is made today's, except by a reader, who sees its tables as if they were.
    """
    with translated(path, kind):
        if path.exists() and path.stat().st_size:
            check_header(path.stat().st_size, path, kind)
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
    check_identity(connection, path, kind)
    found = _pragma(connection, "user_version")
    if found < kind.format:
        _read_as_of_today(connection, kind, found) if read_only else _migrate(connection, kind)
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        if path.stat().st_size <= CHECK_LIMIT:
            check_pages(connection, path, kind, "integrity_check")


def check_header(size: int, path: Path, kind: FileKind) -> None:
    """`kind.damaged` if a file of this size ends in its header: SQLite would take some of these for an empty database."""
    if size < _HEADER_BYTES:
        raise kind.damaged(path=path, reason=f"it ends after {size} bytes, in the middle of its header")


def check_identity(connection: sqlite3.Connection, path: Path, kind: FileKind) -> None:
    """Is this a file of the kind, and of a format that is known? Reads one page."""
    if _pragma(connection, "application_id") != kind.application_id:
        raise kind.damaged(path=path, reason=f"it is an SQLite database, but not a {kind.name}")
    found = _pragma(connection, "user_version")
    if not 0 < found <= kind.format:
        raise kind.newer(path=path, found=found, known=kind.format)


def check_pages(
    connection: sqlite3.Connection, path: Path, kind: FileKind, how: Literal["quick_check", "integrity_check"]
) -> None:
    """`kind.damaged` if SQLite finds the page structure broken. Reads the whole file."""
    (verdict,) = connection.execute(f"PRAGMA {how}(1)").fetchone()
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


def _read_as_of_today(connection: sqlite3.Connection, kind: FileKind, found: int) -> None:
    """Temporary views hide the old tables behind the names of today's."""
    _add_functions(connection, kind)
    for table, query in kind.older[found].items():
        connection.execute(f"CREATE TEMP VIEW {table} AS {query.format(of='')}")


def _migrate(connection: sqlite3.Connection, kind: FileKind) -> None:
    """Wholly or not at all; the old tables are gone afterwards."""
    _add_functions(connection, kind)
    with transaction(connection):
        found = _pragma(connection, "user_version")
        if found == kind.format:
            return  # another process was faster
        objects = "SELECT name FROM main.sqlite_schema WHERE type = ? AND sql IS NOT NULL"
        for (index,) in connection.execute(objects, ("index",)).fetchall():
            connection.execute(f"DROP INDEX {index}")
        old = [table for (table,) in connection.execute(objects, ("table",))]
        for table in old:
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_{found}")
        for statement in _statements(kind.schema):
            connection.execute(statement)
        for table, query in kind.older[found].items():
            connection.execute(f"INSERT INTO {table} {query.format(of=f'_{found}')}")
        for table in old:
            connection.execute(f"DROP TABLE {table}_{found}")
        connection.execute(f"PRAGMA user_version = {kind.format}")


def _add_functions(connection: sqlite3.Connection, kind: FileKind) -> None:
    for name, function in kind.functions.items():
        connection.create_function(name, 1, function, deterministic=True)


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
def translated(path: Path, kind: FileKind, file: Path | None = None) -> Iterator[None]:
    """Raise every error of SQLite and of the system from inside as `DiskFull` or one of the kind's own.

    `path` is what errors call the file; `file` is the real one, where `path` is a link to it.
    """
    try:
        yield
    except OSError as error:
        raise os_error(error, path, kind) from error
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter where SQLite's message quotes a damaged name
        raise sqlite_error(error, path, file or path, kind) from error


def sqlite_error(error: sqlite3.Error | UnicodeDecodeError, path: Path, file: Path, kind: FileKind) -> DragomanError:
    """The error of ours that says what SQLite means (https://www.sqlite.org/rescode.html); `path` is what it calls `file`."""
    # No code: the adapter's own refusals (a closed connection, another thread), or text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    reason = " ".join(str(error).split())
    match primary:
        case sqlite3.SQLITE_FULL:
            return DiskFull(path=path)
        case sqlite3.SQLITE_IOERR:
            return DiskFull(path=path) if _is_full(file) else kind.failed(path=path, reason=reason)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return kind.read_only(path=path, reason=reason)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return kind.busy(path=path, seconds=f"{BUSY_SECONDS:.0f}")
        case sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_INTERRUPT:
            return kind.failed(path=path, reason=reason)
        case None if isinstance(error, sqlite3.ProgrammingError):
            return kind.failed(path=path, reason=reason)
    # The statements are ours and constant: whatever else they meet (a table that is missing, a row that is there
    # already, a broken page) was not made by them.
    return kind.damaged(path=path, reason=reason)


def _is_full(file: Path) -> bool:
    """Does the next write find no room? SQLite keeps the system's error to itself (a quota, a file size limit)."""
    wal = Path(f"{file}-wal")
    probe = file.with_name(f"{file.name}.{os.getpid()}.probe")
    try:
        with probe.open("wb") as stream:
            stream.seek(wal.stat().st_size if wal.exists() else file.stat().st_size)
            stream.write(bytes(64 * 1024))
    except OSError as error:
        return error.errno in NO_ROOM_OF_SYSTEM
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return False


def os_error(error: OSError, path: Path, kind: FileKind) -> DragomanError:
    """The error of ours that says what the system means."""
    if error.errno in NO_ROOM_OF_SYSTEM:
        return DiskFull(path=path)
    named = kind.read_only if error.errno in _NO_RIGHTS else kind.failed
    return named(path=path, reason=error.strerror or str(error))
