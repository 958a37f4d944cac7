"""The value of a constant part, computed by the same generated code that rows would meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, cast

from translators.expression.bound import Bound
from translators.expression.python import Emitter, Writer


class _NoNames:
    """A constant part reads nothing."""

    created = deleted = "False"

    def column(self, table: str, column: str) -> NoReturn:
        raise AssertionError(f"{table}.{column} is no constant")

    def part(self, table: str) -> NoReturn:
        raise AssertionError(f"{table} is no constant")

    def old(self, path: str) -> NoReturn:
        raise AssertionError(f"OLD.{path} is no constant")

    def new(self, path: str) -> NoReturn:
        raise AssertionError(f"NEW.{path} is no constant")

    def changed(self, paths: tuple[str, ...] | None) -> NoReturn:
        raise AssertionError("CHANGED is no constant")


def fold(bound: Bound) -> object:
    """The value of a part that reads no row. Raises `ValueProblem` if it fails."""
    writer = Writer()
    text = Emitter(writer, _NoNames()).value(bound)
    with writer.block("def constant():"):
        writer.line(f"return {text}")
    compute = cast("Callable[[], object]", writer.run("<constant>")["constant"])
    return compute()
