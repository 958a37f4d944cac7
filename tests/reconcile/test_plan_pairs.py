"""A legacy and its view in each pair of PostgreSQL and MariaDB: lines come to what looking at each key's values comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pymysql
import pytest
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from dragoman.stack.server import Server
from pipeline.projection.rows import ViewReader
from reconcile import mapped_lines, moments
from reconcile.choice import plan_of
from reconcile.errors import SideUnreadable
from reconcile.plans import RowPlan
from reconcile.streams import KeyRange
from tests.reconcile.place import Databases, MariaDatabases, Place, explain_all
from tests.reconcile.test_plans import POLICY_VIEW
from tests.translators import test_duckdb_state as policies
from tests.translators.test_mapping import promise
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema

PAIRS = [("mysqldb", "postgresql"), ("postgresql", "mysqldb"), ("mysqldb", "mysqldb"), ("pymysql", "postgresql")]

SCHEMA = """\
source: legacy
connector: {connector}
namespace: {namespace}
tables:
  item:
    key: [no]
    columns: {{no: {key} not null, nam: varchar(20), fix: char(8), amt: "decimal(9,2)", open: "decimal(9,2)", qty: bigint,
      few: smallint, big: {big}, ok: {boolean}, day: date, ts: {timestamp}, tz: {timestamptz}}}
"""
WORDS = {
    "postgresql": {"big": "bigint", "boolean": "boolean", "timestamp": "timestamp", "timestamptz": "timestamptz"},
    "mariadb": {
        "big": "bigint unsigned",
        "boolean": "bit(1)",
        "timestamp": "datetime(6)",
        "timestamptz": "timestamp(6)",
    },
}
MAPPING = """\
translator: item
context: policy
root: {table: item, key: no}
state:
  contract: Item.v1
  fields: {number: no, name: nam, fixed: fix, money: {amount: amt, open: open, count: qty, few: few}, ok: ok, day: day,
    time: ts, instant: tz}
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""
VIEW = """
projection: item_view
reads: item
database: view
table: item_view
key: {number: number}
columns: {name: name, fixed: fixed, amount: money.amount, open: money.open, quantity: money.count, few: money.few, ok: ok,
  day: day, time: time, instant: instant}
"""


class Money(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=11, decimal_places=3)] | None
    open: Decimal | None
    count: int | None
    few: int | None


class Item(Contract):
    promise: ClassVar[Promise] = promise("Item", "state")
    number: str
    name: str | None
    fixed: str | None
    money: Money
    ok: bool | None
    day: date | None
    time: datetime | None
    instant: datetime | None


class Counted(Item):
    number: int  # type: ignore[assignment]  # the same contract with another kind of key


TEXTS = ["", " ", "a ", "N", r"\N", "\\", "a\tb\nc\rd\\n\b\f\v", "Ä€😀", "%s %", "NULL", "?", '"', 'a"b,', None]
NUMBERS = ["0.00", "-0.50", "1234567.89", "-12.00", "0.10", None]
WHOLE = [0, -1, 2**62, 100, None]
TRUTHS = [True, False, None]
DAYS = ["2026-11-20", "1000-01-01", "9999-12-31", "2024-02-29", "2000-10-10", None]
TIMES = [
    "2026-11-20 06:14:00",
    "2026-11-20 06:14:00.5",
    "2026-11-20 06:14:00.000001",
    "2000-10-10 10:10:10.100000",
    None,
]
INSTANTS = ["2026-07-20 06:14:00", "2026-11-20 06:14:00.25", "2026-10-25 00:30:00", "2026-10-25 01:30:00", None]


@pytest.fixture(scope="module")
def databases(
    postgres_server: Server,
    postgres: Any,
    mariadb_server: Server,
    mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor],
) -> Iterator[Mapping[str, Databases]]:
    made = {"postgresql": Databases(postgres_server, postgres), "mariadb": MariaDatabases(mariadb_server, mariadb)}
    yield made
    for one in made.values():
        one.close()


def make(databases: Mapping[str, Databases], driver: str) -> Engine:
    found = databases["postgresql" if driver == "postgresql" else "mariadb"]
    return found.make(driver) if isinstance(found, MariaDatabases) else found.make()


def items(databases: Mapping[str, Databases], pair: tuple[str, str], mapping: str, key: str) -> Place:
    legacy, view = (make(databases, driver) for driver in pair)
    connector = legacy.dialect.name
    namespace = "public" if connector == "postgresql" else legacy.url.database
    words = WORDS[connector]
    schema = read_schema(SCHEMA.format(connector=connector, namespace=namespace, key=key, **words), "schema.yaml")
    contracts: Mapping[str, type[Contract]] = {"Item.v1": Item if "char" in key else Counted}
    translator = compile_mapping(read_mapping(mapping, "i.yaml"), mapping, schema, contracts)
    # MariaDB's first TIMESTAMP of a table would be set by every change of its row.
    native = {"ts": words["timestamp"], "tz": f"{words['timestamptz']} NULL"}
    return Place(legacy, translator, VIEW, native, view)


def fill(place: Place, keys: list[Any]) -> None:
    """As many rows as the longest list of values, and each value in one of them at least."""
    place.empty()
    marks = ", ".join(["%s"] * 12)
    with place.engine.begin() as connection:
        connection.exec_driver_sql("SET TIME ZONE 'UTC'" if _is_postgres(place) else "SET time_zone = '+00:00'")
        for number, key in enumerate(keys):
            fixed = (TEXTS[number % len(TEXTS)] or "").strip()[:8]
            each = (NUMBERS, NUMBERS, WHOLE, [7, 10, None], [None], TRUTHS, DAYS, TIMES, INSTANTS)
            values = [values[number % len(values)] for values in each]
            row = (key, TEXTS[number % len(TEXTS)], fixed, *values)
            connection.exec_driver_sql(f"INSERT INTO item VALUES ({marks})", row)


def _is_postgres(place: Place) -> bool:
    return place.engine.dialect.name == "postgresql"


HOSTILE = ["A", "a", "B", "Ä", "A!", "\\", "€", "\uffff", "😀", "%", "'; --", "b/c", "A b", "~", "0", "10"]
"""Texts that collations sort in another way than their code points, or hold to be the same."""

EDITS = (
    "UPDATE item_view SET amount = amount + 0.001 WHERE amount IS NOT NULL AND _key = '{}'",
    "UPDATE item_view SET quantity = NULL, ok = NULL WHERE _key = '{}'",
    "DELETE FROM item_view WHERE _key = '{}'",
    "UPDATE item_view SET _key = 'zzz' WHERE _key = '{}'",
    "UPDATE item_view SET day = '2020-01-02' WHERE _key = '{}'",
    "UPDATE item_view SET name = CONCAT(COALESCE(name, ''), ' ') WHERE _key = '{}'",
)


class TestColumnsThatAreOnlyRenamed:
    @pytest.mark.parametrize("pair", PAIRS, ids="-".join)
    @pytest.mark.parametrize("key", ["varchar(20)", "integer"])
    def test_each_type_has_one_text_on_both_sides(
        self, databases: Mapping[str, Databases], monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str], key: str
    ) -> None:
        place = items(databases, pair, MAPPING, key)
        keys: list[Any] = HOSTILE if "char" in key else [*range(9), 10, 11, 99, 100, 1000, 2**31 - 1]
        fill(place, keys)
        shown = place.show()
        assert len(shown) == len(keys)
        with monkeypatch.context() as patch:
            # What is the same needs no second look.
            patch.setattr(ViewReader, "read_keys", None)
            assert place.by_plan()[:2] == ("stream", [])
        edited = [one for one in shown if one.isalnum() and one.isascii()]
        for edit, one in zip(EDITS, edited, strict=False):
            place.edit(edit.format(one))
        found = place.by_plan()
        assert found == ("stream", *place.one_by_one())
        assert len(found[1]) >= min(len(EDITS), len(edited)) - 1
        cut = sorted(shown)[4]
        bound = (len(cut), cut) if "char" not in key else (cut,)
        assert place.by_plan([KeyRange(through=bound), KeyRange(after=bound)]) == found
        assert explain_all(place) == ["item", "item_view"]

    @pytest.mark.parametrize("driver", ["mysqldb", "pymysql"])
    def test_days_that_no_calendar_has_are_decided_by_values(
        self, databases: Mapping[str, Databases], driver: str
    ) -> None:
        """The connector sends null for them; a view that shows them says something else, though its line is the same."""
        place = items(databases, (driver, "mysqldb"), MAPPING, "integer")
        fill(place, [1, 2, 3, 4])
        place.show()
        for key, day in ((1, "0000-00-00"), (2, "2020-00-10"), (3, "0000-01-01")):
            place.sql(f"UPDATE item SET day = '{day}', ts = '{day}', tz = '0000-00-00' WHERE no = {key}")
            place.edit(f"UPDATE item_view SET day = NULL, time = NULL, instant = NULL WHERE number = {key}")
        assert place.by_plan() == ("stream", *place.one_by_one())
        assert place.by_plan()[1] == []
        place.sql("UPDATE item SET day = '0000-00-00' WHERE no = 4")
        place.edit("UPDATE item_view SET day = '0000-00-00' WHERE number IN (1, 4)")
        assert place.by_plan() == ("stream", *place.one_by_one())
        assert place.by_plan()[1] == ["1", "4"]


class TestMappings:
    @pytest.fixture(autouse=True)
    def small_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mapped_lines, "ROWS", 12)
        monkeypatch.setattr(mapped_lines, "SLICE", 3)

    @pytest.mark.parametrize("pair", PAIRS[:3], ids="-".join)
    def test_each_type_reaches_duckdb_as_it_is(
        self, databases: Mapping[str, Databases], monkeypatch: pytest.MonkeyPatch, pair: tuple[str, str]
    ) -> None:
        place = items(databases, pair, MAPPING.replace("name: nam", "name: UPPER(nam)"), "integer")
        fill(place, [*range(16), 100])
        place.show()
        with monkeypatch.context() as patch:
            patch.setattr(ViewReader, "read_keys", None)
            assert place.by_plan()[:2] == ("mapped stream", [])
        place.edit("UPDATE item_view SET time = '2020-01-01 00:00:00' WHERE number IN (3, 100)")
        assert place.by_plan() == ("mapped stream", *place.one_by_one())
        assert explain_all(place) == ["item", "item_view", "DuckDB"]

    @pytest.mark.parametrize("pair", PAIRS[:3], ids="-".join)
    def test_aggregates_of_several_tables(self, databases: Mapping[str, Databases], pair: tuple[str, str]) -> None:
        legacy, view = (make(databases, driver) for driver in pair)
        place = Place(legacy, policies_of(legacy), POLICY_VIEW, {}, view)
        made = {"/".join(map(str, key)): rows for key, rows in policies.aggregates(60, good=True).items()}
        gone = sorted(made)[5:8]
        place.fill({key: rows | {"pol": {}} if key in gone else rows for key, rows in made.items()})
        shown = place.show()
        place.edit("UPDATE policy_view SET premium = premium + 1 WHERE _key = %s", shown[3])
        place.edit("UPDATE cover_view SET _ordinal = 90 - _ordinal WHERE number = %s", "P7")
        place.edit("DELETE FROM note_view")
        found = place.by_plan()
        assert found == ("mapped stream", *place.one_by_one())
        assert len(found[1]) > 3
        cut = shown[20]
        assert place.by_plan([KeyRange(through=(cut,)), KeyRange(after=(cut,))]) == found
        tables = ["pol", "cov", "lim", "note", "policy_view", "cover_view", "note_view", "DuckDB"]
        assert explain_all(place) == tables


def policies_of(legacy: Engine) -> CompiledTranslator:
    if legacy.dialect.name == "postgresql":
        return policies.compiled()
    text = policies.SCHEMA.replace("connector: postgresql", "connector: mariadb")
    schema = read_schema(text.replace("namespace: public", f"namespace: {legacy.url.database}"), "schema.yaml")
    mapping = read_mapping(policies.MAPPING, "p.yaml")
    return compile_mapping(mapping, policies.MAPPING, schema, {"Policy.v1": policies.Policy})


def test_a_type_whose_text_drivers_do_not_give_is_read_row_by_row(databases: Mapping[str, Databases]) -> None:
    pair = ("mysqldb", "postgresql")
    place = items(databases, pair, MAPPING.replace("few: few", "few: CAST(big AS INTEGER)"), "integer")
    with place.reader.snapshot() as snapshot:
        plan = plan_of(snapshot, place.view)
    assert isinstance(plan, RowPlan)
    assert plan.faster == "The column item.big has to be of a plainer type than bigint unsigned."


def test_a_view_whose_column_was_altered_is_read_row_by_row(databases: Mapping[str, Databases]) -> None:
    place = items(databases, ("postgresql", "mysqldb"), MAPPING, "integer")
    place.edit("ALTER TABLE item_view MODIFY time DATETIME(3)")
    with place.reader.snapshot() as snapshot:
        plan = plan_of(snapshot, place.view)
    assert plan.faster == "item_view.time has to have the type that the projection gives it."


def test_a_server_that_says_of_no_snapshot_where_it_stands(
    databases: Mapping[str, Databases], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one without a binary log, and MySQL: several connections would not know that they see one moment."""
    shown, legacy = (items(databases, pair, MAPPING, "integer") for pair in (PAIRS[1], PAIRS[0]))
    monkeypatch.setattr(moments, "binlog_position", lambda file, pos: None)
    with shown.reader.snapshot() as snapshot:
        assert plan_of(snapshot, shown.view).faster.startswith("The view's server has to say where a snapshot stands")
    with pytest.raises(SideUnreadable, match="does not say where a snapshot stands"), legacy.reader.snapshot():
        pass
