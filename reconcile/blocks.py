"""The comparison of two ordered streams of canonical lines: block by block as bytes, parsed only where they differ."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice, pairwise
from operator import lt

import msgspec

from reconcile.canonical import texts_of
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.streams import WHOLE, Key, KeyRange, TableStream

BLOCK = 1_000
"""Lines of each side that are compared at once: what bounds the memory."""

Texts = tuple[str | None, ...]
_BothTexts = tuple[Callable[[bytes], Texts], Callable[[bytes], Texts]]


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
    differing: tuple[tuple[Key, bytes | None, bytes | None], ...] = ()
    texts: _BothTexts = (texts_of, texts_of)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The rows that differ, read from their lines when they are asked for."""
        left, right = self.texts
        return tuple([Difference(key, _read(left, ours), _read(right, theirs)) for key, ours, theirs in self.differing])


def blocks(left: TableStream, right: TableStream, keys: KeyRange = WHOLE, size: int = BLOCK) -> Iterator[Block]:
    """Compare both sides; each key of the range is in exactly one block.

    The sides have as many columns, of the same kinds, and keys of the same kinds. `SideUnreadable` where one cannot be read
    to its end; `SideUnsorted` where its keys do not rise strictly from block to block, and within one that differs. Blocks
    that came before stand.
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
            if ours.lines == theirs.lines:
                yield _equal(ours, theirs)
            else:
                yield _paired(ours, theirs, texts) or _merged(ours, theirs, texts)


class _Head:
    """The lines of one side that were read and are not yet settled."""

    def __init__(self, side: TableStream, lines: Iterator[bytes]) -> None:
        self.side = side.side
        self.lines: list[bytes] = []
        self._whole = [kind.kind == "integer" for kind in side.key]
        self._is_number = self._whole == [True]
        self._rest = lines
        self._last: Key | None = None

    def fill(self, size: int) -> None:
        """Read until there are `size` lines, or no more."""
        self.lines += islice(self._rest, size - len(self.lines))

    def keys(self) -> list[Key]:
        """The keys of the lines; each has to be above the one before."""
        found = self.keys_of(self.lines)
        self._rising(found)
        return found

    def keys_of(self, lines: Sequence[bytes]) -> list[Key]:
        """The keys that lines begin with."""
        if self._is_number:
            try:
                return [(int(line[: line.index(b"\t")]),) for line in lines]
            except ValueError:
                pass  # a row without a key, or with nothing but its key
        return [self._key(line) for line in lines]

    def _key(self, line: bytes) -> Key:
        width = len(self._whole)
        texts = texts_of(b"\t".join(line.split(b"\t", width)[:width]))
        return tuple([self._part(whole, text) for whole, text in zip(self._whole, texts, strict=True)])

    def drop(self, count: int, last: Key) -> None:
        """The first `count` lines are settled, up to the key `last`."""
        if count:
            self._last = last
            del self.lines[:count]

    def settle_all(self, known: Sequence[Key]) -> Key:
        """All lines are settled; the keys of some are known, in order. The last one's."""
        first, *rest = self.keys_of([self.lines[0], *self.lines[1:][-1:]])
        last = rest[0] if rest else first
        inner = known[known[:1] == [first] : len(known) - (known[-1:] == [last])]
        self._rising([first, *inner, *rest])
        self.drop(len(self.lines), last)
        return last

    def _rising(self, keys: Sequence[Key]) -> None:
        if self._last is not None:
            keys = [self._last, *keys]
        if not all(map(lt, keys, islice(keys, 1, None))):
            before, key = next((a, b) for a, b in pairwise(keys) if not a < b)
            raise SideUnsorted(side=self.side, problem=f"{_told(key)} does not stand above {_told(before)}")

    def _part(self, whole: bool, text: str | None) -> int | str:
        if text is None:
            raise SideUnreadable(side=self.side, reason="a row has no key")
        return int(text) if whole else text


def _equal(left: _Head, right: _Head) -> Block:
    """Both sides have the same lines: only the keys at the ends are looked at."""
    count, last = len(left.lines), left.settle_all([])
    right.settle_all([])
    return Block(count, count, count, last)


def _paired(left: _Head, right: _Head, texts: _BothTexts) -> Block | None:
    """Both sides have the same keys: only those of lines that differ are looked at. `None` where they have not."""
    count = len(left.lines)
    if len(right.lines) != count:
        return None
    pairs = [(ours, theirs) for ours, theirs in zip(left.lines, right.lines, strict=True) if ours != theirs]
    keys = left.keys_of([ours for ours, _ in pairs])
    if keys != right.keys_of([theirs for _, theirs in pairs]):
        return None
    last = left.settle_all(keys)
    right.settle_all(keys)
    found = tuple([(key, ours, theirs) for key, (ours, theirs) in zip(keys, pairs, strict=True)])
    return Block(count, count, count - len(found), last, found, texts)


def _merged(left: _Head, right: _Head, texts: _BothTexts) -> Block:
    """Both sides up to where the shorter one ends; what is above that waits for the next lines."""
    ours, theirs = left.keys(), right.keys()
    bound = min(ours[-1], theirs[-1]) if ours and theirs else (ours or theirs)[-1]
    i, j = bisect_right(ours, bound), bisect_right(theirs, bound)
    same = set(left.lines[:i]).intersection(right.lines[:j])
    only_left = {key: line for key, line in zip(ours[:i], left.lines, strict=False) if line not in same}
    only_right = {key: line for key, line in zip(theirs[:j], right.lines, strict=False) if line not in same}
    found = [(key, only_left.get(key), only_right.get(key)) for key in sorted(only_left.keys() | only_right.keys())]
    left.drop(i, ours[i - 1] if i else bound)
    right.drop(j, theirs[j - 1] if j else bound)
    return Block(i, j, len(same), bound, tuple(found), texts)


def _read(texts: Callable[[bytes], Texts], line: bytes | None) -> Texts | None:
    return None if line is None else texts(line)


def _told(key: Key) -> str:
    return "/".join(map(str, key))
