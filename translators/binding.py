"""A mapping bound to a legacy schema and to contracts: every expression typed, every promise checked, nothing generated.

All that is wrong is collected, so that a person sees a file's errors at once.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType

from msgspec.structs import replace

from translators.binding_python import bind_python
from translators.bound_mapping import (
    BoundEach,
    BoundEvent,
    BoundField,
    BoundIgnore,
    BoundInvariant,
    BoundMapping,
    BoundMembers,
    BoundNode,
)
from translators.contract import Contract, Shape, shape_of
from translators.contracts import Contracts, Promised
from translators.expression.bind import Scope
from translators.expressions import Expressions
from translators.findings import MappingInvalid
from translators.functions import Functions, no_functions
from translators.mapping import Each, EventRule, Expression, FieldNode, Mapping, Members, PythonField
from translators.parts import children_of, misfits
from translators.promises import type_of
from translators.report import Report
from translators.schema import LegacySchema, Type
from translators.yaml_text import Mark, did_you_mean

__all__ = [
    "BoundEach",
    "BoundEvent",
    "BoundField",
    "BoundIgnore",
    "BoundInvariant",
    "BoundMapping",
    "BoundMembers",
    "BoundNode",
    "Contracts",
    "bind_mapping",
]


def bind_mapping(
    mapping: Mapping, text: str, schema: LegacySchema, contracts: Contracts, functions: Functions = no_functions
) -> BoundMapping:
    """Bind one mapping. `MappingInvalid` with all findings if there is an error among them; `text` is the file's.

    `functions` finds the Python functions that it names.
    """
    report = Report(mapping, text)
    if mapping.python is not None:
        bound = bind_python(mapping, report, schema, contracts)
    else:
        bound = _Binder(mapping, report, schema, contracts, functions).bound()
    if bound is None or any(f.severity == "error" for f in report.findings):
        raise MappingInvalid(report.findings)
    return bound


class _Binder:
    def __init__(
        self, mapping: Mapping, report: Report, schema: LegacySchema, contracts: Contracts, functions: Functions
    ) -> None:
        self._mapping = mapping
        self._report = report
        self._schema = schema
        self._promised = Promised(mapping, report, contracts)
        self._expressions = Expressions(mapping, report, functions)
        self._orders = {name: part.order for name, part in mapping.parts.items() if part.order}
        self._state_types: dict[str, Type] = {}

    def bound(self) -> BoundMapping | None:
        mapping = self._mapping
        contract = self._promised.contract(mapping.contract, "state", mapping.marks["contract"])
        wrong = misfits(mapping, self._schema.tables)
        for misfit in wrong:
            self._report.find(*misfit)
        if contract is None or wrong:
            return None
        shape = shape_of(contract)
        columns = self._schema.tables[mapping.root].columns
        scope = Scope(
            table=mapping.root,
            columns=columns,
            parts=self._part_columns(),
            orders=self._orders,
            codes=self._expressions.codes,
        )
        fields = self._fields(mapping.fields, shape, scope, "", mapping.marks["contract"])
        self._promised.check_technical(shape)
        invariants = self._promised.invariants(contract, shape, self._state_types, mapping.marks["contract"])
        events = tuple(event for rule in mapping.events if (event := self._event(rule, scope, shape, invariants)))
        ignored = [(self._expressions.condition(rule.when, self._event_scope(scope)), rule) for rule in mapping.ignore]
        return BoundMapping(
            mapping=mapping,
            schema=self._schema,
            owner=contract.promise.owner,
            fields=fields,
            shape=shape,
            state_types=self._state_types,
            events=events,
            ignore=tuple(BoundIgnore(when, rule.reason) for when, rule in ignored if when is not None),
            correlation=self._expressions.of_kind(mapping.correlation, scope, "correlation", ("text",)),
            findings=tuple(self._report.findings),
            invariants=invariants,
        )

    def _part_columns(self) -> dict[str, MappingType[str, Type]]:
        return {name: self._schema.tables[name].columns for name in self._mapping.parts}

    def _fields(
        self, nodes: MappingType[str, FieldNode], shape: MappingType[str, Shape], scope: Scope, path: str, mark: Mark
    ) -> dict[str, BoundNode]:
        """Bind the fields of one level, in the contract's order; `path` ends in a point or is empty."""
        for name, promised in shape.items():
            if name not in nodes and promised.required:
                said = f"{self._mapping.contract} promises {path}{name}, which is not mapped"
                self._report.find("contract.field-missing", mark, said, len(self._mapping.contract))
        for name, node in nodes.items():
            if name not in shape:
                place = node.scalar.mark if isinstance(node, Expression) else node.mark
                said = f"{self._mapping.contract} has no field {path}{name}{did_you_mean(name, shape)}"
                hint = "Map what the contract names, or extend the contract."
                self._report.find("contract.field-unknown", place, said, hint=hint)
        bound = {n: self._field(nodes[n], s, scope, f"{path}{n}") for n, s in shape.items() if n in nodes}
        return {name: node for name, node in bound.items() if node is not None}

    def _field(self, node: FieldNode, shape: Shape, scope: Scope, path: str) -> BoundNode | None:
        match node:
            case Expression() | PythonField():
                found = self._expressions.promised(node, shape, scope, path)
                if found is not None:
                    self._know(path, found.bound.type)
                return found
            case Members(fields, mark):
                if not self._is(shape, "object", path, mark):
                    return None
                self._know(path, Type("object"))
                return BoundMembers(path, self._fields(fields, shape.fields, scope, f"{path}.", mark))
            case Each(table, fields, mark):
                if not self._is(shape, "list", path, mark) or not self._belongs(table, scope.table, mark):
                    return None
                self._know(path, Type("list"))
                return BoundEach(
                    path, table, self._fields(fields, shape.fields, self._inner(scope, table), f"{path}[].", mark)
                )

    def _know(self, path: str, found: Type) -> None:
        """Events may name this field as OLD or NEW; what is within a list has no such name."""
        if "[]" not in path:
            self._state_types[path] = found

    def _inner(self, scope: Scope, table: str) -> Scope:
        """What an expression may name within the rows of a part: their columns, those around them, the parts below."""
        tables = self._schema.tables
        return Scope(
            table=table,
            columns=tables[table].columns,
            outer={**scope.outer, scope.table: scope.columns},
            parts={name: tables[name].columns for name in children_of(self._mapping, table)},
            orders=self._orders,
            codes=self._expressions.codes,
        )

    def _belongs(self, table: str, above: str, mark: Mark) -> bool:
        """Whether the rows of a part belong to the rows in which they are listed."""
        known = children_of(self._mapping, above)
        if table not in known:
            said = f"{table} is no part of {above}{did_you_mean(table, known)}"
            hint = "Name it under `parts:` with its parent columns."
            self._report.find("part.unknown", mark, said, len(table), hint)
        return table in known

    def _is(self, shape: Shape, kind: str, path: str, mark: Mark) -> bool:
        if shape.kind != kind:
            self._report.find("contract.type", mark, f"{path} is mapped as {kind}, its contract says {shape.kind}")
        return shape.kind == kind

    def _event(
        self, rule: EventRule, scope: Scope, state: MappingType[str, Shape], kept: tuple[BoundInvariant, ...]
    ) -> BoundEvent | None:
        contract = self._promised.contract(rule.type, "event", rule.mark)
        when = self._expressions.condition(rule.when, self._event_scope(scope))
        self._promised.check_versions(rule)
        if contract is None or when is None:
            return None
        shape = shape_of(contract)
        facts = self._event_scope(scope)
        fields = {}
        for name, node in rule.fields.items():
            if name in shape:
                found = self._expressions.promised(node, shape[name], facts, name)
                fields.update({} if found is None else {name: found})
            elif not self._promised.another_version_has(name, rule):
                said = f"{rule.type} has no field {name}{did_you_mean(name, shape)}"
                place = node.scalar.mark if isinstance(node, Expression) else node.mark
                self._report.find("contract.field-unknown", place, said)
        self._taken_from_state(rule, shape, state, fields)
        kinds = ("date", "timestamp", "timestamptz")
        return BoundEvent(
            type=rule.type,
            shape=shape,
            when=when,
            fields=fields,
            rule=rule,
            deprecated=contract.promise.status == "deprecated",
            occurred=self._expressions.of_kind(rule.occurred, facts, "occurred", kinds),
            style=contract.promise.style,
            invariants=self._invariants(contract, shape, rule, fields, kept),
        )

    def _invariants(
        self,
        contract: type[Contract],
        shape: MappingType[str, Shape],
        rule: EventRule,
        fields: MappingType[str, BoundField],
        kept: tuple[BoundInvariant, ...],
    ) -> tuple[BoundInvariant, ...]:
        """Those of an event, but for what its state has kept already: the same words about fields taken from there."""
        types = {**self._state_types, **{name: field.bound.type for name, field in fields.items()}}
        found = self._promised.invariants(contract, shape, types, rule.mark)
        known = {one.text for one in kept if not {path.split(".")[0] for path in one.paths} & fields.keys()}
        return tuple(one for one in found if one.text not in known)

    def _taken_from_state(
        self,
        rule: EventRule,
        shape: MappingType[str, Shape],
        state: MappingType[str, Shape],
        fields: MappingType[str, BoundField],
    ) -> None:
        for name, promised in shape.items():
            if name in rule.fields or name in fields:
                continue
            unmapped = name in state and not state[name].required and name not in self._mapping.fields
            if name in state and not unmapped:
                self._fits(rule, name, promised, state[name])
            elif promised.required:
                said = f"{rule.type} promises {name}, which neither the state nor this rule has"
                hint = f"Add `{name}:` under `fields:`."
                self._report.find("contract.field-missing", rule.mark, said, len(rule.type), hint)

    def _fits(self, rule: EventRule, path: str, promised: Shape, state: Shape) -> None:
        """Whether a field of the state can be one of the event, with all that is in it."""
        length = len(rule.type)
        if state.kind != promised.kind:
            said = f"{rule.type} says {path} is {promised.kind}, the state says {state.kind}"
            self._report.find("contract.type", rule.mark, said, length)
            return
        found = self._state_types.get(path, type_of(state))
        if promised.places is not None and found.kind == "decimal" and found.scale > promised.places:
            said = f"{rule.type} allows {promised.places} places for {path}, in the state it has {found.scale}"
            hint = f"Write ROUND(NEW.{path}, {promised.places}) under `fields:` if that is meant."
            self._report.find("contract.type", rule.mark, said, length, hint)
        for name, inner in promised.fields.items():
            if name in state.fields:
                self._fits(rule, f"{path}.{name}", inner, state.fields[name])
            elif inner.required:
                said = f"{rule.type} promises {path}.{name}, which {self._mapping.contract} does not have"
                self._report.find("contract.field-missing", rule.mark, said, length, "Extend the state's contract.")

    def _event_scope(self, scope: Scope) -> Scope:
        return replace(scope, state=self._state_types)
