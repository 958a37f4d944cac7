"""What can be wrong with an expression before it ever sees a row: one class per kind, each with the span it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from translators.errors import DragomanError

Span = tuple[int, int]
"""Start and end offset (end exclusive) in the text of the expression."""


class ExpressionError(DragomanError):
    """{what}"""

    code: ClassVar[str] = "expression.error"
    hint: ClassVar[str] = "{fix}"

    def __init__(self, span: Span, *, fix: str, **fields: object) -> None:
        self.span = span
        super().__init__(fix=fix, **fields)


class SyntaxProblem(ExpressionError):
    """{what}"""

    code = "expression.syntax"


class TooLarge(ExpressionError):
    """This expression is too large: {what}."""

    code = "expression.too-large"


class Refused(ExpressionError):
    """{what} is not part of the language."""

    code = "expression.refused"


class FallibleCondition(ExpressionError):
    """{what} can fail, and stands under {operator}, whose sides have no fixed order."""

    code = "expression.fallible"


class ConstantFails(ExpressionError):
    """This constant part always fails: {problem}."""

    code = "expression.constant-fails"


class UnknownFunction(ExpressionError):
    """Unknown function {name}."""

    code = "function.unknown"


class WrongArguments(ExpressionError):
    """{name}: {what}."""

    code = "function.arguments"


class UnknownColumn(ExpressionError):
    """Unknown {noun} '{name}'."""

    code = "column.unknown"


class UnknownCodeTable(ExpressionError):
    """Unknown code table '{name}'."""

    code = "code.unknown-table"


class TypeMismatch(ExpressionError):
    """{what}"""

    code = "type.mismatch"


class NumberLimit(ExpressionError):
    """{what}"""

    code = "number.limit"


class Inexact(ExpressionError):
    """This division has no exact result, so its scale is not known."""

    code = "number.inexact"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, if one is near enough; case does not count."""
    from difflib import get_close_matches

    folded = {candidate.lower(): candidate for candidate in sorted(known)}
    found = get_close_matches(name.lower(), folded, 1, 0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint that names the nearest known name, or else `otherwise`."""
    near = nearest(name, known)
    return otherwise if near is None else f"Did you mean '{near}'?"
