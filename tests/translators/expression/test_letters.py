"""UPPER and LOWER of every letter that Unicode has, through all engines."""

from __future__ import annotations

import unicodedata

import psycopg
import pymysql
import pytest

from tests.translators.expression import mariadb as maria
from tests.translators.expression.engines import DuckDB
from translators.expression import Scope, bind, parse
from translators.expression.bound import Aggregate
from translators.expression.dialect import Dialect
from translators.expression.duckdb import HIDDEN
from translators.expression.duckdb import DuckDB as Duck
from translators.expression.postgres import Postgres as PostgreSQL
from translators.expression.runtime import lower, upper
from translators.schema import Type

LETTERS = [
    letter
    for letter in map(chr, range(1, 0x110000))
    if unicodedata.category(letter) not in ("Cn", "Cs") and letter != HIDDEN
]
"""All code points that are assigned, as the Python that runs this knows them."""
SCOPE = Scope(table="letters", columns={"x": Type("text")})


class X:
    """The one column."""

    def column(self, table: str, column: str) -> str:
        return "x"

    def aggregate(self, aggregate: Aggregate) -> str:
        raise AssertionError(aggregate)


def texts(dialect: type[Dialect]) -> str:
    """The letter, and what the dialect makes of it."""
    return ", ".join(["x", *(dialect(X()).text(bind(parse(f"{name}(x)"), SCOPE)) for name in ("UPPER", "LOWER"))])


def agree(answers: list[tuple[str, str, str]]) -> None:
    """The answers are ours, for every letter."""
    assert len(answers) == len(LETTERS) > 140_000
    wrong = [(x, u, d) for x, u, d in answers if (u, d) != (upper(x), lower(x))]
    assert not wrong, wrong[:20]


def test_duckdb_changes_every_letter_as_we_do(duck: DuckDB) -> None:
    agree(
        duck.connection.execute(f"SELECT {texts(Duck)} FROM (SELECT unnest(?::VARCHAR[]) AS x)", [LETTERS]).fetchall()
    )


def test_postgresql_changes_every_letter_as_we_do(postgres: psycopg.Connection) -> None:
    found = postgres.execute(f"SELECT {texts(PostgreSQL)} FROM unnest(%s::text[]) AS t (x)", [LETTERS]).fetchall()
    agree(found)


def test_mariadb_changes_every_letter_as_we_do(mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor]) -> None:
    with mariadb.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS letters")
        cursor.execute(
            "CREATE TEMPORARY TABLE letters.letters (x varchar(1)) CHARSET utf8mb4 COLLATE utf8mb4_nopad_bin"
        )
        cursor.executemany("INSERT INTO letters.letters VALUES (%s)", [(letter,) for letter in LETTERS])
        cursor.execute(f"SELECT {texts(maria.MariaDB)} FROM letters.letters")
        agree(list(cursor.fetchall()))


@pytest.mark.parametrize("letter", ["ß", "ẞ", "İ", "\u0131", "ς", "ŉ", "ǆ", "ﬁ"])
def test_the_letters_that_engines_differ_on_are_among_them(letter: str) -> None:
    assert letter in LETTERS
