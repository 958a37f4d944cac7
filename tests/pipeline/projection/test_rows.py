"""View rows read back: values as they were written, edits by hand as they stand, and a hash that tells the two apart."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from pipeline.projection.content import row_hash
from pipeline.projection.rows import ViewReader, ViewRow
from pipeline.projection.tables import Tables
from tests.pipeline.projection.support import (
    NOW,
    SHAPE,
    database,
    drain,
    edit,
    memory_log,
    projection,
    record,
    sequence,
    spec,
    state,
)

KEYS = ["", "A", "a", "a%2Fb", "a/b", "b", "é", "\uffff", "\U0001f600"]
"""In the order of their code points."""


def stored(folder: Path) -> list[ViewRow]:
    with database(folder).connect() as connection:
        return ViewReader(Tables.of(spec(), SHAPE)).read_rows(connection)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    drain(projection(database(tmp_path), memory_log(record("P1", 3, state()))))
    return tmp_path


def test_a_row_is_read_as_it_was_said(filled: Path) -> None:
    (row,) = stored(filled)
    assert row.key == "P1"
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
    assert {name: type(value) for name, value in row.header.items()} == {
        "policy_number": str,
        "holder": int,
        "premium_amount": Decimal,
        "frequency": str,
        "score": float,
        "begins": date,
        "changed": datetime,
        "renewed": bool,
        "rate": Decimal,
    }
    assert row.children == {
        "coverages": [
            {"kind": "fire", "sum_insured": Decimal("1000.00"), "note": None},
            {"kind": "water", "sum_insured": Decimal("1000.00"), "note": "cellar"},
        ]
    }
    meta = row.meta
    assert (meta.version, meta.commit_time, meta.applied_time, meta.source_position, meta.event_id) == (
        sequence(3),
        datetime(2026, 2, 28, 22, 59, 59, tzinfo=UTC),
        NOW,
        10**20 + 3,
        "P1-3",
    )


def test_the_hash_is_that_of_the_canonical_content(filled: Path) -> None:
    (row,) = stored(filled)
    header = {
        "begins": "2026-03-01",
        "changed": "2026-02-28T22:59:59.123456+00:00",
        "frequency": "annual",
        "holder": 4711,
        "policy_number": "P1",
        "premium_amount": "412.50",
        "rate": "0.0000000000000000000000000001",
        "renewed": False,
        "score": 0.5,
    }
    children = [
        {"kind": "fire", "note": None, "sum_insured": "1000.00"},
        {"kind": "water", "note": "cellar", "sum_insured": "1000.00"},
    ]
    canonical = json.dumps([header, {"coverages": children}], separators=(",", ":"))
    assert row.meta.row_hash == hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
    assert row_hash(row.header, row.children) == row.meta.row_hash
    assert row_hash(dict(reversed(row.header.items())), row.children) == row.meta.row_hash


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_view SET holder = 4712",
        "UPDATE policy_view SET holder = NULL",
        "UPDATE policy_view SET holder = 'nobody'",
        "UPDATE policy_view SET premium_amount = '412.51'",
        "UPDATE policy_view SET premium_amount = '412.5'",
        "UPDATE policy_view SET premium_amount = 'much'",
        "UPDATE policy_view SET premium_amount = ' 412.50'",
        "UPDATE policy_view SET begins = '20260301'",
        "UPDATE policy_view SET begins = '0000-00-00'",
        "UPDATE policy_view SET begins = x'00ff'",
        "UPDATE policy_view SET changed = '2026-02-28'",
        "UPDATE policy_view SET renewed = 1",
        "UPDATE policy_view SET renewed = 2",
        "UPDATE policy_view SET frequency = 'Annual'",
        "UPDATE policy_view SET frequency = 'annual '",
        "UPDATE policy_view SET policy_number = 'P2'",
        "UPDATE coverage_view SET note = '' WHERE _ordinal = 0",
        "UPDATE coverage_view SET sum_insured = '999.00' WHERE _ordinal = 1",
        "UPDATE coverage_view SET _ordinal = 2 WHERE _ordinal = 0",
        "DELETE FROM coverage_view WHERE _ordinal = 1",
        "INSERT INTO coverage_view VALUES ('P1', 2, 'theft', '1.00', NULL)",
    ],
)
def test_every_edit_by_hand_is_seen(filled: Path, statement: str) -> None:
    edit(filled, statement)
    (row,) = stored(filled)
    assert row_hash(row.header, row.children) != row.meta.row_hash


def test_a_later_record_heals_an_edit(filled: Path) -> None:
    edit(filled, "UPDATE policy_view SET holder = 1, policy_number = 'P2'", "DELETE FROM coverage_view")
    log = memory_log(record("P1", 3, state()), record("P1", 4, state()))
    drain(projection(database(filled), log))
    (row,) = stored(filled)
    assert (row.header["policy_number"], row.header["holder"], len(row.children["coverages"])) == ("P1", 4711, 2)
    assert row_hash(row.header, row.children) == row.meta.row_hash


def test_the_hash_holds_over_what_an_incomplete_state_left(filled: Path) -> None:
    log = memory_log(record("P1", 3, state()), record("P1", 4, state(holder=..., coverages=..., premium=None)))
    drain(projection(database(filled), log))
    (row,) = stored(filled)
    assert row.meta.version == sequence(4)
    assert row_hash(row.header, row.children) == row.meta.row_hash


def test_rows_come_in_the_order_of_code_points_and_by_key(tmp_path: Path) -> None:
    numbers = {key: f"N{n}" for n, key in enumerate(reversed(KEYS))}
    log = memory_log(*[record(key, 1, state(numbers[key])) for key in reversed(KEYS)])
    drain(projection(database(tmp_path), log))
    reader = ViewReader(Tables.of(spec(), SHAPE))
    with database(tmp_path).connect() as connection:
        pages = []
        after = None
        for _ in KEYS:
            page = reader.read_rows(connection, after, 2)
            pages += page
            after = page[-1].key if page else after
        assert [row.key for row in pages] == KEYS
        assert all(len(row.children["coverages"]) == 2 for row in pages)
        assert [row.header["policy_number"] for row in pages] == [numbers[key] for key in KEYS]
        found = reader.read_keys(connection, ["a", "b", "none of them"])
        assert found == {row.key: row for row in pages if row.key in ("a", "b")}
        many = [f"x{n}" for n in range(1_200)]
        assert reader.read_keys(connection, [*many, "é"]).keys() == {"é"}


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            postgresql.dialect(),  # type: ignore[no-untyped-call]
            [
                '_key VARCHAR(512) COLLATE "C" NOT NULL',
                "premium_amount NUMERIC(9, 2)",
                "rate TEXT",
                "score DOUBLE PRECISION",
                "begins DATE",
            ],
        ),
        (
            mysql.dialect(),
            [
                "_key VARCHAR(512) COLLATE utf8mb4_0900_bin",
                "premium_amount NUMERIC(9, 2)",
                "changed DATETIME(6)",
                "score DOUBLE,",
            ],
        ),
        (
            sqlite.dialect(),
            ["_key VARCHAR(512) NOT NULL", "premium_amount TEXT", "rate TEXT", "begins TEXT", "renewed INTEGER"],
        ),
    ],
)
def test_every_database_gets_types_that_keep_values_exactly(dialect: Dialect, expected: list[str]) -> None:
    made = str(CreateTable(Tables.of(spec(), SHAPE).header).compile(dialect=dialect)).replace("`", "")
    assert [column for column in expected if column not in made] == []
