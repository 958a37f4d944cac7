"""Chunks of which both databases have the same count and sum are not handed over, and what is found is the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.projection.rows import ViewReader
from reconcile import chunk_sums, sum_plan
from reconcile.choice import plan_of
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.line_reads import Wanted
from reconcile.streams import KeyRange
from tests.reconcile import elsewhere
from tests.reconcile import test_plans as plans
from tests.reconcile.place import Databases, Place, explain_all
from tests.translators.test_mapping import promise
from translators.compiled import compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema

NAME = "sums, then stream"
ROWS = 240


class Thing(Contract):
    promise: ClassVar[Promise] = promise("Item", "state")
    number: int
    name: str | None
    money: plans.Money


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """So that there are many, each of them with bounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_sums, "CHUNK", 10)
        yield


@pytest.fixture(scope="module")
def texts(databases: Databases) -> Place:
    return Place(databases.make(), elsewhere.item_translator(), plans.PLAIN_VIEW, {})


@pytest.fixture(scope="module")
def numbers(databases: Databases) -> Place:
    columns = 'columns: {no: integer not null, nam: varchar(20), amt: "decimal(9,2)", qty: integer}\n'
    schema = read_schema(plans.PLAIN_SCHEMA.partition("columns:")[0] + columns, "schema.yaml")
    text = plans.PLAIN_MAPPING.replace(", ok: ok, day: day, time: ts, instant: tz", "")
    view = plans.PLAIN_VIEW.replace(", ok: ok, day: day, time: time, instant: instant", "")
    translator = compile_mapping(read_mapping(text, "i.yaml"), text, schema, {"Item.v1": Thing})
    return Place(databases.make(), translator, view, {})


@pytest.fixture(params=["texts", "numbers"])
def place(request: pytest.FixtureRequest) -> Place:
    """Keys in the order of texts or of numbers; every third name and amount is NULL."""
    found: Place = request.getfixturevalue(request.param)
    filled(found)
    return found


def filled(place: Place) -> None:
    key = "'P' || x" if len(place.view.shape.fields) > 4 else "x"
    some = "CASE WHEN x % 3 > 0 THEN 'n' || x % 50 END, CASE WHEN x % 3 > 0 THEN x / 4.0 END, x"
    place.empty()
    place.sql(
        f"INSERT INTO item (no, nam, amt, qty) SELECT {key}, {some} FROM generate_series(1, {ROWS}) x".replace(
            "%", "%%"
        )
    )
    place.show()


def by_key(place: Place, number: int) -> object:
    return f"P{number}" if len(place.view.shape.fields) > 4 else number


def test_what_is_the_same_is_counted_and_not_handed_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = place.by_plan()
    monkeypatch.setattr(ViewReader, "read_keys", None)
    monkeypatch.setattr("reconcile.view_lines.ViewLines._joined", None)
    found = place.by_plan(sums=True)
    assert (found[0], found[1], found[2].agree, found[3]) == (NAME, [], ROWS, {"item": ROWS})
    assert found[1:] == whole[1:]
    assert explain_all(place, sums=True) == ["item", "item_view", "item", "item_view"]


DIFFERENCES = {
    "missing": ("DELETE FROM item_view WHERE _key = {a}",),
    "extra": ("DELETE FROM item WHERE no = {A}",),
    "mismatch": ("UPDATE item_view SET amount = amount + 0.001 WHERE _key = {a}",),
    "null for a value": ("UPDATE item_view SET name = NULL WHERE _key = {a}",),
    "a value for null": ("UPDATE item_view SET name = '' WHERE _key = {c}",),
    "null in another column": ("UPDATE item_view SET amount = quantity, quantity = amount WHERE _key = {c}",),
    "values of two rows swapped, in one chunk each": (
        "UPDATE item_view v SET quantity = o.quantity FROM item_view o "
        "WHERE (v.quantity % 20, o.quantity % 20, o.quantity - v.quantity) IN ((0, 1, 1), (1, 0, -1))",
    ),
    "one too few in a chunk and one too many": (
        "DELETE FROM item WHERE no = {A}",
        "DELETE FROM item_view WHERE _key = {b}",
    ),
    "the lowest and the highest": (
        "DELETE FROM item_view WHERE _key = (SELECT _key FROM item_view ORDER BY {order} LIMIT 1)",
        "DELETE FROM item_view WHERE _key = (SELECT _key FROM item_view ORDER BY {order} DESC LIMIT 1)",
    ),
    "a key of another kind": ("UPDATE item_view SET _key = 'no number, and a long one' WHERE _key = {a}",),
    "not a number, on both sides": (
        "UPDATE item SET amt = 'NaN' WHERE no = {A}",
        "UPDATE item_view SET amount = 'NaN' WHERE _key = {a}",
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_is_seeded_is_found_as_by_values(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_sums, "MANY", 0.9)
    is_text = len(place.view.shape.fields) > 4
    names = {f"{letter}": f"'{by_key(place, number)}'" for letter, number in (("a", 200), ("b", 203), ("c", 201))}
    names |= {letter.upper(): said for letter, said in names.items()}
    names["order"] = '_key COLLATE "C"' if is_text else "char_length(_key), _key"
    for statement in DIFFERENCES[name]:
        place.sql(statement.format(**names).replace("%", "%%"))
    expected = place.one_by_one()
    assert expected[0]
    assert place.by_plan(sums=True) == (NAME, *expected)
    at = (3, "150") if not is_text else ("P250",)
    assert place.by_plan([KeyRange(through=at), KeyRange(after=at)], sums=True) == (NAME, *expected)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 5, 60]))
def test_random_edits_are_found_as_by_values(numbers: Place, seed: int, edits: int) -> None:
    """Few of them and many, those at the bounds of chunks and of ranges among them."""
    filled(numbers)
    dice = random.Random(seed)
    for number in dice.sample(range(1, ROWS + 1), edits):
        statement = dice.choice(
            plans.EDITS[4:5] + tuple(one[0] for one in DIFFERENCES.values() if "{b}" not in one[0])[:5]
        )
        numbers.sql(
            statement.replace("%s", f"'{number}'")
            .replace("policy_view", "item_view")
            .format(a=f"'{number}'", A=number, c=f"'{number}'")
        )
    cut = str(dice.randrange(1, ROWS))
    ranges = [KeyRange(through=(len(cut), cut)), KeyRange(after=(len(cut), cut))]
    expected = (NAME, *numbers.one_by_one())
    assert numbers.by_plan(sums=True) == expected
    assert numbers.by_plan(ranges, sums=True) == expected


@pytest.mark.parametrize("side", ["item", "item_view"])
def test_a_side_that_is_empty_agrees_with_nothing(place: Place, side: str) -> None:
    place.sql(f"DELETE FROM {side}")
    expected = place.one_by_one()
    assert (len(expected[0]), place.by_plan(sums=True)) == (ROWS, (NAME, *expected))
    place.empty()
    assert place.by_plan(sums=True) == (NAME, [], *place.one_by_one()[1:])


def test_only_chunks_that_differ_are_handed_over(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.sql(f"UPDATE item_view SET name = 'edited' WHERE _key = '{by_key(place, 200)}'")
    handed: list[int] = []
    through = chunk_sums.Narrowed.lines

    def lines(self: chunk_sums.Narrowed, wanted: Wanted) -> Any:
        handed.append(len(self.chunks))
        return through(self, wanted)

    monkeypatch.setattr(chunk_sums.Narrowed, "lines", lines)
    assert place.by_plan(sums=True)[1] == [str(by_key(place, 200))]
    assert handed == [1, 1]
    place.sql("UPDATE item_view SET name = 'edited'")
    assert len(place.by_plan(sums=True)[1]) == ROWS
    assert handed == [1, 1], "where many differ, all are handed over"


def test_a_row_without_a_key_is_in_no_chunk(texts: Place) -> None:
    filled(texts)
    texts.sql("ALTER TABLE item ALTER no DROP NOT NULL")
    texts.sql("INSERT INTO item (nam) VALUES ('nobody')")
    with pytest.raises(SideUnreadable, match="a row has no key"):
        texts.by_plan(sums=True)


def test_without_sums_it_is_said_why(texts: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with texts.reader.snapshot() as snapshot:
        assert plan_of(snapshot, texts.view).name == "stream"
        monkeypatch.setattr(sum_plan, "LEAST", 99)
        plan = plan_of(snapshot, texts.view, sums=True)
    assert plan.name == "stream"
    assert plan.faster.startswith(
        "For sums both servers have to be of one version from 14 on, in one encoding; they are "
    )


def test_pairs_do_not_cancel(databases: Databases) -> None:
    """As many rows on both sides, two of them twice: other ones, which is nothing in an exclusive or."""
    place = Place(databases.make(), elsewhere.item_translator(), plans.PLAIN_VIEW, {})
    filled(place)
    place.sql("ALTER TABLE item_view DROP CONSTRAINT item_view_pkey, DROP CONSTRAINT item_view__key_key")
    place.sql("DELETE FROM item WHERE no = 'P201'")
    place.sql("INSERT INTO item SELECT * FROM item WHERE no = 'P200'")
    place.sql("DELETE FROM item_view WHERE _key = 'P200'")
    place.sql("INSERT INTO item_view SELECT * FROM item_view WHERE _key = 'P201'")
    with pytest.raises(SideUnsorted, match="does not stand above"):
        place.by_plan(sums=True)


def test_a_chunk_has_its_count_and_its_sum() -> None:
    ours = {b"0": (b"2", b"7", b"0"), b"1": (b"3", b"9", b"0"), b"2": (b"1", b"1", b"0"), b"3": (b"5", b"1", b"0")}
    assert chunk_sums.agreeing(ours, ours) == (11, frozenset())
    assert chunk_sums.agreeing(ours, ours | {b"1": (b"4", b"9", b"0")}) == (8, frozenset({1}))
    assert chunk_sums.agreeing(ours, ours | {b"1": (b"3", b"8", b"0")}) == (8, frozenset({1}))
    assert chunk_sums.agreeing(ours | {b"3": (b"5", b"1", b"1")}, ours) == (6, frozenset({3}))
    assert chunk_sums.agreeing(ours, ours | {b"1": (b"4", b"9", b"0"), b"2": (b"1", b"2", b"0")}) == (0, None)
