"""The comparison of what is expected with what the view shows: as lines, block by block; as values where lines differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from reconcile.blocks import BLOCK, Stream, blocks
from reconcile.content import Content, Difference, ViewShape, content_of, differences
from reconcile.doubled import is_doubled
from reconcile.errors import NothingCompared, SideEmpty
from reconcile.sources import SIDE as LEGACY
from reconcile.streams import Key, KeyRange
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
    if is_doubled(expected.content, row, shape):
        return Comparison(key, "duplicate", expected, row, found)
    return Comparison(key, "mismatch", expected, row, found) if found else None


class Counts(msgspec.Struct):
    """What one pass saw: `source` and `view` are things on each side, `compared` those that are on any."""

    source: int = 0
    view: int = 0
    compared: int = 0
    agree: int = 0


class Sides(Protocol):
    """Both sides, each at one moment, in one order of business keys; a key's last column is its canonical text.

    Lines that are the same have values that are the same; values that are the same may have lines that differ. A key whose
    rows the mapping refuses has a line too, which is no other side's.
    """

    legacy: Stream
    view: Stream
    agreed: int
    """Keys, beside those that have lines, of which both sides are known to have the same."""

    def differing(self, keys: Sequence[str]) -> Sequence[str]:
        """Those of these keys, which have lines on both sides that differ, whose values do."""

    def settled(self, key: Key) -> None:
        """Nothing up to this key is asked for again."""


def candidates(sides: Sides, keys: KeyRange, counts: Counts, size: int = BLOCK) -> Iterator[str]:
    """The keys of a range that differ at this moment, in order; `counts` is added to on the way."""
    _agree(counts, sides.agreed)
    for block in blocks(sides.legacy, sides.view, keys, size):
        both = [str(key[-1]) for key, ours, theirs in block.differing if ours is not None and theirs is not None]
        differ = set(sides.differing(both)) if both else set()
        counts.source += block.left
        counts.view += block.right
        counts.compared += block.same + len(block.differing)
        counts.agree += block.same + len(both) - len(differ)
        for key, ours, theirs in block.differing:
            if ours is None or theirs is None or key[-1] in differ:
                yield str(key[-1])
        sides.settled(block.settled)


def _agree(counts: Counts, keys: int) -> None:
    counts.source += keys
    counts.view += keys
    counts.compared += keys
    counts.agree += keys


def check_sides(counts: Counts) -> None:
    """`SideEmpty` or `NothingCompared` where a side had nothing at all: that is a failure, and no agreement."""
    if counts.compared == 0:
        raise NothingCompared
    if counts.source == 0 or counts.view == 0:
        raise SideEmpty(side=LEGACY if counts.source == 0 else VIEW)
