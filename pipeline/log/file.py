"""The SQLite file of the embedded log: made, locked, opened, and its errors told in our own words."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import ClassVar

from pipeline.log.port import DiskFull, LogCorrupt, LogError, LogInUse

FORMAT = 1
APPLICATION_ID = 0x44524C47
BUSY_SECONDS = 30
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_HEADER_BYTES = 100
_SCHEMA = Path(__file__).with_name("sql").joinpath("schema.sql")


class LogReadOnly(LogError):
    """The log {path} cannot be written: {reason}."""

    code: ClassVar[str] = "log.read-only"
    hint: ClassVar[str] = (
        "The log needs a folder and files that this user may write, also for reading: SQLite keeps files beside it."
    )


class LogBusy(LogError):
    """Another process has kept the log {path} locked for {seconds} s."""

    code = "log.busy"
    hint = "Nothing was written. Look for a process that holds the file (a copy, a database browser), then try again."
    transient = True


class LogFormatUnknown(LogError):
    """The log {path} has the file format {found}; this version of Dragoman knows {known}."""

    code = "log.format-unknown"
    hint = "Nothing was written. Use the version of Dragoman that made the file, or a newer one."


def lock_worker(file: Path, path: Path) -> int:
    """The descriptor that holds the worker's lock; `log.in-use` with the holder's process id if there is one.

    The lock file is never removed: a second worker could be locking the removed file.
    """
    lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        os.close(lock)
        raise LogInUse(path=path, pid=holder or "unknown") from error
    except OSError:
        os.close(lock)
        raise
    return lock


def create(file: Path, path: Path) -> None:
    """Make an empty log under another name, then give it its own, so that no half-made log is ever at `file`."""
    wal = Path(f"{file}-wal")
    if wal.exists() and wal.stat().st_size:
        raise LogCorrupt(path=path, reason="only its write-ahead file is there, the file itself is missing")
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            # A draft that is not finished is thrown away: it needs no journal that could outlive it.
            db.execute("PRAGMA journal_mode = MEMORY")
            db.execute("PRAGMA page_size = 8192")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.executescript(f"BEGIN; {_SCHEMA.read_text('utf-8')} COMMIT;")
            db.execute("PRAGMA journal_mode = WAL")
        # Another process may have been faster; then its file is the log.
        with suppress(FileExistsError):
            os.link(draft, file)
        os.fsync(folder)
    finally:
        draft.unlink(missing_ok=True)
        os.close(folder)


def size_of(file: Path, path: Path) -> int:
    """Bytes of the file. It is asked by name: closing a descriptor of our own on the file would take away the locks
    that other logs of this process hold on it (https://www.sqlite.org/howtocorrupt.html section 2.2)."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise LogError(path=path, reason="it is not a file")
    if status.st_size < _HEADER_BYTES:
        raise LogCorrupt(path=path, reason=f"it ends after {status.st_size} bytes, in the middle of its header")
    return status.st_size


def check_identity(db: sqlite3.Connection, path: Path) -> None:
    """Is this a log, and of a format that is known? Reads one page."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise LogCorrupt(path=path, reason="it is an SQLite database, but not a log")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != FORMAT:
        raise LogFormatUnknown(path=path, found=version, known=FORMAT)


def connect(file: Path) -> sqlite3.Connection:
    """An open connection; transactions are begun by hand, and a commit is on disk when it returns."""
    # mode=rw: a file that went away meanwhile is an error, not a new empty database.
    db = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    db.execute("PRAGMA synchronous = FULL")
    return db


def quick_check(db: sqlite3.Connection, path: Path) -> None:
    """`log.corrupt` if SQLite finds the page structure broken. Reads the whole file."""
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise LogCorrupt(path=path, reason=" ".join(str(verdict).split()))


def sqlite_error(error: sqlite3.Error, path: Path, file: Path) -> LogError:
    """The error of ours that says what SQLite means (https://www.sqlite.org/rescode.html)."""
    # No code: the adapter's own refusals (a closed log, another thread), or text that is not UTF-8.
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    reason = str(error)
    match primary:
        case sqlite3.SQLITE_FULL:
            return DiskFull(path=path)
        case sqlite3.SQLITE_IOERR:
            return DiskFull(path=path) if _is_full(file) else LogError(path=path, reason=reason)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return LogReadOnly(path=path, reason=reason)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LogBusy(path=path, seconds=BUSY_SECONDS)
        case sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_TOOBIG | sqlite3.SQLITE_INTERRUPT:
            return LogError(path=path, reason=reason)
        case None if isinstance(error, sqlite3.ProgrammingError):
            return LogError(path=path, reason=reason)
    # The statements are ours and constant: whatever else they meet (a table that is missing, a row that is there
    # already, a broken page) was not made by them.
    return LogCorrupt(path=path, reason=reason)


def _is_full(file: Path) -> bool:
    """Does the next write find no room? SQLite keeps the system's error to itself (a quota, a file size limit)."""
    wal = Path(f"{file}-wal")
    probe = file.with_name(f"{file.name}.{os.getpid()}.probe")
    try:
        with probe.open("wb") as stream:
            stream.seek(wal.stat().st_size if wal.exists() else file.stat().st_size)
            stream.write(bytes(64 * 1024))
    except OSError as error:
        return error.errno in NO_ROOM
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return False


def os_error(error: OSError, path: Path) -> LogError:
    """The error of ours that says what the system means."""
    if error.errno in NO_ROOM:
        return DiskFull(path=path)
    reason = error.strerror or str(error)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return LogReadOnly(path=path, reason=reason)
    return LogError(path=path, reason=reason)
