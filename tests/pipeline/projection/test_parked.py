"""A record that cannot be applied waits on the view's side; other keys go on, a newer record of its key replaces it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.log.port import Outgoing
from tests.pipeline.projection.support import (
    NOW,
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

REFUSALS = [
    pytest.param(state(holder="4711"), "view.value-unfit", "holder is no integer", id="text for an integer"),
    pytest.param(state(holder=True), "view.value-unfit", "holder is no integer", id="boolean for an integer"),
    pytest.param(state(holder=2**64 - 1), "view.value-unfit", "holder is no integer of 64 bits", id="too large"),
    pytest.param(
        state(premium={"amount": 412.5, "frequency": "annual"}),
        "view.value-unfit",
        "premium.amount is no decimal",
        id="float for a decimal",
    ),
    pytest.param(
        state(premium={"amount": "1.005", "frequency": "annual"}), "view.value-unfit", "2 places", id="too exact"
    ),
    pytest.param(
        state(premium={"amount": "12345678.00", "frequency": "annual"}), "view.value-unfit", "9 digits", id="too wide"
    ),
    pytest.param(state(rate="NaN"), "view.value-unfit", "rate is no decimal", id="not a number"),
    pytest.param(state(begins="2026-02-30"), "view.value-unfit", "begins is no date", id="no such day"),
    pytest.param(state(changed="yesterday"), "view.value-unfit", "changed is no time", id="no time"),
    pytest.param(state(premium="412.50"), "view.value-unfit", "is no object", id="text for an object"),
    pytest.param(state(coverages="fire"), "view.value-unfit", "coverages is no list", id="text for a list"),
    pytest.param(
        state(coverages=[coverage("fire", "much")]),
        "view.value-unfit",
        "coverages.sumInsured is no decimal",
        id="in an element",
    ),
    pytest.param(state(policyNumber=None), "view.key-missing", "policyNumber", id="null key"),
    pytest.param(b"{", "view.record-unreadable", "", id="no JSON"),
    pytest.param([1], "view.record-unreadable", "no JSON object", id="JSON of another kind"),
]


@pytest.mark.parametrize("limit", [1, 500])
@pytest.mark.parametrize(("data", "code", "said"), REFUSALS)
def test_what_cannot_be_applied_is_parked_whole(tmp_path: Path, data: Any, code: str, said: str, limit: int) -> None:
    bad = record("P1", 2, data)
    log = memory_log(record("P1", 1, state()), bad, record("P2", 1, state("P2")))
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert view(tmp_path).keys() == {"P1", "P2"}
    assert view(tmp_path)["P1"][0] == sequence(1)
    (parked,) = reader.parked()
    assert (parked.key, parked.code, parked.value, parked.first_seen) == ("P1", code, bad.value, NOW)
    assert said in parked.message
    assert (reader.applied, reader.refused, reader.behind()) == (2, 1, 0)


def test_a_new_key_whose_state_lacks_the_key_columns_is_parked(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state(policyNumber=...)), record("P2", 1, state("P2")))
    reader = projection(database(tmp_path), log)
    drain(reader)
    assert view(tmp_path).keys() == {"P2"}
    assert [(parked.code, parked.message) for parked in reader.parked()] == [
        ("view.key-missing", "policyNumber, which is part of the view's key, is absent.")
    ]


@pytest.mark.parametrize("header", ["ce_id", "ce_sequence", "ce_subject", "ce_time"])
def test_a_record_without_what_makes_it_one_is_parked(tmp_path: Path, header: str) -> None:
    good = record("P1", 1, state())
    spoilt = tuple((name, b"?" if name == "ce_time" else b"") for name, _ in good.headers if name == header)
    others = tuple(pair for pair in good.headers if pair[0] != header)
    headers = (*others, *(spoilt if header == "ce_time" else ()))
    bad = Outgoing(topic=good.topic, timestamp=0, key=good.key, value=good.value, headers=headers)
    log = memory_log(bad, record("P2", 1, state("P2")))
    reader = projection(database(tmp_path), log)
    drain(reader)
    assert view(tmp_path).keys() == {"P2"}
    assert [(parked.key, parked.version, parked.code) for parked in reader.parked()] == [
        ("P1", None, "view.record-unreadable")
    ]
    log.append([good])
    drain(reader)
    assert reader.parked() == []


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_the_database_s_refusal_of_one_row_parks_that_row_alone(tmp_path: Path, limit: int) -> None:
    log = memory_log(*[record(f"P{n}", 1, state(f"P{n}", holder=n), partition=0) for n in range(5)])
    reader = projection(database(tmp_path), log)
    edit(tmp_path, "CREATE UNIQUE INDEX one_contract_per_holder ON policy_view (holder)")
    log.append([record("P5", 1, state("P5", holder=3), partition=0), record("P6", 1, state("P6"), partition=0)])
    drain(reader, limit)
    assert sorted(view(tmp_path)) == ["P0", "P1", "P2", "P3", "P4", "P6"]
    (parked,) = reader.parked()
    assert (parked.key, parked.version, parked.code) == ("P5", sequence(1), "view.row-refused")
    assert "UNIQUE constraint failed: policy_view.holder" in parked.message
    assert (reader.applied, reader.refused, reader.behind()) == (6, 1, 0)
    assert rows(tmp_path, "SELECT count(*) FROM coverage_view WHERE policy_number = 'P5'") == [(0,)]


@pytest.mark.parametrize("newer", [state(), None])
@pytest.mark.parametrize("limit", [1, 500])
def test_a_newer_record_that_applies_replaces_what_was_parked(
    tmp_path: Path, newer: dict[str, Any] | None, limit: int
) -> None:
    log = memory_log(record("P1", 1, state(holder="?")), record("P2", 1, state("P2", holder="?")))
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    log.append([record("P1", 2, newer)])
    drain(reader, limit)
    assert [parked.key for parked in reader.parked()] == ["P2"]


@pytest.mark.parametrize("limit", [1, 500])
def test_an_older_record_that_applies_replaces_nothing(tmp_path: Path, limit: int) -> None:
    log = memory_log(record("P1", 7, state(holder="?")), record("P1", 6, state(holder=6)))
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert [(parked.key, parked.version) for parked in reader.parked()] == [("P1", sequence(7))]
    assert view(tmp_path)["P1"][:2] == (sequence(6), 6)


@pytest.mark.parametrize("limit", [1, 500])
def test_a_bad_record_that_is_older_than_the_view_is_skipped(tmp_path: Path, limit: int) -> None:
    log = memory_log(record("P1", 2, state()), record("P1", 1, state(holder="?")))
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert reader.parked() == []
    assert (reader.applied, reader.older) == (1, 1)


@pytest.mark.parametrize("limit", [1, 500])
def test_a_repeat_of_what_is_parked_is_parked_once(tmp_path: Path, limit: int) -> None:
    log = memory_log(*[record("P1", 1, state(holder="?"))] * 3)
    reader = projection(database(tmp_path), log)
    drain(reader, limit)
    assert [parked.offset for parked in reader.parked()] == [0]
    assert reader.refused == 1


def test_messages_do_not_repeat_values(tmp_path: Path) -> None:
    log = memory_log(record("P1", 1, state(begins="secret")))
    reader = projection(database(tmp_path), log)
    drain(reader)
    assert "secret" not in reader.parked()[0].message
