"""The one order of business keys in which both sides are read and merged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from reconcile.errors import SideUnsorted

KeyOrder = tuple[tuple[int, int, str], ...]
"""One entry a key column: whole numbers by value, then text by code point."""


class Keyed(Protocol):
    """Anything that belongs to one business key, in canonical text."""

    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=Keyed)


def key_columns(key: str) -> list[str]:
    """The columns of a key in canonical text: what `translators.values.key_text` joined."""
    return [part.replace("%2F", "/").replace("%25", "%") for part in key.split("/")]


def key_order(key: str, integers: tuple[bool, ...]) -> KeyOrder:
    """Where a key stands; `integers` says which of its columns are whole numbers in the legacy database."""
    parts = key_columns(key)
    if len(parts) != len(integers):
        return tuple((1, 0, part) for part in parts)
    return tuple(_part(part, integer) for part, integer in zip(parts, integers, strict=True))


def is_whole(text: str) -> bool:
    """Whether a key column's text is a whole number that a database can hold (64 bits)."""
    digits = text.removeprefix("-")
    return text.isascii() and digits.isdigit() and len(digits) < 20 and -(2**63) <= int(text) < 2**63


def _part(text: str, integer: bool) -> tuple[int, int, str]:
    return (0, int(text), text) if integer and is_whole(text) else (1, 0, text)


def in_order(side: str, items: Iterable[K], integers: tuple[bool, ...]) -> Iterator[tuple[KeyOrder, K]]:
    """The items with their order; `SideUnsorted` where a key is not above the one before."""
    last: tuple[KeyOrder, str] | None = None
    for item in items:
        order = key_order(item.key, integers)
        if last is not None and order <= last[0]:
            raise SideUnsorted(side=side, key=item.key, before=last[1])
        last = (order, item.key)
        yield order, item
