"""The typed tree: every part with its static type, names resolved, constants folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from translators.expression.errors import Span
from translators.schema import Type


class CodeTable(msgspec.Struct, frozen=True):
    """A named code table of the mapping: legacy code to what it means."""

    name: str
    entries: Mapping[str, str]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What an expression may name.

    `table` and its `columns`: bare names resolve here. `outer`: tables of enclosing rows, as `table.column`. `parts`:
    part tables, for aggregates only; `orders`: the columns that sort the rows of a part, for those that have an order.
    `state`: state fields by dotted path, for OLD, NEW and CHANGED; `None` where these are not allowed (outside events).
    """

    table: str
    columns: Mapping[str, Type]
    outer: Mapping[str, Mapping[str, Type]] = {}
    parts: Mapping[str, Mapping[str, Type]] = {}
    orders: Mapping[str, tuple[str, ...]] = {}
    codes: Mapping[str, CodeTable] = {}
    state: Mapping[str, Type] | None = None


class Bound(msgspec.Struct, frozen=True):
    """One part of a typed tree."""

    type: Type
    span: Span


class Constant(Bound, frozen=True):
    """A value known before any row; `None` is NULL."""

    value: object


class Column(Bound, frozen=True):
    """A column of the row, or of an enclosing row."""

    table: str
    column: str


class Field(Bound, frozen=True):
    """A state field of OLD or NEW, by its dotted path."""

    side: Literal["OLD", "NEW"]
    path: str


class Meta(Bound, frozen=True):
    """A fact of the step's transaction."""

    name: str


class Happened(Bound, frozen=True):
    """CREATED or DELETED."""

    what: Literal["CREATED", "DELETED"]


class Changed(Bound, frozen=True):
    """CHANGED(paths), or CHANGED(*) where `paths` is `None`."""

    paths: tuple[str, ...] | None


class Aggregate(Bound, frozen=True):
    """What the rows of a part come to: SUM, COUNT, MIN, MAX, ANY, ALL, FIRST or LAST of `value`, which reads their columns.

    `value` is `None` where COUNT counts the rows. `where` lets rows through for which it is TRUE; `order` are the columns
    that sort them, for FIRST and LAST.
    """

    function: str
    part: str
    value: Bound | None
    where: Bound | None = None
    order: tuple[str, ...] = ()


class Local(Bound, frozen=True):
    """A value that generated code already holds under a name."""

    name: str


class Call(Bound, frozen=True):
    """A function or operator of the catalogue. `data` is what the entry worked out at bind time.

    `fails`: this call (not counting its arguments) can fail on a row in a way that lint refuses under AND, OR, BETWEEN.
    `growth`: a bound on how many times longer than a column's text the result can be. `makes_null`: a strict call that may
    be NULL although no argument is.
    """

    name: str
    args: tuple[Bound, ...]
    data: Any = None
    fails: bool = False
    growth: int = 1
    makes_null: bool = False


def below(bound: Bound) -> tuple[Bound, ...]:
    """The parts directly below, those over the rows of a part as well."""
    match bound:
        case Call():
            return bound.args
        case Aggregate():
            return tuple([part for part in (bound.value, bound.where) if part is not None])
        case _:
            return ()


def walk(bound: Bound) -> Iterator[Bound]:
    """The part itself and all parts below it."""
    yield bound
    for part in below(bound):
        yield from walk(part)


def sources(bound: Bound) -> frozenset[str]:
    """Where the value comes from: `table.column`, `OLD.path` and `NEW.path`, and `part.*` where rows are counted."""
    found: set[str] = set()
    for part in walk(bound):
        match part:
            case Column():
                found.add(f"{part.table}.{part.column}")
            case Field():
                found.add(f"{part.side}.{part.path}")
            case Aggregate():
                found.update(f"{part.part}.{column}" for column in part.order)
                if part.value is None or not any(isinstance(inner, Column) for inner in walk(part)):
                    found.add(f"{part.part}.*")
            case Changed():
                paths = ("*",) if part.paths is None else part.paths
                found.update(f"{side}.{path}" for path in paths for side in ("OLD", "NEW"))
    return frozenset(found)


def is_constant(bound: Bound) -> bool:
    """Whether the value depends on no row."""
    return isinstance(bound, Constant)


def fallible(bound: Bound) -> bool:
    """Whether some row can make this fail by its own value: a strict CAST, TO_DATE, a division, a CODE without default."""
    return first_fallible(bound) is not None


def first_fallible(bound: Bound) -> Call | None:
    """The first part that makes it fallible."""
    return next((part for part in walk(bound) if isinstance(part, Call) and part.fails), None)


def growth(bound: Bound) -> int:
    """How many times longer than a column's text this text can be, at most."""
    if isinstance(bound, Aggregate) and bound.value is not None:
        return growth(bound.value)
    return bound.growth if isinstance(bound, Call) else 1
