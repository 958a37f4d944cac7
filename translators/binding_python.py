"""A Python translator bound: its declared inputs are columns that exist, and every promise has somewhere to come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType

from msgspec.structs import replace

from translators.bound_mapping import BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.contract import Contract, DataClass, Shape, shape_of
from translators.contracts import Contracts, Promised
from translators.expression import types
from translators.expression.bound import Bound, Changed, Column, Scope
from translators.expressions import Expressions
from translators.functions import PythonCall, no_functions
from translators.mapping import EventRule, Mapping
from translators.parts import misfits
from translators.promises import claimed
from translators.python_class import PythonRules
from translators.report import Report
from translators.schema import LegacySchema, Type
from translators.yaml_text import did_you_mean

_ALL = "*"
_EVENTS = "events"


def bind_python(mapping: Mapping, report: Report, schema: LegacySchema, contracts: Contracts) -> BoundMapping | None:
    """The bound mapping of a Python translator; `None`, or findings in the report, where it cannot be had."""
    rules = mapping.python
    assert rules is not None  # noqa: S101 - asked for Python translators only
    promised = Promised(mapping, report, contracts)
    contract = promised.contract(mapping.contract, "state", mapping.marks["contract"])
    wrong = misfits(mapping, schema.tables)
    for misfit in wrong:
        report.find(*misfit)
    if contract is None or wrong:
        return None
    return _Binder(mapping, rules, report, schema, promised).bound(contract)


class _Binder:
    def __init__(
        self, mapping: Mapping, rules: PythonRules, report: Report, schema: LegacySchema, promised: Promised
    ) -> None:
        self._mapping = mapping
        self._rules = rules
        self._report = report
        self._schema = schema
        self._promised = promised
        self._columns = {name: tuple(self._inputs(name)) for name in rules.inputs}
        self._state_types: dict[str, Type] = {}

    def bound(self, contract: type[Contract]) -> BoundMapping:
        mapping, shape = self._mapping, shape_of(contract)
        fields = self._fields(shape, "")
        self._check_inputs(shape)
        self._promised.check_technical(shape)
        root = self._schema.tables[mapping.root]
        expressions = Expressions(mapping, self._report, no_functions)
        scope = Scope(table=root.name, columns=root.columns, codes=expressions.codes)
        return BoundMapping(
            mapping=mapping,
            schema=self._schema,
            owner=contract.promise.owner,
            fields=fields,
            shape=shape,
            state_types=self._state_types,
            events=tuple(event for rule in mapping.events if (event := self._event(rule, shape))),
            ignore=(),
            correlation=expressions.of_kind(mapping.correlation, scope, "correlation", ("text",)),
            findings=tuple(self._report.findings),
            invariants=self._promised.invariants(contract, shape, {}, mapping.marks["contract"]),
        )

    def _inputs(self, name: str) -> Iterator[Bound]:
        """The columns that one entry of `inputs` names."""
        tables = {table: self._schema.tables[table] for table in (self._mapping.root, *self._mapping.parts)}
        for text in self._rules.inputs[name]:
            above, _, column = text.rpartition(".")
            table = tables.get(above or self._mapping.root)
            kind = None if table is None else table.columns.get(column)
            if table is None or kind is None:
                known = [*tables[self._mapping.root].columns]
                known += [f"{part}.{of}" for part in self._mapping.parts for of in tables[part].columns]
                said = f"the inputs of {name} name {text}, which is no column{did_you_mean(text, known)}"
                hint = "Columns of the root by their name, those of a part as part.column."
                self._report.find("column.unknown", self._rules.marks[name], said, len(name) + 2, hint)
                continue
            yield Column(kind, (0, 0), table.name, column)

    def _of(self, path: str) -> tuple[Bound, ...]:
        """The declared columns of a field: its own, or those of what holds it, or those of all fields."""
        at = path
        while at not in self._columns and "." in at:
            at = at.rpartition(".")[0]
        return self._columns.get(at, self._columns.get(_ALL, ()))

    def _fields(self, shapes: MappingType[str, Shape], above: str) -> dict[str, BoundNode]:
        found: dict[str, BoundNode] = {}
        for name, shape in shapes.items():
            path = f"{above}{name}"
            kind = Type(shape.kind) if shape.fields else claimed(shape)
            self._state_types[path] = kind
            if shape.kind == "object":
                found[name] = BoundMembers(path, self._fields(shape.fields, f"{path}."))
                continue
            args = self._of(path)
            if not args:
                said = f"{path} of {self._mapping.contract} has no declared inputs"
                hint = "Name its columns under `inputs`, or under '*' those of all fields: lineage needs them."
                self._report.find("py.inputs", self._mapping.marks["contract"], said, 1, hint)
            found[name] = self._field(path, kind, args, shape, is_state=True)
        return found

    def _field(self, path: str, kind: Type, args: tuple[Bound, ...], shape: Shape, is_state: bool) -> BoundField:
        source = self._rules.state if is_state else self._rules.events
        classified = replace(shape, data_class=_strongest(shape)) if shape.fields else shape
        return BoundField(path, PythonCall(kind, (0, 0), f"py {source.text}", args, fails=True), source, classified)

    def _check_inputs(self, shape: MappingType[str, Shape]) -> None:
        known = {*self._state_types, _ALL, _EVENTS}
        for name in self._rules.inputs:
            if name not in known:
                said = f"`inputs` names {name}, which is no field of {self._mapping.contract}"
                hint = f"Its fields are {', '.join(shape)}{did_you_mean(name, known) or '.'}"
                self._report.find("contract.field-unknown", self._rules.marks[name], said, len(name) + 2, hint)

    def _event(self, rule: EventRule, state: MappingType[str, Shape]) -> BoundEvent | None:
        contract = self._promised.contract(rule.type, "event", rule.mark)
        if contract is None:
            return None
        shape = shape_of(contract)
        read = self._columns.get(_EVENTS, ())
        # What happened is a matter of the whole state before and after.
        when = PythonCall(types.BOOLEAN, (0, 0), f"py {rule.type}", (Changed(types.BOOLEAN, (0, 0), None), *read))
        fields = {
            name: self._field(name, claimed(one), read, one, is_state=False)
            for name, one in shape.items()
            if name not in state
        }
        return BoundEvent(
            type=rule.type,
            shape=shape,
            when=when,
            fields=fields,
            rule=rule,
            deprecated=contract.promise.status == "deprecated",
            occurred=None,
            style=contract.promise.style,
            invariants=self._promised.invariants(contract, shape, {}, rule.mark),
        )


_STRENGTH: tuple[DataClass, ...] = ("public", "internal", "personal", "sensitive")


def _strongest(shape: Shape) -> DataClass:
    """The data class of an object or list: that of its most delicate member."""
    return max(_classes([shape]), key=_STRENGTH.index)


def _classes(shapes: Iterable[Shape]) -> Iterator[DataClass]:
    for shape in shapes:
        yield shape.data_class
        yield from _classes(shape.fields.values())
