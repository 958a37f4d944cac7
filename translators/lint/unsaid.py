"""Fields whose change no event tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from translators.expression.bound import Changed, Field, walk
from translators.lint.conditions import Possible, Wanted, example
from translators.lint.formula import NOT_TRUE
from translators.lint.rule import Found, Project, Rule, Subject

if TYPE_CHECKING:
    from translators.binding import BoundEvent

RULES = (
    Rule("fold.unsaid", "error", "A change that events promise to tell, and do not"),
    Rule("state.unsaid", "warning", "Fields whose change no event tells"),
)

_SHOWN = 6


def check(project: Project) -> Iterator[Found]:
    """The rules of this module.

    Where contracts of events say that they fold into the state, each step that changes a field has to fire one of
    those events: this is proven. Where none does, views are built from the state stream, and a field that no condition
    mentions is worth a word, not an error.
    """
    for subject in project.subjects:
        if subject.is_python:
            continue
        folding = [e for e in subject.bound.events if project.promised(e.type).promise.folds != "none"]
        if folding:
            yield from _folds(subject, folding)
        elif subject.bound.events:
            yield from _mentioned(project, subject)


def _folds(subject: Subject, folding: list[BoundEvent]) -> Iterator[Found]:
    possible = Possible(subject.bound)
    technical = subject.bound.mapping.technical
    for name in subject.bound.fields:
        if name in technical:
            continue
        telling = [event for event in folding if name in event.shape]
        wanted = [Wanted(event.when, NOT_TRUE) for event in telling]
        values = possible.step(*wanted, changed=name, cases=("changed",))
        if values is not None:
            yield _unsaid(subject, name, [event.type for event in telling], example(values))
            continue
        for rule, written in zip(subject.bound.ignore, subject.bound.mapping.ignore, strict=True):
            if possible.step(Wanted(rule.when), changed=name, cases=("changed",)) is not None:
                message = f"a change of {name} can be ignored by this rule, so the events do not add up to the state"
                place = subject.within(written.when, 0)
                yield Found("fold.unsaid", place, len(written.when.text), message, "Narrow the rule.")


def _unsaid(subject: Subject, name: str, telling: list[str], step: str) -> Found:
    if telling:
        when = f", for example when {step}" if step else ""
        message = f"{name} can change without {' or '.join(dict.fromkeys(telling))}{when}"
    else:
        message = f"no event that folds carries {name}, so a view built from events never learns of its change"
    hint = 'Widen a condition, add an event, list the field under `technical`, or say `folds="none"`.'
    return Found("fold.unsaid", subject.key("state", "fields", name), len(name), message, hint)


def _mentioned(project: Project, subject: Subject) -> Iterator[Found]:
    named: set[str] = set()
    for event in subject.bound.events:
        for part in walk(event.when):
            if isinstance(part, Changed):
                if part.paths is None:
                    return
                named |= {path.split(".")[0] for path in part.paths}
            elif isinstance(part, Field):
                named.add(part.path.split(".")[0])
    silent = {*subject.bound.mapping.technical, *project.promised(subject.bound.mapping.contract).promise.business_key}
    left = [name for name in subject.bound.fields if name not in named and name not in silent]
    if left:
        message = f"no event tells when {_listed(left)} changes; only the state stream shows it"
        hint = "That may be right: events say what matters to somebody. If it is, allow it beside this line."
        mark = subject.bound.mapping.marks["contract"]
        length = len(subject.bound.mapping.contract)
        yield Found("state.unsaid", subject.at(mark), length, message, hint)


def _listed(names: list[str]) -> str:
    if len(names) > _SHOWN:
        return f"{', '.join(names[:_SHOWN])} (and {len(names) - _SHOWN} more)"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
