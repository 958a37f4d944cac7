"""A legacy database changed by every kind of statement, and the records that come out of it.

The oracle is the database itself: its rows, read by plain SQL before and after.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from connectors.capture import SqliteCapture
from tests.connectors.capture.support import COMMIT, COMMIT_MICROS, NOW, Legacy, marks, replayed, rows


def ops(changes: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """Op, and the first two columns before and after."""
    return [(c["op"], *(image and tuple(image.values())[:2] for image in (c["before"], c["after"]))) for c in changes]


def test_insert_update_delete_carry_whole_rows(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO head (no, amt, big) VALUES ('A1    ', '12.50', 1)")
    legacy.commit("UPDATE head SET amt = '13.00' WHERE no = 'A1    '")
    legacy.commit("DELETE FROM head")
    old = {"no": "A1    ", "amt": "12.50", "big": 1, "tag": None, "raw": None, "num": None}
    new = {**old, "amt": "13.00"}
    assert [(c["op"], c["before"], c["after"]) for c in legacy.read()] == [
        ("c", None, old),
        ("u", old, new),
        ("d", new, None),
    ]


def test_the_record_has_debeziums_form(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id, day) VALUES (7, '2026-01-02')")
    legacy.commit("UPDATE item SET flag = 1 WHERE id = 7")
    record = legacy.capture.changes(0, 10)[0][1]
    assert (record.topic, record.partition, record.key) == ("old.items", 0, b'{"id":7}')
    assert record.timestamp == 1_795_165_200_123
    value = json.loads(record.value)
    assert value["source"] == {
        "version": "1.0",
        "connector": "sqlite",
        "name": "old",
        "ts_ms": COMMIT_MICROS // 1000,
        "snapshot": "false",
        "db": "old",
        "sequence": '["1","2"]',
        "ts_us": COMMIT_MICROS,
        "ts_ns": COMMIT_MICROS * 1000,
        "schema": "main",
        "table": "item",
        "txId": 2,
        "lsn": 2,
    }
    assert value["transaction"] == {"id": "2:2", "total_order": 1, "data_collection_order": 1}
    assert (value["ts_ms"], value["ts_us"], value["ts_ns"]) == (
        1_795_165_200_123,
        1_795_165_200_123_456,
        1_795_165_200_123_456_000,
    )


def test_values_survive_exactly(legacy: Legacy) -> None:
    text = "Ünïcode \U0001f600 'quoted' \"double\" \\ \n\t\x01 日本 e\u0301 trailing  "
    blob = bytes(range(256))
    numbers = (2**63 - 1, -(2**63), 2**53 + 1, 0)
    reals = (0.1, 5e-324, -1.1545580616824966e232, -0.30000000000000004)
    for number, real in zip(numbers, reals, strict=True):
        sql = "INSERT INTO head (no, amt, big, tag, raw, num) VALUES (?, ?, ?, ?, ?, ?)"
        legacy.commit((sql, (f"{number % 97:<6}", "00012345678901234567.10", number, f"{text}{number}", blob, real)))
    after = [c["after"] for c in legacy.read()]
    assert [row["big"] for row in after] == list(numbers)
    assert [row["num"] for row in after] == list(reals)
    assert {row["amt"] for row in after} == {"00012345678901234567.10"}
    assert [row["tag"] for row in after] == [f"{text}{number}" for number in numbers]
    assert {base64.b64decode(row["raw"]) for row in after} == {blob}


def test_what_does_not_fit_its_type_goes_as_it_is(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item VALUES (1, '00000000', 'soon', '2026-01-02 03:04:05.678', '2026-01-02', 7)")
    legacy.commit("INSERT INTO head (no, amt, big, num) VALUES ('A', 5, 'many', 9e999)")
    item, head = (c["after"] for c in legacy.read())
    assert (item["day"], item["moment"], item["zoned"], item["flag"]) == ("00000000", "soon", "2026-01-02", 7)
    assert (head["amt"], head["big"], head["num"]) == ("5", "many", "Infinity")


def test_times_are_adaptive(legacy: Legacy) -> None:
    moment = "2026-01-02 03:04:05.678901"
    legacy.commit(
        (
            "INSERT INTO item VALUES (1, '1969-12-31', ?, '1969-12-31 23:59:59.999', '2026-01-02T04:04:05+01:00', 0)",
            (moment,),
        )
    )
    (change,) = legacy.read()
    assert change["after"] == {
        "id": 1,
        "day": -1,
        "moment": 1_767_323_045_678_901,
        "short": -1,
        "zoned": "2026-01-02T03:04:05.000000Z",
        "flag": False,
    }


STATEMENTS: list[tuple[str, list[str], list[tuple[str, Any, Any]]]] = [
    ("multi-row insert", ["INSERT INTO item (id) VALUES (1), (2)"], [("c", None, (1, None)), ("c", None, (2, None))]),
    (
        "insert from select",
        ["INSERT INTO item (id) SELECT seq FROM line"],
        [("c", None, (1, None)), ("c", None, (2, None))],
    ),
    (
        "update of every row",
        ["UPDATE line SET txt = txt || '!'"],
        [("u", ("A", 1), ("A", 1)), ("u", ("A", 2), ("A", 2))],
    ),
    ("replace of the key", ["REPLACE INTO head (no, amt) VALUES ('A', '9')"], [("u", ("A", "1"), ("A", "9"))]),
    (
        "replace of another unique column",
        ["INSERT OR REPLACE INTO head (no, tag) VALUES ('C', 'tag B')"],
        [("d", ("B", "2"), None), ("c", None, ("C", None))],
    ),
    (
        "replace of two rows",
        ["INSERT OR REPLACE INTO head (no, amt, tag) VALUES ('A', '9', 'tag B')"],
        [("d", ("B", "2"), None), ("u", ("A", "1"), ("A", "9"))],
    ),
    (
        "update that replaces",
        ["UPDATE OR REPLACE head SET tag = 'tag B' WHERE no = 'A'"],
        [("d", ("B", "2"), None), ("u", ("A", "1"), ("A", "1"))],
    ),
    (
        "update of the key that replaces",
        ["UPDATE OR REPLACE head SET no = 'B' WHERE no = 'A'"],
        [("d", ("B", "2"), None), ("d", ("A", "1"), None), ("c", None, ("B", "1"))],
    ),
    (
        "upsert",
        ["INSERT INTO head (no, amt) VALUES ('A', '9') ON CONFLICT (no) DO UPDATE SET amt = excluded.amt"],
        [("u", ("A", "1"), ("A", "9"))],
    ),
    ("upsert that does nothing", ["INSERT INTO head (no) VALUES ('A') ON CONFLICT DO NOTHING"], []),
    (
        "ignored insert, then other changes",
        [
            "INSERT OR IGNORE INTO head (no) VALUES ('A')",
            "UPDATE head SET amt = '3' WHERE no = 'B'",
            "INSERT OR IGNORE INTO head (no) VALUES ('A')",
            "INSERT INTO head (no, amt) VALUES ('C', '4')",
        ],
        [("u", ("B", "2"), ("B", "3")), ("c", None, ("C", "4"))],
    ),
    (
        "ignored update, then a delete and an insert",
        [
            "UPDATE OR IGNORE head SET tag = 'tag B' WHERE no = 'A'",
            "DELETE FROM head WHERE no = 'B'",
            "INSERT INTO head (no, amt) VALUES ('B', '5')",
        ],
        [("d", ("B", "2"), None), ("c", None, ("B", "5"))],
    ),
    (
        "cascading delete",
        ["DELETE FROM head WHERE no = 'A'"],
        [("d", ("A", 1), None), ("d", ("A", 2), None), ("d", ("A", "1"), None)],
    ),
]


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize(("name", "statements", "expected"), STATEMENTS, ids=[s[0] for s in STATEMENTS])
def test_every_kind_of_statement(
    legacy: Legacy, name: str, statements: list[str], expected: list[tuple[str, Any, Any]], recursive: bool
) -> None:
    legacy.connection.execute(f"PRAGMA recursive_triggers = {recursive}")
    legacy.commit(
        "INSERT INTO head (no, amt, tag) VALUES ('A', '1', 'tag A'), ('B', '2', 'tag B')",
        "INSERT INTO line VALUES ('A', 1, 'x'), ('A', 2, 'y')",
    )
    start = legacy.capture.position()
    before = {t: set(legacy.rows(t)) for t in ("head", "line", "item")}
    if "cascading" not in name:  # or replacing a head would take its lines along
        legacy.connection.execute("PRAGMA foreign_keys = OFF")
    legacy.commit(*statements)
    found = legacy.read(start)
    if not recursive:
        assert sorted(ops(found), key=str) == sorted(expected, key=str)
    assert replayed(before, found) == {t: set(legacy.rows(t)) for t in before}


def test_rollback_leaves_nothing(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    legacy.connection.execute("BEGIN")
    legacy.connection.execute("INSERT INTO mark (at) VALUES (?)", (COMMIT,))
    legacy.connection.execute("INSERT INTO item (id) VALUES (2)")
    assert (legacy.capture.position(), len(legacy.read())) == (1, 1)
    legacy.connection.execute("ROLLBACK")
    legacy.connection.execute("SAVEPOINT s")
    legacy.connection.execute("INSERT INTO item (id) VALUES (3)")
    legacy.connection.execute("ROLLBACK TO s")
    legacy.connection.execute("RELEASE s")
    legacy.commit("INSERT INTO item (id) VALUES (4)")
    assert [c["after"]["id"] for c in legacy.read()] == [1, 4]


def test_statement_that_fails_leaves_the_others_of_its_transaction(legacy: Legacy) -> None:
    legacy.connection.execute("BEGIN")
    legacy.connection.execute("INSERT INTO mark (at) VALUES (?)", (COMMIT,))
    legacy.connection.execute("INSERT INTO item (id) VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError):
        legacy.connection.execute("INSERT INTO item (id) VALUES (2), (1)")
    legacy.connection.execute("INSERT INTO item (id) VALUES (3)")
    legacy.connection.execute("COMMIT")
    assert [c["after"]["id"] for c in legacy.read()] == [1, 3]


def test_transactions_of_two_connections_do_not_mix(legacy: Legacy) -> None:
    other = sqlite3.connect(legacy.path, isolation_level=None, timeout=0)
    legacy.connection.execute("BEGIN IMMEDIATE")
    legacy.connection.execute("INSERT INTO mark (at) VALUES (?)", (COMMIT,))
    legacy.connection.execute("INSERT INTO item (id) VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    legacy.connection.execute("INSERT INTO item (id) VALUES (2)")
    legacy.connection.execute("COMMIT")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO mark (at) VALUES (?)", (COMMIT,))
    other.execute("INSERT INTO item (id) VALUES (3)")
    other.execute("COMMIT")
    other.close()
    assert [(c["after"]["id"], c["source"]["txId"], c["source"]["sequence"]) for c in legacy.read()] == [
        (1, 1, '["0","1"]'),
        (2, 1, '["0","2"]'),
        (3, 2, '["2","3"]'),
    ]


def test_begin_and_end_follow_the_rows(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO head (no) VALUES ('A'), ('B')", "INSERT INTO line VALUES ('A', 1, 'x')")
    legacy.commit("DELETE FROM mark WHERE id = 0")
    legacy.commit("UPDATE head SET no = 'C' WHERE no = 'B'")
    records, _ = legacy.capture.changes(0, 10)
    topics = [r.topic for r in records]
    assert topics == ["old.orders"] * 5 + ["old.transaction"] * 4
    millis = COMMIT_MICROS // 1000
    counts = [{"data_collection": "main.head", "event_count": 2}, {"data_collection": "main.line", "event_count": 1}]
    assert marks(records) == [
        {"status": "BEGIN", "id": "1:1", "event_count": None, "data_collections": None, "ts_ms": millis},
        {"status": "END", "id": "1:3", "event_count": 3, "data_collections": counts, "ts_ms": millis},
        {"status": "BEGIN", "id": "3:4", "event_count": None, "data_collections": None, "ts_ms": millis},
        {"status": "END", "id": "3:4", "event_count": 2, "data_collections": counts[:1], "ts_ms": millis},
    ]
    assert [(r.partition, r.key) for r in records if r.topic == "old.transaction"][:1] == [(0, b'{"id":"1:1"}')]
    orders = [(c["transaction"]["total_order"], c["transaction"]["data_collection_order"]) for c in rows(records)]
    assert orders == [(1, 1), (2, 2), (3, 1), (1, 1), (2, 2)]


def test_changed_key_is_delete_and_insert_at_one_position(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO head (no) VALUES ('A')", "INSERT INTO line VALUES ('A', 1, 'x')")
    start = legacy.capture.position()
    legacy.commit("UPDATE line SET seq = 2, txt = 'y'")
    records, _ = legacy.capture.changes(start, 10)
    gone, come = records[:2]
    assert (gone.key, gone.headers) == (b'{"no":"A","seq":1}', (("__debezium.newkey", b'{"no":"A","seq":2}'),))
    assert (come.key, come.headers) == (b'{"no":"A","seq":2}', (("__debezium.oldkey", b'{"no":"A","seq":1}'),))
    first, second = rows(records)
    assert (first["op"], first["before"], first["after"]) == ("d", {"no": "A", "seq": 1, "txt": "x"}, None)
    assert (second["op"], second["before"], second["after"]) == ("c", None, {"no": "A", "seq": 2, "txt": "y"})
    assert first["source"]["lsn"] == second["source"]["lsn"]


def test_blanks_at_the_end_of_a_char_key_do_not_change_it(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO head (no) VALUES ('A')")
    legacy.commit("UPDATE head SET no = 'A     '")
    assert [c["op"] for c in legacy.read()] == ["c", "u"]


def test_rows_of_one_aggregate_share_a_partition_and_partitions_are_used(legacy: Legacy) -> None:
    legacy.commit(*[f"INSERT INTO head (no) VALUES ('{number:<6}')" for number in range(30)])
    legacy.connection.execute("PRAGMA foreign_keys = OFF")
    legacy.commit(*[f"INSERT INTO line VALUES ('{number}', 1, 'x')" for number in range(30)])
    partitions: dict[str, set[int]] = {}
    for record in legacy.capture.changes(0, 1000)[0]:
        if record.topic == "old.orders":
            partitions.setdefault(json.loads(record.key)["no"].strip(), set()).add(record.partition)
    assert len(partitions) == 30
    assert {len(found) for found in partitions.values()} == {1}
    assert {p for found in partitions.values() for p in found} == {0, 1, 2}


def test_a_transaction_is_read_whole_whatever_the_limit(legacy: Legacy) -> None:
    legacy.commit(*[f"INSERT INTO item (id) VALUES ({n})" for n in range(1, 8)])
    legacy.commit("INSERT INTO item (id) VALUES (8)")
    records, position = legacy.capture.changes(0, 2)
    assert (len(rows(records)), position) == (7, 7)
    records, position = legacy.capture.changes(position, 2)
    assert (len(rows(records)), position) == (1, 8)
    assert legacy.capture.changes(position, 2) == ([], 8)


def test_a_repeat_is_told_alike(legacy: Legacy) -> None:
    for n in range(1, 6):
        legacy.commit(f"INSERT INTO item (id) VALUES ({n})", f"UPDATE item SET flag = 1 WHERE id = {n}")

    def identities(step: int, start: int) -> list[Any]:
        found: list[Any] = []
        position = start
        while True:
            records, reached = legacy.capture.changes(position, step)
            if reached == position:
                return found
            found += [(r.topic, r.partition, r.key, r.headers, r.value) for r in records if r.topic == "old.items"]
            position = reached

    whole = identities(1000, 0)
    assert len(whole) == 10
    assert identities(1, 0) == whole
    assert identities(3, 4) == whole[4:]


def test_killed_between_append_and_commit_repeats_and_loses_nothing(legacy: Legacy) -> None:
    """The caller's side of the promise: append, then note the position; killed in between, it starts at the old one."""
    log: list[bytes] = []
    noted = 0
    for n in range(1, 9):
        legacy.commit(f"INSERT INTO item (id) VALUES ({n})")
        records, reached = legacy.capture.changes(noted, 3)
        log += [r.value for r in records if r.topic == "old.items"]
        if n % 3 == 0:
            legacy.capture.close()
            legacy.capture = SqliteCapture(legacy.path, legacy.spec, lambda: NOW)
        else:
            noted = reached
    assert list(dict.fromkeys(json.loads(v)["after"]["id"] for v in log)) == list(range(1, 9))
    assert len(log) > len(set(log)) == 8


def test_without_a_marker_each_row_is_a_transaction(tmp_path: Path) -> None:
    legacy = Legacy(tmp_path / "old.db", None)
    legacy.connection.execute("INSERT INTO item (id) VALUES (1), (2)")
    records, position = legacy.capture.changes(0, 1)
    assert position == 1
    records, position = legacy.capture.changes(0, 10)
    assert [(c["source"]["txId"], c["source"]["sequence"]) for c in rows(records)] == [
        (1, '["0","1"]'),
        (2, '["1","2"]'),
    ]
    assert [m["id"] for m in marks(records)] == ["1:1", "1:1", "2:2", "2:2"]
    again = rows(legacy.capture.changes(0, 10)[0])
    assert [c["source"] for c in again] == [c["source"] for c in rows(records)]
    legacy.close()


def test_a_legacy_that_is_not_in_wal_mode_is_read_too(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    legacy.connection.execute("PRAGMA journal_mode = DELETE")
    legacy.commit("INSERT INTO item (id) VALUES (2)")
    assert [c["after"]["id"] for c in legacy.read()] == [1, 2]
