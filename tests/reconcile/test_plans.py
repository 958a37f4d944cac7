"""Every plan comes to what looking at each key's values one by one comes to: the same keys, the same counts."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pipeline.projection.rows import ViewReader
from reconcile import mapped_lines
from reconcile.choice import plan_of
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.streams import WHOLE, KeyRange
from tests.reconcile import test_whole_tables as kinds
from tests.reconcile.place import Databases, Place, explain_all
from tests.translators import test_duckdb_state as policies
from tests.translators.test_mapping import promise
from translators.compiled import compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema

POLICY_VIEW = """
projection: policy_view
reads: policy
database: view
table: policy_view
key: {number: number}
columns: {status: status, premium: money.premium, discount: money.discount, effective: effective, since: since,
  limits: limits, total: sum, urged: sums.urged, sort: sums.kind}
children:
  covers: {table: cover_view, columns: {sort: kind, origin: of, total: sum, many: many}}
  notes: {table: note_view, columns: {words: text}}
"""
THING_VIEW = """
projection: thing_view
reads: thing
database: view
table: thing_view
key: {id: id}
columns: {wide: wide, short: float, day: day, time: time, instant: instant, ok: ok, here: local}
children:
  rows: {table: thing_row_view, columns: {instant: instant}}
"""


@pytest.fixture(autouse=True, scope="module")
def small_windows() -> Iterator[None]:
    """So that there are many, each of them with an end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapped_lines, "ROWS", 40)
        patch.setattr(mapped_lines, "SLICE", 3)
        yield


@pytest.fixture(scope="module")
def policy(databases: Databases) -> Place:
    return Place(databases.make(), policies.compiled(), POLICY_VIEW, {"amt": "bigint"})


@pytest.fixture(scope="module")
def thing(databases: Databases) -> Place:
    schema = read_schema(kinds.KINDS_SCHEMA, "schema.yaml")
    text = kinds.KINDS_MAPPING
    translator = compile_mapping(read_mapping(text, "t.yaml"), text, schema, {"Thing.v1": kinds.Thing})
    return Place(databases.make(), translator, THING_VIEW, {"u": "text"})


EDITS = (
    "DELETE FROM policy_view WHERE _key = %s",
    "UPDATE policy_view SET premium = premium + 0.01 WHERE _key = %s",
    "UPDATE policy_view SET status = NULL WHERE _key = %s",
    "UPDATE policy_view SET status = 'cancelled' WHERE _key = %s",
    "UPDATE policy_view SET _key = _key || 'x' WHERE _key = %s",
    "UPDATE policy_view SET since = date '2020-01-02' WHERE _key = %s",
    "UPDATE policy_view SET urged = NOT urged WHERE _key = %s",
    "UPDATE cover_view SET origin = origin || E'\\t' FROM policy_view p WHERE p.number = cover_view.number AND _key = %s",
    "DELETE FROM note_view USING policy_view p WHERE p.number = note_view.number AND _key = %s",
    "UPDATE note_view SET words = '' FROM policy_view p WHERE p.number = note_view.number AND _key = %s",
    "UPDATE cover_view SET _ordinal = 9 - _ordinal FROM policy_view p WHERE p.number = cover_view.number AND _key = %s",
)


@settings(max_examples=6, deadline=None)
@given(
    st.integers(0, 10**6), st.booleans(), st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 59)), max_size=12)
)
def test_random_edits_are_found_by_a_mapped_stream_as_by_values(
    policy: Place, seed: int, good: bool, edits: list[tuple[str, int]]
) -> None:
    made = policies.aggregates(60, good=good)
    dice = random.Random(seed)
    kept = {"/".join(map(str, key)): rows for key, rows in made.items() if dice.random() < 0.9}
    gone = dice.sample(sorted(kept), 3)
    policy.empty()
    policy.fill({key: rows | {"pol": {}} if key in gone else rows for key, rows in kept.items()})
    shown = policy.show()
    for statement, number in edits:
        policy.sql(statement, shown[number % len(shown)])
    cut = dice.choice(shown)
    whole = policy.by_plan()
    assert whole == ("mapped stream", *policy.one_by_one())
    assert policy.by_plan([KeyRange(through=(cut,)), KeyRange(after=(cut,))]) == whole


def test_nothing_differs_and_nothing_is_read_again(policy: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    policy.empty()
    policy.fill({"/".join(map(str, key)): rows for key, rows in policies.aggregates(60, good=True).items()})
    policy.show()
    monkeypatch.setattr(ViewReader, "read_keys", None)
    _, found, counts, _ = policy.by_plan()
    assert (found, counts.agree) == ([], 60)
    tables = ["pol", "cov", "lim", "note", "policy_view", "cover_view", "note_view", "DuckDB"]
    assert explain_all(policy) == tables


def test_values_of_every_type_and_those_that_the_language_has_no_room_for(thing: Place) -> None:
    """Numbers as keys, which come by size; some rows are nothing that DuckDB could hold."""
    thing.sql(kinds.THINGS.replace("(BC)", "BC"))
    thing.sql("INSERT INTO thing (id, w) VALUES (100, '1.50'), (2000, '7')")
    thing.sql("INSERT INTO line VALUES (0, 1, NULL, NULL), (-5, 1, NULL, NULL), (99999, 1, NULL, NULL)")
    shown = thing.show()
    spoilt = [*kinds.SPOILT]
    assert shown == ["1", "100", "2", "2000", "3"]
    assert thing.by_plan() == ("mapped stream", *thing.one_by_one())
    assert (thing.by_plan()[1], thing.by_plan()[3]["line"]) == (sorted(spoilt), 6)
    thing.sql("UPDATE thing_view SET time = time + interval '1 hour', wide = '1.5' WHERE id IN (3, 100)")
    thing.sql("UPDATE thing_view SET _key = 'no number' WHERE id = 2000")
    found = thing.by_plan()
    assert found == ("mapped stream", *thing.one_by_one())
    # 1.5 and 1.50 are one number, though they are two texts.
    assert found[1] == sorted([*spoilt, "2000", "3", "no number"])
    ranges = [KeyRange(through=(2, "12")), KeyRange((2, "12"), (3, "999")), KeyRange(after=(3, "999"))]
    assert thing.by_plan(ranges) == found
    thing.sql("INSERT INTO thing (id) VALUES (-3)")
    assert thing.by_plan() == ("mapped stream", *thing.one_by_one()), "below zero, keys come as texts"


def test_who_stops_reading_ends_the_mapping_of_the_next_window(policy: Place) -> None:
    policy.empty()
    policy.fill({"/".join(map(str, key)): rows for key, rows in policies.aggregates(60, good=True).items()})
    before = {*threading.enumerate()}
    with (
        policy.reader.snapshot() as snapshot,
        plan_of(snapshot, policy.view).opened(snapshot, WHOLE, Counter()) as sides,
    ):
        with sides.legacy.lines() as lines:
            assert next(lines)
            assert len({*threading.enumerate()} - before) == 1
        assert not {*threading.enumerate()} - before


PLAIN_SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  item:
    key: [no]
    columns: {no: char(6) not null, nam: varchar(20), amt: "decimal(9,2)", qty: integer, ok: boolean, day: date,
      ts: timestamp, tz: timestamptz}
"""
PLAIN_MAPPING = """\
translator: item
context: policy
root: {table: item, key: no}
state:
  contract: Item.v1
  fields: {number: no, name: nam, money: {amount: amt, count: qty}, ok: ok, day: day, time: ts, instant: tz}
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""
PLAIN_VIEW = """
projection: item_view
reads: item
database: view
table: item_view
key: {number: number}
columns: {name: name, amount: money.amount, quantity: money.count, ok: ok, day: day, time: time, instant: instant}
"""


class Money(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=11, decimal_places=3)] | None
    count: int | None


class Item(Contract):
    promise: ClassVar[Promise] = promise("Item", "state")
    number: str
    name: str | None
    money: Money
    ok: bool | None
    day: date | None
    time: datetime | None
    instant: datetime | None


@pytest.fixture(scope="module")
def item(databases: Databases) -> Place:
    schema = read_schema(PLAIN_SCHEMA, "schema.yaml")
    translator = compile_mapping(read_mapping(PLAIN_MAPPING, "i.yaml"), PLAIN_MAPPING, schema, {"Item.v1": Item})
    return Place(databases.make(), translator, PLAIN_VIEW, {})


def test_columns_that_are_only_renamed_are_streamed_from_both_sides(
    item: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    when = "date '2024-02-29', timestamp '2024-07-01 12:30:00.25', timestamptz '2024-07-01 12:30:00+02'"
    rows = f"SELECT 'P/' || x, 'n' || x, x / 4.0, x, mod(x, 2) = 0, {when} FROM generate_series(1, 50) x"
    item.sql(f"INSERT INTO item {rows}")
    item.sql("INSERT INTO item VALUES ('Ä')")
    item.sql(r"INSERT INTO item VALUES ('a', E'a\tb\\\\', 0, 0, true)")
    item.show()
    with monkeypatch.context() as patch:
        patch.setattr(ViewReader, "read_keys", None)
        assert item.by_plan()[:2] == ("stream", [])
    item.sql("UPDATE item_view SET amount = amount + 0.001 WHERE number = 'P/7'")
    item.sql("UPDATE item_view SET quantity = NULL, ok = NULL WHERE number = 'P/9'")
    item.sql("DELETE FROM item_view WHERE number = 'P/11'")
    item.sql("INSERT INTO item VALUES ('x', NULL, 'NaN')")
    item.sql("INSERT INTO item VALUES ('y', NULL, 0, 0, true, 'infinity')")
    item.sql("UPDATE item_view SET _key = 'y' WHERE number = 'P/13'")
    assert item.by_plan() == ("stream", *item.one_by_one())
    assert len(item.by_plan()[1]) == 6
    assert explain_all(item) == ["item", "item_view"]
    ranges = [KeyRange(through=("P%2F30",)), KeyRange(after=("P%2F30",))]
    assert item.by_plan(ranges) == item.by_plan()


def test_what_cannot_be_read_in_order_is_an_error(policy: Place) -> None:
    policy.empty()
    made = {"/".join(map(str, key)): rows for key, rows in policies.aggregates(30, good=True).items()}
    policy.fill(made)
    policy.sql("ALTER TABLE note ALTER pno DROP NOT NULL")
    policy.sql("INSERT INTO note VALUES (9999, NULL, 1, 'hi')")
    with pytest.raises(
        SideUnreadable, match=r"a row of note: the business key \(note.pno, note.pbranch\) cannot be read"
    ):
        policy.by_plan()
    policy.sql("DELETE FROM note WHERE id = 9999")
    policy.sql("INSERT INTO cov SELECT * FROM cov LIMIT 1")
    with pytest.raises(SideUnsorted, match="is there twice in cov"):
        policy.by_plan()
    policy.empty()
    policy.fill(made)
    policy.sql("INSERT INTO pol SELECT * FROM pol LIMIT 1")
    with pytest.raises(SideUnsorted, match="is there twice in pol"):
        policy.by_plan()
