"""The tests of a mapping, run: transactions through the pipeline's own step, in memory, and what they said compared."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import orjson

from pipeline.batch import label_of
from pipeline.cloudevents import Producer
from pipeline.difference import type_of
from pipeline.observed import Observed
from translators.change import Change
from translators.compiled import CompiledTranslator
from translators.outcome import Ignored, Outcome, Rejected
from translators.translator import Refused

OUTCOMES = ("translated", "loaded", "ignored", "rejected", "parked")
Mark = Literal[" ", "-", "+"]


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What one step has to say. Trees are as YAML has them: every value a text, null for nothing."""

    outcome: str
    events: tuple[tuple[str, Any], ...] | None = None
    state: Any = None
    code: str | None = None
    field: str | None = None
    reason: str | None = None
    where: str = ""


class MappingTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test: transactions of changes, and what is expected of each."""

    name: str
    where: str
    transactions: tuple[tuple[Change, ...], ...]
    expected: tuple[Expected, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one step did say, as JSON has it; `state` is the whole state after it, if there is one."""

    outcome: Outcome
    events: tuple[tuple[str, Any], ...]
    state: Any

    @property
    def label(self) -> str:
        """The outcome's name."""
        return label_of(self.outcome).partition(":")[0]


class Line(msgspec.Struct, frozen=True):
    """One line of a comparison: ` ` as expected, `-` expected and not there, `+` there in its place.

    Lines of one event, or of the state, follow a line with its name and no `path`.
    """

    mark: Mark
    what: str
    path: str
    value: str


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was expected otherwise; `step` counts from 1."""

    step: int
    what: str
    expected: str
    got: str
    where: str


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a test: what it said, line by line against what was expected; `step` counts from 1."""

    step: int
    where: str
    said: Said
    lines: tuple[Line, ...]

    @property
    def holds(self) -> bool:
        """Whether everything was as expected."""
        return all(line.mark == " " for line in self.lines)


def run_test(translator: CompiledTranslator, test: MappingTest) -> list[StepResult]:
    """Run a test: each of its steps, whether it holds or not."""
    said = say(translator, test.transactions)
    return [
        StepResult(step=number, where=expected.where, said=one, lines=tuple(compared(expected, one)))
        for number, (expected, one) in enumerate(zip(test.expected, said, strict=True), start=1)
    ]


def mismatches(results: Iterable[StepResult]) -> list[Mismatch]:
    """What was otherwise than expected, thing by thing."""
    found = []
    for result in results:
        by_place: dict[str, dict[str, list[str]]] = {}
        for line in result.lines:
            if line.mark != " ":
                sides = by_place.setdefault(f"{line.what}.{line.path}".strip("."), {"-": [], "+": []})
                sides[line.mark].append(line.value)
        for what, sides in by_place.items():
            expected, got = (", ".join(sides[mark]) or "none" for mark in "-+")
            found.append(Mismatch(step=result.step, what=what, expected=expected, got=got, where=result.where))
    return found


def say(translator: CompiledTranslator, transactions: Sequence[Sequence[Change]]) -> list[Said]:
    """What each transaction, which is one step of one key, says."""
    observed = Observed(translator, producer_of(translator), "test", begins_empty=True)
    return [_said(translator, observed, changes) for changes in transactions]


def _said(translator: CompiledTranslator, observed: Observed, changes: Sequence[Change]) -> Said:
    step = observed.now(changes)
    events = tuple((type_of(record), orjson.loads(record.value or b"null")) for record in step.events)
    kept = observed.state_of(step.key)
    try:
        state = None if kept is None else translator.state(kept.rows)
    except Refused:
        state = None
    return Said(outcome=step.outcome, events=events, state=_as_json(state))


def _as_json(state: Any) -> Any:
    return None if state is None else orjson.loads(orjson.dumps(state, default=str))


def producer_of(translator: CompiledTranslator) -> Producer:
    """Who a test publishes as."""
    return Producer(
        namespace="test",
        context=translator.context,
        source="test",
        source_epoch=1,
        translator=translator.name,
        state_epoch=1,
        generation=1,
        mapping_version=translator.version,
        producer_version="",
        events_topic="events",
        state_topic="state",
    )


def compared(expected: Expected, said: Said) -> Iterator[Line]:
    """What was expected against what was said; members that are not expected may be anything."""
    problem = said.outcome.problem if isinstance(said.outcome, Rejected) else None
    why = f" ({problem.code}: {problem.message})" if problem else ""
    if isinstance(said.outcome, Ignored):
        why = f": {said.outcome.reason}"
    yield from _pair("outcome", "", expected.outcome, said.label, why)
    reason = said.outcome.reason if isinstance(said.outcome, Ignored) else "-"
    for what, wanted, got in (
        ("reason", expected.reason, reason),
        ("code", expected.code, problem.code if problem else "-"),
        ("field", expected.field, (problem.field if problem else None) or "-"),
    ):
        if wanted is not None:
            yield from _pair(what, "", wanted, got)
    if expected.events is not None:
        yield from _events(expected.events, said.events)
    if expected.state is not None:
        yield Line(" ", "state", "", "")
        yield from _tree("state", "", expected.state, said.state)


def _pair(what: str, path: str, expected: str, got: str, more: str = "") -> Iterator[Line]:
    if expected == got:
        yield Line(" ", what, path, got)
        return
    yield Line("-", what, path, expected)
    yield Line("+", what, path, got + more)


def _events(expected: tuple[tuple[str, Any], ...], got: tuple[tuple[str, Any], ...]) -> Iterator[Line]:
    """Events in order: those of one type in both are compared, the others are missing or too many."""
    wanted, found = [kind for kind, _ in expected], [kind for kind, _ in got]
    for tag, a, b, c, d in difflib.SequenceMatcher(a=wanted, b=found, autojunk=False).get_opcodes():
        if tag == "equal":
            for (kind, data), (_, said) in zip(expected[a:b], got[c:d], strict=True):
                yield Line(" ", kind, "", "")
                yield from _tree(kind, "", data, said)
            continue
        yield from (Line("-", "events", "", kind) for kind in wanted[a:b])
        yield from (Line("+", "events", "", kind) for kind in found[c:d])


def _tree(what: str, path: str, expected: Any, got: Any) -> Iterator[Line]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name, value in expected.items():
            at = f"{path}.{name}" if path else name
            if name in got:
                yield from _tree(what, at, value, got[name])
            else:
                yield Line("-", what, at, shown(value))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for number, (wanted, found) in enumerate(zip(expected, got, strict=True), start=1):
            yield from _tree(what, f"{path}[{number}]", wanted, found)
    else:
        yield from _pair(what, path, shown(expected), shown(got))


def shown(value: Any) -> str:
    """A value in one line; what holds others by how much it holds."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"{len(value)} element{'' if len(value) == 1 else 's'}"
        case dict():
            return "{" + ", ".join(value) + "}"
        case _:
            return str(value)
