"""The Python of one translator: two straight functions that a person can read, made from a bound mapping.

    state(rows)                           -> the target state, None without a root row
    events(old, new, old_rows, new_rows)  -> (events, why nothing was said)

Each column is read once, before the fields that need it; `at` numbers the field that is computed, for errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from translators.binding import BoundEach, BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.checks import write_checks
from translators.contract import Shape
from translators.expression.bind import sources
from translators.expression.bound import Bound
from translators.expression.python import Emitter, Writer
from translators.expression.runtime import ValueProblem
from translators.parts import children_of, parent_key
from translators.schema import LegacySchema, Type
from translators.translator import Event
from translators.values import OutOfRange, Row, Unavailable

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Generated:
    """A translator's source and the namespace it runs in; `fields` are the computed fields by their number."""

    source: str
    namespace: dict[str, object]
    fields: tuple[BoundField, ...]


def generate(bound: BoundMapping) -> Generated:
    """The Python for a bound mapping."""
    return _Generator(bound).generated()


@dataclass(slots=True)
class _Names:
    """How the emitter spells what it reads: columns and parts are local variables that were read before."""

    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    business: tuple[str, ...] | None = None
    """The fields that CHANGED(*) looks at, where they are not all."""
    created: str = "(old is None)"
    deleted: str = "(new is None)"

    def column(self, table: str, column: str) -> str:
        return self.columns[table, column]

    def part(self, table: str) -> str:
        return self.parts[table]

    def old(self, path: str) -> str:
        return "o" + _path(path)

    def new(self, path: str) -> str:
        return "n" + _path(path)

    def changed(self, paths: tuple[str, ...] | None) -> str:
        paths = self.business if paths is None else paths
        if paths is None:
            return "(old != new)"
        return "(" + " or ".join(f"{self.old(path)} != {self.new(path)}" for path in paths) + ")"

    def within(self) -> _Names:
        """The same names, to which those of an inner row are added."""
        return _Names(dict(self.columns), dict(self.parts))


class _Generator:
    def __init__(self, bound: BoundMapping) -> None:
        self._bound = bound
        self._writer = Writer()
        self._fields: list[BoundField] = []
        self._writer.namespace.update(
            Event=Event,
            ValueProblem=ValueProblem,
            SENTINELS=frozenset({Unavailable, OutOfRange}),
            NULLS=_nulls(bound.state_types),
        )

    def generated(self) -> Generated:
        self._state_function()
        self._writer.line("")
        self._events_function()
        self._writer.line("")
        self._correlation_function()
        return Generated(self._writer.source, self._writer.namespace, tuple(self._fields))

    def _state_function(self) -> None:
        writer, root = self._writer, self._bound.mapping.root
        with writer.block("def state(rows):"):
            writer.line(f"root = rows.get({root!r})")
            with writer.block("if not root:"):
                writer.line("return None")
            writer.line("(row,) = root.values()")
            writer.line("at = -1")
            with writer.block("try:"):
                names = _Names()
                self._read(_sources(self._bound.fields.values()), root, "row", names)
                self._read_parts(self._bound.fields.values(), names)
                writer.line(f"return {self._members(self._bound.fields, names)}")
            self._on_problem("state_refused")

    def _on_problem(self, refused: str) -> None:
        with self._writer.block("except ValueProblem as problem:"):
            self._writer.line(f"raise {refused}(at, problem) from problem")

    def _read(self, used: Iterable[str], table: str, row: str, names: _Names) -> None:
        """Read the columns of one row, each once."""
        wanted = sorted(name.removeprefix(f"{table}.") for name in used if name.startswith(f"{table}."))
        for column in wanted:
            if (table, column) in names.columns or column == "*":
                continue
            word = column if _WORD.fullmatch(column) else f"column{len(names.columns)}"
            name = f"{row}_{word}"
            names.columns[table, column] = name
            self._writer.line(f"{name} = {row}[{column!r}]")
            if may_be_unusable(self._bound.schema, table, column):
                with self._writer.block(f"if {name}.__class__ in SENTINELS:"):
                    self._writer.line(f"raise unusable({table + '.' + column!r}, {name})")

    def _read_parts(self, nodes: Iterable[BoundNode], names: _Names) -> None:
        """Put the rows of every part that is needed into order, once; those of inner parts by what they belong to."""
        nodes = list(nodes)
        used = {name.split(".", 1)[0] for name in _sources(nodes)} | set(_eaches(nodes))
        parts = self._bound.mapping.parts
        for at, table in enumerate(parts):
            if table in used:
                name = f"rows_{table}" if _WORD.fullmatch(table) else f"rows_{at}"
                names.parts[table] = name
                ordered = self._writer.constant(ordering(parts[table].order))
                self._writer.line(f"{name} = {ordered}(rows.get({table!r}))")
                if parts[table].of is not None:
                    grouped = self._writer.constant(grouping(parts[table].parent))
                    self._writer.line(f"by_{name} = {grouped}({name})")

    def _read_inner_parts(self, node: BoundEach, row: str, names: _Names) -> None:
        """The rows of inner parts that belong to this row."""
        mapping, tables = self._bound.mapping, self._bound.schema.tables
        for table in children_of(mapping, node.table):
            if table in names.parts:
                key = "".join(f"{row}[{column!r}], " for column in parent_key(mapping, tables, table))
                inner = f"{row}_{len(names.parts)}_{self._writer.temp()}"
                self._writer.line(f"{inner} = by_{names.parts[table]}.get(({key}), ())")
                names.parts[table] = inner

    def _members(self, nodes: MappingType[str, BoundNode], names: _Names) -> str:
        """The text of a dict display; the lines that compute its values are written before."""
        return "{" + ", ".join([f"{name!r}: {self._node(node, names)}" for name, node in nodes.items()]) + "}"

    def _node(self, node: BoundNode, names: _Names) -> str:
        match node:
            case BoundField():
                return self._field(node, names)
            case BoundMembers():
                return self._members(node.fields, names)
            case BoundEach():
                return self._each(node, names)

    def _field(self, node: BoundField, names: _Names) -> str:
        """One computed field: its value, and what its contract demands of it."""
        writer = self._writer
        writer.line(f"at = {len(self._fields)}")
        self._fields.append(node)
        text = Emitter(writer, names).value(node.bound)
        value = writer.temp()
        writer.line(f"{value} = {text}")
        write_checks(writer, value, node.bound, node.shape)
        return value

    def _each(self, node: BoundEach, names: _Names) -> str:
        writer = self._writer
        found, row = writer.temp(), writer.temp()
        writer.line(f"{found} = []")
        with writer.block(f"for {row} in {names.parts[node.table]}:"):
            inner = names.within()
            self._read(_sources(node.fields.values()), node.table, row, inner)
            self._read_inner_parts(node, row, inner)
            writer.line(f"{found}.append({self._members(node.fields, inner)})")
        return found

    def _events_function(self) -> None:
        writer = self._writer
        with writer.block("def events(old, new, old_rows, new_rows):"):
            writer.line("o = NULLS if old is None else old")
            writer.line("n = NULLS if new is None else new")
            writer.line("source = o if new is None else n")
            writer.line("found = []")
            writer.line("at = -1")
            with writer.block("try:"):
                for rule in self._bound.ignore:
                    with writer.block(f"if {self._condition(rule.when)}:"):
                        writer.line(f"return (), {rule.reason!r}")
                for event in self._bound.events:
                    with writer.block(f"if {self._condition(event.when)}:"):
                        self._event(event)
            self._on_problem("event_refused")
            writer.line("return tuple(found), None")

    def _condition(self, when: Bound) -> str:
        return Emitter(self._writer, self._event_names([when])).is_true(when)

    def _event_names(self, expressions: Iterable[Bound]) -> _Names:
        """Names for expressions over the rows after the step, or before it where nothing is left."""
        root, names = self._bound.mapping.root, _Names(business=self._business())
        used = {name for bound in expressions for name in sources(bound) if not name.startswith(("OLD.", "NEW."))}
        if used:
            self._writer.line("rows = old_rows if new is None else new_rows")
            self._writer.line(f"(row,) = rows[{root!r}].values()")
            self._read(used, root, "row", names)
            for table in sorted({name.split(".", 1)[0] for name in used} & self._bound.mapping.parts.keys()):
                ordered = self._writer.constant(ordering(self._bound.mapping.parts[table].order))
                names.parts[table] = f"rows_{len(names.parts)}"
                self._writer.line(f"{names.parts[table]} = {ordered}(rows.get({table!r}))")
        return names

    def _business(self) -> tuple[str, ...] | None:
        technical = self._bound.mapping.technical
        return tuple(name for name in self._bound.fields if name not in technical) if technical else None

    def _event(self, event: BoundEvent) -> None:
        occurred = [] if event.occurred is None else [event.occurred]
        names = self._event_names([*(node.bound for node in event.fields.values()), *occurred])
        fields = {name: self._event_field(event, name, shape, names) for name, shape in event.shape.items()}
        data = ", ".join(f"{name!r}: {text}" for name, text in fields.items() if text is not None)
        more = "".join(f", occurred={Emitter(self._writer, names).value(bound)}" for bound in occurred)
        more += ", deprecated=True" if event.deprecated else ""
        self._writer.line(f"found.append(Event({event.type!r}, {{{data}}}{more}))")

    def _correlation_function(self) -> None:
        writer, bound = self._writer, self._bound.correlation
        with writer.block("def correlation(rows):"):
            if bound is None:
                writer.line("return None")
                return
            writer.line("at = -1")
            writer.line(f"(row,) = rows[{self._bound.mapping.root!r}].values()")
            with writer.block("try:"):
                names = _Names()
                self._read(sources(bound), self._bound.mapping.root, "row", names)
                writer.line(f"return {Emitter(writer, names).value(bound)}")
            self._on_problem("state_refused")

    def _event_field(self, event: BoundEvent, name: str, shape: Shape, names: _Names) -> str | None:
        """One field of an event: computed here, or taken from the state and held against the event's own contract."""
        if name in event.fields:
            return self._field(event.fields[name], names)
        if name not in self._bound.fields:
            return None
        return self._taken(f"source[{name!r}]", event, self._bound.fields[name], self._bound.shape[name], shape)

    def _taken(self, text: str, event: BoundEvent, node: BoundNode, state: Shape, shape: Shape) -> str:
        """A state value for an event; where the event's contract says less, or demands more, it is cut or checked."""
        if state == shape:
            return text
        if shape.kind == "list":
            kept = [f"{m!r}: x[{m!r}]" for m in shape.fields if m in state.fields]
            return f"[{{{', '.join(kept)}}} for x in {text}]"
        if isinstance(node, BoundMembers):
            members = {m: node.fields[m] for m in shape.fields if m in node.fields}
            taken = {
                name: self._taken(f"{text}[{name!r}]", event, inner, state.fields[name], shape.fields[name])
                for name, inner in members.items()
            }
            return "{" + ", ".join(f"{m!r}: {t}" for m, t in taken.items()) + "}"
        assert isinstance(node, BoundField)  # noqa: S101 - kinds of state and event fields were compared when bound
        self._writer.line(f"at = {len(self._fields)}")
        self._fields.append(BoundField(node.path, node.bound, event.rule.when, shape))
        value = self._writer.temp()
        self._writer.line(f"{value} = {text}")
        write_checks(self._writer, value, node.bound, shape)
        return value


def _leaves(nodes: Iterable[BoundNode]) -> Iterator[BoundField]:
    for node in nodes:
        if isinstance(node, BoundField):
            yield node
        else:
            yield from _leaves(node.fields.values())


def _sources(nodes: Iterable[BoundNode]) -> set[str]:
    return {name for leaf in _leaves(nodes) for name in sources(leaf.bound)}


def _eaches(nodes: Iterable[BoundNode]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, BoundEach):
            yield node.table
        if isinstance(node, BoundEach | BoundMembers):
            yield from _eaches(node.fields.values())


def _path(path: str) -> str:
    return "".join(f"[{step!r}]" for step in path.split("."))


def ordering(columns: tuple[str, ...]) -> Callable[[MappingType[str, Row] | None], list[Row]]:
    """Sorts the rows of a part by these columns, nulls last, then by row key: a repeat gives the same list."""

    def by_order(item: tuple[str, Row]) -> tuple[object, ...]:
        key, row = item
        return (*[(row[column] is None, row[column]) for column in columns], key)

    def ordered(rows: MappingType[str, Row] | None) -> list[Row]:
        if not rows:
            return []
        return [row for _, row in sorted(rows.items(), key=by_order)] if len(rows) > 1 else list(rows.values())

    return ordered


def grouping(columns: tuple[str, ...]) -> Callable[[Iterable[Row]], dict[tuple[object, ...], list[Row]]]:
    """Groups rows, in their order, by the values of these columns."""

    def grouped(rows: Iterable[Row]) -> dict[tuple[object, ...], list[Row]]:
        found: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            found.setdefault(tuple([row[column] for column in columns]), []).append(row)
        return found

    return grouped


def may_be_unusable(schema: LegacySchema, table: str, column: str) -> bool:
    """Whether a column of this source can arrive as unavailable, or out of the language's range, at all."""
    if schema.connector == "sqlite":
        return False
    kind = schema.tables[table].columns[column].kind
    if kind in ("date", "timestamp", "timestamptz", "float", "decimal", "wide"):
        return True
    return schema.tables[table].replica_identity != "full" and kind in ("text", "opaque")


def _nulls(types: MappingType[str, Type]) -> dict[str, object]:
    """The state of a thing that does not exist, as OLD and NEW see it: all fields null, objects with null members."""
    nulls: dict[str, object] = {}
    for path, found in sorted(types.items()):
        *above, last = path.split(".")
        level = nulls
        for step in above:
            inner = level[step]
            assert isinstance(inner, dict)  # noqa: S101 - the path above a member is an object, and sorts before it
            level = inner
        level[last] = {} if found.kind == "object" else None
    return nulls
