"""Every entry over edge values, and random expressions, through Python, DuckDB, PostgreSQL and MariaDB: one answer."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

import pytest

from tests.translators.expression import mariadb
from tests.translators.expression.edges import COLUMNS
from tests.translators.expression.engines import (
    Asked,
    DuckDB,
    Engine,
    Names,
    Tally,
    ask_python,
    backticked,
    compare,
    must_raise,
)
from tests.translators.expression.random_typed import CHOOSING, DRAWN, FORMS, KINDS, NAMES, grow
from translators.expression import ExpressionError
from translators.expression.bound import Aggregate, Call, walk
from translators.expression.catalogue import CATALOGUE
from translators.expression.words import AGGREGATES
from translators.values import Row

PIECES = 6
EVENTS_ONLY = {"CHANGED", "OLD", "NEW", "META", "CREATED", "DELETED"}


def filled(form: str, at: int) -> str:
    """A form over columns, others for each `at`."""
    turn = iter(range(at, at + 100))
    return re.sub(r"<(\w+)>", lambda found: NAMES[found[1]][next(turn) % len(NAMES[found[1]])], form)


def every_form() -> Iterator[str]:
    """Every form of the generator over several choices of columns, and every column by itself."""
    yield from COLUMNS.keys() - {"w"}
    for kind in KINDS:
        for form in (*FORMS[kind], *(form.replace("<x>", f"<{kind}>") for form in CHOOSING)):
            yield from dict.fromkeys(filled(form, at) for at in range(4))


def asked_of(texts: Iterator[str], rows: Sequence[Row], count: int) -> list[Asked]:
    """The first `count` expressions that are not refused, with Python's answers."""
    found: list[Asked] = []
    for text in texts:
        try:
            found.append(ask_python(text, rows))
        except ExpressionError as problem:
            assert problem.code in REFUSED, (text, problem)
        if len(found) == count:
            break
    return found


REFUSED = {
    "expression.constant-fails",
    "expression.fallible",
    "expression.refused",
    "expression.too-large",
    "function.arguments",
    "number.inexact",
    "number.limit",
    "type.mismatch",
}
"""For what a random expression may be refused."""


def judged(engines: Sequence[Engine], asked: Sequence[Asked]) -> Tally:
    """The comparison of all engines."""
    tally = Tally()
    for engine in engines:
        compare(engine, asked, tally)
        if engine.name != "MariaDB":
            must_raise(engine, asked, tally)
    return tally


def test_every_entry_has_one_meaning(witnesses: tuple[Engine, ...], edge_rows: Sequence[Row]) -> None:
    asked = asked_of(every_form(), edge_rows, 100_000)
    names = {
        part.name if isinstance(part, Call) else getattr(part, "function", "")
        for one in asked
        for part in walk(one.bound)
    }
    assert names >= CATALOGUE.keys() - EVENTS_ONLY
    tally = judged(witnesses, asked)
    print(f"\n{len(asked)} expressions: {tally.report()}")
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert all(tally.compared[engine.name] > 150_000 for engine in witnesses)
    assert set(tally.unsaid) == {"MariaDB"}
    assert all(tally.raised[engine.name] > 200 for engine in witnesses if engine.name != "MariaDB")


@pytest.mark.parametrize("piece", range(PIECES))
def test_random_expressions_have_one_meaning(
    piece: int, witnesses: tuple[Engine, ...], edge_rows: Sequence[Row], request: pytest.FixtureRequest
) -> None:
    """100 expressions each; 900 under `--hypothesis-profile=thorough`."""
    thorough = request.config.getoption("--hypothesis-profile") == "thorough"
    draw = random.Random(100 + piece)
    texts = iter(lambda: grow(draw, draw.choice(DRAWN), draw.randint(1, 3)), None)
    count = 900 if thorough else 100
    asked = asked_of(texts, edge_rows, count)
    tally = judged(witnesses, asked)
    print(f"\n{count} random expressions: {tally.report()}")
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert set(tally.unsaid) <= {"MariaDB"}
    assert all(tally.compared[engine.name] > 150 * count for engine in witnesses)


def test_the_fourth_witness_has_a_text_for_all_but_zones(edge_rows: Sequence[Row]) -> None:
    bound = [one.bound for one in asked_of(every_form(), edge_rows[:1], 100_000) if "AT TIME ZONE" not in one.text]
    for one in bound:
        assert mariadb.to_mariadb(one, Names(backticked, mariadb.MariaDB))
    assert {one.function for whole in bound for one in walk(whole) if isinstance(one, Aggregate)} == set(AGGREGATES)


def test_the_comparison_notices_a_difference(duck: DuckDB, edge_rows: Sequence[Row]) -> None:
    tally = Tally()
    one = ask_python("TRIM(s)", edge_rows)
    compare(duck, [Asked("s", ask_python("s", edge_rows).bound, one.values, {})], tally)
    assert tally.differences
    failing = ask_python("k + 0", edge_rows)
    must_raise(duck, [Asked("k", failing.bound, {}, {0: "value.overflow"})], tally := Tally())
    assert tally.differences


def test_an_aggregate_is_part_of_what_is_compared(edge_rows: Sequence[Row]) -> None:
    assert isinstance(ask_python("SUM(part.n)", edge_rows).bound, Aggregate)
    assert "value.overflow" in ask_python("SUM(part.n)", edge_rows).problems.values()
