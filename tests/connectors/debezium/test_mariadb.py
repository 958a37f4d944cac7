"""MariaDB: every record of its capture is what the statements behind it say (my.sql, mych.sql)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded, Heartbeat, SchemaChanged, Tombstone, TransactionMark, Unreadable
from connectors.debezium.sources import SOURCES, UNPROVEN, Source
from tests.connectors.debezium.captures import Raw, capture, decoded, mariadb_schema
from translators.change import Change
from translators.schema_text import read_schema
from translators.values import Opaque, Row

WALL = datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001
INSTANT = datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)
ROW: Row = {
    "id": 1,
    "ti": -1,
    "ti1": 2,
    "b": True,
    "su": 65535,
    "iu": 4294967295,
    # Arrives as -1.
    "bu": Decimal("18446744073709551615"),
    "f": 1.100000023841858,
    "f10": 1.100000023841858,
    "dd": 1.1,
    "de": Decimal("-12.50"),
    "de65": Decimal("12345678901234567890123456789012345.123456789012345678901234567890"),
    "d": date(2020, 1, 2),
    "t0": Opaque("-12:34:56"),
    "t6": Opaque("25:01:02.345678"),
    "dt": WALL,
    "dt6": WALL.replace(microsecond=678901),
    # The session's zone was two hours ahead.
    "ts": INSTANT,
    "ts6": INSTANT.replace(microsecond=678901),
    "y": 2020,
    "c": "ab",
    "vc": "vc",
    "tx": "tx",
    "bin5": Opaque(r"\x0102000000"),
    "vb": Opaque(r"\x00ff"),
    "bl": Opaque(r"\xdead"),
    "en": "b,c",
    "st": "x,z",
    "bit1": True,
    "bit10": Opaque("1000000011"),
    "js": Opaque('{"a":1.10, "b":[1,null]}'),
    "pt": Opaque('{"srid":null,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","x":1.0,"y":2.0}'),
    "g": Opaque('{"srid":null,"wkb":"AQIAAAACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAPA/AAAAAAAA8D8="}'),
    "cc": "é",
}
NULLS: Row = dict.fromkeys(ROW)


def rows(table: str) -> list[Change]:
    found = decoded("v_mar", mariadb_schema())
    return [record for record in found if isinstance(record, Change) and record.table == table]


def same(found: Row | None, expected: Row) -> None:
    assert found is not None and list(found) == list(expected)
    for name, value in expected.items():
        assert (name, repr(found[name])) == (name, repr(value))


def test_every_record_is_classified() -> None:
    names: Counter[str] = Counter()
    for record in decoded("v_mar", mariadb_schema()):
        match record:
            case Change():
                names[f"{record.table} {record.op}"] += 1
            case Unreadable():
                names[f"{record.table} {record.problem.code}"] += 1
            case _:
                names[type(record).__name__] += 1
    assert names == {
        "SchemaChanged": 13, "Heartbeat": 2, "TransactionMark": 20, "Tombstone": 2,
        "t r": 1, "t c": 3, "t u": 1, "t d": 2, "def r": 1, "def c": 2, "newt c": 1, "nopk record.no-key": 6,
    }  # fmt: skip


def test_every_type_as_a_snapshot_reads_it() -> None:
    (change,) = [one for one in rows("t") if one.op == "r"]
    same(change.after, ROW)
    assert (change.row_key, change.position < 0, change.transaction, change.time) == ("1", True, None, None)


def test_every_type_as_the_binlog_tells_it() -> None:
    (change,) = [one for one in rows("t") if one.op == "u"]
    same(change.before, ROW)
    same(change.after, ROW | {"ti": 3, "bu": Decimal("18446744073709551614")})
    assert change.flagged == ()


def test_zero_dates_and_the_ends_of_time() -> None:
    inserted = {one.row_key: one.after for one in rows("t") if one.op == "c"}
    same(inserted["2"], NULLS | {"id": 2, "ti": 5})
    far: Row = {"id": 30, "d": date(9999, 12, 31), "t0": Opaque("838:59:59"), "js": Opaque('[1, 2.0, "x"]')}
    same(inserted["30"], NULLS | far)


def test_without_a_declared_schema_the_record_tells_what_it_can() -> None:
    found = [one for one in decoded("v_mar", None) if isinstance(one, Change) and (one.table, one.op) == ("inv.t", "r")]
    # That a number has no sign, a small one is a truth value, and a text is JSON, only schema.yaml can tell.
    same(found[0].after, ROW | {"bu": -1, "b": 1, "js": '{"a":1.10, "b":[1,null]}'})


def position(file: int, pos: int, row: int = 0) -> int:
    return file * 2**33 + pos + row


def test_a_position_is_file_position_and_row() -> None:
    (updated,) = [one for one in rows("t") if one.op == "u"]
    assert (updated.position, updated.transaction) == (position(1, 4640), "0-223344-15")
    assert updated.time == datetime(2026, 11, 20, 7, 37, 40, tzinfo=UTC)
    inserted = [(one.row_key, one.position) for one in rows("def") if one.op == "c"]
    assert inserted == [("2", position(1, 6645)), ("3", position(1, 6645, 1))]


@given(st.lists(st.tuples(st.integers(1, 2**30 - 1), st.integers(4, 2**32 - 2**20), st.integers(0, 1000)), max_size=20))
def test_positions_are_in_the_order_of_file_place_and_row(places: list[tuple[int, int, int]]) -> None:
    # Rows events as a binlog has them: each begins where the one before it may end at the earliest.
    events = sorted({(file, pos - pos % 4096 + 4, row) for file, pos, row in places})
    found = [SOURCES["mariadb"].place(Source("mariadb", file=f"b.{f}", pos=p, row=r))[0] for f, p, r in events]
    assert found == sorted(set(found)) and all(0 < one < 2**63 for one in found)


def test_a_change_of_the_key_shares_one_position() -> None:
    gone, new = [one for one in rows("t") if one.transaction == "0-223344-16"]
    assert (gone.op, gone.row_key, new.op, new.row_key) == ("d", "2", "c", "20")
    assert gone.position == new.position and gone.identity != new.identity
    same(gone.before, NULLS | {"id": 2, "ti": 5})


def test_a_later_transaction_is_known_by_its_position() -> None:
    streamed = [one for one in decoded("v_mar", mariadb_schema()) if isinstance(one, Change) and one.op != "r"]
    for earlier, later in pairwise(streamed):
        assert earlier.committed_after is not None and later.committed_after is not None
        assert later.committed_after >= earlier.committed_after
        if later.transaction != earlier.transaction:
            assert later.committed_after > earlier.committed_after


def test_a_begin_without_an_end_is_that_of_a_statement_that_changes_tables() -> None:
    found = decoded("v_mar", mariadb_schema())
    marks = [one for one in found if isinstance(one, TransactionMark)]
    begun = {one.transaction for one in marks if one.status == "BEGIN"}
    ended = {one.transaction: one.counts for one in marks if one.status == "END"}
    # ALTER, TRUNCATE, CREATE and DROP.
    assert begun - set(ended) == {f"0-223344-{number}" for number in (19, 22, 23, 25)}
    assert ended["0-223344-18"] == {"def": 2, "nopk": 5}


def test_statements_name_the_tables_that_they_change() -> None:
    told = [one for one in decoded("v_mar", mariadb_schema()) if isinstance(one, SchemaChanged)]
    assert [(one.ddl, one.tables) for one in told[-3:]] == [
        ("alter table nopk add column q int default 3", (("nopk", "ALTER"),)),
        ("create table newt (id int primary key, v varchar(10))", (("newt", "CREATE"),)),
        ("DROP TABLE `inv`.`newt`", (("newt", "DROP"),)),
    ]
    assert told[0].tables == ()


def test_marks_and_tombstones_are_no_changes() -> None:
    kinds = Counter(type(one) for one in decoded("v_mar", mariadb_schema()))
    assert (kinds[Heartbeat], kinds[Tombstone]) == (2, 2)


INSERT = next(at for at, one in enumerate(capture("v_mar")) if b'"pos":7530' in (one.value or b""))


def with_payload(change: Callable[[dict[str, Any]], object], record: Raw | None = None) -> Raw:
    record = record or capture("v_mar")[INSERT]
    value = json.loads(record.value or b"")
    change(value["payload"])
    return record._replace(value=json.dumps(value).encode())


def only(decoder: Decoder, record: Raw) -> Decoded:
    return decoder.decode(*record)


def test_the_same_values_without_schemas_in_the_records() -> None:
    decoder = Decoder(mariadb_schema())
    for record in capture("v_mar"):
        if record.value is None:
            continue
        bare = record._replace(
            value=json.dumps(json.loads(record.value)["payload"]).encode(),
            key=None if record.key is None else json.dumps(json.loads(record.key)["payload"]).encode(),
        )
        found, expected = only(decoder, bare), only(Decoder(mariadb_schema()), record)
        if isinstance(expected, Change) and expected.after and "en" in expected.after:
            assert isinstance(found, Change) and repr(found.after) == repr(expected.after)
        assert found == expected


def test_unsigned_numbers_in_both_modes() -> None:
    legacy = mariadb_schema()
    precise = msgspec.structs.replace(
        legacy, encoding=msgspec.structs.replace(legacy.encoding, bigint_unsigned="precise")
    )
    record = with_payload(lambda payload: payload["after"].update(bu="AP//////////"))
    bare = record._replace(value=json.dumps(json.loads(record.value or b"")["payload"]).encode())
    found = only(Decoder(precise), bare)
    assert isinstance(found, Change) and found.after
    assert found.after["bu"] == Decimal("18446744073709551615")
    assert repr(found.after["bu"]) == "Decimal('18446744073709551615')"


@pytest.mark.parametrize(("sent", "read"), [("b,c", "b,c"), (r"b\,c", "b,c"), ("a", "a"), ("", ""), (None, None)])
def test_the_comma_of_an_enum_is_one_value_on_both_ways_in(sent: str | None, read: str | None) -> None:
    found = only(Decoder(mariadb_schema()), with_payload(lambda payload: payload["after"].update(en=sent)))
    assert isinstance(found, Change) and found.after and found.after["en"] == read


def test_an_enum_whose_members_cannot_be_told_apart_is_refused() -> None:
    text = r"""{source: m, connector: mariadb, namespace: inv, tables: {e: {key: [id], columns: {id: int,
        e: "enum('b,c','b\\,c')"}}}}"""
    source = json.loads(capture("v_mar")[INSERT].value or b"")["payload"]["source"] | {"table": "e"}
    decoder = Decoder(read_schema(text, "s"))

    def told(value: str) -> Decoded:
        sent = {"op": "c", "source": source, "before": None, "after": {"id": 1, "e": value}}
        return decoder.decode("t", 0, 0, b'{"id":1}', json.dumps(sent).encode(), ())

    plain, ambiguous = told("b,c"), told(r"b\,c")
    assert isinstance(plain, Change) and plain.after == {"id": 1, "e": "b,c"}
    assert isinstance(ambiguous, Unreadable) and ambiguous.problem.code == "record.bad-value"


def test_truth_values_and_json_differ_by_the_way_in_and_are_the_same() -> None:
    def as_ddl_tells_it(value: dict[str, Any]) -> None:
        for part in value["schema"]["fields"][:2]:
            for field in part["fields"]:
                if field["field"] == "js":
                    field["name"] = "io.debezium.data.Json"
                if field["field"] in ("b", "ti1"):
                    field["type"] = "boolean"
        value["payload"]["after"] |= {"b": True, "ti1": True}

    value = json.loads(capture("v_mar")[INSERT].value or b"")
    as_ddl_tells_it(value)
    found = only(Decoder(mariadb_schema()), capture("v_mar")[INSERT]._replace(value=json.dumps(value).encode()))
    assert isinstance(found, Change) and found.after
    assert (found.after["b"], found.after["ti1"], found.after["js"]) == (True, 1, Opaque('[1, 2.0, "x"]'))
    two = only(Decoder(mariadb_schema()), with_payload(lambda payload: payload["after"].update(b=2)))
    # A BOOL of MariaDB may hold 2, which is no truth value.
    assert isinstance(two, Unreadable) and two.problem.columns == ("t.b",)


ILL_PLACES: list[tuple[dict[str, Any], str]] = [
    ({"file": None}, "record.no-position"),
    ({"file": "mysql-bin"}, "record.no-position"),
    ({"file": "mysql-bin.0"}, "record.no-position"),
    ({"file": f"mysql-bin.{2**30}"}, "record.no-position"),
    ({"file": "mysql-bin.٣"}, "record.no-position"),
    ({"pos": None}, "record.no-position"),
    ({"pos": 2**32}, "record.no-position"),
    ({"row": None}, "record.no-position"),
    ({"row": -1}, "record.no-position"),
    ({"gtid": ""}, "record.no-transaction"),
]


@pytest.mark.parametrize(("fields", "code"), ILL_PLACES)
def test_a_place_that_is_none(fields: dict[str, Any], code: str) -> None:
    found = only(Decoder(mariadb_schema()), with_payload(lambda payload: payload["source"].update(fields)))
    assert isinstance(found, Unreadable) and found.problem.code == code


def test_mysql_goes_the_same_way_and_is_not_proven() -> None:
    def as_mysql(payload: dict[str, Any]) -> None:
        payload["source"] |= {"connector": "mysql", "gtid": None, "file": "binlog.000007"}
        payload["transaction"]["id"] = "file=binlog.000007,pos=7400"

    found = only(Decoder(mariadb_schema()), with_payload(as_mysql))
    assert isinstance(found, Change)
    assert (found.transaction, found.position) == ("file=binlog.000007,pos=7400", position(7, 7530))
    assert frozenset({"mysql"}) == UNPROVEN

    def without_metadata(payload: dict[str, Any]) -> None:
        as_mysql(payload)
        payload["transaction"] = None

    without = only(Decoder(mariadb_schema()), with_payload(without_metadata))
    assert isinstance(without, Unreadable) and without.problem.code == "record.no-transaction"


def test_the_table_of_sources_says_who_is_read() -> None:
    assert {name: form.standing for name, form in SOURCES.items()} == {
        "postgresql": "proven", "sqlite": "proven", "mariadb": "proven", "mysql": "unproven",
        "sqlserver": "refused", "oracle": "refused", "db2": "refused", "mongodb": "refused",
    }  # fmt: skip


def test_the_server_that_wrote_a_change_is_its_origin() -> None:
    """The captured server has the id that its source block names; a snapshot row has none."""
    streamed = [one for one in decoded("v_mar", mariadb_schema()) if isinstance(one, Change)]
    assert {(one.op == "r", one.origin) for one in streamed} == {(True, None), (False, "223344")}
