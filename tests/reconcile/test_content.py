"""Values are compared by meaning, and classified ones never leave."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from reconcile.content import MASK, NOTHING, Content, ViewShape, content_of, differences, masked_paths, same, shown
from translators.contract import Shape

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (None, None),
        ("a", "a"),
        (Decimal("412.50"), "412.50"),
        (Decimal("412.5"), Decimal("412.50")),
        (Decimal("0.1"), 0.1),
        (5, Decimal(5)),
        (date(2026, 3, 1), "2026-03-01"),
        (NOON, "2026-03-01T12:00:00+00:00"),
        (NOON, datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))),
        (NOON, datetime(2026, 3, 1, 12)),  # noqa: DTZ001 - a column without a zone
        (True, 1),
    ],
)
def test_the_same(left: Any, right: Any) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (None, ""),
        (None, 0),
        ("a", "a "),
        ("a", "A"),
        ("1.0", "1.00"),
        (Decimal("412.50"), "412.51"),
        (Decimal("1000.00"), "1000.01"),
        (Decimal("99999999999999999.01"), Decimal("99999999999999999.02")),
        (date(2026, 3, 1), "2026-03-02"),
        (NOON, "2026-03-01T14:00:00+00:00"),
        (True, 0),
        (5, "five"),
        (Decimal(1), "\u0661"),
    ],
)
def test_not_the_same(left: Any, right: Any) -> None:
    assert not same(left, right)
    assert not same(right, left)


SHAPE = ViewShape(fields=("a", "b.c"), lists={"l": ("x", "y")}, masked=frozenset({"b.c", "l.y"}))


def test_paths_are_followed_through_null() -> None:
    assert content_of({"a": 1, "b": None, "l": None}, SHAPE) == Content({"a": 1, "b.c": None}, {"l": ()})


def test_differences_name_fields_and_elements_and_mask_what_is_classified() -> None:
    left = content_of({"a": 1, "b": {"c": "Ada"}, "l": [{"x": 1, "y": "p"}, {"x": 2, "y": "q"}]}, SHAPE)
    right = content_of({"a": 2, "b": {"c": None}, "l": [{"x": 1, "y": "z"}]}, SHAPE)
    told = [(d.field, d.element, d.expected, d.actual) for d in differences(left, right, SHAPE)]
    assert told == [
        ("a", None, "1", "2"),
        ("b.c", None, MASK, NOTHING),
        ("l", None, "2 elements", "1 element"),
        ("l.y", 1, MASK, MASK),
        ("l.x", 2, "2", "absent"),
        ("l.y", 2, MASK, "absent"),
    ]
    assert differences(left, left, SHAPE) == ()


def test_blanks_that_nobody_sees_are_quoted_and_long_texts_cut() -> None:
    assert [shown(text, "a", SHAPE) for text in ("", "a ", "a")] == ['""', '"a "', "a"]
    assert shown("x" * 5_000, "a", SHAPE).endswith("… (5,000 characters)")


def test_a_classified_object_masks_all_that_is_in_it() -> None:
    inner = {"street": Shape(kind="text"), "city": Shape(kind="text", data_class="public")}
    shapes = {
        "holder": Shape(kind="object", fields=inner, data_class="sensitive"),
        "open": Shape(
            kind="object", fields={"iban": Shape(kind="text", data_class="personal"), "x": Shape(kind="text")}
        ),
    }
    assert masked_paths(shapes) == {"holder", "holder.street", "holder.city", "open.iban"}
