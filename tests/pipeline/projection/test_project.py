"""What a projection promises of its view, seen through any SQLite client."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from pipeline.projection.errors import ViewAhead, ViewTableConflict
from tests.pipeline.projection.support import (
    NOW,
    TOPIC,
    coverage,
    database,
    drain,
    edit,
    memory_log,
    projection,
    record,
    rows,
    sequence,
    state,
    view,
)


def test_a_state_becomes_a_row_with_its_children_and_what_it_is_known_by(tmp_path: Path) -> None:
    log = memory_log(record("P1", 3, state()))
    reader = projection(database(tmp_path), log)
    assert reader.behind() == 1
    assert reader.turn() == 1
    columns = "policy_number, holder, premium_amount, frequency, score, begins, changed, renewed, rate"
    assert rows(tmp_path, f"SELECT {columns} FROM policy_view") == [
        (
            "P1",
            4711,
            "412.50",
            "annual",
            0.5,
            "2026-03-01",
            "2026-02-28T22:59:59.123456+00:00",
            0,
            "0.0000000000000000000000000001",
        )
    ]
    assert rows(tmp_path, "SELECT policy_number, _ordinal, kind, sum_insured, note FROM coverage_view") == [
        ("P1", 0, "fire", "1000.00", None),
        ("P1", 1, "water", "1000.00", "cellar"),
    ]
    known_by = "_key, _version, _commit_time, _applied_time, _source_position, _event_id"
    assert rows(tmp_path, f"SELECT {known_by} FROM policy_view") == [
        ("P1", sequence(3), "2026-02-28T22:59:59+00:00", NOW.isoformat(), "100000000000000000003", "P1-3")
    ]
    assert (reader.applied, reader.older, reader.refused, reader.behind(), reader.turn()) == (1, 0, 0, 0, 0)


def test_a_newer_state_replaces_the_row_and_its_children(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state()), record("P2", 1, state("P2")))
    reader = projection(database(tmp_path), log)
    drain(reader)
    log.append([record("P1", 2, state(holder=None, premium=None, coverages=[coverage("theft")]))])
    drain(reader)
    assert view(tmp_path) == {
        "P1": (sequence(2), None, None, ("theft",)),
        "P2": (sequence(1), 4711, "412.50", ("fire", "water")),
    }


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_an_older_or_equal_record_changes_nothing(tmp_path: Path, limit: int) -> None:
    log = memory_log(
        record("P1", 2, state(holder=2)), record("P1", 1, state(holder=1)), record("P1", 2, state(holder=0))
    )
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert view(tmp_path)["P1"][:2] == (sequence(2), 2)
    assert (reader.applied, reader.older) == (1, 2)


def test_state_epoch_then_version_then_generation_decide(tmp_path: Path) -> None:
    log = memory_log(
        record("P1", 9, state(holder=1)),
        record("P1", 9, state(holder=2), sequence=sequence(9, generation=2)),
        record("P1", 8, state(holder=3), sequence=sequence(8, generation=3)),
        record("P1", 1, state(holder=4), sequence=sequence(1, epoch=2)),
    )
    drain(projection(database(tmp_path), log), 1)
    assert view(tmp_path)["P1"][:2] == (sequence(1, epoch=2), 4)


@pytest.mark.parametrize("limit", [1, 500])
def test_a_deleted_key_stays_deleted_for_older_records(tmp_path: Path, limit: int) -> None:
    log = memory_log(
        record("P1", 1, state()),
        record("P1", 3, None),
        record("P1", 2, state(holder=2)),
        record("P2", 5, None),
        record("P2", 4, state("P2")),
    )
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert view(tmp_path) == {}
    assert rows(tmp_path, "SELECT count(*) FROM coverage_view") == [(0,)]
    assert rows(tmp_path, "SELECT * FROM policy_view__gone ORDER BY 1") == [("P1", sequence(3)), ("P2", sequence(5))]
    log.append([record("P1", 4, state(holder=4)), record("P2", 6, None), record("P1", 2, state())])
    drain(reader, limit)
    assert view(tmp_path) == {"P1": (sequence(4), 4, "412.50", ("fire", "water"))}
    assert rows(tmp_path, "SELECT * FROM policy_view__gone") == [("P2", sequence(6))]


@pytest.mark.parametrize("limit", [1, 500])
def test_what_a_state_lacks_stays_as_it_is_and_is_null_on_insert(tmp_path: Path, limit: int) -> None:
    log = memory_log(
        record("P1", 1, state()),
        record("P1", 2, state(holder=..., premium={"frequency": "monthly"}, coverages=...)),
        record("P2", 1, state("P2", holder=..., coverages=...)),
    )
    drain(projection(database(tmp_path), log), limit)
    assert view(tmp_path) == {
        "P1": (sequence(2), 4711, "412.50", ("fire", "water")),
        "P2": (sequence(1), None, "412.50", ()),
    }
    assert rows(tmp_path, "SELECT frequency FROM policy_view WHERE _key = 'P1'") == [("monthly",)]


def test_what_an_element_lacks_stays_as_it_is_where_the_element_can_be_told(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state()))
    reader = projection(database(tmp_path), log)
    drain(reader)
    log.append([record("P1", 2, state(coverages=[coverage("fire"), coverage("water", "2.00", note=...)]))])
    drain(reader)
    assert rows(tmp_path, "SELECT sum_insured, note FROM coverage_view WHERE _ordinal = 1") == [("2.00", "cellar")]
    log.append([record("P1", 3, state(holder=3, coverages=[coverage("water", note=...)]))])
    drain(reader)
    assert [parked.code for parked in reader.parked()] == ["view.element-incomplete"]
    assert view(tmp_path)["P1"][:2] == (sequence(2), 4711)


def test_a_key_whose_columns_change_takes_its_children_with_it(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state("P1 ")), record("P1", 2, state("P1")))
    drain(projection(database(tmp_path), log), 1)
    assert view(tmp_path) == {"P1": (sequence(2), 4711, "412.50", ("fire", "water"))}
    assert rows(tmp_path, "SELECT count(*) FROM coverage_view") == [(2,)]


def test_children_left_behind_by_a_deletion_by_hand_are_in_nobodys_way(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state()))
    reader = projection(database(tmp_path), log)
    drain(reader)
    edit(tmp_path, "DELETE FROM policy_view")
    log.append([record("P1", 2, state(coverages=[coverage("theft")]))])
    drain(reader)
    assert view(tmp_path) == {"P1": (sequence(2), 4711, "412.50", ("theft",))}
    assert reader.parked() == []


def test_the_position_is_that_of_the_rows_and_gaps_are_passed(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state(), partition=1), record("P1", 2, None, partition=1))
    engine = database(tmp_path)
    reader = projection(engine, log)
    assert reader.position() == {0: 0, 1: 0}
    log.compact(TOPIC)
    log.compact(TOPIC)
    assert log.read(TOPIC, 1, 0, 9).records == []
    drain(reader)
    assert (reader.position(), reader.behind()) == ({0: 0, 1: 2}, 0)
    log.append([record("P3", 1, state("P3"), partition=0)])
    drain(reader)
    assert projection(engine, log).position() == {0: 1, 1: 2}


def test_before_its_stream_exists_there_is_nothing_to_do(tmp_path: Path) -> None:
    from pipeline.log.memory import MemoryLog

    reader = projection(database(tmp_path), MemoryLog())
    assert (reader.turn(), reader.position(), reader.behind()) == (0, {}, 0)


def test_another_log_than_the_view_was_built_from_is_refused(tmp_path: Path) -> None:
    engine = database(tmp_path)
    drain(projection(engine, memory_log(record("P1", 1, state(), partition=0))))
    with pytest.raises(ViewAhead) as caught:
        projection(engine, memory_log()).turn()
    assert caught.value.code == "view.ahead-of-log"
    assert "1 of policy.state 0, but the log ends at 0" in caught.value.message


def test_a_batch_that_another_process_has_applied_meanwhile_is_left_alone(tmp_path: Path) -> None:
    engine = database(tmp_path)
    log = memory_log(record("P1", 1, state()))
    slow, fast = projection(engine, log), projection(engine, log)
    stands = slow.position()
    drain(fast)
    slow.position = lambda: stands  # type: ignore[method-assign]  # it has asked before the other one wrote
    assert slow.turn() == 0
    assert (fast.applied, slow.applied, slow.older) == (1, 0, 0)
    assert fast.behind() == 0


def test_tables_are_made_once_and_never_altered(tmp_path: Path) -> None:
    engine = database(tmp_path)
    log = memory_log(record("P1", 1, state()))
    drain(projection(engine, log))
    drain(projection(engine, log))
    assert view(tmp_path).keys() == {"P1"}
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE coverage_view RENAME COLUMN note TO remark"))
    with pytest.raises(ViewTableConflict) as caught:
        projection(engine, log)
    assert caught.value.code == "view.table-conflict"
    assert "coverage_view" in caught.value.message
    assert "it lacks note and it has remark" in caught.value.message


def test_a_table_with_another_primary_key_is_refused(tmp_path: Path) -> None:
    edit(tmp_path, "CREATE TABLE policy_view__gone (_key TEXT, _version TEXT PRIMARY KEY)")
    with pytest.raises(ViewTableConflict) as caught:
        projection(database(tmp_path), memory_log())
    assert "its primary key is _version, not _key" in caught.value.message
