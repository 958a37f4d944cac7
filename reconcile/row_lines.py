"""Both sides as lines that are made here of their values: whatever the databases, and whatever the translator is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Generic, TypeVar

from reconcile.blocks import Canonical, Stream
from reconcile.canonical import line
from reconcile.compare import Expected, compare
from reconcile.content import Content, ViewShape, plain
from reconcile.keys import in_order
from reconcile.sources import SIDE as LEGACY
from reconcile.sources import Aggregate
from reconcile.streams import WHOLE, Key, KeyRange
from reconcile.view import SIDE as VIEW
from reconcile.view import ViewRow
from translators.aggregate import Rows
from translators.schema import Type

T = TypeVar("T")

Saw = Callable[[str, Expected, ViewRow | None, bool], None]
"""Is told of each key, in order, what both sides have, and whether that agrees."""


class RowSides:
    """See `reconcile.compare.Sides`. The streams are read once, as they come: their range is that of who opened them."""

    agreed = 0

    def __init__(
        self,
        aggregates: Iterable[Aggregate],
        rows: Iterable[ViewRow],
        expect: Callable[[Rows | None], Expected],
        shape: ViewShape,
        saw: Saw | None = None,
    ) -> None:
        self._shape = shape
        self._saw = saw
        self._differ: set[str] = set()
        self._expected = RowStream(LEGACY, _expected(aggregates, expect), self._expected_line)
        self._shown = RowStream(VIEW, ((row.key, row) for row in in_order(VIEW, rows)), self._view_line)
        self.legacy: Stream = self._expected
        self.view: Stream = self._shown

    def differing(self, keys: Sequence[str]) -> Sequence[str]:
        """See the port."""
        ours, theirs = self._expected.values, self._shown.values
        found = [key for key in keys if compare(key, ours[key], theirs[key], self._shape) is not None]
        self._differ.update(found)
        return found

    def settled(self, key: Key) -> None:
        """See the port."""
        ours, theirs = self._expected.settled(str(key[-1])), self._shown.settled(str(key[-1]))
        if self._saw is not None:
            for one in sorted({*ours, *theirs}):
                agrees = one in ours and one in theirs and one not in self._differ
                self._saw(one, ours.get(one, Expected(None)), theirs.get(one), agrees)
        self._differ.clear()

    def _expected_line(self, key: str, expected: Expected) -> bytes:
        if expected.content is None:
            # Refused: a content has a column more at least.
            return line([key])
        return _line(key, expected.content, self._shape)

    def _view_line(self, key: str, row: ViewRow) -> bytes:
        # What stands there twice is nobody else's line.
        return _line(key, row.content, self._shape, len(row.ids) > 1)


class RowStream(Canonical, Generic[T]):
    """Values with the lines made of them; `values` holds those that are not settled."""

    key: tuple[Type, ...] = (Type("text"),)

    def __init__(self, side: str, items: Iterator[tuple[str, T]], written: Callable[[str, T], bytes]) -> None:
        self.side = side
        self.values: dict[str, T] = {}
        self._items = items
        self._written = written

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See `reconcile.blocks.Stream`."""
        yield self._lines()

    def settled(self, key: str) -> dict[str, T]:
        """The values up to this key, which are no longer kept."""
        return {one: self.values.pop(one) for one in list(self.values) if one <= key}

    def _lines(self) -> Iterator[bytes]:
        for key, value in self._items:
            self.values[key] = value
            yield self._written(key, value)


def _expected(
    aggregates: Iterable[Aggregate], expect: Callable[[Rows | None], Expected]
) -> Iterator[tuple[str, Expected]]:
    for aggregate in aggregates:
        expected = expect(aggregate.rows)
        if expected.content is not None or expected.problem is not None:
            yield aggregate.key, expected


def _line(key: str, content: Content, shape: ViewShape, twice: bool = False) -> bytes:
    """The key, the fields, and of each list the number of its elements before their fields."""
    texts = [key, *[_text(content.fields[path]) for path in shape.fields]]
    for path, inner in shape.lists.items():
        elements = content.lists[path]
        texts.append(str(len(elements)))
        texts += [_text(element[name]) for element in elements for name in inner]
    return line([*texts, "twice"] if twice else texts)


def _text(value: Any) -> str | None:
    """Two values that have the same text mean the same (`reconcile.content.same`)."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        text = plain(value)
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return value if isinstance(value, str) else plain(value)
