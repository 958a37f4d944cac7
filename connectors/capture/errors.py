"""What can go wrong with a captured legacy database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from translators.errors import DragomanError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class CaptureError(DragomanError):
    """The legacy database {database} could not be read: {reason}."""

    code = "capture.failed"
    hint = "Look at the reason; nothing was passed on that was not committed, and nothing committed was skipped."


class DatabaseMissing(CaptureError):
    """There is no legacy database {database}."""

    code = "capture.database-missing"
    hint = "Check `database` in the source's file: paths are relative to the project's folder."


class DatabaseLocked(CaptureError):
    """The legacy database {database} is locked by another program."""

    code = "capture.locked"
    hint = (
        "Try again. If it stays locked, look for a transaction left open; `PRAGMA journal_mode=WAL` avoids most of it."
    )
    transient = True


class TriggersMissing(CaptureError):
    """The triggers of table {table} in {database} are not there, or are not those of this schema: {reason}."""

    code = "capture.triggers-missing"
    hint = "Install the triggers, then take a snapshot: changes made without them were not written down."


class SchemaDrift(CaptureError):
    """The table {table} in {database} is not as schema.yaml says: {difference}."""

    code = "capture.schema-drift"
    hint = "Correct schema.yaml, install the triggers again, then take a snapshot: rows read so far lack the change."


class MarkerMissing(CaptureError):
    """Row {position} (table {table}) of {database} was written before any row of the marker table {marker}."""

    code = "capture.marker-missing"
    hint = (
        "The application has to write its marker row first in each transaction. See to that, then set the log, the state and "
        "the views aside and run again: the new snapshot starts behind this row."
    )


class MarkerUnusable(CaptureError):
    """The table {marker} cannot mark transactions: {reason}."""

    code = "capture.marker-unusable"
    hint = "A marker table has one integer key, which is the transaction's id, and one timestamptz column."


class FeedsUnusable(CaptureError):
    """The feeds of source {source} cannot be captured: {reason}."""

    code = "capture.feeds-unusable"
    hint = "Correct `feeds` in the source's file, or schema.yaml."


class PositionAhead(CaptureError):
    """The capture has read {database} up to change {position}, but the database ends at {end}."""

    code = "capture.position-ahead"
    hint = (
        "The database was replaced or restored from a copy. Set the log, the state and the views aside and run again: a new "
        "snapshot is taken."
    )


class RowUnreadable(CaptureError):
    """A row of table {table} in {database} cannot be passed on (change {position}): {reason}."""

    code = "capture.row-unreadable"
    hint = (
        "Correct the row in the legacy database; if a change already holds it, set the log, the state and the views aside "
        "and run again: a new snapshot is taken."
    )


@contextmanager
def translated(database: object) -> Iterator[None]:
    """SQLite's errors as ours: locked is transient, everything else is not."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise DatabaseLocked(database=database) from error
        raise CaptureError(database=database, reason=error) from error
