"""What a field differs by over all keys: how many numbers are off, by how much in sum, and by how much at most."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from reconcile.compare import Comparison
from reconcile.content import ViewShape, alike, number_of


class FieldSum(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one field that differ: the view's less the legacy's, in sum, and the largest of them without sign."""

    field: str
    numbers: int
    total: Decimal
    largest: Decimal


class Sums:
    """Adds up while a run goes on; fields whose values may not be shown are left out."""

    def __init__(self, shape: ViewShape) -> None:
        self._shape = shape
        self._found: dict[str, FieldSum] = {}

    def add(self, comparison: Comparison) -> None:
        """Take in one key that differs, if it is there on both sides."""
        expected = comparison.expected.content
        actual = None if comparison.row is None else comparison.row.content
        if expected is None or actual is None:
            return
        for path in self._shape.fields:
            self._value(path, expected.fields[path], actual.fields[path])
        for path, inner in self._shape.lists.items():
            for one, other in zip(expected.lists[path], actual.lists[path], strict=False):
                self._element(path, inner, one, other)

    def sums(self) -> tuple[FieldSum, ...]:
        """By field what came together."""
        return tuple(self._found[field] for field in sorted(self._found))

    def _element(self, path: str, inner: tuple[str, ...], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        for name in inner:
            self._value(f"{path}.{name}", one[name], other[name])

    def _value(self, field: str, right: Any, wrong: Any) -> None:
        if field in self._shape.masked or alike(right, wrong, field, self._shape):
            return
        numbers = number_of(right), number_of(wrong)
        if numbers[0] is None or numbers[1] is None:
            return
        apart = numbers[1] - numbers[0]
        before = self._found.get(field) or FieldSum(field=field, numbers=0, total=Decimal(), largest=Decimal())
        self._found[field] = FieldSum(
            field=field,
            numbers=before.numbers + 1,
            total=before.total + apart,
            largest=max(before.largest, abs(apart)),
        )
