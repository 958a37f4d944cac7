"""One expression over one row, for tests, examples and the curious: mappings compile many expressions into one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from translators.expression.bind import bind
from translators.expression.bound import Bound, Call, Column, Scope
from translators.expression.parse import parse
from translators.expression.python import Emitter, Writer

State = Mapping[str, object]
Compiled = Callable[..., object]


def evaluate(
    text: str,
    scope: Scope,
    row: Mapping[str, object],
    *,
    old: State | None = None,
    new: State | None = None,
    meta: State | None = None,
) -> object:
    """The value of an expression.

    `row` holds the columns by name, an outer table's as `table.column`, a part's rows under its name. `old` and `new`
    are nested states, `meta` the facts of the transaction. Raises an `ExpressionError` if the text is wrong, a
    `ValueProblem` if the row is.
    """
    return compiled(bind(parse(text), scope), scope)(row, old, new, meta)


def compiled(bound: Bound, scope: Scope, how: str = "value") -> Compiled:
    """The function (row, OLD, NEW[, META]) of a typed tree; `how` is a method of `Emitter`: value, is_true or is_false."""
    writer = Writer()
    names = _RowNames(writer, scope.table)
    emitter = Emitter(writer, names)
    with writer.block("def expression(row, old, new, meta=None):"):
        for table, column in sorted(set(_columns(bound))):
            writer.line(f"{names.column(table, column)} = row[{names.key(table, column)!r}]")
        writer.line(f"return {getattr(emitter, how)(bound)}")
    return cast("Compiled", writer.run("<expression>")["expression"])


def _columns(bound: Bound) -> Iterator[tuple[str, str]]:
    """What is read of the row itself."""
    if isinstance(bound, Column):
        yield bound.table, bound.column
    for part in bound.args if isinstance(bound, Call) else ():
        yield from _columns(part)


class _RowNames:
    created, deleted = "old is None", "new is None"

    def __init__(self, writer: Writer, table: str) -> None:
        self._writer = writer
        self._table = table
        self._locals: dict[str, str] = {}

    def key(self, table: str, column: str) -> str:
        """How `row` names a column."""
        return column if table == self._table else f"{table}.{column}"

    def column(self, table: str, column: str) -> str:
        return self._locals.setdefault(self.key(table, column), f"c{len(self._locals)}")

    def part(self, table: str) -> str:
        return f"row[{table!r}]"

    def old(self, path: str) -> str:
        return f"{self._writer.constant(at_path)}(old, {path!r})"

    def new(self, path: str) -> str:
        return f"{self._writer.constant(at_path)}(new, {path!r})"

    def changed(self, paths: tuple[str, ...] | None) -> str:
        return f"{self._writer.constant(any_changed)}(old, new, {paths!r})"

    def meta(self, name: str) -> str:
        return f"{self._writer.constant(at_path)}(meta, {name!r})"


def at_path(state: State | None, path: str) -> object:
    """The field of a nested state; `None` where it, or what holds it, is missing."""
    value: object = state
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def any_changed(old: State | None, new: State | None, paths: tuple[str, ...] | None) -> bool:
    """Whether one of the paths differs between two states; any difference if `paths` is `None`."""
    if paths is None:
        return (old or {}) != (new or {})
    return any(at_path(old, path) != at_path(new, path) for path in paths)
