"""What can go wrong between a stream and a database: with a file, with the database, with one record."""

from __future__ import annotations

from typing import ClassVar

from translators.errors import DragomanError


class ProjectionMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "projection.malformed"
    hint: ClassVar[str] = "{fix}"


class ViewError(DragomanError):
    """The database {database} could not be used: {reason}."""

    code: ClassVar[str] = "view.failed"
    hint: ClassVar[str] = (
        "Nothing of the batch was written. A view that is damaged can be set aside: it is built again from its stream."
    )


class ViewUnavailable(ViewError):
    """The database {database} does not answer: {reason}."""

    code = "view.unavailable"
    hint = (
        "Nothing of the batch was written. See that the database runs, is reachable and not locked, then run the "
        "command again: it goes on where it ended."
    )
    transient = True


class ViewReadOnly(ViewError):
    """The database {database} cannot be written: {reason}."""

    code = "view.read-only"
    hint = "Nothing of the batch was written. Give this user the right to write it, then run the command again."


class ViewTableConflict(ViewError):
    """The table {table} of {database} exists with other columns: {difference}."""

    code = "view.table-conflict"
    hint = (
        "A view is never altered. Rename the table in the declaration, or drop the view's tables with its rows in "
        "_dragoman_checkpoint: it is built again from its stream."
    )


class ViewAhead(ViewError):
    """{database} was built up to {offset} of {topic} {partition}, but the log ends at {end}."""

    code = "view.ahead-of-log"
    hint = "This is another log than the view was built from. Use that one, or drop the view: it is built again."


class RecordRefused(DragomanError):
    """The record cannot be applied: {reason}."""

    code: ClassVar[str] = "view.record-refused"
    hint: ClassVar[str] = "It is parked on the view's side, other keys go on. A newer record of the key replaces it."


class RecordUnreadable(RecordRefused):
    """The record is no curated record: {reason}."""

    code = "view.record-unreadable"
    hint = "See who else writes to the topic; only translators may. A newer record of the key replaces it."


class ValueUnfit(RecordRefused):
    """{path} is no {kind}{detail}."""

    code = "view.value-unfit"
    hint = "The record does not keep its contract: compare its mapping version with the contract of the view."


class KeyMissing(RecordRefused):
    """{path}, which is part of the view's key, is {what}."""

    code = "view.key-missing"
    hint = "Choose key columns that every state has."


class ElementIncomplete(RecordRefused):
    """An element of {path} lacks {field}, and which stored element it was cannot be told."""

    code = "view.element-incomplete"
    hint = "The source did not send the value. Reload the key, so that the whole state is published."


class RowRefused(RecordRefused):
    """The database refused the row: {reason}."""

    code = "view.row-refused"
    hint = "Look at the constraints and triggers of the view's tables. A newer record of the key replaces it."
