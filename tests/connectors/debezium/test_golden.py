"""Every record of the captures is what the statements behind it say."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from connectors.debezium.records import (
    Decoded,
    Heartbeat,
    LogicalMessage,
    Notification,
    TransactionMark,
    Truncate,
    Unreadable,
)
from tests.connectors.debezium.captures import POSTGRES, decoded, schema
from tests.connectors.debezium.golden import (
    CONNECT_1,
    CONNECT_HEX,
    DECLARED_1,
    NAMES,
    ROW_1,
    ROW_2,
    ROW_3,
    ROW_4,
    SNAPSHOT_BC,
    SNAPSHOT_INFINITY,
    WALL,
    blob,
)
from translators.change import Change
from translators.values import Opaque, OutOfRange, Row


def rows_of(found: list[Decoded], table: str) -> list[Change]:
    return [record for record in found if isinstance(record, Change) and record.table == table]


def images(found: list[Decoded], table: str = "public.t") -> dict[object, Row]:
    """The new rows of table t by id, the last of each."""
    return {change.after["id"]: change.after for change in rows_of(found, table) if change.after is not None}


def same(found: Row, expected: Row) -> None:
    """Equal in names, order, values, types and scale: equal numbers of another scale are not the same."""
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert (name, type(found[name]), repr(found[name])) == (name, type(value), repr(value))


def tally(found: list[Decoded]) -> Counter[str]:
    """How many records of each kind: changes and unreadable ones by table and op or code."""
    names: Counter[str] = Counter()
    for record in found:
        match record:
            case Change():
                names[f"{record.table} {record.op}"] += 1
            case Unreadable():
                names[f"{record.table} {record.problem.code}"] += 1
            case _:
                names[type(record).__name__] += 1
    return names


STREAMED = {
    # The initial snapshot of d and k, with one notification at each step.
    "Notification": 16, "d r": 2, "k r": 2, "Heartbeat": 9,
    # 21 transactions of changes.sql reached the log with something to tell.
    "TransactionMark": 42,
    "t c": 4, "t u": 1,
    # INSERT; two UPDATEs; one of the key, which is d and c; DELETE.
    "d c": 2, "d u": 2, "d d": 2,
    # Three rows by INSERT, four by COPY, four keys changed.
    "k c": 11, "k d": 4,
    # (1,p) twice, two updates, one delete, three by COPY: rows without a key.
    "nopk record.no-key": 8,
    "uq c": 3, "tr1 c": 1, "tr2 c": 1, "LogicalMessage": 2,
    # Behind each delete: two of d, four of k, one of nopk.
    "Tombstone": 7,
}  # fmt: skip
SNAPSHOT = {
    "Odd Näme-x r": 1, "d r": 2, "def r": 1, "k r": 9, "nopk record.no-key": 4, "other record.no-key": 1,
    "t r": 4, "uq r": 3,
}  # fmt: skip
KINDS: dict[str, dict[str, int]] = {
    "pg1": STREAMED,
    # Numbers of no precision cannot be exact as doubles: the table that has one is refused.
    "v_connect": SNAPSHOT | {"t r": 0, "t record.type-mismatch": 4},
    "v_iso": SNAPSHOT,
    "v_micro": SNAPSHOT,
    "v_amicro": SNAPSHOT
    | {"uq r": 0, "uq record.unknown-table": 3}
    | {"other record.no-key": 0, "other record.unknown-table": 1},
    "v_dfmt": SNAPSHOT,
    "v_gen": {"gen r": 1, "gen c": 1, "TransactionMark": 2},
    "v_st": {
        "Heartbeat": 8, "TransactionMark": 26, "tr1 c": 1, "tr2 c": 1, "Truncate": 2, "sig c": 9, "inc u": 1,
        "IncrementalRow": 5,
    },
    "v_toa": {"TransactionMark": 4, "toa c": 1, "toa u": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", POSTGRES)
def test_every_record_is_classified(name: str) -> None:
    assert tally(decoded(name, schema(name))) == Counter(KINDS[name])


def test_streamed_rows_without_a_declared_schema() -> None:
    changes = rows_of(decoded("pg1", None), "public.t")
    inserted = [change.after or {} for change in changes if change.op == "c"]
    for found, expected in zip(inserted, [ROW_1, ROW_2, ROW_3, ROW_4], strict=True):
        same(found, expected)
    assert [change.flagged for change in changes if change.op == "c"] == [
        (),
        ("f4", "f8", "d", "ts6", "tstz"),
        ("d", "ts6", "tstz"),
        (),
    ]


def test_a_full_image_holds_the_whole_old_row() -> None:
    updated = next(change for change in rows_of(decoded("pg1", schema("pg1")), "t") if change.op == "u")
    assert updated.before is not None and updated.after is not None
    assert {name: value for name, value in updated.after.items() if updated.before[name] != value} == {"i4": 70001}
    assert updated.before["i4"] == 70000


def test_streamed_rows_with_a_declared_schema() -> None:
    inserted = rows_of(decoded("pg1", schema("pg1")), "t")[0].after
    same(inserted or {}, {name: (ROW_1 | DECLARED_1)[name] for name in NAMES})


def test_times_in_microseconds_and_money_of_four_decimals() -> None:
    found = images(decoded("v_micro", None))
    same(found[1], ROW_1 | {"i4": 70001, "m": Decimal("1234.5600")})
    same(found[2], ROW_2 | SNAPSHOT_INFINITY)
    same(found[3], ROW_3 | SNAPSHOT_BC)
    same(found[4], ROW_4)


def test_decimals_as_numbers() -> None:
    found = images(decoded("v_dfmt", None))
    same(found[1], ROW_1 | {"i4": 70001})
    same(found[2], ROW_2 | SNAPSHOT_INFINITY)
    same(found[3], ROW_3 | SNAPSHOT_BC)
    same(found[4], ROW_4)


def test_decimals_as_doubles_times_in_milliseconds_and_bytes_in_hex() -> None:
    found = images(decoded("v_connect", None))
    texts: Row = {name: text.encode().hex() for name, text in CONNECT_HEX.items()}
    same(found[1], ROW_1 | {"i4": 70001} | CONNECT_1 | texts)
    same(found[2], ROW_2 | SNAPSHOT_INFINITY | {"n": OutOfRange("NaN")})
    minus_a_month: Row = {"iv": Opaque("P0Y-1M0DT0H0M0S"), "ts6": OutOfRange("-63517780800000"), "n": 0.0, "n52": 0.0}
    same(found[3], ROW_3 | SNAPSHOT_BC | minus_a_month)
    same(found[4], ROW_4 | {"by": "", "n52": -128.0})


def test_iso_strings_and_decimals_as_text_are_typed_by_the_declared_schema() -> None:
    legacy = schema("v_iso")
    found = images(decoded("v_iso", legacy), "t")
    # The connector makes midnight of 24:00, and cannot tell the sign of a year in a date.
    same(
        {name: found[1][name] for name in ("n", "n52", "n30", "by", "d", "t0", "t3", "t6", "ts0", "ts3", "ts6", "da")},
        {name: ROW_1[name] for name in ("n", "n52", "n30", "by", "d")}
        | {"t0": Opaque("00:00:00")}
        | {name: ROW_1[name] for name in ("t3", "t6", "ts0", "ts3", "ts6", "da")},
    )
    assert found[2]["n"] == OutOfRange("NAN")
    assert found[2]["d"] == OutOfRange("+292278994-08-16")
    assert found[2]["ts6"] == OutOfRange("+294247-01-10T04:00:25.2Z")
    assert found[3]["d"] == date(44, 3, 15)
    assert found[3]["ts6"] == OutOfRange("-0043-03-15T12:00:00Z")
    assert repr(found[3]["n52"]) == "Decimal('0.00')"
    assert found[4]["by"] == Opaque(r"\x")


def test_records_without_schema_are_typed_by_the_declared_schema_alone() -> None:
    found = images(decoded("v_amicro", schema("v_amicro")), "t")
    bytes_as_sent = {"m": Opaque("AeJA")} | {
        name: Opaque(text)
        for name, text in {
            "ln": "ezEuMCwyLjAsMy4wfQ==", "bx": "KDIuMCwyLjApLCgwLjAsMC4wKQ==", "comp": "KDEseCk=",
            "mr": "e1sxLDMpLFs1LDcpfQ==", "tsq": "J2ZhdCcgJiAncmF0Jw==", "lsn": "MTYvQjM3NEQ4NDg=",
            "jp": "JC4iYSI=", "xid": "Nw==",
        }.items()
    }  # fmt: skip
    expected = ROW_1 | {"i4": 70001} | DECLARED_1 | bytes_as_sent
    same(found[1], {name: expected[name] for name in NAMES})
    expected_2 = ROW_2 | SNAPSHOT_INFINITY
    same(found[2], {name: expected_2[name] for name in NAMES})


def test_declared_columns_of_a_default_identity() -> None:
    found = decoded("v_amicro", schema("v_amicro"))
    (defaults,) = rows_of(found, "def")
    none = {name: None for name in ("a", "n", "s", "b")}
    assert defaults.after == {"id": 1, **none, "nn": 0, "ts": None, "dt": None}
    (odd,) = rows_of(found, "Odd Näme-x")
    assert odd.after == {"id": 1, "Wéird col-1": 2, "1st": 3, "a.b": 4}


def test_defaults_that_the_converter_put_in_place_of_null_are_read_as_sent() -> None:
    (change,) = rows_of(decoded("v_micro", schema("v_micro")), "def")
    assert change.after == {
        "id": 1,
        "a": 7,
        "n": Decimal("1.25"),
        "s": "dd",
        "b": True,
        "nn": 0,
        "ts": datetime(2020, 1, 1, tzinfo=UTC),
        "dt": date(2020, 1, 1),
    }


def test_every_mark_says_what_it_says() -> None:
    found = decoded("pg1", schema("pg1"))
    marks = [record for record in found if isinstance(record, TransactionMark)]
    assert [(mark.status, mark.transaction, mark.position) for mark in marks[:3]] == [
        ("BEGIN", "745", 28757848),
        ("END", "745", 28759232),
        ("BEGIN", "746", 28759232),
    ]
    ends = {mark.transaction: (mark.event_count, mark.counts) for mark in marks if mark.status == "END"}
    assert ends["745"] == (1, {"t": 1})
    assert ends["755"] == (8, {"k": 3, "nopk": 5})
    assert ends["758"] == (8, {"k": 8})
    assert ends["759"] == (1, {"uq": 1})
    assert ends["762"] == (0, {})
    assert all(mark.counts == {} and mark.event_count is None for mark in marks if mark.status == "BEGIN")
    told = [(record.aggregate_type, record.type) for record in found if isinstance(record, Notification)]
    assert told[0] == ("Initial Snapshot", "STARTED") and told[-1] == ("Initial Snapshot", "COMPLETED")
    scans = [record.data for record in found if isinstance(record, Notification) and "SCAN" in record.type]
    assert {scan["scanned_collection"]: scan["total_rows_scanned"] for scan in scans} == {
        **{f"public.{name}": "0" for name in ("nopk", "t", "tr1", "tr2", "uq")},
        "public.d": "2",
        "public.k": "2",
    }
    assert [record.at.topic for record in found if isinstance(record, Heartbeat)] == ["__debezium-heartbeat.srv"] * 9


def test_messages_of_the_log() -> None:
    messages = [record for record in decoded("pg1", schema("pg1")) if isinstance(record, LogicalMessage)]
    assert [(message.prefix, message.content, message.transaction) for message in messages] == [
        ("outbox", b'{"hello":"nontx"}', None),
        ("outbox", b'{"hello":"tx"}', "763"),
    ]


def test_truncates() -> None:
    truncates = [record for record in decoded("v_st", schema("v_st")) if isinstance(record, Truncate)]
    moment = datetime(2026, 11, 20, 7, 38, 27, 103525, tzinfo=UTC)
    assert [(one.table, one.position, one.transaction, one.committed_after, one.time) for one in truncates] == [
        ("tr1", 29438968, "806", 29428576, moment),
        ("tr2", 29438968, "806", 29428576, moment),
    ]


def test_large_values_arrive_whole() -> None:
    inserted, updated = rows_of(decoded("v_toa", schema("v_toa")), "toa")
    assert inserted.after is not None and inserted.flagged == ()
    assert inserted.after["t"] == "x" * 9000
    assert inserted.after["b"] == Opaque(rf"\x{'ab' * 9000}")
    assert inserted.after["ia"] == Opaque(f"[{','.join(str(number) for number in range(1, 3001))}]")
    assert inserted.after["n"] == Decimal("1")
    assert updated.after is not None
    kept = {name: value for name, value in updated.after.items() if name not in updated.flagged}
    assert kept == {"id": 1, "v": 2, "n": Decimal("1"), "x": Opaque("<a/>")}


def test_a_snapshot_row_has_no_place_in_the_log() -> None:
    change = rows_of(decoded("pg1", schema("pg1")), "d")[0]
    assert (change.op, change.row_key, change.after) == ("r", "1", {"id": 1, "v": "snap", "big": None, "arr": None})
    assert change.position < 0
    assert (change.transaction, change.committed_after, change.time, change.before) == (None, None, None, None)


def test_a_streamed_row_has_its_place_in_the_log() -> None:
    change = next(one for one in rows_of(decoded("pg1", schema("pg1")), "d") if one.op == "u" and one.row_key == "10")
    assert (change.position, change.transaction, change.committed_after) == (28776384, "751", 28762480)
    assert change.time == datetime(2026, 11, 20, 7, 27, 44, 117871, tzinfo=UTC)
    assert change.before is None


def test_golden_helpers_are_what_they_say() -> None:
    assert blob("(1,x)") == Opaque(r"\x28312c7829")
    assert WALL.tzinfo is None
