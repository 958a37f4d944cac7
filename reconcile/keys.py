"""The one order in which both sides are read and merged: business keys in canonical text, by code point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from reconcile.errors import SideUnsorted


class Keyed(Protocol):
    """Anything that belongs to one business key, in canonical text."""

    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=Keyed)


def columns_of(key: str) -> list[str]:
    """The columns of a key: what `translators.values.key_text` joined."""
    return [part.replace("%2F", "/").replace("%25", "%") for part in key.split("/")]


def is_whole(text: str) -> bool:
    """Whether a key column's text is a whole number that a database can hold (64 bits)."""
    digits = text.removeprefix("-")
    return text.isascii() and digits.isdigit() and len(digits) < 20 and -(2**63) <= int(text) < 2**63


def in_order(side: str, items: Iterable[K]) -> Iterator[K]:
    """The items as they come; `SideUnsorted` where a key is not above the one before."""
    last: str | None = None
    for item in items:
        if last is not None and item.key <= last:
            raise SideUnsorted(side=side, problem=_out_of_order(item.key, last))
        last = item.key
        yield item


def _out_of_order(key: str, before: str) -> str:
    return f"{key} is there twice" if key == before else f"{key} stands behind {before}"
