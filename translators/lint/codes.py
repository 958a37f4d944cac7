"""Code tables against contracts: values that no code gives, targets that the contract does not know, tables nobody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from translators.expression.bound import Bound, Call, walk
from translators.lint.rule import Found, Project, Rule, Subject
from translators.lint.tree import leaves, texts
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from translators.binding import BoundField

RULES = (
    Rule("codes.never-mapped", "warning", "A value that the contract names and no code gives"),
    Rule("codes.target-unknown", "error", "A text that the contract does not allow"),
    Rule("codes.unused", "warning", "A code table that no expression asks"),
    Rule("codes.near-twins", "warning", "Two targets of a code table that differ by spelling only"),
)


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for subject in project.subjects:
        for field, contract in _fields(subject):
            yield from _against_contract(subject, field, contract)
        yield from _tables(subject)


def _fields(subject: Subject) -> Iterator[tuple[BoundField, str]]:
    """Every computed field with the contract that it belongs to."""
    bound = subject.bound
    yield from ((field, bound.mapping.contract) for field in leaves(bound.fields.values()))
    for event in bound.events:
        yield from ((field, event.type) for field in event.fields.values())


def _against_contract(subject: Subject, field: BoundField, contract: str) -> Iterator[Found]:
    choices = field.shape.choices
    given = texts(field.bound)
    if not choices or given is None:
        return
    place, length = subject.within(field.source, 0), len(field.source.text)
    tables = ", ".join(f"codes.{name}" for name in _asked(field.bound))
    missing = [choice for choice in choices if choice not in given]
    if missing:
        named = ", ".join(repr(choice) for choice in missing)
        source = f"no code of {tables} gives" if tables else "the expression never gives"
        message = f"{contract} says {field.path} can be {named}; {source} {'it' if len(missing) == 1 else 'them'}"
        hint = "Add the code. If the legacy system has none, say so beside the line: a consumer waits for this value."
        yield Found("codes.never-mapped", place, length, message, hint)
    if isinstance(field.bound, Call) and field.bound.name == "CODE":
        return  # what a bare CODE gives is compared when the mapping is bound
    for text in sorted(given.difference(choices)):
        message = f"{field.path} can be {text!r}, which {contract} does not allow{did_you_mean(text, choices)}"
        yield Found("codes.target-unknown", place, length, message, "Extend the contract, or correct the expression.")


def _asked(bound: Bound) -> list[str]:
    """The code tables that an expression asks, in its order."""
    return list(dict.fromkeys(p.data[0] for p in walk(bound) if isinstance(p, Call) and p.name == "CODE"))


def _expressions(subject: Subject) -> Iterator[Bound]:
    bound = subject.bound
    yield from (field.bound for field, _ in _fields(subject))
    yield from (event.when for event in bound.events)
    yield from (event.occurred for event in bound.events if event.occurred is not None)
    yield from (rule.when for rule in bound.ignore)
    if bound.correlation is not None:
        yield bound.correlation


def _tables(subject: Subject) -> Iterator[Found]:
    asked = {name for bound in _expressions(subject) for name in _asked(bound)}
    for name, entries in subject.bound.mapping.codes.items():
        if name not in asked and not subject.is_python:
            message, hint = f"no expression asks the code table {name}", f"Write CODE('{name}', ...), or take it out."
            yield Found("codes.unused", subject.code_table(name), len(name), message, hint)
        for one, other, code in _twins(entries):
            message = f"the code table {name} gives both {one!r} and {other!r}, which differ by spelling only"
            place = subject.code_table(name, code)
            yield Found("codes.near-twins", place, len(other), message, "Consumers would count them apart: choose one.")


def _twins(entries: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Two targets, and the first code that gives the second."""
    seen: dict[str, str] = {}
    told: set[str] = set()
    for code, target in entries.items():
        plain = "".join(char for char in target.casefold() if char.isalnum())
        if plain and seen.setdefault(plain, target) != target and target not in told:
            told.add(target)
            yield seen[plain], target, code
