"""A mapping bound to a legacy schema and to contracts: every expression typed, every promise checked, nothing generated.

All that is wrong is collected, so that a person sees a file's errors at once.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from translators.checks import meanings
from translators.contract import Contract, Shape, shape_of
from translators.expression.bind import Bound, CodeTable, Scope, bind
from translators.expression.errors import ExpressionError
from translators.expression.parse import parse
from translators.findings import Finding, MappingInvalid, Severity
from translators.mapping import Each, EventRule, Expression, FieldNode, Mapping, Members
from translators.parts import children_of, misfits
from translators.schema import LegacySchema, Type
from translators.yaml_text import Mark, did_you_mean

Contracts = MappingType[str, type[Contract]]
"""Contracts by the name that mappings write: `PolicyBound.v1`."""


@dataclass(frozen=True, slots=True)
class BoundField:
    """One field computed by one expression; `shape` is what its contract says of it."""

    path: str
    bound: Bound
    source: Expression
    shape: Shape


@dataclass(frozen=True, slots=True)
class BoundMembers:
    """A nested object."""

    path: str
    fields: MappingType[str, BoundNode]


@dataclass(frozen=True, slots=True)
class BoundEach:
    """A list, one element per row of a part."""

    path: str
    table: str
    fields: MappingType[str, BoundNode]


BoundNode = BoundField | BoundMembers | BoundEach


@dataclass(frozen=True, slots=True)
class BoundEvent:
    """One event rule: `fields` are computed here, the others of `shape` are taken from the state."""

    type: str
    shape: MappingType[str, Shape]
    when: Bound
    fields: MappingType[str, BoundField]
    rule: EventRule
    deprecated: bool
    occurred: Bound | None


@dataclass(frozen=True, slots=True)
class BoundIgnore:
    """One ignore rule."""

    when: Bound
    reason: str


@dataclass(frozen=True, slots=True)
class BoundMapping:
    """Everything that code is generated from."""

    mapping: Mapping
    schema: LegacySchema
    owner: str
    fields: MappingType[str, BoundNode]
    shape: MappingType[str, Shape]
    state_types: MappingType[str, Type]
    events: tuple[BoundEvent, ...]
    ignore: tuple[BoundIgnore, ...]
    correlation: Bound | None
    findings: tuple[Finding, ...] = field(default=())


def bind_mapping(mapping: Mapping, text: str, schema: LegacySchema, contracts: Contracts) -> BoundMapping:
    """Bind one mapping. `MappingInvalid` with all findings if there is an error among them; `text` is the file's."""
    binder = _Binder(mapping, text, schema, contracts)
    bound = binder.bound()
    if bound is None or any(f.severity == "error" for f in binder.findings):
        raise MappingInvalid(binder.findings)
    return bound


class _Binder:
    def __init__(self, mapping: Mapping, text: str, schema: LegacySchema, contracts: Contracts) -> None:
        self.findings: list[Finding] = []
        self._mapping = mapping
        self._lines = text.splitlines()
        self._schema = schema
        self._contracts = contracts
        self._codes = {name: CodeTable(name=name, entries=entries) for name, entries in mapping.codes.items()}
        self._state_types: dict[str, Type] = {}

    def bound(self) -> BoundMapping | None:
        mapping = self._mapping
        contract = self._contract(mapping.contract, "state", mapping.marks["contract"])
        wrong = misfits(mapping, self._schema.tables)
        for misfit in wrong:
            self._find(*misfit)
        if contract is None or wrong:
            return None
        shape = shape_of(contract)
        columns = self._schema.tables[mapping.root].columns
        scope = Scope(table=mapping.root, columns=columns, parts=self._part_columns(), codes=self._codes)
        fields = self._fields(mapping.fields, shape, scope, "", mapping.marks["contract"])
        self._check_technical(shape)
        events = tuple(event for rule in mapping.events if (event := self._event(rule, scope, shape)))
        ignored = [(self._condition(rule.when, scope), rule.reason) for rule in mapping.ignore]
        return BoundMapping(
            mapping=mapping,
            schema=self._schema,
            owner=contract.promise.owner,
            fields=fields,
            shape=shape,
            state_types=self._state_types,
            events=events,
            ignore=tuple(BoundIgnore(when, reason) for when, reason in ignored if when is not None),
            correlation=self._of_kind(mapping.correlation, scope, "correlation", ("text",)),
            findings=tuple(self.findings),
        )

    def _check_technical(self, shape: MappingType[str, Shape]) -> None:
        for name in self._mapping.technical:
            if name not in shape:
                said = f"{self._mapping.contract} has no field {name}{did_you_mean(name, shape)}"
                self._find("contract.field-unknown", self._mapping.marks["technical"], said, len(name))

    def _contract(self, name: str, kind: str, mark: Mark) -> type[Contract] | None:
        contract = self._contracts.get(name)
        if contract is None:
            known = sorted(self._contracts)
            self._find("contract.unknown", mark, f"no contract is called {name}{did_you_mean(name, known)}", len(name))
            return None
        promise = contract.promise
        if promise.kind != kind:
            self._find(
                "contract.kind", mark, f"{name} is the contract of an {promise.kind}, not of a {kind}", len(name)
            )
        if promise.context != self._mapping.context:
            said = f"{name} belongs to the context {promise.context}, this mapping to {self._mapping.context}"
            self._find(
                "contract.context", mark, said, len(name), "Only the context that owns a contract may publish it."
            )
        return contract

    def _part_columns(self) -> dict[str, MappingType[str, Type]]:
        return {name: self._schema.tables[name].columns for name in self._mapping.parts}

    def _fields(
        self, nodes: MappingType[str, FieldNode], shape: MappingType[str, Shape], scope: Scope, path: str, mark: Mark
    ) -> dict[str, BoundNode]:
        """Bind the fields of one level, in the contract's order; `path` ends in a point or is empty."""
        for name, promised in shape.items():
            if name not in nodes and promised.required:
                said = f"{self._mapping.contract} promises {path}{name}, which is not mapped"
                self._find("contract.field-missing", mark, said, len(self._mapping.contract))
        for name, node in nodes.items():
            if name not in shape:
                place = node.scalar.mark if isinstance(node, Expression) else node.mark
                said = f"{self._mapping.contract} has no field {path}{name}{did_you_mean(name, shape)}"
                self._find(
                    "contract.field-unknown", place, said, hint="Map what the contract names, or extend the contract."
                )
        bound = {n: self._field(nodes[n], s, scope, f"{path}{n}") for n, s in shape.items() if n in nodes}
        return {name: node for name, node in bound.items() if node is not None}

    def _field(self, node: FieldNode, shape: Shape, scope: Scope, path: str) -> BoundNode | None:
        match node:
            case Expression():
                found = self._promised(node, shape, scope, path)
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
            codes=self._codes,
        )

    def _belongs(self, table: str, above: str, mark: Mark) -> bool:
        """Whether the rows of a part belong to the rows in which they are listed."""
        known = children_of(self._mapping, above)
        if table not in known:
            said = f"{table} is no part of {above}{did_you_mean(table, known)}"
            self._find("part.unknown", mark, said, len(table), "Name it under `parts:` with its parent columns.")
        return table in known

    def _is(self, shape: Shape, kind: str, path: str, mark: Mark) -> bool:
        if shape.kind != kind:
            self._find("contract.type", mark, f"{path} is mapped as {kind}, its contract says {shape.kind}")
        return shape.kind == kind

    def _promised(self, node: Expression, shape: Shape, scope: Scope, path: str) -> BoundField | None:
        """An expression bound and compared with what its contract says."""
        bound = self._bind(node, scope)
        if bound is None:
            return None
        said = _mismatch(bound.type, shape)
        if said:
            self._at(node, (0, len(node.text)), "contract.type", f"{path} is {bound.type}, but {said[0]}", said[1])
        for meaning in sorted(m for m in meanings(bound) - set(shape.choices) if m is not None and shape.choices):
            unknown = (
                f"{path} can be {meaning!r}, which its contract does not allow{did_you_mean(meaning, shape.choices)}"
            )
            self._at(
                node, (0, len(node.text)), "contract.choice", unknown, "Extend the contract, or correct the code table."
            )
        return BoundField(path, bound, node, shape)

    def _event(self, rule: EventRule, scope: Scope, state: MappingType[str, Shape]) -> BoundEvent | None:
        contract = self._contract(rule.type, "event", rule.mark)
        when = self._condition(rule.when, scope)
        if contract is None or when is None:
            return None
        shape = shape_of(contract)
        facts = self._event_scope(scope)
        fields = {}
        for name, node in rule.fields.items():
            if name not in shape:
                said = f"{rule.type} has no field {name}{did_you_mean(name, shape)}"
                self._find("contract.field-unknown", node.scalar.mark, said)
            elif found := self._promised(node, shape[name], facts, name):
                fields[name] = found
        self._taken_from_state(rule, shape, state, fields)
        deprecated = contract.promise.status == "deprecated"
        occurred = self._of_kind(rule.occurred, facts, "occurred", ("date", "timestamp", "timestamptz"))
        return BoundEvent(rule.type, shape, when, fields, rule, deprecated, occurred)

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
            if name not in state:
                if promised.required:
                    said = f"{rule.type} promises {name}, which neither the state nor this rule has"
                    self._find(
                        "contract.field-missing", rule.mark, said, len(rule.type), f"Add `{name}:` under `fields:`."
                    )
            elif state[name].kind != promised.kind:
                said = f"{rule.type} says {name} is {promised.kind}, the state says {state[name].kind}"
                self._find("contract.type", rule.mark, said, len(rule.type))

    def _event_scope(self, scope: Scope) -> Scope:
        return Scope(
            table=scope.table, columns=scope.columns, parts=scope.parts, codes=self._codes, state=self._state_types
        )

    def _condition(self, node: Expression, scope: Scope) -> Bound | None:
        bound = self._bind(node, self._event_scope(scope))
        if bound is not None and bound.type.kind != "boolean":
            self._at(node, (0, len(node.text)), "type.mismatch", f"a condition is boolean, this is {bound.type}", "")
            return None
        return bound

    def _of_kind(self, node: Expression | None, scope: Scope, what: str, kinds: tuple[str, ...]) -> Bound | None:
        """An optional expression that has to be of one of these types."""
        bound = None if node is None else self._bind(node, scope)
        if node is not None and bound is not None and bound.type.kind not in kinds:
            said = f"{what} is {' or '.join(kinds)}, this is {bound.type}"
            self._at(node, (0, len(node.text)), "type.mismatch", said, "")
        return bound

    def _bind(self, node: Expression, scope: Scope) -> Bound | None:
        try:
            return bind(parse(node.text), scope)
        except ExpressionError as error:
            self._at(node, error.span, error.code, error.message, error.advice)
            return None

    def _at(self, node: Expression, span: tuple[int, int], code: str, message: str, hint: str) -> None:
        mark = node.scalar.locate(span[0])
        self._find(code, mark, message, max(1, span[1] - span[0]), hint)

    def _find(
        self, code: str, mark: Mark, message: str, length: int = 1, hint: str = "", severity: Severity = "error"
    ) -> None:
        excerpt = self._lines[mark.line - 1] if mark.line <= len(self._lines) else ""
        self.findings.append(
            Finding(
                code=code,
                severity=severity,
                file=self._mapping.file,
                line=mark.line,
                column=mark.column,
                message=message,
                hint=hint,
                length=min(length, max(1, len(excerpt) - mark.column + 1)),
                excerpt=excerpt,
            )
        )


def _mismatch(found: Type, shape: Shape) -> tuple[str, str] | None:
    """What the contract says instead, and how to write it; nothing where the types fit."""
    if found.kind == shape.kind or (found.kind == "timestamp" and shape.kind == "timestamptz"):
        if shape.kind == "decimal" and shape.places is not None and found.scale > shape.places:
            return (f"the contract allows {shape.places} places", f"Write ROUND(..., {shape.places}) if that is meant.")
        return None
    wanted = f"decimal({shape.digits},{shape.places})" if shape.kind == "decimal" and shape.digits else shape.kind
    fixes = {
        ("integer", "decimal"): "Write `/ 100` for cents, or CAST(... AS DECIMAL(p,s)).",
        ("text", "integer"): "Write CAST(... AS INTEGER).",
        ("text", "decimal"): "Write CAST(... AS DECIMAL(p,s)).",
        ("text", "date"): "Write TO_DATE(..., 'YYYYMMDD').",
        ("integer", "text"): "Write CAST(... AS TEXT).",
        ("text", "boolean"): "Write a comparison: ... = 'Y'.",
    }
    return (
        f"the contract says {wanted}",
        fixes.get((found.kind, shape.kind), "Change the expression or the contract."),
    )
