"""The value of a constant part, computed by the same generated code that rows would meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from translators.expression.bound import Bound
from translators.expression.python import Emitter, Writer
from translators.expression.python_parts import NoNames


def fold(bound: Bound) -> object:
    """The value of a part that reads no row. Raises `ValueProblem` if it fails."""
    writer = Writer()
    text = Emitter(writer, NoNames()).value(bound)
    with writer.block("def constant():"):
        writer.line(f"return {text}")
    compute = cast("Callable[[], object]", writer.run("<constant>")["constant"])
    return compute()
