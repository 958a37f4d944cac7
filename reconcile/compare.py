"""The merge of what is expected with what the view shows: both in key order, each key looked at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from reconcile.content import Content, Difference, ViewShape, content_of, differences
from reconcile.errors import NothingCompared, SideEmpty
from reconcile.sources import SIDE as LEGACY
from reconcile.sources import Aggregate
from reconcile.terms import Kind
from reconcile.view import SIDE as VIEW
from reconcile.view import ViewRow
from translators.aggregate import Rows
from translators.problem import Problem
from translators.translator import Refused, Translator


class Expected(msgspec.Struct, frozen=True):
    """What the view ought to show of one key: a content, nothing (`content` is `None`), or unknown for a `problem`."""

    content: Content | None
    problem: Problem | None = None


class Comparison(msgspec.Struct, frozen=True):
    """One key that differs, with both sides."""

    key: str
    kind: Kind
    expected: Expected
    row: ViewRow | None
    differences: tuple[Difference, ...] = ()


def expected_of(translator: Translator, rows: Rows | None, shape: ViewShape) -> Expected:
    """What the view ought to show of these legacy rows (`None`: there are none)."""
    if not rows:
        return Expected(None)
    try:
        state = translator.state(rows)
    except Refused as refused:
        return Expected(None, refused.problem)
    return Expected(None if state is None else content_of(state, shape))


def compare(key: str, expected: Expected, row: ViewRow | None, shape: ViewShape) -> Comparison | None:
    """How one key differs; `None` if it does not."""
    if expected.problem is not None:
        return Comparison(key, "refused", expected, row)
    if expected.content is None:
        return None if row is None else Comparison(key, "extra", expected, row)
    if row is None:
        return Comparison(key, "missing", expected, None)
    found = differences(expected.content, row.content, shape)
    return Comparison(key, "mismatch", expected, row, found) if found else None


class Counts(msgspec.Struct):
    """What one pass saw: `source` and `view` are things on each side, `compared` those that are on any."""

    source: int = 0
    view: int = 0
    compared: int = 0
    agree: int = 0


def candidates(
    source: Iterator[Aggregate],
    view: Iterator[ViewRow],
    expect: Callable[[Rows | None], Expected],
    shape: ViewShape,
    counts: Counts,
    saw: Callable[[str, Expected, ViewRow | None, bool], None] | None = None,
) -> Iterator[str]:
    """The keys that differ at this moment, in key order; `counts` is filled on the way.

    `saw` is told of each key what both sides have, and whether that agrees.
    """
    for key, aggregate, row in _paired(source, view):
        expected = expect(None if aggregate is None else aggregate.rows)
        exists = expected.content is not None or expected.problem is not None
        if not exists and row is None:
            continue
        counts.source += exists
        counts.view += row is not None
        counts.compared += 1
        agrees = compare(key, expected, row, shape) is None
        if saw is not None:
            saw(key, expected, row, agrees)
        if agrees:
            counts.agree += 1
        else:
            yield key


def check_sides(counts: Counts) -> None:
    """`SideEmpty` or `NothingCompared` where a side had nothing at all: that is a failure, and no agreement."""
    if counts.compared == 0:
        raise NothingCompared
    if counts.source == 0 or counts.view == 0:
        raise SideEmpty(side=LEGACY if counts.source == 0 else VIEW)


def _paired(
    source: Iterator[Aggregate], view: Iterator[ViewRow]
) -> Iterator[tuple[str, Aggregate | None, ViewRow | None]]:
    left, right = next(source, None), next(view, None)
    while left is not None or right is not None:
        key = min(side.key for side in (left, right) if side is not None)
        aggregate = left if left is not None and left.key == key else None
        row = right if right is not None and right.key == key else None
        yield key, aggregate, row
        left = left if aggregate is None else next(source, None)
        right = right if row is None else next(view, None)
