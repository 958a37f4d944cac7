"""What is not needed is not computed, and NULL wins over an error beside it."""

from __future__ import annotations

import pytest

from tests.translators.expression.worlds import SCOPE, row, truths, typed, value
from translators.expression import fallible, sources
from translators.expression.evaluate import compiled
from translators.expression.runtime import ValueProblem

BAD = {"s": "no number", "t": "0"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("CASE WHEN n = 1 THEN 0 ELSE CAST(s AS INTEGER) END", 0),
        ("CASE n WHEN 1 THEN 0 WHEN CAST(s AS INTEGER) THEN 1 END", 0),
        ("CASE WHEN n = 1 THEN 0 WHEN CAST(s AS INTEGER) = 1 THEN 1 END", 0),
        ("COALESCE(n, CAST(s AS INTEGER))", 1),
        ("COALESCE(m, n, CAST(s AS INTEGER))", 1),
        ("COALESCE(NULLIF('x', t), CODE('status', s))", "x"),
        ("CASE WHEN a THEN CODE('status', s) END", None),
        ("CASE WHEN TRY_CAST(s AS INTEGER) = 1 THEN CAST(s AS INTEGER) END", None),
        ("CASE WHEN n IN (2) THEN TO_DATE(s, 'YYYYMMDD') END", None),
    ],
)
def test_a_branch_that_is_not_taken_cannot_fail(text: str, wanted: object) -> None:
    assert value(text, n=1, **BAD) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "CAST(s AS INTEGER) + m",
        "m + CAST(s AS INTEGER)",
        "m + COALESCE(CAST(s AS INTEGER), 1)",
        "COALESCE(CAST(s AS INTEGER), 1) * m",
        "CAST(s AS INTEGER) = NULLIF(n, 1)",
        "NULLIF(n, 1) % CAST(s AS INTEGER)",
        "CODE('status', s) || CODE('status', s, NULL)",
        "NULLIF(CAST(s AS INTEGER), 1) + NULLIF(CAST(t AS INTEGER), 0)",
        "NULLIF(CAST(t AS INTEGER), 0) + NULLIF(CAST(s AS INTEGER), 1)",
        "SUM(part.n) + NULLIF(CAST(s AS INTEGER), 1)",
        "NULLIF(CAST(s AS INTEGER), 1) + SUM(part.n)",
        "ROUND(CAST(s AS INTEGER) / m, 2)",
    ],
)
def test_null_wins_over_an_error_in_another_operand(text: str) -> None:
    """m is NULL, s cannot be read; NULLIF(n, 1), NULLIF(CAST(t ...), 0) and SUM of no rows are NULL."""
    assert value(text, n=1, part=[], **BAD) is None


@pytest.mark.parametrize(
    "text",
    [
        "NULLIF(CAST(s AS INTEGER), 1) + NULLIF(CAST(t AS INTEGER), 1)",
        "NULLIF(CAST(t AS INTEGER), 1) + NULLIF(CAST(s AS INTEGER), 1)",
        "CAST(s AS INTEGER) + n",
        "COALESCE(CAST(s AS INTEGER), 1)",
        "NULLIF(CAST(s AS INTEGER), 1)",
        "CAST(s AS INTEGER) IS NULL",
        "CAST(s AS INTEGER) IS DISTINCT FROM 1",
        "CASE WHEN CAST(s AS INTEGER) = 1 THEN 1 END",
        "CASE CAST(s AS INTEGER) WHEN 1 THEN 1 END",
        "GREATEST(CAST(s AS INTEGER), n)",
        "CAST(s AS INTEGER) IN (1, 2)",
        "NOT CAST(s AS INTEGER) > 1",
    ],
)
def test_an_error_that_is_needed_is_raised(text: str) -> None:
    assert fallible(typed(text))
    with pytest.raises(ValueProblem, match=r"value\.not_an_integer"):
        value(text, n=1, **BAD)


def test_the_right_side_of_and_and_or_is_not_computed_once_the_left_has_decided() -> None:
    """Lint lets overflow pass under AND, so that it shows who computes what."""
    huge = {"n": 2**63 - 1}
    for how, text in (("is_true", "a AND n + 1 > 0"), ("is_false", "a OR n + 1 > 0")):
        decided = how == "is_false"
        assert not compiled(typed(text), SCOPE, how)(row(a=decided, **huge), None, None)
        with pytest.raises(ValueProblem):
            compiled(typed(text), SCOPE, how)(row(a=not decided, **huge), None, None)
    assert value("a AND n + 1 > 0", a=False, **huge) is False
    assert value("a OR n + 1 > 0", a=True, **huge) is True
    assert truths("a AND n + 1 > 0", a=False, n=1) == (False, False, True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("TRIM(s) || polmst.pol_no", {"row.s", "polmst.pol_no"}),
        ("COUNT(part) + SUM(part.n)", {"part.*", "part.n"}),
        ("CASE WHEN a THEN n ELSE m END", {"row.a", "row.n", "row.m"}),
        ("OLD.status = 'x' AND NEW.premium.amount > 0", {"OLD.status", "NEW.premium.amount"}),
        ("CHANGED(premium, status)", {"OLD.premium", "NEW.premium", "OLD.status", "NEW.status"}),
        ("NOT CHANGED(*)", {"OLD.*", "NEW.*"}),
        ("CREATED OR DELETED", set()),
        ("CODE('status', s)", {"row.s"}),
        ("UPPER(S)", {"row.s"}),
        ("row.n + polmst.n", {"row.n", "polmst.n"}),
        ("1 + 2", set()),
    ],
)
def test_lineage_names_every_column_and_state_field(text: str, wanted: set[str]) -> None:
    assert sources(typed(text)) == wanted
