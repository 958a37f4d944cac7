"""Invariants of contracts: Dragoman SQL over a contract's own fields, typed before anything runs.

`premium.amount >= 0`, `effectiveTo > effectiveFrom`, `SUM(coverages.premiumShare) <= premium.amount`. One is broken where
it is FALSE; NULL keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from translators.contract import Shape
from translators.expression import nodes as n
from translators.expression.bind import bind
from translators.expression.bound import Bound, Scope, sources
from translators.expression.errors import ExpressionError
from translators.expression.parse import parse
from translators.expression.types import nullable
from translators.promises import type_of
from translators.schema import Type


class InvariantRefused(Exception):
    """An invariant that means nothing: `message` says why, `hint` what to do, `span` where in its text."""

    def __init__(self, message: str, hint: str, span: tuple[int, int]) -> None:
        self.message = message
        self.hint = hint
        self.span = span
        super().__init__(message)


def bind_invariant(
    text: str, contract: str, shape: Mapping[str, Shape], types: Mapping[str, Type] | None = None
) -> Bound:
    """The typed condition. `InvariantRefused`.

    `contract` is its name, by which its fields may be called too. `types` are those that a mapping gives to fields by
    path, which may say more than the contract; an optional field may
    be absent, and is NULL then.
    """
    columns: dict[str, dict[str, Type]] = {contract: {}}
    parts: dict[str, dict[str, Type]] = {}
    for path, kind, is_list in _fields(shape, types or {}, ""):
        above, _, last = path.rpartition(".")
        (parts if is_list else columns).setdefault(above or contract, {})[last] = kind
    for name, field in shape.items():
        if field.kind == "list":
            parts.setdefault(name, {})
    outer = {name: fields for name, fields in columns.items() if name != contract}
    try:
        as_listed: dict[str, tuple[str, ...]] = dict.fromkeys(parts, ())
        scope = Scope(table=contract, columns=columns[contract], outer=outer, parts=parts, orders=as_listed)
        bound = bind(_paired(parse(text)), scope)
    except ExpressionError as error:
        raise InvariantRefused(error.message, error.advice, error.span) from error
    if bound.type.kind != "boolean":
        raise InvariantRefused(f"an invariant is boolean, this is {bound.type}", "Write a comparison.", (0, len(text)))
    return bound


def paths_of(bound: Bound, contract: str) -> tuple[str, ...]:
    """The fields that an invariant reads, by path; a list of which it counts the elements by its name."""
    found = {name.removeprefix(f"{contract}.").removesuffix(".*") for name in sources(bound)}
    return tuple(sorted(found))


def _fields(
    shapes: Mapping[str, Shape], types: Mapping[str, Type], above: str, in_list: bool = False, loose: bool = False
) -> Iterator[tuple[str, Type, bool]]:
    for name, shape in shapes.items():
        path = f"{above}{name}"
        if shape.fields:
            may_lack = loose or shape.nullable or not shape.required
            yield from _fields(shape.fields, types, f"{path}.", in_list or shape.kind == "list", may_lack)
            continue
        if in_list and not shape.required:
            continue  # some elements may lack it, so nothing can be added up
        promised = type_of(shape)
        given = promised if in_list else types.get(path, promised)
        may_be_null = promised.nullable and given.nullable
        yield path, nullable(given, may_be_null or loose or not shape.required or in_list), in_list


def _paired(node: n.Node) -> n.Node:
    """The tree with names of more than two steps as (all but the last, the last): a group of fields and its field."""
    if isinstance(node, n.Name):
        if len(node.parts) <= 2:
            return node
        return msgspec.structs.replace(
            node, parts=(".".join(node.parts[:-1]), node.parts[-1]), quoted=(True, node.quoted[-1])
        )
    changed = {name: _inner(getattr(node, name)) for name in node.__struct_fields__}
    return msgspec.structs.replace(node, **changed)


def _inner(value: Any) -> Any:
    if isinstance(value, n.Node):
        return _paired(value)
    return tuple([_inner(one) for one in value]) if isinstance(value, tuple) else value
