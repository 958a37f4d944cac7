"""The comparison of two ordered streams of canonical lines: block by block as bytes, parsed only where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

import msgspec

from reconcile.canonical import texts_of
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.streams import WHOLE, Key, KeyRange, TableStream

BLOCK = 1_000
"""Lines of each side that are compared at once: what bounds the memory."""

Texts = tuple[str | None, ...]


class Difference(msgspec.Struct, frozen=True):
    """One key whose rows differ: the canonical texts of each side, the key's first; `None` is no row."""

    key: Key
    left: Texts | None
    right: Texts | None


class Block(msgspec.Struct, frozen=True):
    """What a block showed: rows of each side, rows that are the same, and the differences in order of key.

    All keys up to and with `settled` are done: a comparison that breaks off goes on in the range after it.
    """

    left: int
    right: int
    same: int
    settled: Key
    differences: tuple[Difference, ...] = ()


def blocks(left: TableStream, right: TableStream, keys: KeyRange = WHOLE, size: int = BLOCK) -> Iterator[Block]:
    """Compare both sides; each key of the range is in exactly one block.

    The sides have as many columns, of the same kinds, and keys of the same kinds. `SideUnreadable` where one cannot be read
    to its end; `SideUnsorted` where its keys do not rise strictly. Blocks that came before stand.
    """
    if [kind.kind for kind in left.key] != [kind.kind for kind in right.key]:
        raise SideUnreadable(side=right.side, reason=f"its key is not of the kinds of the {left.side} side's")
    with ExitStack() as stack:
        heads = [_Head(side, stack.enter_context(side.lines(keys))) for side in (left, right)]
        while True:
            ours, theirs = (head.fill(size) for head in heads)
            if not ours and not theirs:
                return
            yield _equal(heads) if ours == theirs else _merged(*heads)


class _Head:
    """The lines of one side that were read and are not yet settled."""

    def __init__(self, side: TableStream, lines: Iterator[bytes]) -> None:
        self.side = side.side
        self.lines: list[bytes] = []
        self.keys: list[Key] = []
        self._whole = [kind.kind == "integer" for kind in side.key]
        self._rest = lines
        self._last: Key | None = None

    def fill(self, size: int) -> list[bytes]:
        """Read until there are `size` lines, or no more; each key has to be above the one before."""
        news = list(islice(self._rest, size - len(self.lines)))
        for line in news:
            key = self._key(line)
            if self._last is not None and key <= self._last:
                raise SideUnsorted(side=self.side, problem=f"{_told(key)} does not stand above {_told(self._last)}")
            self._last = key
            self.keys.append(key)
        self.lines += news
        return self.lines

    def drop(self, count: int) -> None:
        """The first `count` lines are settled."""
        del self.lines[:count], self.keys[:count]

    def _key(self, line: bytes) -> Key:
        width = len(self._whole)
        texts = texts_of(b"\t".join(line.split(b"\t", width)[:width]))
        return tuple([self._part(whole, text) for whole, text in zip(self._whole, texts, strict=True)])

    def _part(self, whole: bool, text: str | None) -> int | str:
        if text is None:
            raise SideUnreadable(side=self.side, reason="a row has no key")
        return int(text) if whole else text


def _equal(heads: Sequence[_Head]) -> Block:
    count, settled = len(heads[0].lines), heads[0].keys[-1]
    for head in heads:
        head.drop(count)
    return Block(count, count, count, settled)


def _merged(left: _Head, right: _Head) -> Block:
    """Both sides up to where the shorter one ends; what is above that waits for the next lines."""
    found: list[Difference] = []
    i = j = same = 0
    bound = _bound(left, right)
    while standing := [key for key in (_at(left, i, bound), _at(right, j, bound)) if key is not None]:
        key = min(standing)
        ours = left.lines[i] if _at(left, i, bound) == key else None
        theirs = right.lines[j] if _at(right, j, bound) == key else None
        if ours == theirs:
            same += 1
        else:
            found.append(Difference(key, _texts(ours), _texts(theirs)))
        i, j = i + (ours is not None), j + (theirs is not None)
    left.drop(i)
    right.drop(j)
    return Block(i, j, same, bound, tuple(found))


def _bound(left: _Head, right: _Head) -> Key:
    """The last key that both sides have been read up to: an empty side has been read to its end."""
    if not left.keys or not right.keys:
        return (left.keys or right.keys)[-1]
    return min(left.keys[-1], right.keys[-1])


def _at(head: _Head, number: int, bound: Key) -> Key | None:
    if number < len(head.keys) and head.keys[number] <= bound:
        return head.keys[number]
    return None


def _texts(line: bytes | None) -> Texts | None:
    return None if line is None else texts_of(line)


def _told(key: Key) -> str:
    return "/".join(map(str, key))
