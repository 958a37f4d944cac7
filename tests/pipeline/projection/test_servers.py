"""What a projection promises of its view holds in PostgreSQL and in MariaDB as it does in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from pipeline.failpoint import arm
from pipeline.projection.content import row_hash
from pipeline.projection.errors import ViewTableConflict
from pipeline.projection.rows import ViewReader, ViewRow
from pipeline.projection.tables import Tables
from tests.model.faults import Killed, in_process
from tests.pipeline.projection import support
from tests.pipeline.projection.support import (
    SHAPE,
    coverage,
    drain,
    memory_log,
    projection,
    record,
    sequence,
    spec,
    state,
)
from tests.servers.databases import database

KEYS = ["", "A", "a", "a ", "a%2Fb", "a/b", "b", "é", "\uffff", "\U0001f600"]
"""In the order of their code points."""


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, unused_name: str) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = support.database(tmp_path)
        yield made
        made.dispose()
        return
    with database(request.param, request.getfixturevalue(f"{request.param}_server"), unused_name) as made:
        yield made


def stored(engine: Engine) -> list[ViewRow]:
    with engine.connect() as connection:
        return ViewReader(Tables.of(spec(), SHAPE)).read_rows(connection)


def edited(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def shown(engine: Engine) -> dict[str, tuple[Any, ...]]:
    """By key the version, the holder and the kinds of the coverages."""
    return {
        row.key: (row.meta.version, row.header["holder"], [c["kind"] for c in row.children["coverages"]])
        for row in stored(engine)
    }


def test_a_row_is_read_as_it_was_said(engine: Engine) -> None:
    drain(projection(engine, memory_log(record("P1", 3, state()))))
    (row,) = stored(engine)
    assert row.header == {
        "policy_number": "P1",
        "holder": 4711,
        "premium_amount": Decimal("412.50"),
        "frequency": "annual",
        "score": 0.5,
        "begins": date(2026, 3, 1),
        "changed": datetime(2026, 2, 28, 22, 59, 59, 123456, tzinfo=UTC),
        "renewed": False,
        "rate": Decimal("0.0000000000000000000000000001"),
    }
    assert row.children["coverages"][1] == {"kind": "water", "sum_insured": Decimal("1000.00"), "note": "cellar"}
    assert (row.meta.version, row.meta.source_position, row.meta.applied_time) == (
        sequence(3),
        10**20 + 3,
        support.NOW,
    )
    assert row_hash(row.header, row.children) == row.meta.row_hash


def test_texts_of_any_length_and_script_are_kept(engine: Engine) -> None:
    note = "ä\U0001f600 " * 50_000
    said = state(holder=2**63 - 1, score=0.1 + 0.2, coverages=[coverage("é ", note=note)])
    drain(projection(engine, memory_log(record("P1", 1, said))))
    (row,) = stored(engine)
    assert row.children["coverages"] == [{"kind": "é ", "sum_insured": Decimal("1000.00"), "note": note}]
    assert (row.header["holder"], row.header["score"]) == (2**63 - 1, 0.1 + 0.2)
    assert row_hash(row.header, row.children) == row.meta.row_hash


def test_keys_are_told_apart_and_sorted_by_their_code_points(engine: Engine) -> None:
    """Neither case nor blanks at the end make two keys one, whatever the database does with other texts."""
    records = [record(key, 1, state(key, holder=n)) for n, key in enumerate(reversed(KEYS))]
    reader = projection(engine, memory_log(*records))
    drain(reader)
    assert reader.parked() == []
    rows = stored(engine)
    assert [(row.key, row.header["policy_number"]) for row in rows] == [(key, key) for key in KEYS]
    assert all(len(row.children["coverages"]) == 2 for row in rows)
    drain(projection(engine, memory_log(*records, record("a", 2, None), record("A", 2, state("A", coverages=[])))))
    kinds = {key: kinds for key, (_, _, kinds) in shown(engine).items()}
    assert kinds == {key: [] if key == "A" else ["fire", "water"] for key in KEYS if key != "a"}
    with engine.connect() as connection:
        found = ViewReader(Tables.of(spec(), SHAPE)).read_keys(connection, ["A", "a", "a "])
    assert sorted(found) == ["A", "a "]


@pytest.mark.parametrize("limit", [1, 500])
def test_only_what_is_newer_is_applied_and_deleted_stays_deleted(engine: Engine, limit: int) -> None:
    log = memory_log(
        record("P1", 1, state()),
        record("P1", 3, None),
        record("P1", 2, state(holder=2)),
        record("P2", 2, state("P2", holder=2)),
        record("P2", 1, state("P2", holder=1)),
        record("P2", 2, state("P2", holder=0)),
    )
    reader = projection(engine, log)
    drain(reader, limit)
    assert shown(engine) == {"P2": (sequence(2), 2, ["fire", "water"])}
    log.append(
        [record("P1", 4, state(holder=4, coverages=[])), record("P2", 9, state("P2"), sequence=sequence(1, epoch=2))]
    )
    drain(reader, limit)
    assert shown(engine) == {
        "P1": (sequence(4), 4, []),
        "P2": (sequence(1, epoch=2), 4711, ["fire", "water"]),
    }


def test_the_database_s_refusal_of_one_row_parks_that_row_alone(engine: Engine) -> None:
    log = memory_log(*[record(f"P{n}", 1, state(f"P{n}", holder=n), partition=0) for n in range(3)])
    reader = projection(engine, log)
    edited(engine, "CREATE UNIQUE INDEX one_contract_per_holder ON policy_view (holder)")
    log.append([record("P5", 1, state("P5", holder=2), partition=0), record("P6", 1, state("P6"), partition=0)])
    drain(reader)
    assert sorted(shown(engine)) == ["P0", "P1", "P2", "P6"]
    (parked,) = reader.parked()
    assert (parked.key, parked.code, reader.behind()) == ("P5", "view.row-refused", 0)
    log.append([record("P5", 2, state("P5", holder=5), partition=0)])
    drain(reader)
    assert (reader.parked(), sorted(shown(engine))) == ([], ["P0", "P1", "P2", "P5", "P6"])


EDITS = [
    "UPDATE policy_view SET holder = NULL",
    "UPDATE policy_view SET premium_amount = 412.51",
    "UPDATE policy_view SET begins = '2026-03-02'",
    "UPDATE policy_view SET frequency = 'Annual'",
    "UPDATE policy_view SET frequency = 'annual '",
    "UPDATE policy_view SET policy_number = 'p1'",
    "UPDATE policy_view SET policy_number = 'P1 '",
    "UPDATE coverage_view SET note = '' WHERE _ordinal = 0",
    "DELETE FROM coverage_view WHERE _ordinal = 1",
    "INSERT INTO coverage_view VALUES ('P1', 2, 'theft', 1.00, NULL)",
]


def test_an_edit_by_hand_is_seen_and_the_next_record_heals_it(engine: Engine) -> None:
    log = memory_log(record("P1", 1, state()))
    reader = projection(engine, log)
    drain(reader)
    for version, statement in enumerate(EDITS, 2):
        edited(engine, statement)
        (row,) = stored(engine)
        assert row_hash(row.header, row.children) != row.meta.row_hash, statement
        log.append([record("P1", version, state())])
        drain(reader)
        (row,) = stored(engine)
        assert row_hash(row.header, row.children) == row.meta.row_hash, statement
        assert (row.meta.version, row.header["policy_number"]) == (sequence(version), "P1")


@pytest.mark.parametrize("point", ["projection.before-commit", "projection.after-commit"])
def test_rows_and_position_are_written_together_or_not_at_all(engine: Engine, point: str) -> None:
    log = memory_log(*[record(f"P{n}", 1, state(f"P{n}"), partition=0) for n in range(4)])
    reader = projection(engine, log)
    with in_process():
        arm(f"{point}:1")
        with pytest.raises(Killed):
            reader.turn()
    committed = point.endswith("after-commit")
    assert (reader.position()[0], len(shown(engine))) == ((4, 4) if committed else (0, 0))
    drain(projection(engine, log))
    assert sorted(shown(engine)) == ["P0", "P1", "P2", "P3"]


def test_a_batch_that_another_process_has_applied_meanwhile_is_left_alone(engine: Engine) -> None:
    log = memory_log(record("P1", 1, state()))
    slow, fast = projection(engine, log), projection(engine, log)
    stands = slow.position()
    drain(fast)
    slow.position = lambda: stands  # type: ignore[method-assign]  # it has asked before the other one wrote
    assert (slow.turn(), slow.applied, fast.behind()) == (0, 0, 0)


def test_tables_of_another_making_are_refused(engine: Engine) -> None:
    projection(engine, memory_log())
    projection(engine, memory_log())
    edited(engine, "ALTER TABLE coverage_view RENAME COLUMN note TO remark")
    with pytest.raises(ViewTableConflict, match="it lacks note and it has remark"):
        projection(engine, memory_log())


def test_two_workers_write_side_by_side(engine: Engine) -> None:
    """Keys that are new to both lie between each other; neither waits for the other for ever, nor gives up."""
    log = memory_log(*[record(f"P{n:03}", 1, state(f"P{n:03}"), partition=n % 2) for n in range(300)])
    workers = [projection(engine, log), projection(engine, log)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda worker: drain(worker, 10), workers))
    assert len(shown(engine)) == 300
    assert [worker.behind() for worker in workers] == [0, 0]
