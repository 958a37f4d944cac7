"""What is refused, with which code, at which place and with which word of advice."""

from __future__ import annotations

import random

import pytest

from tests.translators.expression.test_parse import garbage
from tests.translators.expression.worlds import SCOPE, STATE
from translators.expression import ExpressionError, Scope, bind, parse
from translators.expression.catalogue import EXAMPLE_COLUMNS
from translators.expression.runtime import ValueProblem

ATTACKS = [
    "(SELECT 1)",
    "SELECT * FROM t",
    "EXISTS (SELECT 1)",
    "s IN (SELECT s)",
    "1; DROP TABLE t",
    "s; s",
    "pg_sleep(10)",
    "read_csv('/etc/passwd')",
    "getenv('HOME')",
    "LOAD_FILE('/etc/passwd')",
    "@@version",
    "$1",
    ":name",
    "?",
    "%(name)s",
    "SUM(part.n) OVER ()",
    "LENGTH(s) FILTER (WHERE a)",
    "SUM(part.n) FILTER (WHERE part.a) OVER ()",
    "s = ANY (SELECT 1)",
    "COUNT(DISTINCT s)",
    "COUNT(*)",
    's COLLATE "C"',
    "CAST(s AS JSON)",
    "CAST(s AS BYTEA)",
    "CAST(s AS REGCLASS)",
    "s::regclass",
    "s::int",
    "LPAD(s, 100000000)",
    "RPAD(s, 1001, 'x')",
    "REPEAT(s, 1000000)",
    "ts AT TIME ZONE 'Mars/Olympus'",
    "ts AT TIME ZONE '../../etc/passwd'",
    "ts AT TIME ZONE 'posix/../UTC'",
    "ts AT TIME ZONE 'CET'",
    "s.__class__",
    "__import__('os')",
    "row.__dict__",
    "s.strip()",
    "n[1]",
    "ARRAY[1]",
    "ROW(1)",
    "(n, m)",
    "s -- comment",
    "n --3",
    "s /* comment */",
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "NOW()",
    "LOCALTIME",
    "CURRENT_USER",
    "USER",
    "RANDOM()",
    "GEN_RANDOM_UUID()",
    "VERSION()",
    "NEXTVAL('s')",
    "E'\\n'",
    "X'00'",
    "U&'0041'",
    "$$x$$",
    "s ~ 'x'",
    "MATCHES(s, '(a+)+b')",
    "MATCHES(s, t)",
    "s SIMILAR TO 'x'",
    "s ILIKE 'x'",
    "n << 2",
    "n & 1",
    "n ^ 2",
    "n ** 2",
    "DATE '2024-01-01'",
    "s -> 'a'",
    "s LIKE t",
    "s LIKE 'a\\'",
    "TO_DATE(s, t)",
    "REPLACE(REPLACE(REPLACE(REPLACE(s, 'a', 'bbbbbbbb'), 'b', 'cccccccc'), 'c', 'dddddddd'), 'd', 'eeeeeeee')",
    "1e400",
    ".5",
    "5.",
    "0x10",
    "1_000",
    "123456789012345678901234567890123456789",
    "NULL",
    "n IS 5",
    "s = 'x",
    "s = '\"",
    's = "x',
    '""',
    "TRIM(BOTH ' ' FROM s)",
    "COALESCE(s, (CASE WHEN a THEN t END",
    "n =",
    "= n",
    "n n",
    "n < m < 3",
    "a BETWEEN b",
    "CASE END",
    "CASE WHEN a END",
    "CAST(s AS)",
    "CAST(s)",
    "EXTRACT(s)",
    "COUNT()",
    "TRIM()",
    "POSITION(s)",
    "INTERVAL '1 day'",
    "n + INTERVAL '1 day'",
    "day + INTERVAL '1'",
    "day + INTERVAL '1 day 2 hours'",
    "s\x00",
    "s\u00a0= t",
    "",
    "   ",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_is_refused_with_a_code_a_place_and_advice(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        bind(parse(text), SCOPE)
    problem = caught.value
    assert problem.code != ExpressionError.code
    assert 0 <= problem.span[0] <= problem.span[1] <= len(text)
    assert problem.message
    assert "{" not in problem.message
    assert problem.advice


@pytest.mark.parametrize(
    ("text", "code", "at", "hint"),
    [
        ("TRIM(pol_stz)", "column.unknown", "pol_stz", "pol_sts"),
        ('TRIM("POL_STS")', "column.unknown", '"POL_STS"', "pol_sts"),
        ("covdtl.pol_no", "column.unknown", "covdtl.pol_no", "SUM, COUNT"),
        ("covdt.prem", "column.unknown", "covdt.prem", "covdtl"),
        ("SUM(covdtl.perm)", "column.unknown", "covdtl.perm", "prem"),
        ("SUM(covdtl)", "function.arguments", "SUM(covdtl)", "SUM(covdtl.column)"),
        ("NVL(pol_sts, '')", "function.unknown", "NVL", "COALESCE"),
        ("IFNULL(pol_sts, '')", "function.unknown", "IFNULL", "COALESCE"),
        ("SUBSTR(pol_sts, 1)", "function.unknown", "SUBSTR", "SUBSTRING"),
        ("LEN(pol_sts)", "function.unknown", "LEN", "LENGTH"),
        ("CHAR_LENGTH(pol_sts)", "function.unknown", "CHAR_LENGTH", "LENGTH"),
        ("IF(x, 1, 2)", "function.unknown", "IF", "CASE"),
        ("CONCAT(pol_sts, '')", "function.unknown", "CONCAT", "||"),
        ("REGEXP_LIKE(pol_sts, 'a')", "function.unknown", "REGEXP_LIKE", "MATCHES"),
        ("REGEXP_REPLACE(pol_sts, 'a', 'b')", "function.unknown", "REGEXP_REPLACE", "REPLACE"),
        ("TRIMM(pol_sts)", "function.unknown", "TRIMM", "TRIM"),
        ("CODE('staus', pol_sts)", "code.unknown-table", "'staus'", "status"),
        ("CODE('status', prem)", "type.mismatch", "prem", "CAST(... AS TEXT)"),
        ("pol_sts = 1", "type.mismatch", "1", "CAST(... AS TEXT)"),
        ("prem = '1'", "type.mismatch", "'1'", "CAST(... AS INTEGER)"),
        ("pol_sts = NULL", "type.mismatch", "NULL", "IS NULL"),
        ("eff < '2024-01-01'", "type.mismatch", "'2024-01-01'", "TO_DATE"),
        ("rate * prem", "type.mismatch", "rate", "CAST(... AS DECIMAL(p, s))"),
        ("rate > 1.5", "type.mismatch", "1.5", "CAST(... AS DECIMAL(p, s))"),
        ("big + 1", "type.mismatch", "big", "CAST(... AS DECIMAL(p, s))"),
        ("prem / 3", "number.inexact", "prem / 3", "ROUND(a / b, 2)"),
        ("prem / prem", "number.inexact", "prem / prem", "ROUND(a / b, 2)"),
        ("prem / 0", "function.arguments", "0", "something else"),
        ("ROUND(prem / 0.00, 2)", "function.arguments", "0.00", "something else"),
        ("prem % 0", "function.arguments", "0", "something else"),
        ("prem * 0.00000000000000000001 * 0.0000000000000000001", "number.limit", None, "CAST"),
        ("CAST('x' AS INTEGER)", "expression.constant-fails", None, "TRY_"),
        ("TO_DATE('20230229', 'YYYYMMDD')", "expression.constant-fails", None, "TRY_"),
        ("CASE WHEN prem > 0 THEN 1 % 0 END", "function.arguments", "0", "something else"),
        ("prem > 0 AND CAST(pol_sts AS INTEGER) = 1", "expression.fallible", "CAST(pol_sts AS INTEGER)", "TRY_"),
        ("CODE('status', pol_sts) = 'active' OR prem > 0", "expression.fallible", "CODE('status', pol_sts)", "CASE"),
        ("prem BETWEEN 1 AND CAST(pol_sts AS INTEGER)", "expression.fallible", "CAST(pol_sts AS INTEGER)", "TRY_"),
        ("ROUND(1 / prem, 2) > 1 AND TRUE", "expression.fallible", "ROUND(1 / prem, 2)", "CASE"),
        ("TO_DATE(pol_sts, 'DD.MM')", "function.arguments", "'DD.MM'", "YYYY"),
        ("TO_DATE(pol_sts, 'YYYY-MON-DD')", "function.arguments", "'YYYY-MON-DD'", "YYYY MM DD"),
        ("TO_DATE(pol_sts, 'YYYYMMDDHH24')", "function.arguments", "'YYYYMMDDHH24'", "TO_TIMESTAMP"),
        ("LEFT(pol_sts, prem)", "function.arguments", "prem", "number itself"),
        ("SUBSTRING(pol_sts, 0)", "function.arguments", "0", "number itself"),
        ("TRIM(pol_sts, 'ab')", "function.arguments", "'ab'", "one for each"),
        ("TRIM(pol_sts, 'a', 'b')", "function.arguments", None, "TRIM(x [, c])"),
        ("CASE WHEN pol_sts THEN 1 END", "type.mismatch", "pol_sts", "Compare"),
        ("CASE WHEN prem > 0 THEN 1 ELSE 'x' END", "type.mismatch", "'x'", "CAST"),
        ("COALESCE(NULL, NULL)", "type.mismatch", "NULL", "CAST(NULL AS TEXT)"),
        ("OLD.status = 'x'", "expression.refused", "OLD.status", "events"),
        ("CHANGED(*)", "expression.refused", "CHANGED(*)", "events"),
        ("CREATED", "expression.refused", "CREATED", "events"),
        ("CAST(prem AS DECIMAL)", "type.mismatch", "DECIMAL", "DECIMAL(9, 2)"),
        ("CAST(prem AS DECIMAL(39, 2))", "type.mismatch", "DECIMAL(39, 2)", "DECIMAL(9, 2)"),
        ("CAST(pol_sts AS VARCHAR(3))", "type.mismatch", "VARCHAR(3)", "LEFT"),
        ("CAST(rate AS TEXT)", "type.mismatch", "CAST(rate AS TEXT)", "CAST(CAST("),
        ("CAST(pol_sts AS DATE)", "type.mismatch", "CAST(pol_sts AS DATE)", "TO_DATE"),
        ("EXTRACT(EPOCH FROM eff)", "function.arguments", None, "ISODOW"),
        ("eff - 3", "type.mismatch", "3", "INTERVAL"),
        ("eff + INTERVAL '1 hour'", "function.arguments", None, "timestamp"),
        ("user", "expression.refused", "user", '"user"'),
        ("doc || 'x'", "type.mismatch", "doc", "no conversion"),
        ("doc = doc", "type.mismatch", "doc", "compared for change"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_fix(text: str, code: str, at: str | None, hint: str) -> None:
    columns = {name: EXAMPLE_COLUMNS[kind] for name, kind in (("pol_sts", "s"), ("prem", "n"), ("eff", "day"))}
    columns |= {"rate": EXAMPLE_COLUMNS["f"], "big": EXAMPLE_COLUMNS["w"], "x": EXAMPLE_COLUMNS["a"]}
    columns["doc"] = STATE["lines"]
    scope = Scope(table="polmst", columns=columns, parts={"covdtl": {"prem": EXAMPLE_COLUMNS["n"]}}, codes=SCOPE.codes)
    with pytest.raises(ExpressionError) as caught:
        bind(parse(text), scope)
    problem = caught.value
    place = text[slice(*problem.span)]
    assert (problem.code, place if at is not None else None) == (code, at)
    assert hint in problem.advice


def test_garbage_with_names_that_exist_is_bound_or_refused() -> None:
    draw = random.Random(11)
    names = ["n", "m", "s", "d", "a", "day", "ts", "tz", "f", "part", "1", "'x'", "0", "NULL"]
    bound = 0
    for text in garbage(20_000, 13):
        known = " ".join(
            draw.choice(names) if word in ("a", "b.c", "q", '"q"', "1") else word for word in text.split(" ")
        )
        try:
            bind(parse(known), SCOPE)
            bound += 1
        except ExpressionError as problem:
            start, end = problem.span
            assert 0 <= start <= end <= len(known), known
    assert bound > 60


def test_calls_with_random_arguments_are_bound_or_refused() -> None:
    draw = random.Random(17)
    arguments = [
        "n",
        "s",
        "d",
        "a",
        "day",
        "ts",
        "tz",
        "f",
        "w",
        "1",
        "-1",
        "'x'",
        "''",
        "0.5",
        "NULL",
        "part",
        "part.n",
        "*",
    ]
    from translators.expression.catalogue import FUNCTIONS

    for _ in range(3_000):
        text = f"{draw.choice(sorted(FUNCTIONS))}({', '.join(draw.choices(arguments, k=draw.randrange(5)))})"
        try:
            bind(parse(text), SCOPE)
        except ExpressionError as problem:
            assert 0 <= problem.span[0] <= problem.span[1] <= len(text), text
        except ValueProblem:
            pytest.fail(text)
