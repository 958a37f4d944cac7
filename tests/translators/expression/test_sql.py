"""What SQL is given where the language and an engine could part: values out of range, laziness, sums, limits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.translators.expression.engines import DuckDB, Names, Postgres, Refused, ask_python, query
from tests.translators.expression.worlds import SCOPE as EVENTS
from translators.expression import CodeTable, Scope, bind, parse
from translators.expression import duckdb as duck_text
from translators.expression import postgres as postgres_text
from translators.expression.bound import Aggregate, Bound
from translators.expression.dialect import MAX_TEXT, NotInSql, quote
from translators.schema import Type
from translators.values import Row

SENTINELS = {
    "date": ("'infinity'", "'-infinity'", "'0044-03-15 (BC)'", "'12024-01-01'"),
    "timestamp": ("'infinity'", "'-infinity'", "'0044-03-15 (BC) 00:00:00'"),
    "timestamptz": ("'infinity'", "'-infinity'"),
    "float": ("'NaN'", "'Infinity'", "'-Infinity'"),
    "wide": ("'NaN'", "'Infinity'"),
    "decimal": ("'NaN'",),
}
READS = {
    "date": ("x", "EXTRACT(YEAR FROM x)", "x IS NULL"),
    "timestamp": ("x", "CAST(x AS TEXT)", "DATE_TRUNC('day', x)"),
    "timestamptz": ("x", "x AT TIME ZONE 'UTC'", "x IS DISTINCT FROM x"),
    "float": ("x", "x + x", "TRY_CAST(x AS DECIMAL(9, 2))", "x IS NULL"),
    "wide": ("CAST(x AS DECIMAL(9, 2))", "TRY_CAST(x AS DECIMAL(9, 2))"),
    "decimal": ("x", "x = 1.00", "ROUND(x)"),
}
CASES = [(kind, sentinel, text) for kind, listed in SENTINELS.items() for sentinel in listed for text in READS[kind]]


class X:
    """The one column."""

    def __init__(self, text: str = "x") -> None:
        self.text = text

    def column(self, table: str, column: str) -> str:
        return self.text

    def aggregate(self, aggregate: Aggregate) -> str:
        raise AssertionError(aggregate)


def read(text: str, kind: str) -> Bound:
    """An expression over one column x."""
    found = Type("decimal", 9, 2) if kind == "decimal" else Type(kind)  # type: ignore[arg-type]
    return bind(parse(text), Scope(table="t", columns={"x": found}))


@pytest.mark.parametrize(("kind", "sentinel", "text"), CASES)
def test_a_value_that_the_language_has_no_room_for_raises_where_it_is_read(
    kind: str, sentinel: str, text: str, duck: DuckDB, postgres: psycopg.Connection
) -> None:
    bound = read(text, kind)
    if kind != "decimal":  # DuckDB's cannot hold it
        source = "VARCHAR" if kind == "wide" else duck_text.DuckDB(X()).type_name(bound_type(kind))
        with pytest.raises(Refused, match=r"value\.out_of_range"):
            duck.ask(f"SELECT {duck_text.to_duckdb(bound, X())} FROM (SELECT CAST({sentinel} AS {source}) AS x)")
    source = "numeric" if kind in ("wide", "decimal") else postgres_text.Postgres(X()).type_name(bound_type(kind))
    sentinel = sentinel.replace(" (BC) 00:00:00", " 00:00:00 BC").replace(" (BC)", " BC")
    asked = f"SELECT {postgres_text.to_postgres(bound, X())} FROM (SELECT CAST({sentinel} AS {source}) AS x) AS t"
    with pytest.raises(psycopg.errors.DataError, match=r"value\.out_of_range"):
        postgres.execute(asked.encode())


def bound_type(kind: str) -> Type:
    """The column's type."""
    return Type(kind)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "k - 1 + 2 > 0 OR TRUE",
        "k - 1 + 2 > 0 AND FALSE",
        "(k - 1) + 2 > 0 OR k > 0",
        "k + 1 < 0 AND k < 0",
        "k * 2 = 5 OR k = k",
        "3 BETWEEN k + 2 AND 2",
        "(k + 1 = 5) IS NULL",
        "NOT (k + 1 <> 5 OR k > 0)",
    ],
)
def test_a_condition_that_the_stream_cannot_compute_is_not_decided_by_its_other_side(
    text: str, duck: DuckDB, postgres_edges: Postgres, edge_rows: list[Row]
) -> None:
    one = ask_python(text, edge_rows)
    assert set(one.problems.values()) == {"value.overflow"}
    for engine in (duck, postgres_edges):
        names = engine.names()
        for row in one.problems:
            with pytest.raises(Refused):
                engine.ask(query(engine, [engine.text(one.bound, names)], names, f"r.id = {row}"))


def test_a_comparison_raises_where_its_sum_does(duck: DuckDB, edge_rows: list[Row]) -> None:
    for text in ("k + 1 = 5", "k - 1 < 0", "k + 0 + 1 <> 3"):
        one = ask_python(text, edge_rows)
        assert one.problems
        for row in one.problems:
            with pytest.raises(Refused):
                duck.ask(query(duck, [duck.text(one.bound, duck.names())], duck.names(), f"r.id = {row}"))


@pytest.mark.parametrize(
    "text",
    [
        "CASE WHEN n IS NULL THEN 0 ELSE CAST('x' || CAST(n AS TEXT) AS INTEGER) END",
        "CASE WHEN n IS NOT NULL THEN 0 ELSE CAST(COALESCE(s, 'x') || 'x' AS INTEGER) END",
        "COALESCE(n, CAST(COALESCE(s, 'x') || 'x' AS INTEGER))",
        "CASE n WHEN m THEN 1 % (n - n) ELSE 0 END",
        "CASE WHEN a THEN SUM(part.n) ELSE 0 END",
    ],
)
def test_a_branch_that_is_not_taken_does_not_raise(
    text: str, duck: DuckDB, postgres_edges: Postgres, edge_rows: list[Row]
) -> None:
    one = ask_python(text, edge_rows)
    assert one.values
    assert one.problems
    for engine in (duck, postgres_edges):
        names = engine.names()
        selected = engine.text(one.bound, names)
        kept = ", ".join(map(str, one.values))
        found = engine.ask(query(engine, [selected], names, f"r.id IN ({kept})"))
        assert dict(found) == one.values


@pytest.mark.parametrize(
    "text",
    [
        "OLD.status",
        "META.origin = '7'",
        "NEW.status = 'x'",
        "CHANGED(*)",
        "CREATED OR a",
        "n + CASE WHEN DELETED THEN 1 END",
    ],
)
def test_what_only_the_stream_knows_has_no_sql(text: str) -> None:
    bound = bind(parse(text), EVENTS)
    for write in (duck_text.to_duckdb, postgres_text.to_postgres):
        with pytest.raises(NotInSql):
            write(bound, Names(quote))


def test_texts_stay_bounded_and_hold_nothing_that_sql_cannot() -> None:
    nul = bind(parse("s = 'a\0b'"), EVENTS)
    lone = bind(parse("s = '\ud800'"), EVENTS)
    opaque = bind(parse("x IS DISTINCT FROM x"), Scope(table="t", columns={"x": Type("opaque")}))
    short = bind(parse(nested(4)), EVENTS)
    for write in (duck_text.to_duckdb, postgres_text.to_postgres):
        for bound in (nul, lone, opaque):
            with pytest.raises(NotInSql):
                write(bound, Names(quote))
        assert len(write(short, Names(quote))) < MAX_TEXT
        with pytest.raises(NotInSql):
            write(bind(parse(nested(12)), EVENTS), Names(quote))


def nested(depth: int) -> str:
    """Quotients of quotients: each names its operands several times."""
    text = "n"
    for _ in range(depth):
        text = f"ROUND(1 / {text}, 0)"
    return text


def test_text_is_compared_by_code_point_whatever_the_collation_of_the_database(
    postgres_edges: Postgres, edge_rows: list[Row]
) -> None:
    """The database sorts as English does."""
    assert postgres_edges.ask("SELECT 'a' < 'B', 'A' < 'a'") == [(True, False)]
    for text in (
        "s < t",
        "c >= 'a'",
        "GREATEST(s, t)",
        "MIN(part.s)",
        "'a' < s",
        "CAST(a AS TEXT) < s",
        "UPPER(s) < t",
    ):
        one = ask_python(text, edge_rows)
        names = postgres_edges.names()
        found = postgres_edges.ask(query(postgres_edges, [postgres_edges.text(one.bound, names)], names))
        assert dict(found) == one.values


def test_nothing_that_a_user_writes_reaches_an_engine_unquoted(duck: DuckDB, postgres: psycopg.Connection) -> None:
    """Names and texts of odd characters come back as they are."""
    draw = random.Random(3)
    signs = ["'", '"', "\\", "%", "_", "|", ";", "--", "/*", "$$", "{", "}", "\n", "ä", "E'", "?", ":x", "%s", "`"]
    for _ in range(60):
        text = "".join(draw.choices(signs, k=6))
        name = "".join(draw.choices(signs, k=4))
        quoted = text.replace("'", "''")
        scope = Scope(table="t", columns={name: Type("text")}, codes={"c": CodeTable("c", {text: text + "!"})})
        column = '"' + name.replace('"', '""') + '"'
        forms = [
            f"{column} = '{quoted}'",
            f"CODE('c', {column})",
            f"{column} || '{quoted}'",
            f"LEFT({column}, 1) = LEFT('{quoted}', 1)",
        ]
        forms.append(f"REPLACE({column}, '{quoted}', 'x')")
        wanted = (True, text + "!", text + text, True, "x")
        for write, ask in ((duck_text.to_duckdb, duck.ask), (postgres_text.to_postgres, asked_of(postgres))):
            texts = [write(bind(parse(form), scope), X(quote(name))) for form in forms]
            source = "E'" + text.replace("\\", "\\\\") if write is postgres_text.to_postgres else "'" + text
            source = source[: source.index("'") + 1] + source[source.index("'") + 1 :].replace("'", "''") + "'"
            assert ask(f"SELECT {', '.join(texts)} FROM (SELECT {source} AS {quote(name)}) AS t") == [wanted]


def asked_of(connection: psycopg.Connection) -> Callable[[str], list[tuple[Any, ...]]]:
    """How PostgreSQL is asked."""
    return lambda sql: connection.execute(sql.encode()).fetchall()
