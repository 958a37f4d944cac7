"""The SQLite file of the embedded log: made, locked, opened; what it has in common with others is in `pipeline.sqlite`."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from typing import ClassVar

from pipeline import sqlite
from pipeline.log.port import LogCorrupt, LogError, LogInUse
from pipeline.sqlite import FileKind, check_header

FORMAT = 1
APPLICATION_ID = 0x44524C47


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


KIND = FileKind(
    name="log",
    application_id=APPLICATION_ID,
    format=FORMAT,
    schema=Path(__file__).with_name("sql").joinpath("schema.sql").read_text("utf-8"),
    failed=LogError,
    damaged=LogCorrupt,
    newer=LogFormatUnknown,
    read_only=LogReadOnly,
    busy=LogBusy,
)


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
            db.executescript(f"BEGIN; {KIND.schema} COMMIT;")
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
    check_header(status.st_size, path, KIND)
    return status.st_size


def connect(file: Path) -> sqlite3.Connection:
    """An open connection; transactions are begun by hand, and a commit is on disk when it returns."""
    # mode=rw: a file that went away meanwhile is an error, not a new empty database.
    db = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=sqlite.BUSY_SECONDS)
    db.execute("PRAGMA synchronous = FULL")
    return db
