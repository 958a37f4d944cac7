"""Why a rule fired or did not: every condition of a step with its answer, and the values of what it names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from dragoman.rows import CLASSIFIED, leaves
from dragoman.streams import word
from translators.aggregate import Rows
from translators.bound_mapping import BoundIgnore, BoundMapping
from translators.compiled import CompiledTranslator
from translators.expression.bound import Aggregate, Bound, Call, Changed, Column, Field, Happened, Meta, Scope, sources
from translators.expression.evaluate import at_path, compiled
from translators.expression.runtime import ValueProblem
from translators.facts import Facts
from translators.ordering import ordering
from translators.translator import Refused

_ROWS_SHOWN = 5


class Named(msgspec.Struct, frozen=True):
    """Something that an expression names, with its value; of the rows of a part, what each of them adds."""

    name: str
    value: str
    classified: bool = False


class ConditionTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One condition of a step. `rule` is the event's type, or the reason for which the step is ignored."""

    rule: str
    kind: Literal["event", "ignore"]
    condition: str
    held: bool
    why: str
    """Why it could not be answered; then it did not hold either."""
    values: tuple[Named, ...]


def conditions(
    translator: CompiledTranslator, old_rows: Rows, new_rows: Rows, facts: Facts
) -> Iterator[ConditionTrace]:
    """The conditions in the order in which they are asked, up to the first that ignores the step.

    A translator in Python has none. `Refused` where a state cannot be computed.
    """
    bound = translator.bound
    if bound.mapping.python is not None:
        return
    step = _Step(bound, translator.state(old_rows), translator.state(new_rows), old_rows, new_rows, facts)
    for ignore, rule in zip(bound.ignore, bound.mapping.ignore, strict=True):
        found = step.trace("ignore", ignore.reason, rule.when.text, ignore.when)
        yield found
        if found.held:
            return
    for event in bound.events:
        yield step.trace("event", event.type, event.rule.when.text, event.when)


def summed(bound: BoundMapping, text: str, expression: Bound, rows: Rows) -> tuple[Named, ...]:
    """What the aggregates of a state field come to, and the rows behind them."""
    hidden = _classified(bound)
    return tuple(
        Named(_cut(text, one), _aggregate(bound, one, rows), bool(sources(one) & hidden))
        for one in _aggregates(expression)
    )


class _Step:
    def __init__(self, bound: BoundMapping, old: Any, new: Any, old_rows: Rows, new_rows: Rows, facts: Facts) -> None:
        self._bound = bound
        self._old, self._new = old, new
        self._given = (old, new, old_rows, new_rows, facts)
        self._rows = old_rows if new is None else new_rows
        self._facts = facts
        self._columns = _classified(bound)
        self._fields = {f.path for f in leaves(bound.fields.values()) if f.shape.data_class in CLASSIFIED}

    def trace(self, kind: Literal["event", "ignore"], rule: str, text: str, when: Bound) -> ConditionTrace:
        held, why = self._holds(when)
        named = {one.name: one for one in self._named(text, when)}
        return ConditionTrace(rule=rule, kind=kind, condition=text, held=held, why=why, values=tuple(named.values()))

    def _holds(self, when: Bound) -> tuple[bool, str]:
        """Asked alone, as the only rule of a translator."""
        alone = dataclasses.replace(self._bound, events=(), ignore=(BoundIgnore(when, "it holds"),))
        try:
            return CompiledTranslator(alone, "").events(*self._given).ignored is not None, ""
        except Refused as refused:
            return False, refused.problem.message

    def _named(self, text: str, bound: Bound) -> Iterator[Named]:
        match bound:
            case Field():
                state = self._old if bound.side == "OLD" else self._new
                hidden = any(path == bound.path or path.startswith(f"{bound.path}.") for path in self._fields)
                yield Named(f"{bound.side}.{bound.path}", _text(at_path(state, bound.path)), hidden)
            case Meta():
                yield Named(f"META.{bound.name}", _text(getattr(self._facts, bound.name)))
            case Column():
                row = next(iter(self._rows.get(bound.table, {}).values()), {})
                hidden = f"{bound.table}.{bound.column}" in self._columns
                yield Named(bound.column, _text(row.get(bound.column)), hidden)
            case Aggregate():
                hidden = bool(sources(bound) & self._columns)
                yield Named(_cut(text, bound), _aggregate(self._bound, bound, self._rows), hidden)
            case Changed() | Happened():
                yield Named(_cut(text, bound), "true" if self._holds(bound)[0] else "false")
            case Call():
                for part in bound.args:
                    yield from self._named(text, part)


def _classified(bound: BoundMapping) -> frozenset[str]:
    """The columns behind classified fields."""
    fields = [*leaves(bound.fields.values()), *(f for event in bound.events for f in event.fields.values())]
    return frozenset(name for f in fields if f.shape.data_class in CLASSIFIED for name in sources(f.bound))


def _aggregates(bound: Bound) -> Iterator[Aggregate]:
    if isinstance(bound, Aggregate):
        yield bound
    for part in bound.args if isinstance(bound, Call) else ():
        yield from _aggregates(part)


def _aggregate(bound: BoundMapping, one: Aggregate, rows: Rows) -> str:
    """`30.00, from 2 of 3 rows: 10.00, 20.00`."""
    listed = ordering(bound.mapping.parts[one.part].order)(rows.get(one.part))
    kept = [row for row in listed if one.where is None or _asked(one.where, one.part, row) is True]
    told = f"{_text(_asked(one, '', {one.part: listed}))}, from {len(kept)} of {len(listed)} rows"
    if one.value is None or not kept:
        return told
    values = [_text(_asked(one.value, one.part, row)) for row in kept[:_ROWS_SHOWN]]
    return f"{told}: {', '.join(values)}{', ...' if len(kept) > _ROWS_SHOWN else ''}"


def _asked(bound: Bound, table: str, row: Mapping[str, Any]) -> object:
    """The value of an expression over one row; a problem as what it says."""
    ask: Callable[..., object] = compiled(bound, Scope(table=table, columns={}))
    try:
        return ask(row, None, None)
    except ValueProblem as problem:
        return problem


def _cut(text: str, bound: Bound) -> str:
    """What a part of an expression is called there."""
    return " ".join(text[slice(*bound.span)].split())


def _text(value: object) -> str:
    if isinstance(value, ValueProblem):
        return value.code
    return "NULL" if value is None else word(value)
