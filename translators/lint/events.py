"""Anti-patterns of event design: orders dressed as events, rows dressed as events, one event for everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from translators.expression.bound import Column
from translators.lint.conditions import Possible, is_every_change
from translators.lint.legacy import plain
from translators.lint.rule import Found, Project, Rule, Subject
from translators.lint.tree import last, leaves, passed_through
from translators.lint.words import command_as_event, is_past, noun_as_event, words

if TYPE_CHECKING:
    from translators.binding import BoundEvent, BoundField

RULES = (
    Rule("event.command-shaped", "warning", "An event that is called like an order to somebody"),
    Rule("event.not-past", "warning", "An event that is not called by what has happened"),
    Rule("event.catch-all", "warning", "One event for every change"),
    Rule("event.row-in-disguise", "warning", "An event that is a row of the legacy table"),
    Rule("event.two-publishers", "error", "One fact that two mappings publish"),
)

_GENERIC = frozenset(("updated", "changed", "modified", "edited", "saved", "altered", "touched", "amended"))
_ROW_WORDS = frozenset(("row", "record", "table", "tuple", "inserted", "upserted"))
_NO_WORD = re.compile(r"(?i)[bcdfghjklmnpqrstvwxz]{4}|[a-z]\d")
"""Table names that are no words, like `polmst`; a table that is called `customer` leaks nothing."""
_MANY_COLUMNS = 5
_MOST_COLUMNS = 0.8
_MANY_NAMES = 4
_MOST_NAMES = 0.6


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for subject in project.subjects:
        seen: set[object] = set()
        possible = Possible(subject.bound)
        for event in subject.bound.events:
            if event.rule.when.scalar.mark not in seen and not subject.is_python:
                yield from _catch_all_condition(subject, possible, event)
            seen.add(event.rule.when.scalar.mark)
            if event.type not in seen:
                yield from _names(subject, event)
                yield from _row(subject, event)
            seen.add(event.type)
    yield from _publishers(project)


def _found(subject: Subject, event: BoundEvent, code: str, message: str, hint: str) -> Found:
    return Found(code, subject.at(event.rule.mark), len(event.type), message, hint)


def _names(subject: Subject, event: BoundEvent) -> Iterator[Found]:
    name = event.type.partition(".")[0]
    better = command_as_event(name)
    if better is not None:
        message = f"reads as an order to somebody; an event says what happened ({better}?)"
        hint = "Who publishes an event does not know who reads it, and cannot tell them what to do."
        yield _found(subject, event, "event.command-shaped", message, hint)
    elif not is_past(name):
        better = noun_as_event(name)
        message = f"does not say that something happened{f' ({better}?)' if better else ''}"
        hint = "Call an event by what is over and done when it is published: PolicyBound, ClaimSettled."
        yield _found(subject, event, "event.not-past", message, hint)
    found = words(name)
    thing = subject.bound.mapping.contract.partition(".")[0]
    if found and found[-1].lower() in _GENERIC and "".join(found[:-1]).lower() in _whole(subject, thing):
        message = f"{name} says that something about a {thing} changed, not what"
        hint = "One event for each thing that somebody decides by. Who wants the whole reads the state stream."
        yield _found(subject, event, "event.catch-all", message, hint)


def _whole(subject: Subject, thing: str) -> set[str]:
    """The words that stand for the whole thing."""
    return {thing.lower(), subject.bound.mapping.name.replace("_", "").replace("-", "").lower(), ""}


def _catch_all_condition(subject: Subject, possible: Possible, event: BoundEvent) -> Iterator[Found]:
    if len(possible.business) > 1 and is_every_change(possible, event.when):
        written = event.rule.when
        message = f"every change fulfils this, so {event.type} is the state stream once more"
        hint = "Name the fields or the transition that matter. Who wants every change reads the state stream."
        yield Found("event.catch-all", subject.within(written, 0), len(written.text), message, hint)


def _row(subject: Subject, event: BoundEvent) -> Iterator[Found]:
    mapping = subject.bound.mapping
    name = event.type.partition(".")[0]
    said = {word.lower() for word in words(name)} & _ROW_WORDS
    tables = [t for t in (mapping.root, *mapping.parts) if _NO_WORD.search(t) and plain(t) in name.lower()]
    hint = "An event is a fact of the business, in its words; that a row was written is the feed's business."
    if tables or said:
        word = tables[0] if tables else sorted(said)[0].capitalize()
        yield _found(subject, event, "event.row-in-disguise", f"{word} is a word of the database", hint)
        return
    fields = list(_fields(subject, event))
    columns = [(field, column) for field in fields if (column := passed_through(field.bound)) is not None]
    table = subject.bound.schema.tables[mapping.root]
    copied = {column.column for _, column in columns if column.table == table.name}
    if len(copied) >= max(_MANY_COLUMNS, _MOST_COLUMNS * len(table.columns)):
        message = f"copies {len(copied)} of the {len(table.columns)} columns of {table.name}"
        yield _found(subject, event, "event.row-in-disguise", message, hint)
    elif len(named := _legacy_named(columns)) >= max(_MANY_NAMES, _MOST_NAMES * len(fields)):
        message = f"{len(named)} of its {len(fields)} fields are called like columns: {', '.join(named[:4])}"
        yield _found(subject, event, "event.row-in-disguise", message, hint)


def _fields(subject: Subject, event: BoundEvent) -> Iterator[BoundField]:
    """The computed fields of an event: its own, and those of the state that its contract names."""
    for name in event.shape:
        if name in event.fields:
            yield event.fields[name]
        elif name in subject.bound.fields:
            yield from leaves([subject.bound.fields[name]])


def _legacy_named(columns: list[tuple[BoundField, Column]]) -> list[str]:
    return [last(f.path) for f, column in columns if plain(last(f.path)) == plain(column.column)]


def _publishers(project: Project) -> Iterator[Found]:
    for name, subjects in project.published.items():
        first, *others = subjects
        for other in others:
            state = other.bound.mapping.marks["contract"]
            mark = next((event.rule.mark for event in other.bound.events if event.type == name), state)
            message = f"{name} is published by {first.bound.mapping.name} too ({first.file})"
            hint = "One fact has one publisher: otherwise nobody can say which is right, or in which order they come."
            yield Found("event.two-publishers", other.at(mark), len(name), message, hint)
    homes: dict[str, tuple[str, Subject]] = {}
    for name, subjects in project.published.items():
        fact, context = name.partition(".")[0], subjects[0].bound.mapping.context
        seen, home = homes.setdefault(fact, (context, subjects[0]))
        if seen != context:
            place = project.in_contract(name)
            message = f"the contexts {seen} and {context} both publish {fact} (the other is in {home.file})"
            hint = "One context owns a fact. The other reads it, or says what it means there under a name of its own."
            yield Found("event.two-publishers", place, len(fact), message, hint)
