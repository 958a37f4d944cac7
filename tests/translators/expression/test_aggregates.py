"""What the rows of a part come to, with an expression and a condition: values, NULL, order, what is read, what is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.translators.expression.worlds import SCOPE, truths, typed, value
from translators.expression import ExpressionError, Scope, ValueProblem, bind, parse, sources
from translators.expression.bound import fallible
from translators.expression.runtime import MAX_INTEGER
from translators.values import OutOfRange, Unavailable

D = Decimal
PAID: list[dict[str, object]] = [
    {"n": 1, "d": D("10.00"), "s": "void", "a": None},
    {"n": 2, "d": D("20.50"), "s": "paid", "a": True},
    {"n": None, "d": None, "s": None, "a": False},
    {"n": 4, "d": D("0.05"), "s": "paid", "a": True},
]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SUM(part.d) FILTER (WHERE part.s <> 'void')", D("20.55")),
        ("SUM(part.d * 2 + 1) FILTER (WHERE part.s = 'paid')", D("43.10")),
        ("SUM(part.n) FILTER (WHERE part.s = 'none')", None),
        ("SUM(CASE WHEN part.s = 'void' THEN -part.n ELSE part.n END)", 5),
        ("COUNT(part) FILTER (WHERE part.a)", 2),
        ("COUNT(part) FILTER (WHERE part.a IS NOT TRUE)", 2),
        ("COUNT(part.n + 1) FILTER (WHERE part.a IS NOT NULL)", 2),
        ("COUNT(part) FILTER (WHERE FALSE)", 0),
        ("MIN(part.n) FILTER (WHERE part.s = 'paid')", 2),
        ("MAX(LENGTH(part.s))", 4),
        ("MAX(part.n) FILTER (WHERE part.a IS FALSE)", None),
        ("ANY(part.n > 3)", True),
        ("ANY(part.n > 9)", None),
        ("ANY(part.n > 9) FILTER (WHERE part.n IS NOT NULL)", False),
        ("ALL(part.n > 0)", None),
        ("ALL(part.n > 1)", False),
        ("ALL(part.n > 0) FILTER (WHERE part.a)", True),
        ("FIRST(part.s)", "void"),
        ("FIRST(part.d) FILTER (WHERE part.a)", D("20.50")),
        ("FIRST(part.n) FILTER (WHERE part.a IS FALSE)", None),
        ("LAST(part.d)", D("0.05")),
        ("LAST(part.n) FILTER (WHERE part.s IS NULL)", None),
        ("LAST(CODE('status', UPPER(LEFT(part.s, 0)) || 'A'))", "active"),
        ("SUM(part.d) FILTER (WHERE part.s = 'paid') / 100", D("0.2055")),
        ("COUNT(part) = COUNT(part) FILTER (WHERE part.s = 'paid')", False),
    ],
)
def test_an_expression_and_a_condition(text: str, wanted: object) -> None:
    found = value(text, part=PAID)
    assert (found, type(found), str(found)) == (wanted, type(wanted), str(wanted))


def straight(numbers: list[int | None], keep: Callable[[int | None], bool | None]) -> dict[str, object]:
    """What the aggregates mean, row by row."""
    kept = [one for one in numbers if keep(one) is True]
    known = [one for one in kept if one is not None]
    truth = [None if one is None else one > 2 for one in kept]
    return {
        "SUM({}) FILTER (WHERE {})": sum(known) if known else None,
        "COUNT({}) FILTER (WHERE {})": len(known),
        "MIN({}) FILTER (WHERE {})": sorted(known)[0] if known else None,
        "MAX({}) FILTER (WHERE {})": sorted(known)[-1] if known else None,
        "ANY({} > 2) FILTER (WHERE {})": True if True in truth else None if None in truth else False,
        "ALL({} > 2) FILTER (WHERE {})": False if False in truth else None if None in truth else True,
        "FIRST({}) FILTER (WHERE {})": kept[0] if kept else None,
        "LAST({}) FILTER (WHERE {})": kept[-1] if kept else None,
    }


def test_random_rows_come_to_what_a_loop_says() -> None:
    draw = random.Random(8)
    for _ in range(200):
        numbers = [draw.choice((None, 0, 1, 2, 3, 5)) for _ in range(draw.randrange(5))]
        rows = [{"n": number} for number in numbers]
        for form, wanted in straight(numbers, lambda one: None if one is None else one < 5).items():
            assert value(form.format("part.n", "part.n < 5"), part=rows) == wanted, (form, numbers)
        for form, wanted in straight(numbers, lambda one: one is None or one > 0).items():
            assert value(form.format("part.n", "part.n IS NULL OR part.n > 0"), part=rows) == wanted, (form, numbers)


def test_no_row_comes_to_nothing() -> None:
    found = [value(f"{name}(part.a)", part=[]) for name in ("COUNT", "ANY", "ALL", "FIRST", "LAST")]
    assert found == [0, False, True, None, None]
    assert [value(f"{name}(part.n + 1)", part=[]) for name in ("SUM", "MIN", "MAX")] == [None, None, None]


@pytest.mark.parametrize("text", ["ANY(part.n > 9)", "ALL(part.n > 0)", "ANY(part.n = 2)", "ALL(part.n < 2)"])
def test_a_condition_over_rows_is_one_in_three_values(text: str) -> None:
    found, is_true, is_false = truths(text, part=PAID)
    assert (is_true, is_false) == (found is True, found is False)


def test_a_row_that_is_left_out_cannot_fail() -> None:
    rows: list[dict[str, object]] = [{"s": "?", "a": False}, {"s": "7", "a": True}]
    assert value("SUM(CAST(part.s AS INTEGER)) FILTER (WHERE part.a)", part=rows) == 7
    with pytest.raises(ValueProblem) as caught:
        value("SUM(CAST(part.s AS INTEGER))", part=rows)
    assert caught.value.code == "value.not_an_integer"


def test_rows_are_asked_in_their_order_as_far_as_needed() -> None:
    rows: list[dict[str, object]] = [{"s": "7"}, {"s": "?"}]
    assert value("ANY(CAST(part.s AS INTEGER) = 7)", part=rows) is True
    assert value("ALL(CAST(part.s AS INTEGER) = 8)", part=rows) is False
    assert value("FIRST(CAST(part.s AS INTEGER))", part=rows) == 7
    for text in (
        "ANY(CAST(part.s AS INTEGER) = 8)",
        "ALL(CAST(part.s AS INTEGER) = 7)",
        "LAST(CAST(part.s AS INTEGER))",
    ):
        with pytest.raises(ValueProblem):
            value(text, part=rows)


def test_a_sum_is_judged_as_a_whole() -> None:
    rows: list[dict[str, object]] = [{"n": MAX_INTEGER}, {"n": 1}, {"n": -1}]
    assert value("SUM(part.n) FILTER (WHERE part.n <> 0)", part=rows) == MAX_INTEGER
    for text in ("SUM(part.n) FILTER (WHERE part.n > 0)", "SUM(part.n * 2)"):
        with pytest.raises(ValueProblem) as caught:
            value(text, part=rows)
        assert caught.value.code == "value.overflow"


@pytest.mark.parametrize("flagged", [OutOfRange("NaN"), Unavailable("toast")])
def test_a_value_that_cannot_be_used_is_met_only_where_it_is_read(flagged: object) -> None:
    rows: list[dict[str, Any]] = [{"d": flagged, "a": False, "s": "x"}, {"d": D("1.00"), "a": True, "s": "y"}]
    assert value("SUM(part.d) FILTER (WHERE part.a)", part=rows) == D("1.00")
    assert value("LAST(part.d)", part=rows) == D("1.00")
    for text in (
        "SUM(part.d * 2)",
        "COUNT(part) FILTER (WHERE part.d > 0)",
        "FIRST(part.d)",
        "MIN(part.d) FILTER (WHERE part.s < 'z')",
    ):
        with pytest.raises(ValueProblem) as caught:
            value(text, part=rows)
        assert caught.value.detail["column"] == "part.d"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SUM(part.d * part.d)", "decimal(38,4)"),
        ("SUM(part.n + 1)", "integer"),
        ("COUNT(part.s || 'x')", "integer not null"),
        ("ANY(part.s IS NULL)", "boolean not null"),
        ("ALL(part.a)", "boolean"),
        ("FIRST(part.day)", "date"),
        ("LAST(part.e)", "decimal(18,4)"),
        ("MIN(part.ts + INTERVAL '1 day')", "timestamp"),
    ],
)
def test_the_type_follows_from_the_expression(text: str, kind: str) -> None:
    found = typed(text).type
    assert f"{found}{'' if found.nullable else ' not null'}".replace(" not null not null", " not null") == kind


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SUM(part.n * part.m) FILTER (WHERE part.s = 'x')", {"part.n", "part.m", "part.s"}),
        ("COUNT(part) FILTER (WHERE part.a)", {"part.*", "part.a"}),
        ("SUM(1) FILTER (WHERE part.a)", {"part.a"}),
        ("n + FIRST(part.n)", {"row.n", "part.n", "part.m"}),
    ],
)
def test_lineage_sees_the_columns(text: str, wanted: set[str]) -> None:
    scope = Scope(table="row", columns=SCOPE.columns, parts=SCOPE.parts, orders={"part": ("m",)})
    found = sources(bind(parse(text), scope))
    assert found - ({"part.*"} if "part.*" not in wanted else set()) == wanted


@pytest.mark.parametrize(
    ("text", "code", "at", "hint"),
    [
        ("SUM(n)", "column.unknown", "n", "part"),
        ("SUM(part.n + m)", "column.unknown", "m", "part.m"),
        ("SUM(part.n) FILTER (WHERE a)", "column.unknown", "a", "part.a"),
        ("SUM(part.n * polmst.n)", "column.unknown", "polmst.n", "combined with the result"),
        ("SUM(part.n + other.n)", "function.arguments", None, "each for itself"),
        ("SUM(part.n + COUNT(other))", "function.arguments", None, "summed up directly"),
        ("SUM(part)", "function.arguments", None, "SUM(part.column)"),
        ("COUNT(*)", "function.arguments", None, "COUNT(part)"),
        ("SUM(1)", "function.arguments", None, "part.column"),
        ("SUM(part.s)", "type.mismatch", "part.s", "integer"),
        ("MIN(part.a)", "type.mismatch", "part.a", "integer"),
        ("ANY(part.n)", "type.mismatch", "part.n", "comparison"),
        ("COUNT(part) FILTER (WHERE part.n)", "type.mismatch", "part.n", "comparison"),
        ("COUNT(NULL) FILTER (WHERE part.a)", "type.mismatch", "NULL", "CAST(NULL"),
        ("FIRST(other.n)", "function.arguments", None, "order"),
        ("SUM(part.x)", "column.unknown", "part.x", "has"),
        ("COUNT(NEW.status)", "column.unknown", "NEW.status", "parts"),
        ("SUM(part.n, 1)", "function.arguments", None, "SUM(x)"),
        ("SUM(part.n) FILTER (part.a)", "expression.syntax", "part", "WHERE"),
        ("LENGTH(s) FILTER (WHERE a)", "expression.refused", "FILTER", "FILTER (WHERE"),
        ("COUNT(DISTINCT part.n)", "expression.refused", "DISTINCT", "FILTER (WHERE"),
        ("n = ANY (SELECT n)", "expression.refused", "SELECT", "each"),
        ("BOOL_OR(part.a)", "function.unknown", "BOOL_OR", "ANY("),
        ("SUM(CAST(part.s AS INTEGER)) > 1 AND a", "expression.fallible", None, "TRY_"),
    ],
)
def test_a_mistake_is_told_with_its_fix(text: str, code: str, at: str | None, hint: str) -> None:
    parts = {"part": SCOPE.columns, "other": SCOPE.columns}
    scope = Scope(table="row", columns=SCOPE.columns, outer=SCOPE.outer, parts=parts, orders={"part": ()}, state={})
    with pytest.raises(ExpressionError) as caught:
        bind(parse(text), scope)
    problem = caught.value
    assert (problem.code, text[slice(*problem.span)] if at else None) == (code, at), problem
    assert hint in problem.advice, problem.advice


def test_what_can_fail_is_seen_inside() -> None:
    assert fallible(typed("SUM(CAST(part.s AS INTEGER))"))
    assert not fallible(typed("SUM(TRY_CAST(part.s AS INTEGER))"))
