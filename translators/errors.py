"""The one root of all errors that a person may see.

A class is one kind of error: its docstring is the message (a format string over the error's fields), `code` is stable
and dotted, `hint` says what to do, `transient` says whether trying again may help.
"""

from __future__ import annotations

from typing import ClassVar


class DragomanError(Exception):
    """Something went wrong that has no better name."""

    code: ClassVar[str] = "dragoman.error"
    hint: ClassVar[str] = "This is a defect of Dragoman: please report it with what you did."
    transient: ClassVar[bool] = False

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The docstring with the fields filled in, as one line."""
        return " ".join((type(self).__doc__ or "").format(**self.fields).split())

    @property
    def advice(self) -> str:
        """The hint with the fields filled in."""
        return self.hint.format(**self.fields)

    @property
    def where(self) -> str | None:
        """`file:line:column`, or `topic partition offset`, where the error has such a place."""
        where = self.fields.get("where")
        return None if where is None else str(where)


def every_error(root: type[DragomanError] = DragomanError) -> list[type[DragomanError]]:
    """The root and all classes below it that are imported so far, parents first."""
    found = [root]
    for kind in root.__subclasses__():
        found += every_error(kind)
    return found
