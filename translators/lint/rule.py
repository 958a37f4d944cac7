"""What a rule is, what it looks at, and how what it finds becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from translators.findings import Finding
from translators.lint.places import Place, contract_places, key_mark
from translators.yaml_text import Mark

if TYPE_CHECKING:
    from translators.binding import BoundMapping, Contracts
    from translators.contract import Contract, Shape
    from translators.lint.places import ContractText
    from translators.mapping import Expression

Level = Literal["error", "warning", "off"]
LEVELS: tuple[Level, ...] = ("error", "warning", "off")


class Rule(msgspec.Struct, frozen=True):
    """One rule: its stable code, how much it matters unless the project says otherwise, and what it is about."""

    code: str
    level: Level
    title: str


class Found(NamedTuple):
    """What a rule found. `length` is how many characters are meant."""

    code: str
    place: Place
    length: int
    message: str
    hint: str = ""


Check = Callable[["Project"], Iterator[Found]]
"""A rule's function. It looks at a whole project and yields what it finds, in any order."""


@dataclass(frozen=True)
class Subject:
    """One bound mapping and its file's text."""

    bound: BoundMapping
    text: str

    @property
    def file(self) -> str:
        """The mapping's file, as findings name it."""
        return self.bound.mapping.file

    @property
    def is_python(self) -> bool:
        """Whether a Python class says what is published: then there are no conditions to look at."""
        return getattr(self.bound.mapping, "python", None) is not None

    def at(self, mark: Mark) -> Place:
        """A place in the mapping, or in a file that it takes something from: such a mark names that file."""
        return Place(getattr(mark, "file", self.file), *mark)

    def within(self, node: Expression, offset: int) -> Place:
        """The place of a character of an expression."""
        return self.at(node.scalar.locate(offset))

    def key(self, *path: str) -> Place:
        """The place of a key of the mapping; its first line where it cannot be told."""
        return self.at(key_mark(self.text, path) or Mark(1, 1))

    def code_table(self, name: str, code: str | None = None) -> Place:
        """Where a code table stands, or the meaning of one of its codes: in the mapping, or in a file that it shares."""
        places = self.bound.mapping.code_places.get(name)
        if places is None:
            return self.key("codes", name)
        return self.at(places.table if code is None else places.meanings.get(code, places.table))

    @property
    def types(self) -> tuple[str, ...]:
        """The contracts that the mapping publishes: its state's, then its events' in their order, each once."""
        events = [event.type for event in self.bound.events]
        return tuple(dict.fromkeys([self.bound.mapping.contract, *events]))


@dataclass(frozen=True)
class Project:
    """What the rules look at: all mappings that could be bound, all contracts, and where the contracts are written."""

    subjects: tuple[Subject, ...]
    contracts: Contracts
    texts: Mapping[str, ContractText] = field(default_factory=dict)

    @cached_property
    def published(self) -> Mapping[str, tuple[Subject, ...]]:
        """The mappings that publish each contract, by its type."""
        found: dict[str, tuple[Subject, ...]] = {}
        for subject in self.subjects:
            for name in subject.types:
                found[name] = (*found.get(name, ()), subject)
        return found

    @cached_property
    def shapes(self) -> Mapping[str, Mapping[str, Shape]]:
        """The fields of each contract that is published, by its type."""
        found: dict[str, Mapping[str, Shape]] = {}
        for subject in self.subjects:
            found[subject.bound.mapping.contract] = subject.bound.shape
            found.update((event.type, event.shape) for event in subject.bound.events)
        return found

    def promised(self, name: str) -> type[Contract]:
        """A contract by its type."""
        return self.contracts[name]

    def in_contract(self, name: str, path: str = "") -> Place:
        """Where a contract, or one of its fields (`premium.amount`, `lines[].price`), is written.

        Where its text is not known: the place at which a mapping names the contract.
        """
        text = self.texts.get(name)
        found = None if text is None else contract_places(text).get(path)
        if text is not None:
            return Place(text.file, *(found or contract_places(text)[""]))
        for subject in self.published.get(name, ()):
            if subject.bound.mapping.contract == name:
                return subject.at(subject.bound.mapping.marks["contract"])
            for event in subject.bound.events:
                if event.type == name:
                    return subject.at(event.rule.mark)
        return Place("contracts", 0, 0)


def finding(found: Found, severity: Literal["error", "warning"], lines: list[str]) -> Finding:
    """What was found as a finding; `lines` are those of its file."""
    place = found.place
    excerpt = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    return Finding(
        code=found.code,
        severity=severity,
        file=place.file,
        line=place.line,
        column=place.column,
        message=found.message,
        hint=found.hint,
        length=max(1, min(found.length, len(excerpt) - place.column + 1)),
        excerpt=excerpt,
    )
