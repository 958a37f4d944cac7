"""The parser, against sqlglot's PostgreSQL grammar as its oracle."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.translators.expression.trees import every, ours, postgres
from translators.expression import ExpressionError, parse
from translators.expression import nodes as n
from translators.expression.tokens import MAX_CHARACTERS

WRITTEN = [
    "TRIM(pol_no)",
    "CODE('status', TRIM(pol_sts))",
    "prem_amt / 100",
    "READ_DATE(NULLIF(eff_dt, '00000000'), 'YYYYMMDD')",
    "OLD.status IS DISTINCT FROM 'active' AND NEW.status = 'active'",
    "OLD.a IS NOT DISTINCT FROM NEW.premium.amount",
    "a OR b AND NOT c",
    "NOT a = b AND c",
    "NOT (a OR b) AND c",
    "NOT a IS NULL",
    "a IS NOT NULL OR b IS NULL AND c IS TRUE OR d IS NOT FALSE",
    "a + b * c - d / 2 % 3",
    "a - b - c",
    "a / b / c * d",
    "-a * b + -3",
    "- -a",
    "a - -3",
    "a || b || 'it''s' || c",
    "a || b + c = d || e",
    "a || b LIKE c || '%'",
    "x LIKE 'a!%' ESCAPE '!'",
    "x NOT LIKE 'a%' ESCAPE '!' AND y LIKE '_'",
    "x BETWEEN a + 1 AND b * 2 AND y NOT BETWEEN 1 AND 2",
    "x IN (1, 2, 3) OR y NOT IN ('a')",
    "CASE WHEN a = 1 THEN b WHEN c THEN d ELSE e END",
    "CASE a WHEN 1 THEN 2 END + 1",
    "CASE WHEN a THEN CASE b WHEN c THEN d END ELSE NULL END",
    "CAST(a AS DECIMAL(9, 2)) * 3",
    "CAST(a || b AS TEXT)",
    "EXTRACT(YEAR FROM d) + 1",
    "d + INTERVAL '3 months' - INTERVAL '1 day'",
    "ts AT TIME ZONE 'UTC'",
    "COALESCE(a, b, 0) = GREATEST(1, c)",
    "ROUND(a / b, 2) <= ABS(c)",
    "UPPER(LEFT(a, 1)) || LOWER(SUBSTRING(a, 2, 3))",
    "a <> b",
    "a != b",
    "((a))",
    '"Order" = "b c".d',
    "TRUE AND FALSE OR NULL IS NULL",
    "SUM(p.a * 2) FILTER (WHERE p.b <> 'v' OR p.c IS NULL) / 100 > 3",
    "COUNT(p) FILTER (WHERE NOT p.void) + MAX(p.n - 1)",
    "FIRST(p.a || 'x') FILTER (WHERE p.n BETWEEN 1 AND 2) = LAST(p.b)",
]


TESTS = [
    "{} {op} {}",
    "{} IS NULL",
    "{} NOT BETWEEN {} AND {}",
    "{} BETWEEN {} AND {}",
    "{} IN (1, 2)",
    "{} NOT IN (3)",
    "{} || {} LIKE {}",
    "{} IS DISTINCT FROM {}",
    "({rest})",
    "CASE WHEN {rest} THEN a END = b",
]


def written_at_random(draw: random.Random, depth: int = 3) -> str:
    """A condition over numbers and texts without a needless bracket, so that precedence decides."""

    def number(depth: int) -> str:
        if depth == 0 or draw.random() < 0.2:
            return draw.choice(["a", "t.b", "c1", "7", "0.25"])
        kind = draw.randrange(5)
        if kind < 3:
            return " ".join(
                [number(depth - 1), *(f"{draw.choice('+-*/%')} {number(depth - 1)}" for _ in range(kind + 1))]
            )
        return (
            f"({number(depth - 1)})"
            if kind == 3
            else draw.choice(["-{}", "ABS({})", "COALESCE({}, 0)"]).format(number(0))
        )

    def test(depth: int) -> str:
        form = draw.choice(TESTS)
        if "{rest}" in form:
            return form.format(rest=condition(depth - 1)) if depth else "a = b"
        of = [number(0 if "IS" in form else depth) for _ in range(3)]
        return form.format(*of, op=draw.choice(["=", "<>", "<", ">="]))

    def condition(depth: int) -> str:
        parts = [draw.choice(["", "", "NOT "]) + test(depth) for _ in range(draw.randrange(1, 4))]
        return parts[0] + "".join(f" {draw.choice(['AND', 'OR'])} {part}" for part in parts[1:])

    return condition(depth)


@pytest.mark.parametrize("text", WRITTEN)
def test_a_written_expression_has_the_tree_that_postgres_gives_it(text: str) -> None:
    assert ours(parse(text)) == postgres(text)


def test_random_expressions_have_the_trees_that_postgres_gives_them() -> None:
    draw = random.Random(20_24)
    for _ in range(400):
        text = written_at_random(draw)
        assert ours(parse(text)) == postgres(text), text


def test_is_binds_looser_than_a_comparison_as_in_postgres() -> None:
    """sqlglot reads `a = (b IS NULL)`; PostgreSQL's IS is the looser one."""
    assert ours(parse("a = b IS NULL")) == ("IS", "NULL", ("=", ("name", "a"), ("name", "b")))


def test_every_span_is_the_text_that_the_node_was_made_from() -> None:
    text = "CASE WHEN TRIM( a ) = 'x''y' THEN -1 ELSE b.c * (d + 2) END || \"e f\""
    spans = {text[slice(*node.span)] for node in every(parse(text))}
    assert spans == {
        text,
        "CASE WHEN TRIM( a ) = 'x''y' THEN -1 ELSE b.c * (d + 2) END",
        "TRIM( a ) = 'x''y'",
        "TRIM( a )",
        "a",
        "'x''y'",
        "-1",
        "1",
        "b.c * (d + 2)",
        "b.c",
        "(d + 2)",
        "d",
        "2",
        '"e f"',
    }


def test_a_chain_of_conditions_is_flat_however_long() -> None:
    tree = parse(" AND ".join(["a"] * 399))
    assert isinstance(tree, n.Chain)
    assert (len(tree.operands), tree.depth) == (399, 2)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a " * (MAX_CHARACTERS // 2) + "a", (MAX_CHARACTERS, MAX_CHARACTERS + 1)),
        ("(" * 61 + "a" + ")" * 61, (60, 61)),
        ("NOT " * 61 + "a", (240, 243)),
        (" + ".join(["a"] * 61), (0, 241)),
        (" AND ".join(["a"] * 400), (0, 2395)),
        ("UPPER(" * 60 + "a" + ")" * 60, (360, 361)),
    ],
)
def test_what_is_too_large_is_told_so(text: str, span: tuple[int, int]) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.span) == ("expression.too-large", span)


WORDS = (
    "a b.c OLD NEW 1 2.5 '' 'x' \"q\" ( ) ( ) , . + - * / % || = <> != < <= > >= AND OR NOT IS NULL TRUE FALSE DISTINCT FROM "
    "BETWEEN IN LIKE ESCAPE CASE WHEN THEN ELSE END CAST TRY_CAST AS DECIMAL TEXT EXTRACT YEAR POSITION INTERVAL '1_day' AT "
    "TIME ZONE SELECT TRIM COALESCE ROUND SUM part CHANGED CODE ; :: -- ' \" @ [ ] $1 ä \x00 \n"
)
TOKENS = WORDS.split(" ")


def garbage(count: int, seed: int) -> Iterator[str]:
    """Random strings of tokens."""
    draw = random.Random(seed)
    for _ in range(count):
        yield draw.choice(["", " "]).join(draw.choice(TOKENS) for _ in range(draw.randrange(12)))


def test_garbage_gives_a_tree_or_a_coded_problem() -> None:
    for text in garbage(20_000, 7):
        try:
            parse(text)
        except ExpressionError as problem:
            start, end = problem.span
            assert 0 <= start <= end <= len(text), text
            assert problem.advice, text
            assert problem.message, text
