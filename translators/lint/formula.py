"""Conditions as formulas: AND and OR over tests of values, each with the outcomes that it has to have.

A condition has three outcomes: True, False and None (NULL). Asking for a set of them (TRUE alone; anything but TRUE)
pushes every NOT down to the tests, so that what is left to decide is which values the tests allow.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from translators.expression.bound import Aggregate, Bound, Call, Changed, Column, Constant, Field, Happened
from translators.schema import Type

Outcomes = frozenset[bool | None]
TRUE: Outcomes = frozenset((True,))
FALSE: Outcomes = frozenset((False,))
NOT_TRUE: Outcomes = frozenset((False, None))
NOT_FALSE: Outcomes = frozenset((True, None))

Case = Literal["created", "deleted", "changed"]
"""What a step did to the thing: without OLD, without NEW, or with both."""
CASES: tuple[Case, ...] = ("created", "deleted", "changed")


class Term(NamedTuple):
    """Something that has a value: a state field of OLD or NEW, a column (`ROW`), or what is not looked into (`?`)."""

    side: str
    name: str


class Fixed(NamedTuple):
    """A value that is known; `None` is NULL."""

    value: object


Operand: TypeAlias = Term | Fixed
Values = Mapping[Term, object]


class Probe(msgspec.Struct, frozen=True):
    """A test of operands: `holds` gives its outcome for their values."""

    name: str
    operands: tuple[Operand, ...]
    wanted: Outcomes
    members: frozenset[object] = frozenset()

    def is_met(self, values: Values) -> bool:
        """Whether the test has a wanted outcome for these values of its terms."""
        found = [values[part] if isinstance(part, Term) else part.value for part in self.operands]
        return _outcome(self, found) in self.wanted

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms that it reads."""
        return tuple(part for part in self.operands if isinstance(part, Term))


class Every(msgspec.Struct, frozen=True):
    """Every part has to be met."""

    parts: tuple[Formula, ...] = ()


class Either(msgspec.Struct, frozen=True):
    """One of the parts has to be met."""

    parts: tuple[Formula, ...] = ()


Formula: TypeAlias = Probe | Every | Either

_COMPARE: Mapping[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,  # type: ignore[dict-item]  # both operands have one type, which has an order: the binder saw to it
    "<=": operator.le,  # type: ignore[dict-item]
    ">": operator.gt,  # type: ignore[dict-item]
    ">=": operator.ge,  # type: ignore[dict-item]
}


def _outcome(test: Probe, values: list[object]) -> bool | None:
    match test.name:
        case "NULL":
            return values[0] is None
        case "DISTINCT":
            return values[0] != values[1]
        case "TRUTH":
            return None if values[0] is None else bool(values[0])
    if None in values:
        return None
    if test.name == "IN":
        return values[0] in test.members
    return _COMPARE[test.name](values[0], values[1])


def flipped(wanted: Outcomes) -> Outcomes:
    """The outcomes of x for which NOT x has the wanted ones."""
    return frozenset(None if outcome is None else not outcome for outcome in wanted)


def decided(holds: bool, wanted: Outcomes) -> Formula:
    """The formula of an outcome that is known."""
    return Every() if holds in wanted else Either()


class Reader:
    """Reads bound conditions for one case. `fields` are the state's leaves by path, with their types.

    `types` collects the type of every term that is met.
    """

    def __init__(self, case: Case, fields: Mapping[str, Type], business: frozenset[str]) -> None:
        self.types: dict[Term, Type] = {}
        self._case = case
        self._fields = fields
        self._business = business

    def formula(self, bound: Bound, wanted: Outcomes) -> Formula:
        """What has to be so for the condition to have one of the wanted outcomes."""
        match bound:
            case Constant():
                known = bound.value if isinstance(bound.value, bool) else None
                return Every() if known in wanted else Either()
            case Happened():
                return decided(bound.what.lower() == self._case, wanted)
            case Changed():
                return self.changed(bound.paths, wanted)
            case Call(name="AND" | "OR"):
                return self._joined(bound, wanted)
            case Call(name="NOT"):
                return self.formula(bound.args[0], flipped(wanted))
            case Call(name="IS TRUE" | "IS FALSE"):
                return self._judged(bound, wanted)
            case Call():
                return self._tested(bound, wanted)
            case _:
                return Probe("TRUTH", (self._operand(bound),), wanted)

    def changed(self, paths: tuple[str, ...] | None, wanted: Outcomes) -> Formula:
        """CHANGED of these paths, or of all business fields."""
        if paths is None and self._case != "changed":
            return decided(True, wanted)
        chosen = [p for p in self._fields if (p in self._business if paths is None else _is_within(p, paths))]
        is_wanted = True in wanted
        tests = tuple(self._distinct(path, frozenset((is_wanted,))) for path in chosen)
        return Either(tests) if is_wanted else Every(tests)

    def _distinct(self, path: str, wanted: Outcomes) -> Probe:
        return Probe("DISTINCT", (self._side("OLD", path), self._side("NEW", path)), wanted)

    def _joined(self, bound: Call, wanted: Outcomes) -> Formula:
        """AND is TRUE (and not FALSE) if all parts are; OR is FALSE (and not TRUE) if all parts are."""
        parts = tuple([self.formula(part, wanted) for part in bound.args])
        return Every(parts) if (True in wanted) is (bound.name == "AND") else Either(parts)

    def _judged(self, bound: Call, wanted: Outcomes) -> Formula:
        meant = TRUE if bound.name == "IS TRUE" else FALSE
        is_meant = (True in wanted) is not bool(bound.data)
        others: Outcomes = frozenset((True, False, None)) - meant
        return self.formula(bound.args[0], meant if is_meant else others)

    def _tested(self, bound: Call, wanted: Outcomes) -> Formula:
        args = bound.args
        match bound.name:
            case "IS NULL":
                return Probe("NULL", (self._operand(args[0]),), flipped(wanted) if bound.data else wanted)
            case "IS DISTINCT FROM":
                sides = (self._operand(args[0]), self._operand(args[1]))
                return Probe("DISTINCT", sides, flipped(wanted) if bound.data else wanted)
            case "IN":
                negated, members = bound.data
                return Probe("IN", (self._operand(args[0]),), flipped(wanted) if negated else wanted, members)
            case "BETWEEN":
                return self._between(bound, wanted)
            case name if name in _COMPARE:
                return Probe(name, (self._operand(args[0]), self._operand(args[1])), wanted)
        return Probe("TRUTH", (self._operand(bound),), wanted)

    def _between(self, bound: Call, wanted: Outcomes) -> Formula:
        value, low, high = (self._operand(part) for part in bound.args)
        wanted = flipped(wanted) if bound.data else wanted
        parts = (Probe(">=", (value, low), wanted), Probe("<=", (value, high), wanted))
        return Every(parts) if True in wanted else Either(parts)

    def _operand(self, bound: Bound) -> Operand:
        match bound:
            case Constant():
                return Fixed(bound.value)
            case Field():
                return self._side(bound.side, bound.path, bound.type)
            case Column():
                return self._known(Term("ROW", f"{bound.table}.{bound.column}"), bound.type)
            case Call(name="CAST", data=True):
                # The implicit conversion of an integer: as a number it stays what it is.
                return self._operand(bound.args[0])
            case _:
                return self._known(Term("?", _text(bound)), bound.type)

    def _side(self, side: str, path: str, kind: Type | None = None) -> Operand:
        absent = {"created": "OLD", "deleted": "NEW"}.get(self._case)
        if side == absent:
            return Fixed(None)
        return self._known(Term(side, path), self._fields.get(path) or kind or Type("opaque"))

    def _known(self, term: Term, kind: Type) -> Term:
        self.types[term] = kind
        return term


def _is_within(path: str, groups: tuple[str, ...]) -> bool:
    return any(path == group or path.startswith(f"{group}.") for group in groups)


def _text(bound: Bound) -> str:
    """A text that two parts share only if they compute the same."""
    if isinstance(bound, Call):
        return f"{bound.name}({', '.join(_text(part) for part in bound.args)}; {bound.data!r})"
    if isinstance(bound, Aggregate):
        value, where = ("" if part is None else _text(part) for part in (bound.value, bound.where))
        return f"{bound.function}({bound.part}: {value} WHERE {where})"
    shown = {name: getattr(bound, name) for name in bound.__struct_fields__ if name not in ("span", "type")}
    return f"{type(bound).__name__}{shown}"
