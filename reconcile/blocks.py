"""The comparison of two ordered streams of canonical lines: block by block as bytes, parsed only where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import islice
from typing import Protocol

import msgspec

from reconcile.canonical import texts_of
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.streams import WHOLE, Key, KeyRange
from translators.schema import Type

BLOCK = 1_000
"""Lines of each side that are compared at once: what bounds the memory."""

STEPS = (4, 32, 256, BLOCK)
"""How many lines are compared together after those before were the same."""

Texts = tuple[str | None, ...]
_Found = tuple[Key, bytes | None, bytes | None]
_BothTexts = tuple[Callable[[bytes], Texts], Callable[[bytes], Texts]]


class Stream(Protocol):
    """One side: its canonical lines in the order of its key, whose columns a line begins with. `side` names it in errors."""

    side: str
    key: tuple[Type, ...]

    def lines(
        self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The lines of these keys, of one moment; columns in `native` as the database writes them."""

    def texts(self, row: bytes, native: frozenset[str] = frozenset()) -> Texts:
        """The canonical texts of a line that was read with `native`."""

    def written_alike(self, other: object) -> frozenset[str]:
        """The columns that both write in one same way as they are: there the same text is the same value, and no other's."""


class Canonical:
    """The part of a stream whose lines are canonical as they are: nothing in them is as a database writes it."""

    def texts(self, row: bytes, native: frozenset[str] = frozenset()) -> Texts:
        """See the port."""
        return texts_of(row)

    def written_alike(self, other: object) -> frozenset[str]:
        """See the port."""
        return frozenset()


class Difference(msgspec.Struct, frozen=True):
    """One key whose rows differ: the canonical texts of each side, the key's first; `None` is no row."""

    key: Key
    left: Texts | None
    right: Texts | None


class Block(msgspec.Struct, frozen=True):
    """What a block showed: rows of each side, rows that are the same, and what differs, in order of key.

    `differing` are the keys whose lines differ, each with its line of either side, as it was read; `None` is no row. All keys
    up to and with `settled` are done: a comparison that breaks off goes on in the range after it.
    """

    left: int
    right: int
    same: int
    settled: Key
    differing: tuple[_Found, ...] = ()
    texts: _BothTexts = (texts_of, texts_of)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The rows that differ, read from their lines when they are asked for."""
        left, right = self.texts
        return tuple([Difference(key, _read(left, ours), _read(right, theirs)) for key, ours, theirs in self.differing])


def blocks(left: Stream, right: Stream, keys: KeyRange = WHOLE, size: int = BLOCK) -> Iterator[Block]:
    """Compare both sides; each key of the range is in exactly one block.

    The sides have as many columns, of the same kinds, and keys of the same kinds. `SideUnreadable` where one cannot be read
    to its end; `SideUnsorted` where keys do not rise strictly at a difference or between blocks: lines that are the same on
    both sides are the same in any order. Blocks that came before stand.
    """
    if [kind.kind for kind in left.key] != [kind.kind for kind in right.key]:
        raise SideUnreadable(side=right.side, reason=f"its key is not of the kinds of the {left.side} side's")
    native = left.written_alike(right)
    texts = partial(left.texts, native=native), partial(right.texts, native=native)
    with ExitStack() as stack:
        ours, theirs = (_Head(side, stack.enter_context(side.lines(keys, native))) for side in (left, right))
        while True:
            ours.fill(size)
            theirs.fill(size)
            if not ours.lines and not theirs.lines:
                return
            yield _merged(ours, theirs, texts)


class _Head:
    """The lines of one side that were read and are not yet settled; those before `at` are settled now.

    Keys are read only of lines that differ, of the ones before them, and at the ends: each has to be above the one before.
    """

    def __init__(self, side: Stream, lines: Iterator[bytes]) -> None:
        self.side = side.side
        self.lines: list[bytes] = []
        self.at = 0
        self._whole = [kind.kind == "integer" for kind in side.key]
        self._is_number = self._whole == [True]
        self._rest = lines
        self._here: Key | None = None
        self._known = 0
        self._last: Key | None = None

    def fill(self, size: int) -> None:
        """Read until there are `size` lines, or no more."""
        self.lines += islice(self._rest, size - len(self.lines))

    def here(self) -> Key:
        """The key of the first line that is not settled."""
        if self._here is None:
            self._here = self._key(self.lines[self.at])
        return self._here

    def take(self) -> bytes:
        """Settle this line, which the other side has not: it may not be there a second time."""
        self._up_to_here()
        return self.take_shared(self.here())

    def take_shared(self, key: Key) -> bytes:
        """Settle this line, which the other side has otherwise; `key` is its key."""
        self._rise(key)
        self._here = None
        at = self.at
        self.at = self._known = at + 1
        return self.lines[at]

    def skip(self, count: int) -> None:
        """Settle `count` lines that are the same on both sides."""
        self.at += count
        self._here = None

    def settle(self) -> Key | None:
        """Forget the lines that are settled; the last key that ever was."""
        self._up_to_here()
        del self.lines[: self.at]
        self.at = self._known = 0
        return self._last

    def _up_to_here(self) -> None:
        if self._known < self.at:
            self._rise(self._key(self.lines[self.at - 1]))
            self._known = self.at

    def _rise(self, key: Key) -> None:
        if self._last is not None and not self._last < key:
            raise SideUnsorted(side=self.side, problem=f"{_told(key)} does not stand above {_told(self._last)}")
        self._last = key

    def _key(self, line: bytes) -> Key:
        if self._is_number and not line.startswith(b"\\"):
            return (int(line[: line.find(b"\t")]),)
        width = len(self._whole)
        texts = texts_of(b"\t".join(line.split(b"\t", width)[:width]))
        return tuple([self._part(whole, text) for whole, text in zip(self._whole, texts, strict=True)])

    def _part(self, whole: bool, text: str | None) -> int | str:
        if text is None:
            raise SideUnreadable(side=self.side, reason="a row has no key")
        return int(text) if whole else text


def _merged(left: _Head, right: _Head, texts: _BothTexts) -> Block:
    """Both sides up to where the shorter one ends; what is above that waits for the next lines."""
    found: list[_Found] = []
    same = 0
    ours, theirs = left.lines, right.lines
    while left.at < len(ours) and right.at < len(theirs):
        if ours[left.at] == theirs[right.at]:
            run = _same(ours, left.at, theirs, right.at)
            left.skip(run)
            right.skip(run)
            same += run
        else:
            found.append(_different(left, right))
    while not theirs and left.at < len(ours):
        found.append((left.here(), left.take(), None))
    while not ours and right.at < len(theirs):
        found.append((right.here(), None, right.take()))
    counts = left.at, right.at
    settled = max(key for key in (left.settle(), right.settle()) if key is not None)
    return Block(*counts, same, settled, tuple(found), texts)


def _different(left: _Head, right: _Head) -> _Found:
    """The lower one of the two keys that both sides stand at, or the one key."""
    ours, theirs = left.here(), right.here()
    if ours == theirs:
        return ours, left.take_shared(ours), right.take_shared(ours)
    if ours < theirs:
        return ours, left.take(), None
    return theirs, None, right.take()


def _same(left: list[bytes], i: int, right: list[bytes], j: int) -> int:
    """How many lines from `i` and `j` on are the same: few are looked at one by one, many together. The first ones are."""
    most, count = min(len(left) - i, len(right) - j), 0
    while count < most and left[i + count] == right[j + count]:
        count += 1
        for step in STEPS:
            if left[i + count : i + count + step] != right[j + count : j + count + step]:
                break
            count += step
    return min(count, most)


def _read(texts: Callable[[bytes], Texts], line: bytes | None) -> Texts | None:
    return None if line is None else texts(line)


def _told(key: Key) -> str:
    return "/".join(map(str, key))
