"""The scope that the tests of expressions share, and the shortest way to ask for a value."""

from __future__ import annotations

from collections.abc import Mapping

from translators.expression import CodeTable, Scope, bind, evaluate, parse
from translators.expression.bound import Bound
from translators.expression.catalogue import EXAMPLE_CODES, EXAMPLE_COLUMNS
from translators.expression.evaluate import compiled
from translators.schema import Type

STATE = {
    "status": Type("text"),
    "premium": Type("object"),
    "premium.amount": Type("decimal", 9, 2),
    "lines": Type("list"),
}

SCOPE = Scope(
    table="row",
    columns=EXAMPLE_COLUMNS,
    outer={"polmst": {"pol_no": Type("text", nullable=False), "n": Type("integer")}},
    parts={"part": EXAMPLE_COLUMNS},
    orders={"part": ()},
    codes={"status": CodeTable("status", EXAMPLE_CODES)},
    state=STATE,
)

NOTHING: Mapping[str, object] = dict.fromkeys(EXAMPLE_COLUMNS)


def row(**values: object) -> dict[str, object]:
    """A row in which all other columns are NULL."""
    return {**NOTHING, **values}


def value(text: str, **values: object) -> object:
    """The value of an expression over such a row."""
    return evaluate(text, SCOPE, row(**values))


def typed(text: str) -> Bound:
    """The typed tree of an expression."""
    return bind(parse(text), SCOPE)


def truths(text: str, **values: object) -> tuple[object, bool, bool]:
    """What the three compilations of a condition say: its value, is true, is false."""
    bound = typed(text)
    answers = [compiled(bound, SCOPE, how)(row(**values), None, None) for how in ("value", "is_true", "is_false")]
    return answers[0], bool(answers[1]), bool(answers[2])
