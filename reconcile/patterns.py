"""What values that differ have in common: whole hours, hundredths, blanks, case, a cut, nothing for empty."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from reconcile.content import Content, ViewShape, alike, same

_FURTHEST = 14
"""Hours that a time zone may be away from UTC."""


class Pattern(msgspec.Struct, frozen=True):
    """How one side comes from the other, in a few words, and what usually does that."""

    name: str
    title: str
    advice: str


def pattern_of(right: Content, wrong: Content, shape: ViewShape) -> Pattern | None:
    """The one pattern of all fields that differ; `None` if a list differs, a field is masked, or they have none in common.

    `right` is what was said, `wrong` what is there instead.
    """
    if any(not _same_lists(right, wrong, path) for path in shape.lists):
        return None
    differing = [path for path in shape.fields if not alike(right.fields[path], wrong.fields[path], path, shape)]
    if not differing or shape.masked.intersection(differing):
        return None
    return _shared(pattern_of_values(right.fields[path], wrong.fields[path]) for path in differing)


def pattern_of_values(right: object, wrong: object) -> Pattern | None:
    """How one value comes from the other."""
    if {right, wrong} == {None, ""}:
        return Pattern("null-or-empty", "nothing in place of an empty text, or the other way round", _NULL)
    moments = _moment(right), _moment(wrong)
    if moments[0] is not None and moments[1] is not None:
        return _of_moments(moments[0], moments[1])
    numbers = _number(right), _number(wrong)
    if numbers[0] is not None and numbers[1] is not None:
        return _of_numbers(numbers[0], numbers[1])
    return _of_texts(right, wrong) if isinstance(right, str) and isinstance(wrong, str) else None


def _shared(found: Iterable[Pattern | None]) -> Pattern | None:
    kinds = set(found)
    return kinds.pop() if len(kinds) == 1 else None


def _same_lists(right: Content, wrong: Content, path: str) -> bool:
    left, other = right.lists[path], wrong.lists[path]
    return len(left) == len(other) and all(
        same(value, two[name]) for one, two in zip(left, other, strict=True) for name, value in one.items()
    )


def _of_texts(right: str, wrong: str) -> Pattern | None:
    if right.strip() == wrong.strip():
        return Pattern(
            "blanks", "other blanks at an end", "Blanks are trimmed on one side: say TRIM in the mapping, or not."
        )
    if right.casefold() == wrong.casefold():
        return Pattern(
            "case", "other case", "One side folds case: a collation, or UPPER in one place and not in the other."
        )
    if wrong and right.startswith(wrong):
        return Pattern(
            "cut", f"cut off after {len(wrong):,} characters", "A column is shorter than the text: widen it."
        )
    return None


def _of_moments(right: datetime, wrong: datetime) -> Pattern | None:
    hours, rest = divmod((wrong - right).total_seconds(), 3600)
    if rest or not 0 < abs(hours) <= _FURTHEST:
        return None
    size = f"{abs(hours):.0f} {'hour' if abs(hours) == 1 else 'hours'}"
    return Pattern(
        f"hours {hours:+.0f}",
        f"{size} {'later' if hours > 0 else 'earlier'}, exactly",
        "A time of one zone is read as one of another: look for a time without zone on the way.",
    )


def _of_numbers(right: Decimal, wrong: Decimal) -> Pattern | None:
    if abs(right - wrong) <= Decimal("0.01"):
        return Pattern("rounding", "off by a hundredth at most", "One side rounds, or computes in floating point.")
    if wrong in (right * 100, right / 100):
        times = "a hundred times too much" if wrong == right * 100 else "a hundredth of it"
        return Pattern(f"scale {times}", times, "Cents are taken for whole units on one side.")
    return None


def _moment(value: object) -> datetime | None:
    """An instant or its text with a time in it; without a zone it is one of UTC, as in the view."""
    if isinstance(value, str) and len(value) > len("2026-11-20"):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _number(value: object) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(repr(value))
    if isinstance(value, str) and value.replace(".", "", 1).removeprefix("-").isdecimal() and value.isascii():
        return Decimal(value)
    return None


_NULL = (
    "One side has no value where the other has an empty text: say NULLIF or COALESCE in the mapping, not in the view."
)
