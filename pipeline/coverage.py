"""What no example touches: codes, conditions and fields of a mapping that its tests would let anybody change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import replace
from typing import Any

import msgspec

from pipeline.observed import Observed
from pipeline.testing import MappingTest, Said, producer_of, say
from translators.aggregate import Rows
from translators.binding import BoundField, BoundMapping, BoundNode
from translators.compiled import CompiledTranslator
from translators.facts import Facts, facts_of
from translators.outcome import Ignored, Rejected, Translated
from translators.translator import Refused, keys_of

Codes = MappingType[str, MappingType[str, Any]]
Compile = Callable[[Codes], CompiledTranslator]
"""Makes the translator again with other code tables."""

Code = tuple[str, str]


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an example should touch, and whether one does."""

    name: str
    touched: bool


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the examples of a translator touch.

    A code is touched if an example would say something else without it; a condition by an example in which it holds, and
    by one in which it does not; a field by an expectation that names it.
    """

    translator: str
    codes: tuple[Touched, ...]
    conditions: tuple[Touched, ...]
    fields: tuple[Touched, ...]


def coverage(translator: CompiledTranslator, tests: Sequence[MappingTest], compiled: Compile) -> Coverage:
    """What these tests touch of a translator, whether they hold or not."""
    return Coverage(
        translator=translator.name,
        codes=tuple(_codes(translator, tests, compiled)),
        conditions=tuple(_conditions(translator, tests)),
        fields=tuple(_fields(translator.bound, tests)),
    )


def _codes(translator: CompiledTranslator, tests: Sequence[MappingTest], compiled: Compile) -> Iterator[Touched]:
    tables: Codes = translator.bound.mapping.codes
    all_codes = [(table, code) for table, entries in tables.items() for code in entries]
    before = _observed(translator, tests)

    def says_the_same_without(gone: Sequence[Code]) -> bool:
        left = {t: {c: m for c, m in entries.items() if (t, c) not in gone} for t, entries in tables.items()}
        return _observed(compiled(left), tests) == before

    untouched = set(_untouched(all_codes, says_the_same_without))
    for table, code in all_codes:
        yield Touched(name=f"{table}.{code}", touched=(table, code) not in untouched)


def _untouched(codes: list[Code], same_without: Callable[[Sequence[Code]], bool]) -> list[Code]:
    """The codes that no example needs, found by halving: few runs where few or nearly all are needed."""
    if not codes or same_without(codes):
        return codes
    if len(codes) == 1:
        return []
    half = len(codes) // 2
    return _untouched(codes[:half], same_without) + _untouched(codes[half:], same_without)


def _observed(translator: CompiledTranslator, tests: Iterable[MappingTest]) -> list[object]:
    """What the tests see of a translator; not the words of a problem, which name the codes that are near."""
    return [_essence(said) for test in tests for said in say(translator, test.transactions)]


def _essence(said: Said) -> object:
    problem = said.outcome.problem if isinstance(said.outcome, Rejected) else None
    return said.label, problem and (problem.code, problem.field), said.events, said.state


def _conditions(translator: CompiledTranslator, tests: Sequence[MappingTest]) -> Iterator[Touched]:
    """Each condition alone, over every step that was evaluated."""
    bound = translator.bound
    steps = list(_evaluated(translator, tests))
    for event in bound.events:
        held = [event.type in kinds for kinds, _ in _said(replace(bound, events=(event,), ignore=()), steps)]
        yield Touched(name=f"{event.type} happens", touched=True in held)
        yield Touched(name=f"{event.type} does not happen", touched=False in held)
    for rule in bound.ignore:
        held = [ignored == rule.reason for _, ignored in _said(replace(bound, events=(), ignore=(rule,)), steps)]
        yield Touched(name=f"ignored ({rule.reason})", touched=True in held)
        yield Touched(name=f"not ignored ({rule.reason})", touched=False in held)


def _said(bound: BoundMapping, steps: Iterable[tuple[Rows, Rows, Facts]]) -> Iterator[tuple[set[str], str | None]]:
    """What the rules of a mapping say of each step, and why it says nothing; a step that fails tells nothing."""
    alone = CompiledTranslator(bound, "")
    for old, new, facts in steps:
        try:
            before, after = alone.state(old), alone.state(new)
            if before is not None or after is not None:
                said = alone.events(before, after, old, new, facts)
                yield {event.type for event in said.events}, said.ignored
        except Refused:
            continue


def _evaluated(translator: CompiledTranslator, tests: Iterable[MappingTest]) -> Iterator[tuple[Rows, Rows, Facts]]:
    """The rows before and after each step in which conditions were asked, and the facts of its transaction."""
    for test in tests:
        observed = Observed(translator, producer_of(translator), "test", begins_empty=True)
        for changes in test.transactions:
            key = keys_of(translator, changes[0])[0]
            before = observed.state_of(key)
            step = observed.now(changes)
            after = observed.state_of(key)
            if isinstance(step.outcome, Translated | Ignored) and after is not None:
                yield (before.rows if before is not None else {}), after.rows, facts_of(changes)


def _fields(bound: BoundMapping, tests: Iterable[MappingTest]) -> Iterator[Touched]:
    named = set(_named(tests))
    overridden = {(event.type, name) for event in bound.events for name in event.fields}
    told = {path for contract, path in named if (contract, path.split(".")[0].split("[")[0]) not in overridden}
    for leaf in _leaves(bound.fields.values()):
        yield Touched(name=f"{bound.mapping.contract} {leaf.path}", touched=leaf.path in told)
    for event in bound.events:
        for name in event.fields:
            yield Touched(name=f"{event.type} {name}", touched=(event.type, name) in named)


def _named(tests: Iterable[MappingTest]) -> Iterator[tuple[str, str]]:
    """(contract, path) of every value that an expectation names; the state's contract is empty."""
    for test in tests:
        for expected in test.expected:
            yield from (("", path) for path in _paths(expected.state))
            for kind, data in expected.events or ():
                yield from ((kind, path) for path in _paths(data))


def _paths(tree: Any, path: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _paths(value, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for value in tree:
            yield from _paths(value, f"{path}[]")
    elif path:
        yield path


def _leaves(nodes: Iterable[BoundNode]) -> Iterator[BoundField]:
    for node in nodes:
        if isinstance(node, BoundField):
            yield node
        else:
            yield from _leaves(node.fields.values())
