"""What values that differ have in common: named where all agree on it, never where they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from reconcile.patterns import pattern_of_values
from tests.reconcile.test_drift import found, misapplied
from tests.reconcile.world import PRODUCER, World, stated

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        (NOON, NOON.replace(hour=14), "hours +2"),
        ("2026-11-20T12:00:00Z", "2026-11-20T11:00:00", "hours -1"),
        ("2026-11-20T12:00:00+01:00", "2026-11-20T12:00:00", "hours +1"),
        (NOON, NOON.replace(hour=14, second=1), None),
        (NOON, NOON.replace(day=21), None),
        ("2026-11-20", "2026-11-21", None),
        (Decimal("10.00"), Decimal("10.01"), "rounding"),
        ("10.00", Decimal("9.995"), "rounding"),
        (Decimal("10.00"), Decimal("10.02"), None),
        ("12.50", "1250.00", "scale a hundred times too much"),
        (Decimal("1250"), 12.5, "scale a hundredth of it"),
        ("bolt ", "bolt", "blanks"),
        ("Bolt", "BOLT", "case"),
        ("bolt and nut", "bolt an", "cut"),
        ("bolt an", "bolt and nut", None),
        ("bolt", "", None),
        (None, "", "null-or-empty"),
        ("", None, "null-or-empty"),
        (None, "bolt", None),
        (True, 1.01, None),
        ("bolt", "nut", None),
    ],
)
def test_one_pair(right: object, wrong: object, name: str | None) -> None:
    pattern = pattern_of_values(right, wrong)
    assert (None if pattern is None else pattern.name) == name


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 4):
        world.write(f"A{number}", f"bolt {number}", 1249 + number)
    world.flow()
    return world


def test_a_view_that_rounds_is_told_so(full: World) -> None:
    full.write("A3", "bolt 3", 1251)
    full.flow()
    misapplied(full)
    result = full.run()
    assert found(result) == {"A3": ("mismatch", ("consumer-misapplied",))}
    (cause,) = result.findings[0].causes
    assert (cause.pattern, cause.title) == (
        "rounding",
        "Applied, but otherwise than published: off by a hundredth at most",
    )


def test_no_pattern_is_read_into_a_masked_field_or_into_several(full: World) -> None:
    misapplied(full)
    full.write("A3", "BOLT 3", 1251)
    full.flow()
    misapplied(full)
    assert full.run().findings[0].causes[0].pattern == "rounding"
    full.write("A3", "bolt", 999_00)
    full.flow()
    misapplied(full)
    assert full.run().findings[0].causes[0].pattern == ""


def test_what_another_mapping_published_is_told_apart(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    older = msgspec.structs.replace(PRODUCER, mapping_version="0ld")
    whole = stated

    def otherwise(number: str, model: Any) -> dict[str, Any]:
        return {**whole(number, model), "name": "as it was said then"}

    monkeypatch.setattr("tests.reconcile.world.stated", otherwise)
    with monkeypatch.context() as then:
        then.setattr("tests.reconcile.world.PRODUCER", older)
        full.write("A2")
        full.flow()
    full.write("A3")
    full.flow()
    result = full.run()
    assert found(result) == {"A2": ("stale", ("mapping-changed",)), "A3": ("stale", ("capture-or-mapping",))}
    (told,) = result.findings[0].causes[0].evidence
    assert told.endswith("is by mapping 0ld; today's is 7f3c21a")
