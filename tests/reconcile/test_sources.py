"""The legacy side: in key order, typed as the feed types it, out of one moment, whatever the keys look like."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from connectors.capture.spec import CaptureSpec
from connectors.capture.sqlite import SqliteCapture
from connectors.capture.triggers import install
from connectors.debezium.decode import Decoder
from connectors.feeds import Feed
from reconcile.errors import SideUnreadable
from reconcile.keys import columns_of
from reconcile.position import ChangeTable
from reconcile.sources import Layout, LegacyReader
from tests.reconcile.world import SCHEMA, START, ItemTranslator, World, table
from translators.change import Change
from translators.schema import Encoding, LegacySchema
from translators.values import Row, key_text

HOSTILE = [
    "A",
    "A%",
    "A%3",
    "A/",
    "A.",
    "A!",
    "a",
    "Ä",
    "€",
    "😀",
    "%2F",
    "/",
    "A\tB",
    "0",
    "00",
    "-1",
    "A B",
    "'; DROP TABLE item; --",
]


def test_hostile_keys_come_in_the_order_of_their_canonical_text(world: World) -> None:
    for number in HOSTILE:
        world.write(number, lines=((1, "1.00"),))
    reader = world.sides().reader
    with reader.snapshot() as snapshot:
        found = [(a.key, sorted(a.rows)) for a in snapshot.read()]
        by_key = snapshot.read_keys([key_text((number,)) for number in HOSTILE])
    assert found == [(key, ["item", "itmlin"]) for key in sorted(key_text((n,)) for n in HOSTILE)]
    assert sorted(by_key) == [key for key, _ in found]


@settings(max_examples=40)
@given(
    st.lists(
        st.text(max_size=5).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t)), min_size=1, max_size=3
    )
)
def test_a_key_is_taken_apart_as_it_was_put_together(parts: list[str]) -> None:
    assert columns_of(key_text(tuple(parts))) == parts


def test_rows_have_the_values_that_the_feed_has(world: World) -> None:
    """The capture's snapshot, decoded, against our reading of the same tables."""
    world.write("A1", "  leading and trailing  ", -5, None, ((1, "2.50"), (2, None), (10, "0.00")))
    world.write("A2", None, 2**40, "", ())
    feeds = (Feed(name="item", tables={"item": ("itm_no",), "itmlin": ("itm_no",)}, partitions=1),)
    capture = SqliteCapture(world.legacy_path, CaptureSpec(schema=SCHEMA, feeds=feeds), lambda: START)
    decoder = Decoder(SCHEMA)
    expected: dict[tuple[str, str], Row | None] = {}
    for batch in capture.snapshot():
        for record in batch:
            decoded = decoder.decode(record.topic, record.partition, 0, record.key, record.value, record.headers)
            if isinstance(decoded, Change):
                expected[decoded.table, decoded.row_key] = decoded.after
    capture.close()
    with world.sides().reader.snapshot() as snapshot:
        found = {(t, k): row for a in snapshot.read() for t, rows in a.rows.items() for k, row in rows.items()}
    assert found == expected
    assert found["itmlin", "A1/10"]["qty"] == Decimal("0.00")


TYPES = {
    "id": "integer not null",
    "f": "double precision",
    "b": "boolean",
    "d": "date",
    "t": "timestamp(3)",
    "z": "timestamptz",
    "x": "bytea",
    "n": "numeric",
}


def test_every_type_is_typed_as_the_feed_types_it(tmp_path: Path) -> None:
    schema = LegacySchema(
        source="s", connector="sqlite", namespace="main", encoding=Encoding(decimal="string"),
        tables={"v": table("v", TYPES, ("id",))},
    )  # fmt: skip
    connection = sqlite3.connect(tmp_path / "types.db")
    connection.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, f, b, d, t, z, x, n)")
    rows = [
        (1, 1.5, 1, "2026-11-20", "2026-11-20 06:14:00.5", "2026-11-20T06:14:00+01:00", b"\x00\xff", "1.2500"),
        (2, 0.1, 0, None, None, None, None, None),
        (10, float("inf"), None, "0001-01-01", None, None, b"", "-3"),
    ]
    connection.executemany("INSERT INTO v VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    install(connection, schema.tables.values())
    connection.commit()
    spec = CaptureSpec(schema=schema, feeds=(Feed(name="v", tables={"v": ("id",)}, partitions=1),))
    capture = SqliteCapture(tmp_path / "types.db", spec, lambda: START)
    decoder, expected = Decoder(schema), {}
    for batch in capture.snapshot():
        for record in batch:
            decoded = decoder.decode(record.topic, record.partition, 0, record.key, record.value, record.headers)
            if isinstance(decoded, Change):
                expected[decoded.row_key] = decoded.after
    capture.close()

    class Whole(ItemTranslator):
        def key_of(self, table: str, row: Row) -> str:
            return key_text((row["id"],))

    engine = create_engine(f"sqlite:///{tmp_path / 'types.db'}")
    reader = LegacyReader(engine, schema, Whole(), Layout("v", ("id",), {}), ChangeTable())
    with reader.snapshot() as snapshot:
        found = [(a.key, a.rows["v"][a.key]) for a in snapshot.read()]
        assert [key for key, _ in found] == ["1", "10", "2"]
        assert snapshot.read_keys(["10"]).keys() == {"10"}
    assert dict(found) == expected
    engine.dispose()
    connection.close()


def test_a_snapshot_is_one_moment(world: World) -> None:
    world.write("A1", lines=((1, "1.00"),))
    with world.sides().reader.snapshot() as snapshot:
        stream = snapshot.read()
        world.write("A1", "later", lines=((1, "9.00"), (2, "9.00")))
        world.write("A2")
        (aggregate,) = list(stream)
        assert aggregate.rows["item"]["A1"]["nam"] == "bolt"
        assert [row["qty"] for row in aggregate.rows["itmlin"].values()] == [Decimal("1.00")]
        assert snapshot.touched(0) == frozenset({"A1"})
        position = snapshot.position
    world.delete("A2")
    with world.sides().reader.snapshot() as snapshot:
        assert snapshot.touched(position) == frozenset({"A1", "A2"})
        assert snapshot.touched(snapshot.position - 1) == frozenset({"A2"})
        assert snapshot.touched(snapshot.position) == frozenset()


def test_what_moved_cannot_be_told_where_changes_were_pruned(world: World) -> None:
    world.write("A1")
    world.write("A2")
    world.legacy.execute("DELETE FROM _dragoman_changes WHERE pos = 1")
    with world.sides().reader.snapshot() as snapshot:
        assert snapshot.touched(0) is None
        assert snapshot.touched(1) == frozenset({"A2"})


def test_parts_without_a_root_are_read_and_are_nothing(world: World) -> None:
    world.write("A1", lines=((1, "1.00"),))
    world.legacy.execute("DELETE FROM item")
    with world.sides().reader.snapshot() as snapshot:
        (aggregate,) = list(snapshot.read())
    assert list(aggregate.rows) == ["itmlin"]
    assert ItemTranslator().state(aggregate.rows) is None


def test_text_that_is_no_text_is_refused(world: World) -> None:
    world.write("A1")
    world.legacy.execute("UPDATE item SET nam = CAST(x'ff' AS TEXT)")
    with pytest.raises(SideUnreadable), world.sides().reader.snapshot() as snapshot:
        list(snapshot.read())


keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4).filter(
    lambda t: t == t.rstrip(" ")
)


@settings(max_examples=25)
@given(st.sets(keys, min_size=1, max_size=20))
def test_any_keys_are_read_in_strict_order_and_found_again(numbers: set[str]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for number in numbers:
            world.write(number, lines=((1, "1.00"),))
        with world.sides().reader.snapshot() as snapshot:
            read = {a.key: a.rows for a in snapshot.read()}
            again = snapshot.read_keys(list(read))
        world.close()
    assert list(read) == sorted(key_text((number,)) for number in numbers)
    assert again == read
