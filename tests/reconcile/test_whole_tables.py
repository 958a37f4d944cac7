"""Whole tables out of DuckDB are what the generated Python makes of each thing, the ones that cannot be mapped included."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

import duckdb
import pytest
from pydantic import BaseModel, StringConstraints

from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.raw_rows import column_type
from reconcile.whole_tables import Mapped, WholeTables
from tests.translators.test_duckdb_state import MAPPING, RELATIONS, SCHEMA, Policy, aggregates, compiled, load
from tests.translators.test_mapping import promise
from translators.aggregate import Rows
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.expression.dialect import NotInSql, quote
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.translator import Refused
from translators.values import key_text


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def by_hand(translator: CompiledTranslator, key: str, rows: Rows) -> Mapped:
    """What the generated Python says of one thing."""
    try:
        return Mapped(key, translator.state(rows))
    except Refused as refused:
        return Mapped(key, None, refused.problem)


def all_by_hand(translator: CompiledTranslator, made: Mapping[tuple[str, int], Rows]) -> list[Mapped]:
    return sorted((by_hand(translator, key_text(key), rows) for key, rows in made.items()), key=lambda one: one.key)


def same(found: list[Mapped], wanted: list[Mapped]) -> None:
    """Type and scale of every value included."""
    assert [repr(one) for one in found] == [repr(one) for one in wanted]


class TestChunks:
    def test_where_nothing_raises_all_is_mapped_by_duckdb(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator, made = compiled(), aggregates(100, good=True)
        load(connection, translator, list(made.values()))
        tables = WholeTables(connection, translator, RELATIONS, 7)
        same(list(tables.states()), all_by_hand(translator, made))
        assert (tables.by_duckdb, tables.by_python) == (15, 0)

    def test_a_chunk_that_raises_is_mapped_again_and_its_rejected_rows_are_named(
        self, connection: duckdb.DuckDBPyConnection
    ) -> None:
        translator, made = compiled(), aggregates(300, good=False)
        load(connection, translator, list(made.values()))
        tables = WholeTables(connection, translator, RELATIONS, 3)
        found = list(tables.states())
        same(found, all_by_hand(translator, made))
        assert tables.by_duckdb + tables.by_python == 100
        assert min(tables.by_duckdb, tables.by_python) > 10
        codes = {one.problem.code for one in found if one.problem is not None}
        assert codes >= {"code.unmapped", "value.not_a_date", "value.out_of_range", "contract.pattern"}

    def test_one_chunk_of_all(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator, made = compiled(), aggregates(40, good=False)
        load(connection, translator, list(made.values()))
        tables = WholeTables(connection, translator, RELATIONS)
        same(list(tables.states()), all_by_hand(translator, made))
        assert (tables.by_duckdb, tables.by_python) == (0, 1)

    def test_empty_tables(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator = compiled()
        load(connection, translator, [])
        assert list(WholeTables(connection, translator, RELATIONS).states()) == []

    @pytest.mark.parametrize("good", [True, False])
    def test_parts_without_their_root_are_nothing(self, connection: duckdb.DuckDBPyConnection, good: bool) -> None:
        translator, made = compiled(), aggregates(30, good=good)
        gone = [key for key, rows in made.items() if rows["cov"]][:5]
        load(connection, translator, [rows | {"pol": {}} if key in gone else rows for key, rows in made.items()])
        left = {key: rows for key, rows in made.items() if key not in gone}
        same(list(WholeTables(connection, translator, RELATIONS, 4).states()), all_by_hand(translator, left))

    def test_a_mapping_that_is_no_sql_takes_the_row_path(self, connection: duckdb.DuckDBPyConnection) -> None:
        class Other(Policy):
            number: Annotated[str, StringConstraints(pattern="\\w+")]

        schema = read_schema(SCHEMA, "schema.yaml")
        translator = compile_mapping(read_mapping(MAPPING, "p.yaml"), MAPPING, schema, {"Policy.v1": Other})
        made = aggregates(30, good=True)
        load(connection, translator, list(made.values()))
        tables = WholeTables(connection, translator, RELATIONS, 10)
        same(list(tables.states()), all_by_hand(translator, made))
        assert (tables.by_duckdb, tables.by_python) == (0, 3)

    def test_memory_depends_on_the_chunk_and_not_on_the_tables(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator = compiled()
        load(connection, translator, [])
        connection.execute("INSERT INTO pol (no, branch, amt) SELECT 'P' || x, 1, x FROM range(30000) AS t (x)")
        peaks = []
        for chunk in (1_000, 10_000):
            tracemalloc.start()
            count = sum(1 for _ in WholeTables(connection, translator, RELATIONS, chunk).states())
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert count == 30_000
        assert peaks[0] * 4 < peaks[1]

    def test_nothing_is_left_behind(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator = compiled()
        load(connection, translator, list(aggregates(10, good=True).values()))
        before = connection.execute("SHOW TABLES").fetchall()
        states = WholeTables(connection, translator, RELATIONS, 2).states()
        next(states)
        states.close()  # type: ignore[attr-defined]
        assert connection.execute("SHOW TABLES").fetchall() == before


class TestRefused:
    def test_a_key_that_is_there_twice(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator, made = compiled(), aggregates(3, good=True)
        load(connection, translator, [*made.values(), next(iter(made.values()))])
        with pytest.raises(SideUnsorted, match="is there twice in pol"):
            list(WholeTables(connection, translator, RELATIONS).states())

    def test_a_row_without_a_key(self, connection: duckdb.DuckDBPyConnection) -> None:
        translator = compiled()
        load(connection, translator, [])
        connection.execute("INSERT INTO pol (branch) VALUES (1)")
        with pytest.raises(SideUnreadable, match="a row of pol has no key"):
            list(WholeTables(connection, translator, RELATIONS).states())

    @pytest.mark.parametrize("alter", ["ALTER amt TYPE INTEGER", "ALTER dsc TYPE DECIMAL(6,3)", "DROP sts"])
    def test_a_column_of_another_type(self, connection: duckdb.DuckDBPyConnection, alter: str) -> None:
        translator = compiled()
        load(connection, translator, [])
        connection.execute(f"ALTER TABLE pol {alter}")
        with pytest.raises(SideUnreadable, match=r"pol\.\w+ is "):
            list(WholeTables(connection, translator, RELATIONS).states())

    def test_a_table_that_is_not_there_is_no_row_that_cannot_be_mapped(
        self, connection: duckdb.DuckDBPyConnection
    ) -> None:
        with pytest.raises(SideUnreadable, match="CatalogException"):
            list(WholeTables(connection, compiled(), RELATIONS).states())


KINDS_SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  thing:
    key: [id]
    replica_identity: full
    columns:
      id: bigint not null
      w: decimal
      f: double precision
      day: date
      ts: timestamp
      tz: timestamptz
      ok: boolean
      u: uuid
  line:
    key: [id, n]
    replica_identity: full
    columns: {id: bigint not null, n: bigint not null, tz: timestamptz, u: uuid}
"""
KINDS_MAPPING = """\
translator: thing
context: policy
root: {table: thing, key: id}
parts:
  line: {parent: id, order: tz}
state:
  contract: Thing.v1
  fields:
    id: id
    wide: CAST(w AS DECIMAL(12, 2))
    float: CAST(f AS DECIMAL(9, 3))
    day: day
    time: ts
    instant: tz
    ok: ok
    local: ts AT TIME ZONE 'Europe/Berlin'
    rows:
      each: line
      fields:
        instant: tz
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""


class Line(BaseModel):
    instant: datetime | None


class Timed(Contract):
    promise: ClassVar[Promise] = promise("Timed", "state")
    wide: Decimal | None
    float: Decimal | None
    day: date | None
    time: datetime | None
    instant: datetime | None
    ok: bool | None
    local: datetime | None
    rows: list[Line]


class Thing(Timed):
    promise: ClassVar[Promise] = promise("Thing", "state")
    id: int


THINGS = """INSERT INTO thing VALUES
    (1, '12345.678', 1.5, '2024-02-29', '2024-07-01 12:30:00.25', '2024-07-01 12:30:00+02', TRUE, 'a'),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, '1', 1, '9999-12-31', '0001-01-01 12:00:00', '2024-01-01 00:00:00.000001+00', FALSE, 'b'),
    (10, 'NaN', 1, '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00', TRUE, NULL),
    (11, '1', 'infinity', '2024-01-01', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00', TRUE, NULL),
    (12, '1', 1, 'infinity', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00', TRUE, NULL),
    (13, '1', 1, '0044-03-15 (BC)', '2024-01-01 00:00:00', '2024-01-01 00:00:00+00', TRUE, NULL),
    (14, '1', 1, '2024-01-01', '10000-01-01 00:00:00', '2024-01-01 00:00:00+00', TRUE, NULL),
    (15, '1', 1, '2024-01-01', '2024-01-01 00:00:00', '-infinity', TRUE, NULL);
    INSERT INTO line VALUES
        (1, 1, '2024-07-01 12:30:00+02', NULL), (1, 2, NULL, 'x'), (1, 3, '2020-01-01 00:00:00+00', NULL);
"""
NOTHING = dict.fromkeys(("wide", "float", "day", "time", "instant", "ok", "local"))
WANTED: dict[str, dict[str, object]] = {
    "1": {
        "id": 1,
        "wide": Decimal("12345.68"),
        "float": Decimal("1.500"),
        "day": date(2024, 2, 29),
        "time": datetime(2024, 7, 1, 12, 30, 0, 250_000),  # noqa: DTZ001 - a wall clock
        "instant": datetime(2024, 7, 1, 10, 30, tzinfo=UTC),
        "ok": True,
        "local": datetime(2024, 7, 1, 10, 30, 0, 250_000, tzinfo=UTC),
        "rows": [
            {"instant": datetime(2020, 1, 1, tzinfo=UTC)},
            {"instant": datetime(2024, 7, 1, 10, 30, tzinfo=UTC)},
            {"instant": None},
        ],
    },
    "2": {"id": 2, **NOTHING, "rows": []},
    "3": {
        "id": 3,
        "wide": Decimal("1.00"),
        "float": Decimal("1.000"),
        "day": date(9999, 12, 31),
        "time": datetime(1, 1, 1, 12),  # noqa: DTZ001 - a wall clock
        "instant": datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        "ok": False,
        "local": datetime(1, 1, 1, 11, 6, 32, tzinfo=UTC),
        "rows": [],
    },
}
SPOILT = {"10": "w", "11": "f", "12": "day", "13": "day", "14": "ts", "15": "tz"}


def things(connection: duckdb.DuckDBPyConnection) -> CompiledTranslator:
    """One thing for each edge of each type, as raw tables; the session is in another zone."""
    schema = read_schema(KINDS_SCHEMA, "schema.yaml")
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    for name, table in schema.tables.items():
        columns = ", ".join(f"{quote(column)} {column_type(kind)}" for column, kind in table.columns.items())
        connection.execute(f"CREATE TABLE {name} ({columns})")
    connection.execute(THINGS)
    return compile_mapping(read_mapping(KINDS_MAPPING, "t.yaml"), KINDS_MAPPING, schema, {"Thing.v1": Thing})


@pytest.mark.parametrize("chunk", [1, 100])
def test_values_of_every_type_come_out_of_both_paths_alike(connection: duckdb.DuckDBPyConnection, chunk: int) -> None:
    translator = things(connection)
    tables = WholeTables(connection, translator, {"thing": "thing", "line": "line"}, chunk)
    found = {one.key: one for one in tables.states()}
    assert {key: one.state for key, one in found.items() if one.state is not None} == WANTED
    problems = {key: one.problem for key, one in found.items() if one.problem is not None}
    assert {key: (problem.code, problem.columns) for key, problem in problems.items()} == {
        key: ("value.out_of_range", (f"thing.{column}",)) for key, column in SPOILT.items()
    }
    assert (tables.by_duckdb, tables.by_python) == ((3, 6) if chunk == 1 else (0, 1))


def test_a_key_that_has_no_text_in_sql_is_said_at_once(connection: duckdb.DuckDBPyConnection) -> None:
    text = KINDS_SCHEMA.replace("id: bigint", "id: timestamp")
    mapping = KINDS_MAPPING.replace("    id: id\n", "")
    schema = read_schema(text, "schema.yaml")
    translator = compile_mapping(read_mapping(mapping, "t.yaml"), mapping, schema, {"Thing.v1": Timed})
    with pytest.raises(NotInSql):
        WholeTables(connection, translator, {"thing": "thing", "line": "line"})
