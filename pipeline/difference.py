"""What two translators made of the same steps, compared: differences by kind, contract and field, counted, with examples.

Nothing is kept but counts and a few examples, whatever the number of steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import orjson

from pipeline.log.port import Outgoing
from pipeline.observed import Step
from translators.contract import Shape
from translators.outcome import Ignored, Outcome, Parked, Rejected

Kind = Literal[
    "event-added",
    "event-removed",
    "event-changed",
    "id-moved",
    "state-added",
    "state-removed",
    "state-changed",
    "outcome-changed",
]
KINDS: tuple[Kind, ...] = (
    "event-added",
    "event-removed",
    "event-changed",
    "id-moved",
    "state-added",
    "state-removed",
    "state-changed",
    "outcome-changed",
)
_WHOLE = frozenset(("event-added", "event-removed", "id-moved", "state-added", "state-removed"))
EXAMPLES = 3
MASK = "•••"
ABSENT = "-"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One case: the key, its transaction, where its first change was read; values as texts, classified ones masked."""

    key: str
    transaction: str
    at: str
    old: str = ABSENT
    new: str = ABSENT


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of difference, `count` times.

    `of` is the contract; for outcomes it is `old → new`. `field` is the path that differs, list elements taken together
    (`coverages[].kind`), empty where the whole event, record or step is meant.
    """

    kind: Kind
    of: str
    field: str
    count: int
    examples: tuple[Example, ...]


@dataclass(slots=True)
class _Tally:
    count: int = 0
    examples: list[Example] = field(default_factory=list)


class Differences:
    """Collects what differs. `hidden` are the paths of classified fields by contract.

    `steps` were compared, `differing` of them differ. `outputs` counts, by contract, the events and records that differ
    although both sides could translate the step: what is there because a step is no longer rejected is no surprise.
    """

    def __init__(self, hidden: MappingType[str, frozenset[str]]) -> None:
        self.steps = 0
        self.differing = 0
        self.outputs: Counter[str] = Counter()
        self._hidden = hidden
        self._found: dict[tuple[Kind, str, str], _Tally] = {}
        self._noted = 0
        self._refused = False

    def compare(self, old: Sequence[Step], new: Sequence[Step]) -> None:
        """The steps that both sides made of the same records."""
        left = _by_place(old)
        removed: list[tuple[Step, Outgoing]] = []
        added: list[tuple[Step, Outgoing]] = []
        for place, step in _by_place(new).items():
            before = left.pop(place, None)
            if before is None:
                added += [(step, record) for record in step.events]
                self._alone(None, step)
            else:
                self.steps += 1
                self.differing += self._step(before, step)
        for step in left.values():
            removed += [(step, record) for record in step.events]
            self._alone(step, None)
        self._refused = False
        self._unpaired(removed, added)

    def found(self) -> tuple[Difference, ...]:
        """All differences: by kind, then the most frequent first."""
        order = {kind: at for at, kind in enumerate(KINDS)}
        ranked = sorted(self._found.items(), key=lambda item: (order[item[0][0]], -item[1].count, item[0]))
        return tuple(
            Difference(kind=kind, of=of, field=path, count=tally.count, examples=tuple(tally.examples))
            for (kind, of, path), tally in ranked
        )

    def _alone(self, old: Step | None, new: Step | None) -> None:
        """A step that only one side has; its events are looked at later, when all of those are known."""
        self.steps += 1
        self.differing += 1
        self._refused = False
        if new is not None:
            self._state(new, None, new.state)
            self._outcome(new, None, new.outcome)
        elif old is not None:
            self._state(old, old.state, None)
            self._outcome(old, old.outcome, None)

    def _step(self, old: Step, new: Step) -> bool:
        """Two sides of one step; whether anything of it differs."""
        noted = self._noted
        self._refused = any(isinstance(step.outcome, Rejected | Parked) for step in (old, new))
        self._outcome(new, old.outcome, new.outcome)
        self._state(new, old.state, new.state)
        if not old.events and not new.events:
            return self._noted > noted
        before = _by_type(old.events)
        for place, record in _by_type(new.events).items():
            was = before.pop(place, None)
            if was is None:
                self._add("event-added", place[0], "", new)
            else:
                self._event(new, place[0], was, record)
        for kind, _ in before:
            self._add("event-removed", kind, "", new)
        return self._noted > noted

    def _event(self, step: Step, kind: str, old: Outgoing, new: Outgoing) -> None:
        ids = _header(old, "ce_id"), _header(new, "ce_id")
        if ids[0] != ids[1]:
            self._add("id-moved", kind, "", step, *ids)
        elif old.value != new.value:
            self.outputs[kind] += 1
        self._data("event-changed", kind, step, old, new)

    def _unpaired(self, removed: list[tuple[Step, Outgoing]], added: list[tuple[Step, Outgoing]]) -> None:
        """Events of steps that only one side has: under another key, the same event of the same transaction moved."""
        waiting: dict[tuple[str, str], list[tuple[Step, Outgoing]]] = {}
        for step, record in removed:
            waiting.setdefault((step.transaction, type_of(record)), []).append((step, record))
        for step, record in added:
            kind = type_of(record)
            if found := waiting.get((step.transaction, kind)):
                before, was = found.pop(0)
                self._add("id-moved", kind, "", step, f"{before.key}", f"{step.key}")
                self._data("event-changed", kind, step, was, record)
            else:
                self._add("event-added", kind, "", step)
        for (_, kind), left in waiting.items():
            for step, _ in left:
                self._add("event-removed", kind, "", step)

    def _state(self, step: Step, old: Outgoing | None, new: Outgoing | None) -> None:
        if old is None:
            if new is not None:
                self._add("state-added", type_of(new), "", step)
        elif new is None:
            self._add("state-removed", type_of(old), "", step)
        else:
            self.outputs[type_of(new)] += old.value != new.value
            self._data("state-changed", type_of(new), step, old, new)

    def _data(self, what: Kind, kind: str, step: Step, old: Outgoing, new: Outgoing) -> None:
        if old.value == new.value:
            return
        hidden = self._hidden.get(kind, frozenset())
        seen: set[str] = set()
        for path, before, after in differing(orjson.loads(old.value or b"null"), orjson.loads(new.value or b"null")):
            values = (MASK, MASK) if is_hidden(path, hidden) else (shown(before), shown(after))
            if path not in seen:
                self._add(what, kind, path, step, *values)
            seen.add(path)

    def _outcome(self, step: Step, old: Outcome | None, new: Outcome | None) -> None:
        before, after = _label(old), _label(new)
        if before != after:
            self._add("outcome-changed", f"{before} → {after}", "", step, _why(old), _why(new))

    def _add(self, kind: Kind, of: str, path: str, step: Step, old: str = ABSENT, new: str = ABSENT) -> None:
        tally = self._found.setdefault((kind, of, path), _Tally())
        tally.count += 1
        self._noted += 1
        if kind in _WHOLE and not self._refused:
            self.outputs[of] += 1
        if len(tally.examples) < EXAMPLES:
            at = str(step.changes[0].at) if step.changes else "snapshot"
            tally.examples.append(Example(key=step.key, transaction=step.transaction, at=at, old=old, new=new))


def type_of(record: Outgoing) -> str:
    """The contract of a curated record, without namespace and context."""
    return ".".join(_header(record, "ce_type").rsplit(".", 2)[1:])


def differing(old: Any, new: Any, path: str = "") -> list[tuple[str, Any, Any]]:
    """The paths at which two JSON values differ, with both values; elements of lists of one length are compared in order.

    What is there on one side only has `ABSENT` on the other. `1`, `1.0` and `true` differ.
    """
    pairs: Iterable[tuple[str, Any, Any]]
    if isinstance(old, dict) and isinstance(new, dict):
        names = old if old.keys() == new.keys() else dict.fromkeys((*old, *new))
        within = f"{path}." if path else ""
        pairs = [(f"{within}{name}", old.get(name, ABSENT), new.get(name, ABSENT)) for name in names]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(f"{path}[]", before, after) for before, after in zip(old, new, strict=True)]
    else:
        return [] if old == new and type(old) is type(new) else [(path, old, new)]
    found = []
    for at, before, after in pairs:
        if before.__class__ is not str or before != after:
            found += differing(before, after, at)
    return found


def shown(value: Any) -> str:
    """A JSON value in one line; a list or an object by its size."""
    match value:
        case list():
            return f"{len(value)} element{'' if len(value) == 1 else 's'}"
        case dict():
            return "{" + ", ".join(value) + "}"
        case str():
            return value
        case _:
            return orjson.dumps(value).decode()


def hidden_paths(shape: MappingType[str, Shape], path: str = "") -> Iterator[str]:
    """The paths of the personal and sensitive fields of a contract."""
    for name, promised in shape.items():
        at = f"{path}{name}"
        if promised.data_class in ("personal", "sensitive"):
            yield at
        yield from hidden_paths(promised.fields, f"{at}[]." if promised.kind == "list" else f"{at}.")


def is_hidden(path: str, hidden: Iterable[str]) -> bool:
    """Whether a path is, is within, or holds a classified field."""
    return any(_within(path, one) or _within(one, path) for one in hidden)


def _within(path: str, outer: str) -> bool:
    return path == outer or not outer or path.startswith((f"{outer}.", f"{outer}["))


def _by_place(steps: Iterable[Step]) -> dict[tuple[str, str, int], Step]:
    """Steps by transaction, key, and which of the transaction's steps on that key it is (late rows make another)."""
    found: dict[tuple[str, str, int], Step] = {}
    for step in steps:
        number = 0
        while (step.transaction, step.key, number) in found:
            number += 1
        found[step.transaction, step.key, number] = step
    return found


def _by_type(records: Iterable[Outgoing]) -> dict[tuple[str, int], Outgoing]:
    """Events by contract, and which of the step's events of that contract it is."""
    found: dict[tuple[str, int], Outgoing] = {}
    for record in records:
        kind, number = type_of(record), 0
        while (kind, number) in found:
            number += 1
        found[kind, number] = record
    return found


def _header(record: Outgoing, name: str) -> str:
    for key, value in record.headers:
        if key == name:
            return (value or b"").decode()
    return ""


def _label(outcome: Outcome | None) -> str:
    match outcome:
        case None:
            return "no step"
        case Rejected(problem):
            return f"rejected {problem.code}" + (f" ({problem.field})" if problem.field else "")
        case Ignored(reason):
            return f"ignored ({reason})"
        case _:
            return type(outcome).__name__.lower()


def _why(outcome: Outcome | None) -> str:
    return outcome.problem.message if isinstance(outcome, Rejected) else ABSENT
