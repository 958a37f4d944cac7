"""The counts of a check told apart by the values of a field: by branch, by product, by status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from reconcile.compare import Expected
from reconcile.content import MAX_SHOWN, NOTHING, plain
from reconcile.view import ViewRow

MOST = 1_000
"""Values of one field that are told apart."""

OTHERS = "(others)"
"""All further values, together."""

UNKNOWN = "(not known)"
"""Where neither side says the value: the mapping refuses the rows, and the view has none."""

Became = Literal["agree", "confirmed", "unavailable", "in_flight", "unconfirmed", "ambiguous", "not_covered"]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the keys that have one `value` in a field; the counts are those of a run, of these keys."""

    field: str
    value: str
    compared: int
    agree: int = 0
    confirmed: int = 0
    unavailable: int = 0
    in_flight: int = 0
    unconfirmed: int = 0
    ambiguous: int = 0
    not_covered: int = 0


class Slicer:
    """Counts by slice while a run goes on; costs nothing where there are no `fields`."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._fields = fields
        self._counts: dict[str, dict[str, dict[Became, int]]] = {field: {} for field in fields}
        self._open: dict[str, tuple[str, ...]] = {}

    def saw(self, key: str, expected: Expected, row: ViewRow | None, agrees: bool) -> None:
        """A key was compared for the first time: it agrees, or what becomes of it is said later."""
        if not self._fields:
            return
        values = tuple(self._value(field, expected, row) for field in self._fields)
        if agrees:
            self._count(values, "agree")
        else:
            self._open[key] = values

    def became(self, keys: Iterable[str], what: Became) -> None:
        """What became of keys that did not agree at first."""
        for key in keys:
            if (values := self._open.pop(key, None)) is not None:
                self._count(values, what)

    def slices(self) -> tuple[Slice, ...]:
        """The slices, those that differ most first; what nothing was said of is not covered."""
        self.became(list(self._open), "not_covered")
        found = [
            Slice(field=field, value=value, compared=sum(counts.values()), **counts)
            for field, by_value in self._counts.items()
            for value, counts in by_value.items()
        ]
        return tuple(sorted(found, key=lambda one: (self._fields.index(one.field), -one.confirmed, one.value)))

    def _value(self, field: str, expected: Expected, row: ViewRow | None) -> str:
        content = expected.content or (None if row is None else row.content)
        if content is None:
            return UNKNOWN
        value = content.fields[field]
        return NOTHING if value is None else plain(value)[:MAX_SHOWN]

    def _count(self, values: tuple[str, ...], what: Became) -> None:
        for field, value in zip(self._fields, values, strict=True):
            known = self._counts[field]
            counts = known.setdefault(value if value in known or len(known) < MOST else OTHERS, {})
            counts[what] = counts.get(what, 0) + 1
