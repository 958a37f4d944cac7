"""Conditions that can never hold, or always do: unreachable events, texts that no field has, events that say everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from translators.expression.bound import Bound, Call, Constant, Field, walk
from translators.lint.formula import CASES, NOT_TRUE, TRUE, Case, Formula, Reader, Term
from translators.lint.rule import Found, Project, Rule, Subject
from translators.lint.solve import Solver, Values
from translators.lint.tree import leaves, texts
from translators.schema import Type
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from translators.binding import BoundField, BoundMapping
    from translators.mapping import Expression

RULES = (
    Rule("event.unreachable", "error", "A condition that no step can fulfil"),
    Rule("event.unknown-text", "error", "A comparison with a text that the field never has"),
    Rule("ignore.unreachable", "warning", "An ignore rule that no step can fulfil"),
)

_CREATED_HINT = "Where CREATED holds there is no OLD: its fields are NULL."
_DELETED_HINT = "Where DELETED holds there is no NEW: its fields are NULL."


@dataclass(frozen=True)
class Wanted:
    """A condition and the outcomes that are asked of it."""

    bound: Bound
    outcomes: frozenset[bool | None] = TRUE


class Possible:
    """What the states of one mapping can be, before and after a step."""

    def __init__(self, bound: BoundMapping) -> None:
        technical = set(bound.mapping.technical)
        self.known = {leaf.path: leaf for leaf in leaves(bound.fields.values()) if "[]" not in leaf.path}
        self.fields = {
            path: self._type(path, kind) for path, kind in bound.state_types.items() if kind.kind != "object"
        }
        self.business = frozenset(path for path in self.fields if path.split(".")[0] not in technical)
        self._domains = {path: closed(leaf) for path, leaf in self.known.items()}

    def _type(self, path: str, kind: Type) -> Type:
        leaf = self.known.get(path)
        return kind if leaf is None else replace(kind, nullable=kind.nullable and leaf.shape.nullable)

    def step(self, *wanted: Wanted, changed: str | None = None, cases: tuple[Case, ...] = CASES) -> Values | None:
        """Values of a step that fulfils all of these; `None` if there is no such step.

        `changed` asks for a change of one field besides (`*`: of any business field).
        """
        for case in cases:
            reader = Reader(case, self.fields, self.business)
            goals: list[Formula] = [reader.formula(one.bound, one.outcomes) for one in wanted]
            if changed is not None:
                goals.append(reader.changed(None if changed == "*" else (changed,), TRUE))
            found = Solver(self._domain, reader.types).solve(*goals)
            if found is not None:
                return found
        return None

    def _domain(self, term: Term) -> frozenset[object] | None:
        return self._domains.get(term.name) if term.side in ("OLD", "NEW") else None

    def texts_of(self, bound: Bound) -> list[str] | None:
        """The texts that a part can be, where they are a closed set."""
        found = self._domains.get(bound.path) if isinstance(bound, Field) else texts(bound)
        return None if found is None else sorted(text for text in found if isinstance(text, str))


def closed(field: BoundField) -> frozenset[object] | None:
    """All values of a text field, where they are a closed set: what its expression gives and its contract allows."""
    if field.shape.kind != "text":
        return None
    given = texts(field.bound)
    allowed = frozenset(field.shape.choices)
    if given is None:
        if not allowed:
            return None
        found: frozenset[object] = allowed
    else:
        found = given & allowed if allowed else given
    return found | {None} if field.bound.type.nullable and field.shape.nullable else found


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for subject in project.subjects:
        if subject.is_python:
            continue
        possible = Possible(subject.bound)
        ignored = [rule.when for rule in subject.bound.ignore]
        for event in subject.bound.events:
            yield from _of_event(subject, possible, event.when, event.rule.when, ignored)
        for bound, rule in zip(subject.bound.ignore, subject.bound.mapping.ignore, strict=True):
            yield from _of_ignore(subject, possible, bound.when, rule.when)


def _of_event(
    subject: Subject, possible: Possible, when: Bound, written: Expression, ignored: list[Bound]
) -> Iterator[Found]:
    odd = list(_never_equal(subject, possible, when, written))
    yield from odd
    if odd:
        return
    if possible.step(Wanted(when)) is None:
        yield _never(subject, possible, when, written, "event.unreachable")
        return
    if ignored and possible.step(Wanted(when), *(Wanted(one, NOT_TRUE) for one in ignored)) is None:
        message = "this event is never published: every step that fulfils it is ignored before, by an `ignore` rule"
        hint = "Ignore rules are asked first. Narrow the rule, or take the event out."
        yield Found("event.unreachable", subject.within(written, 0), len(written.text), message, hint)


def _of_ignore(subject: Subject, possible: Possible, when: Bound, written: Expression) -> Iterator[Found]:
    odd = list(_never_equal(subject, possible, when, written))
    yield from odd
    if not odd and possible.step(Wanted(when)) is None:
        yield _never(subject, possible, when, written, "ignore.unreachable")


def _never_equal(subject: Subject, possible: Possible, when: Bound, written: Expression) -> Iterator[Found]:
    """Comparisons of a field with a text that it never is."""
    for part in walk(when):
        if not isinstance(part, Call) or part.name not in ("=", "<>", "IN", "IS DISTINCT FROM"):
            continue
        fields = [arg for arg in part.args if isinstance(arg, Field)]
        known = possible.texts_of(fields[0]) if len(fields) == 1 else None
        if known is None:
            continue
        constants = _constants(part)
        for constant in constants:
            if isinstance(constant.value, str) and constant.value not in known:
                yield _unknown_text(subject, written, fields[0], constant, known)


def _constants(part: Call) -> list[Constant]:
    return [arg for arg in part.args if isinstance(arg, Constant)]


def _unknown_text(subject: Subject, written: Expression, field: Field, constant: Constant, known: list[str]) -> Found:
    begin, end = constant.span
    value = str(constant.value)
    message = f"{field.side}.{field.path} is never {value!r}{did_you_mean(value, known)}"
    hint = f"It is one of: {', '.join(known) or 'nothing'}. What it can be comes from its code table and its contract."
    return Found("event.unknown-text", subject.within(written, begin), end - begin, message, hint)


def _never(subject: Subject, possible: Possible, when: Bound, written: Expression, code: str) -> Found:
    """The finding for a condition that cannot hold, at the part that makes it so."""
    what = "this event is never published" if code == "event.unreachable" else "this rule never ignores anything"
    place, length, why, hint = subject.within(written, 0), len(written.text), "its condition is never true", ""
    for part, other in _suspects(when):
        wanted = [Wanted(part), *([] if other is None else [Wanted(other)])]
        if possible.step(*wanted) is not None:
            continue
        shown = _shown(written, part)
        place, length = subject.within(written, part.span[0]), part.span[1] - part.span[0]
        why = f"{shown} is never true" if other is None else f"{_shown(written, other)} and {shown} exclude each other"
        hint = _advice(f"{_shown(written, other) if other else ''} {shown}")
        break
    return Found(code, place, length, f"{what}: {why}", hint)


def _suspects(when: Bound) -> Iterator[tuple[Bound, Bound | None]]:
    """The parts of an AND, each alone and then each with one before it."""
    parts = when.args if isinstance(when, Call) and when.name == "AND" else (when,)
    yield from ((part, None) for part in parts)
    for at, part in enumerate(parts):
        yield from ((part, other) for other in parts[:at])


def _shown(written: Expression, part: Bound) -> str:
    return " ".join(written.text[slice(*part.span)].split())


def _advice(shown: str) -> str:
    upper = shown.upper()
    if "CREATED" in upper and "OLD." in upper:
        return _CREATED_HINT
    if "DELETED" in upper and "NEW." in upper:
        return _DELETED_HINT
    return "Correct the condition, or take the rule out."


def is_every_change(possible: Possible, when: Bound) -> bool:
    """Whether every change of a business field fulfils a condition."""
    return possible.step(Wanted(when, NOT_TRUE), changed="*", cases=("changed",)) is None


def example(values: Values) -> str:
    """A step in words, by its fields with closed sets of texts: `OLD.status = 'quoted', NEW.status = 'quoted'`."""
    shown = {f"{term.side}.{term.name}": v for term, v in values.items() if isinstance(v, str) and term.side != "?"}
    told = [f"{name} = {value!r}" for name, value in sorted(shown.items(), reverse=True) if _is_plain(value)]
    return ", ".join(told)


def _is_plain(value: str) -> bool:
    return value.isprintable() and bool(value) and not value.startswith("#")
