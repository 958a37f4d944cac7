"""Walks over bound mappings and contracts: the fields at the ends, and the texts that an expression can give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import TYPE_CHECKING

from translators.expression.bound import Bound, Call, Column, Constant

if TYPE_CHECKING:
    from translators.binding import BoundField, BoundNode
    from translators.contract import Shape

Texts = frozenset[str]
"""All that a text can be where it is not NULL."""


def leaves(nodes: Iterable[BoundNode]) -> Iterator[BoundField]:
    """The computed fields, those within objects and lists included, in the contract's order."""
    for node in nodes:
        # By its form, not by its class: what binds contracts loads pydantic, and the core must load without it.
        if hasattr(node, "fields"):
            yield from leaves(node.fields.values())
        else:
            yield node


def shape_leaves(shapes: Mapping[str, Shape], above: str = "") -> Iterator[tuple[str, Shape]]:
    """The fields of a contract that hold values, by path: `premium.amount`, `lines[].price`."""
    for name, shape in shapes.items():
        if shape.fields:
            yield from shape_leaves(shape.fields, f"{above}{name}{'[].' if shape.kind == 'list' else '.'}")
        else:
            yield f"{above}{name}", shape


def last(path: str) -> str:
    """The name at the end of a path."""
    return path.rsplit(".", 1)[-1]


def texts(bound: Bound) -> Texts | None:
    """All texts that an expression can give beside NULL; `None` where they are not a closed set."""
    if isinstance(bound, Constant):
        return frozenset([bound.value] if isinstance(bound.value, str) else [])
    if not isinstance(bound, Call):
        return None
    match bound.name:
        case "CODE":
            _, entries, _, default = bound.data
            return frozenset(entries.values()) | frozenset([] if default is None else [default])
        case "COALESCE":
            return _union(bound.args)
        case "NULLIF":
            return texts(bound.args[0])
        case "CASE":
            arms = bound.args[1:] if bound.data else bound.args
            return _union((*arms[1:-1:2], arms[-1]))
    return None


def _union(parts: Iterable[Bound]) -> Texts | None:
    none: Texts | None = frozenset()
    return reduce(lambda all_, one: None if all_ is None or one is None else all_ | one, map(texts, parts), none)


_THIN = frozenset(("TRIM", "LTRIM", "RTRIM", "UPPER", "LOWER", "NULLIF", "COALESCE"))


def passed_through(bound: Bound) -> Column | None:
    """The column that an expression passes on as it is, or with no more than trimming and fillers taken off."""
    if isinstance(bound, Column):
        return bound
    if isinstance(bound, Call) and bound.name in _THIN and all(isinstance(part, Constant) for part in bound.args[1:]):
        return passed_through(bound.args[0])
    return None
