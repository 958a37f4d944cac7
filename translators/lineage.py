"""Lineage: which legacy columns stand behind every field, event and condition of a bound mapping, and the way back.

A column is `table.column`. `table.*` stands for the rows themselves: what counts them, lists them, or asks whether they
were created or deleted depends on their being there, not on a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType
from typing import Literal

import msgspec

from translators.binding import BoundEach, BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.contract import Shape
from translators.expression.bind import sources
from translators.expression.bound import Bound, Changed, Happened, walk
from translators.mapping import Expression
from translators.parts import key_columns

What = Literal["key", "state", "field", "when", "occurred", "ignore", "correlation"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Where one thing comes from.

    `what`: the business key, a `state` field, a `field` of an event, the condition `when` it happens, its business time,
    an `ignore` rule, the correlation. `of` is the contract (`Policy.v1`) or the rule's reason, `field` the path within it
    (empty for conditions). `columns` are all columns behind it, sorted: those that it reads itself (`direct`), and those
    behind the state fields that it reads (`through`). `where` is `file:line:column` of the text that says so (empty for
    the key).
    """

    what: What
    of: str
    field: str
    columns: tuple[str, ...]
    direct: tuple[str, ...]
    through: tuple[str, ...] = ()
    where: str = ""

    @property
    def name(self) -> str:
        """What people call it: `Policy.v1 premium.amount`."""
        return f"{self.of} {self.field or self.what}".strip()


def lineage(bound: BoundMapping) -> tuple[Line, ...]:
    """Every line of a mapping: the key, the state's fields, each event with its condition, the rules that ignore."""
    return tuple(_Tracer(bound).lines())


def of_field(lines: Iterable[Line], field: str) -> tuple[Line, ...]:
    """The lines of a field and of all below it, in the state and in events; `Contract.v1 field` asks for one contract's."""
    contract, _, path = field.rpartition(" ")
    return tuple(
        line
        for line in lines
        if (line.field == path or line.field.startswith((f"{path}.", f"{path}["))) and contract in ("", line.of)
    )


def of_column(lines: Iterable[Line], column: str) -> tuple[Line, ...]:
    """The lines that read a column (`polmst.prem_amt`), or depend on the rows of a table (`covdtl.*`)."""
    return tuple(line for line in lines if column in line.columns)


def columns_of(bound: BoundMapping) -> MappingType[str, frozenset[str]]:
    """All columns that a mapping needs, by table: those of every line, the tables' keys, and what orders its parts."""
    tables = bound.schema.tables
    found = {table: set(tables[table].key) for table in (bound.mapping.root, *bound.mapping.parts)}
    for name, part in bound.mapping.parts.items():
        found[name].update(part.parent, part.order)
    for line in lineage(bound):
        for name in line.columns:
            table, _, column = name.rpartition(".")
            if column != "*":
                found[table].add(column)
    return {table: frozenset(columns) for table, columns in found.items()}


class _Tracer:
    def __init__(self, bound: BoundMapping) -> None:
        self._bound = bound
        self._mapping = bound.mapping
        self._state: dict[str, Line] = {}
        for line in self._state_lines(bound.fields.values()):
            self._state[line.field] = line

    def lines(self) -> Iterator[Line]:
        mapping = self._mapping
        keys = key_columns(mapping, self._bound.schema.tables)
        named = sorted(f"{table}.{column}" for table, columns in keys.items() for column in columns)
        yield Line(what="key", of=mapping.name, field="", columns=tuple(named), direct=tuple(named))
        yield from self._state.values()
        for event in self._bound.events:
            yield from self._event(event)
        for rule, bound in zip(mapping.ignore, self._bound.ignore, strict=True):
            yield self._line("ignore", bound.reason, "", bound.when, rule.when)
        if self._bound.correlation is not None and mapping.correlation is not None:
            yield self._line("correlation", mapping.name, "", self._bound.correlation, mapping.correlation)

    def _state_lines(self, nodes: Iterable[BoundNode]) -> Iterator[Line]:
        for node in nodes:
            match node:
                case BoundField():
                    yield self._line("state", self._mapping.contract, node.path, node.bound, node.source)
                case BoundEach():
                    yield self._each(node)
                    yield from self._state_lines(node.fields.values())
                case BoundMembers():
                    yield from self._state_lines(node.fields.values())

    def _each(self, node: BoundEach) -> Line:
        """A list: its rows, what ties them to the row above, and what orders them."""
        part = self._mapping.parts[node.table]
        columns = tuple(sorted({f"{node.table}.{column}" for column in ("*", *part.parent, *part.order)}))
        where = self._mapping.where(part.mark)
        of = self._mapping.contract
        return Line(what="state", of=of, field=node.path, columns=columns, direct=columns, where=where)

    def _event(self, event: BoundEvent) -> Iterator[Line]:
        yield self._line("when", event.type, "", event.when, event.rule.when)
        for name, shape in event.shape.items():
            if name in event.fields:
                field = event.fields[name]
                yield self._line("field", event.type, name, field.bound, field.source)
            elif name in self._bound.fields:
                yield from self._taken(event, name, shape)
        if event.occurred is not None and event.rule.occurred is not None:
            yield self._line("occurred", event.type, "", event.occurred, event.rule.occurred)

    def _taken(self, event: BoundEvent, name: str, shape: Shape) -> Iterator[Line]:
        """What an event takes from the state: those of the field's members that the event's own contract names."""
        promised = set(_paths(name, shape))
        for path, line in self._state.items():
            if path in promised:
                through = tuple(sorted({path, *line.through}))
                yield msgspec.structs.replace(line, what="field", of=event.type, through=through, direct=())

    def _line(self, what: What, of: str, field: str, bound: Bound, text: Expression) -> Line:
        direct, through = self._read(bound)
        columns = direct.union(*(self._state[path].columns for path in through))
        return Line(
            what=what,
            of=of,
            field=field,
            columns=tuple(sorted(columns)),
            direct=tuple(sorted(direct)),
            through=tuple(sorted(through)),
            where=self._mapping.where(text.scalar.mark),
        )

    def _read(self, bound: Bound) -> tuple[set[str], set[str]]:
        """The columns that an expression reads itself, and the state fields that it reads."""
        direct: set[str] = set()
        through: set[str] = set()
        for name in sources(bound):
            if name.startswith(("OLD.", "NEW.")):
                through |= self._fields_at(name[4:])
            else:
                direct.add(name)
        for part in walk(bound):
            if isinstance(part, Happened) or (isinstance(part, Changed) and part.paths is None):
                # A thing that appears or goes differs in everything.
                direct.add(f"{self._mapping.root}.*")
        return direct, through

    def _fields_at(self, path: str) -> set[str]:
        """The computed state fields at and below a path; `*` is every field that counts as a business change."""
        if path == "*":
            technical = self._mapping.technical
            tops = [name for name in self._bound.fields if name not in technical]
            return {field for top in tops for field in self._fields_at(top)}
        return {field for field in self._state if field == path or field.startswith((f"{path}.", f"{path}["))}


def _paths(name: str, shape: Shape) -> Iterator[str]:
    """A contract's field and all below it, as lines name them."""
    yield name
    members: MappingType[str, Shape] = shape.fields
    for member, inner in members.items():
        yield from _paths(f"{name}[].{member}" if shape.kind == "list" else f"{name}.{member}", inner)
