"""One change explained: what it was decoded to, what every field was and is, which rule fired, what was refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from dragoman.conditions import ConditionTrace, Named, conditions, summed
from dragoman.project import Project
from dragoman.rows import CLASSIFIED, leaves
from dragoman.streams import word
from translators.aggregate import Rows, apply, touches_unseen
from translators.binding import BoundField, BoundMapping, BoundMembers, BoundNode
from translators.change import Change
from translators.compiled import CompiledTranslator, compile_mapping
from translators.errors import DragomanError
from translators.expression.bind import sources
from translators.expression.bound import Bound
from translators.expression.runtime import ValueProblem
from translators.facts import facts_of
from translators.outcome import Ignored, Loaded, Outcome, Rejected, Translated
from translators.problem import Problem
from translators.translator import Event, Refused, translate
from translators.yaml_text import did_you_mean

_ABSENT = object()


class FixMalformed(DragomanError):
    """{text} is no fix to try{suggestion}"""

    code: ClassVar[str] = "map.fix-malformed"
    hint: ClassVar[str] = "Write --with codes.TABLE.CODE=meaning; the code tables of {translator} are: {known}."


class FieldTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One field before and after. `old` and `new` are `None` where the thing does not exist or the field is null;
    `problem` says why `new` could not be computed. `inputs` are the root row's columns behind it, after the change."""

    path: str
    expression: str
    old: str | None
    new: str | None
    changed: bool
    problem: Problem | None
    inputs: Mapping[str, str]
    classified: bool
    summed: tuple[Named, ...] = ()
    """What the aggregates in it come to after the change, and from which rows."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What one change means for one translator. `fix` is a `--with` to try where a code is not mapped."""

    translator: str
    key: str
    existed: bool
    exists: bool
    fields: tuple[FieldTrace, ...]
    outcome: str
    why: str
    problem: Problem | None
    events: tuple[Event, ...]
    fix: str | None
    conditions: tuple[ConditionTrace, ...] = ()
    """Those that were asked, in their order."""


def with_fixes(project: Project, name: str, fixes: list[str]) -> CompiledTranslator:
    """The translator as it would be with other code tables, each fix `codes.TABLE.CODE=meaning`."""
    mapping, text = project.mapping(name)
    codes = {table: dict(entries) for table, entries in mapping.codes.items()}
    for fix in fixes:
        path, equals, meaning = fix.partition("=")
        parts = path.split(".", 2)
        if not equals or len(parts) != 3 or parts[0] != "codes" or parts[1] not in codes:
            near = did_you_mean(parts[1], codes) if len(parts) == 3 and parts[0] == "codes" else ""
            raise FixMalformed(text=repr(fix), suggestion=near, translator=name, known=", ".join(codes) or "none")
        codes[parts[1]][parts[2]] = meaning
    changed = dataclasses.replace(mapping, codes=codes)
    return compile_mapping(changed, text, project.schema, project.contracts, "|".join(fixes))


def explain(translator: CompiledTranslator, key: str, old_rows: Rows, changes: tuple[Change, ...]) -> Explanation:
    """What changes of one transaction do to one aggregate whose rows before are `old_rows`."""
    new_rows = apply(old_rows, changes)
    outcome, events, cause = _outcome(translator, old_rows, new_rows, changes)
    problem = outcome.problem if isinstance(outcome, Rejected) else None
    return Explanation(
        translator=translator.name,
        key=key,
        existed=bool(old_rows.get(translator.root)),
        exists=bool(new_rows.get(translator.root)),
        fields=tuple(_traces(translator.bound, old_rows, new_rows)),
        outcome=type(outcome).__name__,
        why=_why(outcome),
        problem=problem,
        events=events,
        fix=_fix(cause),
        conditions=() if isinstance(outcome, Loaded) else _conditions(translator, old_rows, new_rows, changes),
    )


def _conditions(
    translator: CompiledTranslator, old_rows: Rows, new_rows: Rows, changes: tuple[Change, ...]
) -> tuple[ConditionTrace, ...]:
    try:
        return tuple(conditions(translator, old_rows, new_rows, facts_of(changes)))
    except Refused:
        # Without a state no condition was asked.
        return ()


def _outcome(
    translator: CompiledTranslator, old_rows: Rows, new_rows: Rows, changes: tuple[Change, ...]
) -> tuple[Outcome, tuple[Event, ...], BaseException | None]:
    try:
        if any(change.is_snapshot for change in changes) or touches_unseen(old_rows, changes):
            translator.state(new_rows)
            return Loaded(), (), None
        found = translate(translator, old_rows, new_rows, facts_of(changes))
    except Refused as refused:
        return Rejected(refused.problem), (), refused.__cause__
    return Ignored(found.ignored) if found.ignored else Translated(), found.events, None


def _why(outcome: Outcome) -> str:
    match outcome:
        case Ignored(reason):
            return reason
        case Loaded():
            return "its rows enter the state and are no news"
        case Rejected(problem):
            return problem.code
        case _:
            return ""


def _fix(cause: BaseException | None) -> str | None:
    if isinstance(cause, ValueProblem) and cause.code == "code.unmapped":
        return f"codes.{cause.detail['set']}.{cause.detail['value']}="
    return None


def _traces(bound: BoundMapping, old_rows: Rows, new_rows: Rows) -> Iterator[FieldTrace]:
    root = bound.mapping.root
    row = next(iter(new_rows.get(root, {}).values()), None) or next(iter(old_rows.get(root, {}).values()), {})
    for probe in _probes(bound):
        old, _ = probe.value(old_rows)
        new, problem = probe.value(new_rows)
        used = sorted(probe.sources)
        inputs = {
            c: str(row[c]) for c in (u.removeprefix(f"{root}.") for u in used if u.startswith(f"{root}.")) if c in row
        }
        yield FieldTrace(
            path=probe.path,
            expression=probe.expression,
            old=_text(old),
            new=_text(new),
            changed=problem is not None or old != new,
            problem=problem,
            inputs=inputs,
            classified=probe.classified,
            summed=() if probe.bound is None else summed(bound, probe.expression, probe.bound, new_rows),
        )


@dataclass(frozen=True, slots=True)
class _Probe:
    """One field as a translator of its own, so that it fails alone."""

    path: str
    expression: str
    sources: frozenset[str]
    classified: bool
    translator: CompiledTranslator
    bound: Bound | None

    def value(self, rows: Rows) -> tuple[Any, Problem | None]:
        """The field's value, or why there is none; `_ABSENT` where the thing does not exist."""
        try:
            state = self.translator.state(rows)
        except Refused as refused:
            return _ABSENT, refused.problem
        if state is None:
            return _ABSENT, None
        for name in self.path.split("."):
            state = state[name]
        return state, None


def _probes(bound: BoundMapping) -> Iterator[_Probe]:
    for name, node in bound.fields.items():
        yield from _probes_of(bound, name, node, lambda inner, name=name: {name: inner})


def _probes_of(bound: BoundMapping, path: str, node: BoundNode, wrap: Any) -> Iterator[_Probe]:
    if isinstance(node, BoundMembers):
        for name, inner in node.fields.items():
            around = node

            def deeper(leaf: BoundNode, name: str = name, around: BoundMembers = around) -> Any:
                return wrap(BoundMembers(around.path, {name: leaf}))

            yield from _probes_of(bound, f"{path}.{name}", inner, deeper)
        return
    alone = dataclasses.replace(bound, fields=wrap(node))
    fields = [node] if isinstance(node, BoundField) else list(leaves(node.fields.values()))
    yield _Probe(
        path=path,
        expression=node.source.text if isinstance(node, BoundField) else f"each {node.table}",
        sources=frozenset(source for f in fields for source in sources(f.bound)),
        classified=any(f.shape.data_class in CLASSIFIED for f in fields),
        translator=CompiledTranslator(alone, ""),
        bound=node.bound if isinstance(node, BoundField) else None,
    )


def _text(value: Any) -> str | None:
    """A value in one line; a list as what is in it."""
    if value is _ABSENT or value is None:
        return None
    if isinstance(value, list):
        return "; ".join(", ".join(map(word, element.values())) for element in value) or "empty"
    return word(value)
