"""Random well-typed expressions over random rows, against the oracle."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.translators.expression.oracle import Failure, Tree, attempt, sql
from tests.translators.expression.test_catalogue import has_type
from tests.translators.expression.worlds import SCOPE, row
from translators.expression import ExpressionError, bind, parse
from translators.expression.evaluate import compiled
from translators.expression.runtime import ValueProblem

COLUMNS = {
    "integer": ["n", "m", "polmst.n"],
    "decimal": ["d", "e"],
    "text": ["s", "t", "polmst.pol_no"],
    "boolean": ["a", "b"],
    "date": ["day", "day2"],
}
CONSTANTS: dict[str, list[tuple[object, str]]] = {
    "integer": [(0, "0"), (1, "1"), (-7, "(-7)"), (None, "CAST(NULL AS INTEGER)")],
    "decimal": [(Decimal("0.50"), "0.50"), (Decimal("-3"), "CAST(-3 AS DECIMAL(2, 0))")],
    "text": [("a", "'a'"), ("", "''"), ("A", "'A'"), (None, "CAST(NULL AS TEXT)")],
    "boolean": [(True, "TRUE"), (None, "CAST(NULL AS BOOLEAN)")],
    "date": [(date(2024, 2, 29), "TO_DATE('2024-02-29', 'YYYY-MM-DD')")],
}
VALUES: dict[str, list[object]] = {
    "integer": [None, 0, 1, 2, -3, 17],
    "decimal": [None, Decimal("0.00"), Decimal("1.50"), Decimal("-0.05"), Decimal("2.00"), Decimal("999999.99")],
    "text": [None, "", "a", "A", "C", " 12", "-3", "aa", "bab ", "20240229", "20230229"],
    "boolean": [None, True, False],
    "date": [None, date(2024, 1, 31), date(2024, 2, 29), date(1999, 12, 31)],
}

SAFE: dict[str, list[tuple[str, ...]]] = {
    "integer": [
        ("{} + {}", "integer", "integer"),
        ("{} - {}", "integer", "integer"),
        ("- {}", "integer"),
        ("ABS", "integer"),
        ("SIGN", "decimal"),
        ("LENGTH", "text"),
        ("TRY_CAST({} AS INTEGER)", "text"),
        ("EXTRACT(MONTH FROM {})", "date"),
        ("({}) - ({})", "date", "date"),
    ],
    "decimal": [
        ("{} + {}", "decimal", "decimal"),
        ("{} - {}", "decimal", "integer"),
        ("{} / 100", "integer"),
        ("{} / 0.25", "decimal"),
        ("- {}", "decimal"),
        ("ABS", "decimal"),
        ("FLOOR", "decimal"),
        ("ROUND({}, {})", "decimal", "places"),
        ("COALESCE", "decimal", "integer"),
    ],
    "text": [
        ("TRIM", "text"),
        ("UPPER", "text"),
        ("LEFT({}, 2)", "text"),
        ("RIGHT({}, 2)", "text"),
        ("SUBSTRING({}, 2, 3)", "text"),
        ("LPAD({}, 4, '0')", "text"),
        ("REPLACE({}, 'a', 'bb')", "text"),
        ("SPLIT_PART({}, 'a', 2)", "text"),
        ("||", "text", "text"),
        ("||", "text", "text", "text", "text"),
        ("CAST({} AS TEXT)", "integer"),
        ("CODE('status', {}, 'other')", "text"),
        ("CODE('status', {}, NULL)", "text"),
    ],
    "boolean": [
        ("{} = {}", "integer", "decimal"),
        ("{} = {}", "text", "text"),
        ("{} <> {}", "boolean", "boolean"),
        ("{} < {}", "decimal", "decimal"),
        ("{} >= {}", "date", "date"),
        ("{} IS NULL", "text"),
        ("{} IS NOT NULL", "decimal"),
        ("{} IS TRUE", "boolean"),
        ("{} IS NOT FALSE", "boolean"),
        ("{} IS DISTINCT FROM {}", "integer", "decimal"),
        ("{} IS DISTINCT FROM {}", "text", "text"),
        ("NOT {}", "boolean"),
        ("{} IN (1, 2)", "integer"),
        ("{} NOT IN ('A', 'aa')", "text"),
        ("{} LIKE 'a%'", "text"),
        ("{} NOT LIKE '%_a'", "text"),
        ("STARTS_WITH", "text", "text"),
    ],
    "date": [("DATE_TRUNC('month', {})", "date"), ("{} + INTERVAL '3 months'", "date")],
}
"""What cannot fail, by its type: the operator and the types of its parts."""

FALLIBLE: dict[str, list[tuple[str, ...]]] = {
    "integer": [("{} % {}", "integer", "integer"), ("CAST({} AS INTEGER)", "text"), ("CAST({} AS INTEGER)", "decimal")],
    "decimal": [("ROUND({} / {}, {})", "column", "integer", "places"), ("CAST({} AS DECIMAL(30, 1))", "integer")],
    "text": [("CODE('status', {})", "text")],
    "boolean": [("{} = {}", "integer", "integer")],
    "date": [("TO_DATE({}, 'YYYYMMDD')", "text")],
}
DECIDING = [
    ("AND", "boolean", "boolean", "boolean"),
    ("OR", "boolean", "boolean"),
    ("{} BETWEEN {} AND {}", *["integer"] * 3),
]


def grow(draw: random.Random, kind: str, depth: int, failing: bool) -> Tree:
    """A random tree of a type; `failing`: whether parts of it may fail."""
    if kind == "places":
        return ("constant", places := draw.randrange(4), str(places))
    if kind == "column":
        return ("column", draw.choice(COLUMNS["decimal"]))
    if depth == 0 or draw.random() < 0.1:
        value, text = draw.choice(CONSTANTS[kind])
        return ("constant", value, text) if draw.random() < 0.2 else ("column", draw.choice(COLUMNS[kind]))
    forms: list[tuple[str, ...]] = [
        *SAFE[kind],
        ("COALESCE", kind, kind),
        ("NULLIF", kind, kind),
        ("CASE", "boolean", kind, "boolean", kind, kind),
        ("CASE {} WHEN {} THEN {} ELSE {} END", "text", "text", kind, kind),
        *([("GREATEST", kind, kind), ("LEAST", kind, kind)] if kind != "boolean" else DECIDING * 2),
        *(FALLIBLE[kind] * 3 if failing else []),
    ]
    operator, *kinds = draw.choice(forms)
    below = failing and operator not in ("AND", "OR", "{} BETWEEN {} AND {}")
    return (operator, *(grow(draw, part, depth - 1, below) for part in kinds))


def fill(draw: random.Random) -> dict[str, object]:
    """A random row; the one NOT NULL column always has a value."""
    values = {name: draw.choice(VALUES[kind]) for kind, names in COLUMNS.items() for name in names}
    if values["e"] is not None:
        values["e"] = Decimal(str(values["e"])).quantize(Decimal("0.0001"))
    values["polmst.pol_no"] = values["polmst.pol_no"] or "12"
    return row(**values)


def agrees(value: object, wanted: object) -> bool:
    """Whether an answer is the oracle's; decimals by their exact amount."""
    if isinstance(value, ValueProblem) or isinstance(wanted, Failure):
        return isinstance(value, ValueProblem) and isinstance(wanted, Failure)
    if isinstance(value, Decimal) and isinstance(wanted, int | Fraction):
        return Fraction(value) == wanted
    return type(value) is type(wanted) and value == wanted


def ask(run: Callable[[], object]) -> object:
    """The answer, or the problem as an answer."""
    try:
        return run()
    except ValueProblem as problem:
        return problem


def check(draw: random.Random, kind: str, depth: int) -> bool:
    """One random tree over several rows; false where the tree is refused for its digits or a constant that always fails."""
    tree = grow(draw, kind, depth, failing=True)
    text = sql(tree)
    try:
        bound = bind(parse(text), SCOPE)
    except ExpressionError as problem:
        assert problem.code in (
            "number.limit",
            "expression.constant-fails",
            "function.arguments",
            "expression.too-large",
        ), text
        return False
    how = ("value", "is_true", "is_false") if kind == "boolean" else ("value",)
    compile_ = {name: compiled(bound, SCOPE, name) for name in how}
    for _ in range(8):
        values = fill(draw)
        wanted = attempt(tree, values)
        value = ask(lambda values=values: compile_["value"](values, None, None))  # type: ignore[misc]
        assert agrees(value, wanted), (text, values, value, wanted)
        assert isinstance(value, ValueProblem) or has_type(value, bound.type), (text, values, value, bound.type)
        if kind == "boolean" and not isinstance(wanted, Failure):
            for name, answer in (("is_true", True), ("is_false", False)):
                truth = ask(lambda values=values, name=name: compile_[name](values, None, None))  # type: ignore[misc]
                assert bool(truth) is (wanted is answer), (text, values, name, truth, wanted)
    return True


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(COLUMNS)), st.integers(1, 4))
def test_an_expression_means_what_the_oracle_says(draw: random.Random, kind: str, depth: int) -> None:
    check(draw, kind, depth)


def test_many_expressions_mean_what_the_oracle_says() -> None:
    draw = random.Random(2_024)
    checked = sum(check(draw, kind, 3) for kind in sorted(COLUMNS) for _ in range(120))
    assert checked > 400
