"""The initial snapshot: one consistent read of all tables, then COMPLETED."""

from __future__ import annotations

import json
from typing import Any

from connectors.capture import Captured
from tests.connectors.capture.support import Legacy, rows


def read(legacy: Legacy) -> list[Captured]:
    return [record for batch in legacy.capture.snapshot() for record in batch]


def seen(records: list[Captured]) -> list[tuple[str, Any, str]]:
    """Table, first column and snapshot mark of each row."""
    return [(r["source"]["table"], next(iter(r["after"].values())), r["source"]["snapshot"]) for r in rows(records)]


def test_rows_come_in_key_order_with_their_marks(legacy: Legacy) -> None:
    legacy.commit(
        "INSERT INTO head (no) VALUES ('C'), ('A'), ('B')",
        "INSERT INTO line VALUES ('B', 1, 'x')",
        "INSERT INTO item (id) VALUES (2), (1)",
    )
    assert seen(read(legacy)) == [
        ("head", "A", "first"),
        ("head", "B", "true"),
        ("head", "C", "last_in_data_collection"),
        ("line", "B", "last_in_data_collection"),
        ("item", 1, "first_in_data_collection"),
        ("item", 2, "last"),
    ]


def test_the_last_row_is_the_last_one_there_is(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO head (no) VALUES ('A')")
    assert seen(read(legacy)) == [("head", "A", "last")]


def test_a_row_is_told_as_read_and_no_news(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id, day, flag) VALUES (5, '1970-01-03', 1)")
    (row,) = rows(read(legacy))
    assert (row["op"], row["before"], row["transaction"]) == ("r", None, None)
    assert (row["after"]["day"], row["after"]["flag"]) == (2, True)
    assert (row["source"]["txId"], row["source"]["lsn"], row["source"]["sequence"]) == (None, 1, '[null,"1"]')


def test_completed_is_the_last_record(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    *others, last = read(legacy)
    assert {r.topic for r in others} == {"old.items"}
    assert (last.topic, last.partition) == ("old.notification", 0)
    value = json.loads(last.value)
    assert (value["type"], value["aggregate_type"]) == ("COMPLETED", "Initial Snapshot")
    assert json.loads(last.key) == {"id": value["id"]}
    assert read(legacy)[-1] == last


def test_an_empty_legacy_is_complete_at_once(legacy: Legacy) -> None:
    records = read(legacy)
    assert [r.topic for r in records] == ["old.notification"]


def test_many_rows_come_in_batches_that_hold_each_once(legacy: Legacy) -> None:
    legacy.commit(*[f"INSERT INTO item (id) VALUES ({n})" for n in range(2500)])
    batches = list(legacy.capture.snapshot())
    assert [len(b) for b in batches] == [1000, 1000, 501]
    assert [r["after"]["id"] for b in batches for r in rows(b)] == list(range(2500))


def test_what_is_committed_meanwhile_is_in_the_changes_and_only_there(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)", "INSERT INTO item (id) VALUES (2)")
    snapshot = legacy.capture.snapshot()
    legacy.commit("INSERT INTO item (id) VALUES (3)", "DELETE FROM item WHERE id = 1")
    found = rows([record for batch in snapshot for record in batch])
    assert [r["after"]["id"] for r in found] == [1, 2]
    assert snapshot.position == 2
    assert [(c["op"], (c["after"] or c["before"])["id"]) for c in legacy.read(snapshot.position)] == [
        ("c", 3),
        ("d", 1),
    ]


def test_a_snapshot_and_the_changes_route_alike(legacy: Legacy) -> None:
    legacy.commit(*[f"INSERT INTO head (no) VALUES ('{n:<6}')" for n in range(20)])
    streamed = {r.key: (r.topic, r.partition) for r in legacy.capture.changes(0, 100)[0] if r.topic == "old.orders"}
    read_ = {r.key: (r.topic, r.partition) for r in read(legacy) if r.topic == "old.orders"}
    assert streamed == read_
    assert len(read_) == 20


def test_a_snapshot_that_is_given_up_lets_go_of_the_database(legacy: Legacy) -> None:
    legacy.commit(*[f"INSERT INTO item (id) VALUES ({n})" for n in range(1500)])
    snapshot = legacy.capture.snapshot()
    assert len(next(iter(snapshot))) == 1000
    snapshot.close()
    assert legacy.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
