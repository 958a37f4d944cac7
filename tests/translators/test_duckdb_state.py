"""The state of all aggregates by one DuckDB query is what the generated Python gives for each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import duckdb
import pytest
from pydantic import BaseModel, Field, StringConstraints

from tests.translators.test_mapping import promise
from translators.aggregate import Rows
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.duckdb_state import KEY, state_query
from translators.expression.dialect import NotInSql, quote
from translators.expression.duckdb import SETTINGS
from translators.mapping import read_mapping
from translators.schema import Type
from translators.schema_text import read_schema
from translators.translator import Refused
from translators.values import OutOfRange, Value, key_text

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no, branch]
    replica_identity: full
    columns:
      no: char(6) not null
      branch: integer not null
      sts: char(2)
      amt: integer
      dsc: decimal(5,2)
      eff: varchar(8)
      since: date
  cov:
    key: [pno, pbranch, seq]
    replica_identity: full
    columns:
      pno: char(6) not null
      pbranch: integer not null
      seq: integer not null
      cd: varchar(4)
      sum: decimal(12,2)
      prio: integer
  lim:
    key: [pno, pbranch, cseq, n]
    replica_identity: full
    columns: {pno: char(6) not null, pbranch: integer not null, cseq: integer not null, n: integer not null, amt: integer}
  note:
    key: [id]
    replica_identity: full
    columns: {id: integer not null, pno: char(6) not null, pbranch: integer not null, txt: text}
"""
MAPPING = """\
translator: policy
context: policy
root: {table: pol, key: [no, branch]}
parts:
  cov: {parent: [pno, pbranch], order: prio}
  lim: {of: cov, parent: [pno, pbranch, cseq], order: n}
  note: {parent: [pno, pbranch]}
codes:
  status: {A: active, C: cancelled}
state:
  contract: Policy.v1
  fields:
    number: TRIM(no)
    status: CODE('status', TRIM(sts))
    money:
      premium: amt / 100
      share: CASE WHEN COUNT(cov) > 0 THEN ROUND(amt / COUNT(cov), 2) END
      discount: COALESCE(dsc, 0)
    effective: TO_DATE(NULLIF(eff, '00000000'), 'YYYYMMDD')
    since: since
    limits: COUNT(lim)
    sum: SUM(cov.sum)
    sums:
      urgent: SUM(cov.sum * 2) FILTER (WHERE cov.prio = 1)
      kind: FIRST(UPPER(cov.cd)) FILTER (WHERE cov.sum > 0)
      last: LAST(cov.seq)
      highest: LAST(lim.amt) FILTER (WHERE lim.n = 0)
      urged: ANY(cov.prio = 1)
      all: ALL(cov.sum > 0) FILTER (WHERE cov.prio IS NOT NULL)
    covers:
      each: cov
      fields:
        kind: UPPER(cd)
        of: pol.no || '/' || CAST(seq AS TEXT)
        sum: sum
        highest: MAX(lim.amt)
        first: FIRST(lim.amt * 2)
        many: COUNT(lim) FILTER (WHERE lim.amt > 5) > 1
        limits:
          each: lim
          fields:
            amount: amt
            premium: pol.amt
            cover: cov.cd
    notes:
      each: note
      fields:
        text: txt
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""


class Money(BaseModel):
    premium: Annotated[Decimal, Field(max_digits=9, decimal_places=2)] | None
    share: Decimal | None
    discount: Decimal


class Limit(BaseModel):
    amount: int
    premium: int | None
    cover: str | None


class Cover(BaseModel):
    kind: Annotated[str, StringConstraints(pattern="^[A-Z]+$")] | None
    of: str
    sum: Decimal | None
    highest: int | None
    first: int | None
    many: bool
    limits: list[Limit]


class Sums(BaseModel):
    urgent: Decimal | None
    kind: str | None
    last: int | None
    highest: int | None
    urged: bool | None
    all: bool | None


class Note(BaseModel):
    text: Annotated[str, StringConstraints(min_length=1, max_length=5)] | None


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state")
    number: str
    status: Literal["active", "cancelled"] | None
    money: Money
    effective: date | None
    since: date | None
    limits: int
    sum: Decimal | None
    sums: Sums
    covers: list[Cover]
    notes: list[Note]


def compiled(text: str = MAPPING) -> CompiledTranslator:
    contracts: Mapping[str, type[Contract]] = {"Policy.v1": Policy}
    return compile_mapping(read_mapping(text, "p.yaml"), text, read_schema(SCHEMA, "schema.yaml"), contracts)


def aggregates(count: int, good: bool) -> dict[tuple[str, int], Rows]:
    """Random aggregates by their key; `good`: none that cannot be mapped."""
    draw = random.Random(4)

    def one(*pool: Value, bad: tuple[Value, ...] = ()) -> Value:
        return draw.choice(pool if good or draw.random() < 0.97 else bad or pool)

    made: dict[tuple[str, int], Rows] = {}
    for at in range(count):
        no, branch = f"{draw.choice(('P', 'Ä', '%', 'a/'))}{at}", draw.randrange(2)
        pol = {
            "no": no,
            "branch": branch,
            "sts": one("A", "C", None, bad=("X",)),
            "amt": one(0, 199, -7, None, bad=(10**10,)),
        }
        pol |= {"dsc": one(None, Decimal("2.50")), "eff": one("20240229", "00000000", None, bad=("20230229",))}
        pol["since"] = one(date(2020, 1, 1), None, bad=(OutOfRange("infinity"),))
        rows: dict[str, dict[str, dict[str, Any]]] = {
            "pol": {key_text((no, branch)): pol},
            "cov": {},
            "lim": {},
            "note": {},
        }
        for seq in draw.sample(range(1, 14), draw.choice((0, 1, 3))):
            cov = {
                "pno": no,
                "pbranch": branch,
                "seq": seq,
                "cd": one("a", "bc", None, bad=("x1",)),
                "prio": one(1, 2, None),
            }
            rows["cov"][key_text((no, branch, seq))] = cov | {"sum": one(Decimal("10.00"), Decimal("-0.50"), None)}
            for n in range(draw.choice((0, 1, 2))):
                lim = {"pno": no, "pbranch": branch, "cseq": seq, "n": n, "amt": one(5, 6, bad=(None,))}
                rows["lim"][key_text((no, branch, seq, n))] = lim
        for number in range(at * 10, at * 10 + draw.choice((0, 2))):
            note = {"id": number, "pno": no, "pbranch": branch, "txt": one("hi", "x", None, bad=("", "too long"))}
            rows["note"][key_text((number,))] = note
        made[no, branch] = rows
    return made


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        for statement in SETTINGS:
            found.execute(statement)
        yield found


def sql_type(kind: Type) -> str:
    """DuckDB's type of a column."""
    names = {"text": "VARCHAR", "integer": "BIGINT", "date": "DATE"}
    return names.get(kind.kind, f"DECIMAL({kind.precision}, {kind.scale})")


def load(connection: duckdb.DuckDBPyConnection, translator: CompiledTranslator, all_rows: list[Rows]) -> None:
    """The raw tables; CHAR padded, as PostgreSQL sends it."""
    for name, table in translator.bound.schema.tables.items():
        columns = ", ".join(f"{quote(column)} {sql_type(kind)}" for column, kind in table.columns.items())
        connection.execute(f"CREATE TABLE {quote(name)} ({columns})")
        listed = [raw(row, table.columns) for rows in all_rows for row in rows[name].values()]
        if listed:
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(f"INSERT INTO {quote(name)} VALUES ({marks})", listed)


def raw(row: Mapping[str, Value], columns: Mapping[str, Type]) -> list[object]:
    """A row as the source sends it."""
    values: list[object] = []
    for column, kind in columns.items():
        value = row[column]
        padded = isinstance(value, str) and kind.padded
        values.append(
            "infinity" if isinstance(value, OutOfRange) else str(value).ljust(kind.length) if padded else value
        )
    return values


def states(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, dict[str, Any]]:
    """The states by key."""
    found = connection.execute(query)
    names = [column[0] for column in found.description or ()]
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in found.fetchall()}


RELATIONS = {name: quote(name) for name in ("pol", "cov", "lim", "note")}


def test_all_states_are_those_of_the_generated_python(connection: duckdb.DuckDBPyConnection) -> None:
    translator, made = compiled(), aggregates(100, good=True)
    load(connection, translator, list(made.values()))
    found = states(connection, state_query(translator.bound, RELATIONS))
    wanted = {key_text(key): translator.state(rows) for key, rows in made.items()}
    assert {key: repr(state) for key, state in found.items()} == {key: repr(state) for key, state in wanted.items()}


def test_an_aggregate_that_cannot_be_mapped_raises_and_no_other(connection: duckdb.DuckDBPyConnection) -> None:
    translator, made = compiled(), aggregates(100, good=False)
    load(connection, translator, list(made.values()))
    refused = 0
    for (no, branch), rows in made.items():
        keys = {"pol": ("no", "branch"), **dict.fromkeys(("cov", "lim", "note"), ("pno", "pbranch"))}
        quoted = no.ljust(6).replace("'", "''")
        cut = {
            name: f"(SELECT * FROM {quote(name)} WHERE {a} = '{quoted}' AND {b} = {branch})"
            for name, (a, b) in keys.items()
        }
        query = state_query(translator.bound, cut)
        try:
            wanted = translator.state(rows)
        except Refused:
            refused += 1
            with pytest.raises(duckdb.Error):
                states(connection, query)
        else:
            assert states(connection, query) == {key_text((no, branch)): wanted}
    assert 10 < refused < 90


def test_the_first_column_is_the_key(connection: duckdb.DuckDBPyConnection) -> None:
    translator = compiled()
    load(connection, translator, [])
    found = connection.execute(state_query(translator.bound, RELATIONS))
    assert [column[0] for column in found.description or ()] == [KEY, *translator.bound.fields]
    assert found.fetchall() == []


@pytest.mark.parametrize("pattern", ["^a", "\\d+", "^[0-9]+|x$", "^\\w+$"])
def test_a_pattern_that_only_python_can_judge_takes_the_row_path(pattern: str) -> None:
    class Other(Policy):
        number: Annotated[str, StringConstraints(pattern=pattern)]

    translator = compile_mapping(
        read_mapping(MAPPING, "p.yaml"), MAPPING, read_schema(SCHEMA, "schema.yaml"), {"Policy.v1": Other}
    )
    with pytest.raises(NotInSql):
        state_query(translator.bound, RELATIONS)
