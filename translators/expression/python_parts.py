"""The Python of what the rows of a part come to: one pass over the rows, in which a column is read where it is needed first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from translators.expression import runtime
from translators.expression.bound import Aggregate, Column, walk

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_SURE = ("integer", "boolean")
"""Kinds of columns in which nothing ever stands in place of a value."""


class NoNames:
    """Names for what reads neither rows nor states: a constant part."""

    created = deleted = "False"

    def column(self, table: str, column: str) -> str:
        """A constant has no columns."""
        raise AssertionError(f"{table}.{column} is no constant")

    def part(self, table: str) -> NoReturn:
        """A constant has no parts."""
        raise AssertionError(f"{table} is no constant")

    def old(self, path: str) -> NoReturn:
        """A constant knows no state."""
        raise AssertionError(f"OLD.{path} is no constant")

    def new(self, path: str) -> NoReturn:
        """A constant knows no state."""
        raise AssertionError(f"NEW.{path} is no constant")

    def changed(self, paths: tuple[str, ...] | None) -> NoReturn:
        """A constant does not change."""
        raise AssertionError("CHANGED is no constant")

    def meta(self, name: str) -> NoReturn:
        """A constant knows no transaction."""
        raise AssertionError(f"META.{name} is no constant")


class _Cells(NoNames):
    """The columns of one row of a part, each under a name that it has from where it is needed first."""

    def __init__(self, emitter: Emitter, bound: Aggregate, row: str) -> None:
        self._emitter = emitter
        self._kinds = {part.column: part.type.kind for part in walk(bound) if isinstance(part, Column)}
        self._row = row
        self._names: dict[str, str] = {}
        self._unread: list[str] = []

    def column(self, table: str, column: str) -> str:
        if column not in self._names:
            self._names[column] = self._emitter.writer.temp()
            self._unread.append(f"{table}.{column}")
        return self._names[column]

    def read(self) -> str:
        """The clauses that read what was named since the last time; `for x in (y,)` names a value."""
        text, use = "", self._emitter.use
        for path in self._unread:
            column = path.rpartition(".")[2]
            name = self._names[column]
            text += f" for {name} in ({self._row}[{column!r}],)"
            if self._kinds[column] not in _SURE:
                text += (
                    f" if {name}.__class__ not in {use(runtime.NO_VALUES)} or {use(runtime.usable)}({name}, {path!r})"
                )
        self._unread = []
        return text


def aggregated(emitter: Emitter, bound: Aggregate) -> str:
    """Text of what the rows come to."""
    rows = emitter.names.part(bound.part)
    column = bound.value.column if isinstance(bound.value, Column) else ""
    if bound.where is None and bound.value is None:
        return f"len({rows})"
    if bound.where is None and column and bound.function in _OF_COLUMN:
        text = f"{emitter.use(_OF_COLUMN[bound.function](bound))}({rows}, {column!r})"
        return f"len({text})" if bound.function == "COUNT" else text
    return _combined(emitter, bound, _over(emitter, bound, rows))


_OF_COLUMN: dict[str, Callable[[Aggregate], Callable[..., object]]] = {
    "SUM": lambda bound: runtime.sum_integers if bound.type.kind == "integer" else runtime.sum_decimals,
    "COUNT": lambda bound: runtime.column_of,
    "MIN": lambda bound: runtime.least_of,
    "MAX": lambda bound: runtime.greatest_of,
}
"""What adds up a column without more ado."""


def _over(emitter: Emitter, bound: Aggregate, rows: str) -> str:
    """The comprehension, without its brackets: the value of each row that is let through."""
    row = emitter.writer.temp()
    cells = _Cells(emitter, bound, row)
    inside = type(emitter)(emitter.writer, cells)
    clauses = f"for {row} in {f'reversed({rows})' if bound.function == 'LAST' else rows}"
    if bound.where is not None:
        condition = inside.is_true(bound.where)
        clauses += f"{cells.read()} if {condition}"
    value = "1" if bound.value is None else inside.value(bound.value)
    return f"{value} {clauses}{cells.read()}"


def _combined(emitter: Emitter, bound: Aggregate, values: str) -> str:
    use = emitter.use
    match bound.function:
        case "SUM":
            add = runtime.add_integers if bound.type.kind == "integer" else runtime.add_decimals
            return f"{use(add)}([{values}])"
        case "COUNT":
            return f"{use(runtime.count)}([{values}])"
        case "MIN" | "MAX":
            return f"{use(runtime.least if bound.function == 'MIN' else runtime.greatest)}(*[{values}])"
        case "ANY" | "ALL":
            return f"{use(runtime.any_true if bound.function == 'ANY' else runtime.all_true)}({values})"
        case _:
            return f"next(({values}), None)"
