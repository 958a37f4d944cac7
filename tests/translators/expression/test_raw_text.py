"""The text as it was written, run in PostgreSQL: it answers as we do, but for what the specification lists.

One tree read wrong gives four equal answers; this oracle reads the text itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

import psycopg
import pytest

from tests.translators.expression.engines import Asked, Postgres, Refused
from tests.translators.expression.test_engines import asked_of, every_form
from translators.values import Row

OURS = re.compile(r"\b(CODE|MATCHES|ANY|ALL|FIRST|LAST)\b|\bTRY_")
"""Names that PostgreSQL does not have, or has for something else."""
NOT_EQUAL = {
    r"/": "integer division, and the scale of a quotient",
    r"(FLOOR|CEIL|ROUND|TRUNC|SIGN)\((n|m|k|polmst\.cnt)\b": "of an integer it is a float",
    r"\bc\b": "the padding of CHAR",
    r"TO_TIMESTAMP": "an instant, and not strict",
}
"""What the text may hold where the answers differ, and why."""
NOT_ANSWERED = {
    r"2147483648": "positions have 32 bits",
    r"AS INTEGER\)": "an integer has 32 bits",
    r"ROUND\(\S+ / \S+, \d\)": "places exist for numeric only, and integers are divided as integers",
    r"SHA256": "takes bytes",
}
"""What the text may hold where PostgreSQL raises."""


def same(ours: object, theirs: object) -> bool:
    """Whether the answers are one value; the scale of decimals and midnight do not count."""
    if isinstance(theirs, datetime) and isinstance(ours, date) and not isinstance(ours, datetime):
        theirs = theirs.date() if (theirs.hour, theirs.minute) == (0, 0) else theirs
    if isinstance(ours, str) and isinstance(theirs, Decimal | int | float):
        theirs = theirs if isinstance(theirs, Decimal) else Decimal(repr(theirs))
        return Decimal(ours) == Decimal(theirs)
    return ours == theirs


@pytest.fixture
def postgres_raw(postgres: psycopg.Connection, edge_rows: Sequence[Row]) -> Iterator[Postgres]:
    """PostgreSQL with the rows, in a database whose text is compared by code point."""
    at = postgres.info
    name = f"raw_{os.getpid()}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C.UTF-8'".encode())
    with psycopg.connect(host=at.host, port=at.port, user=at.user, dbname=name, autocommit=True) as connection:
        yield Postgres(connection, edge_rows)


def test_the_text_itself_means_the_same_in_postgresql(postgres_raw: Postgres, edge_rows: Sequence[Row]) -> None:
    texts = (text for text in every_form() if OURS.search(text) is None)
    asked = asked_of(texts, edge_rows, 100_000)
    compared, unlisted, used = 0, [], set[str]()
    for one in asked:
        for row, theirs in answers(postgres_raw, one).items():
            listed = NOT_ANSWERED if isinstance(theirs, Refused) else NOT_EQUAL
            compared += 1
            if same(one.values[row], theirs):
                continue
            reasons = [why for pattern, why in listed.items() if re.search(pattern, one.text)]
            used.update(reasons)
            if not reasons:
                unlisted.append(f"{one.text}: row {row}: {theirs!r}, here {one.values[row]!r}")
    print(f"\n{len(asked)} texts, {compared:,} values, allowed: {sorted(used)}")
    assert not unlisted, "\n".join(unlisted[:30])
    assert compared > 100_000
    assert used == {*NOT_EQUAL.values(), *NOT_ANSWERED.values()}


def answers(engine: Postgres, one: Asked) -> dict[int, object]:
    """PostgreSQL's answers for the rows for which Python has one."""
    found: dict[int, object] = {}
    waiting = [list(one.values)]
    while waiting:
        rows = waiting.pop()
        listed = ", ".join(map(str, rows))
        tables = "legacy r LEFT JOIN polmst ON polmst.id = r.id"
        text = f"(SELECT {one.text} FROM part WHERE part.id = r.id)" if "part" in one.text else one.text
        try:
            got = engine.ask(f"SELECT r.id, {text} FROM {tables} WHERE r.id IN ({listed})")
        except Refused as refused:
            if len(rows) == 1:
                found[rows[0]] = refused
                continue
            half = len(rows) // 2
            waiting += [rows[:half], rows[half:]]
        else:
            found |= dict(got)
    return found
