"""The Python of one translator: two straight functions that a person can read, made from a bound mapping.

    state(rows)                                 -> the target state, None without a root row
    events(old, new, old_rows, new_rows, meta)  -> (events, why nothing was said)

Each column is read once, before the fields that need it; `at` numbers the field that is computed, for errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType

from translators.bound_mapping import BoundEach, BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.contract import Shape
from translators.expression.bind import sources
from translators.expression.bound import Bound
from translators.expression.python import Emitter
from translators.generate_python import generate_python
from translators.generating import WORD, Generated, Generating, Names, has_path
from translators.ordering import grouping, ordering
from translators.parts import children_of, parent_key

__all__ = ["Generated", "generate"]


def generate(bound: BoundMapping) -> Generated:
    """The Python for a bound mapping."""
    return generate_python(bound) if bound.mapping.python is not None else Generator(bound).written()


class Generator(Generating):
    """Writes the straight functions, in which every value that is read is there."""

    names = Names
    loose: frozenset[str] = frozenset()
    """The paths of the state that may be absent."""

    def begin(self) -> None:
        """What is written before fields are computed."""

    def given(self, text: str) -> str:
        """What is given back of the computed state."""
        return text

    def written(self) -> Generated:
        """All functions."""
        self._state_function()
        self.writer.line("")
        self._events_function()
        self.writer.line("")
        self.correlation_function()
        return self.generated

    def _state_function(self) -> None:
        writer, root = self.writer, self.bound.mapping.root
        with writer.block("def state(rows):"):
            writer.line(f"root = rows.get({root!r})")
            with writer.block("if not root:"):
                writer.line("return None")
            writer.line("(row,) = root.values()")
            writer.line("at = -1")
            with writer.block("try:"):
                names = self.names()
                self.begin()
                self.read(_sources(self.bound.fields.values()), root, "row", names)
                self._read_parts(self.bound.fields.values(), names)
                text = self.members(self.bound.fields, names)
                if self.bound.invariants:
                    writer.line(f"data = {text}")
                    self.keep(self.bound.invariants, "data", lambda path: has_path(self.bound.fields, path), self.loose)
                    text = "data"
                writer.line(f"return {self.given(text)}")
            self.on_problem("state_refused")

    def _read_parts(self, nodes: Iterable[BoundNode], names: Names) -> None:
        """Put the rows of every part that is needed into order, once; those of inner parts by what they belong to."""
        nodes = list(nodes)
        used = {name.split(".", 1)[0] for name in _sources(nodes)} | set(_eaches(nodes))
        parts = self.bound.mapping.parts
        for at, table in enumerate(parts):
            if table in used:
                name = f"rows_{table}" if WORD.fullmatch(table) else f"rows_{at}"
                names.parts[table] = name
                ordered = self.writer.constant(ordering(parts[table].order))
                self.writer.line(f"{name} = {ordered}(rows.get({table!r}))")
                if parts[table].of is not None:
                    grouped = self.writer.constant(grouping(parts[table].parent))
                    self.writer.line(f"by_{name} = {grouped}({name})")

    def _read_inner_parts(self, node: BoundEach, row: str, names: Names) -> None:
        """The rows of inner parts that belong to this row."""
        mapping, tables = self.bound.mapping, self.bound.schema.tables
        for table in children_of(mapping, node.table):
            if table in names.parts:
                key = "".join(f"{row}[{column!r}], " for column in parent_key(mapping, tables, table))
                inner = f"{row}_{len(names.parts)}_{self.writer.temp()}"
                self.writer.line(f"{inner} = by_{names.parts[table]}.get(({key}), ())")
                names.parts[table] = inner

    def members(self, nodes: MappingType[str, BoundNode], names: Names) -> str:
        """The text of a dict display; the lines that compute its values are written before."""
        return "{" + ", ".join([f"{name!r}: {self.node(node, names)}" for name, node in nodes.items()]) + "}"

    def node(self, node: BoundNode, names: Names) -> str:
        match node:
            case BoundField():
                return self.computed(node, names)
            case BoundMembers():
                return self.members(node.fields, names)
            case BoundEach():
                return self._each(node, names)

    def _each(self, node: BoundEach, names: Names) -> str:
        writer = self.writer
        found, row = writer.temp(), writer.temp()
        writer.line(f"{found} = []")
        with writer.block(f"for {row} in {names.parts[node.table]}:"):
            inner = names.within()
            self.read(_sources(node.fields.values()), node.table, row, inner)
            self._read_inner_parts(node, row, inner)
            writer.line(f"{found}.append({self.members(node.fields, inner)})")
        return found

    def _events_function(self) -> None:
        writer = self.writer
        with writer.block("def events(old, new, old_rows, new_rows, meta):"):
            writer.line("o = NULLS if old is None else old")
            writer.line("n = NULLS if new is None else new")
            writer.line("source = o if new is None else n")
            writer.line("found = []")
            with writer.block("try:"):
                writer.line("at = -1")
                for rule in self.bound.ignore:
                    with writer.block(f"if {self.condition(rule.when)}:"):
                        writer.line(f"return (), {rule.reason!r}")
                for event in self.bound.events:
                    with writer.block(f"if {self.condition(event.when)}:"):
                        self.event(event)
            self.on_problem("event_refused")
            writer.line("return tuple(found), None")

    def condition(self, when: Bound) -> str:
        return Emitter(self.writer, self.event_names([when])).is_true(when)

    def event_names(self, expressions: Iterable[Bound]) -> Names:
        """Names for expressions over the rows after the step, or before it where nothing is left."""
        root, names = self.bound.mapping.root, self.names(business=self._business())
        used = {name for bound in expressions for name in sources(bound) if not name.startswith(("OLD.", "NEW."))}
        if used:
            self.writer.line("rows = old_rows if new is None else new_rows")
            self.writer.line(f"(row,) = rows[{root!r}].values()")
            self.read(used, root, "row", names)
            for table in sorted({name.split(".", 1)[0] for name in used} & self.bound.mapping.parts.keys()):
                ordered = self.writer.constant(ordering(self.bound.mapping.parts[table].order))
                names.parts[table] = f"rows_{len(names.parts)}"
                self.writer.line(f"{names.parts[table]} = {ordered}(rows.get({table!r}))")
        return names

    def _business(self) -> tuple[str, ...] | None:
        technical = self.bound.mapping.technical
        return tuple(name for name in self.bound.fields if name not in technical) if technical else None

    def event(self, event: BoundEvent) -> None:
        occurred = [] if event.occurred is None else [event.occurred]
        names = self.event_names([*(node.bound for node in event.fields.values()), *occurred])
        optional = self.only_changed(event)
        if optional:
            self._stepwise(event, names, optional)
            data = "data"
        else:
            data = self._display(event, names)
        if event.invariants and data != "data":
            self.writer.line(f"data = {data}")
            data = "data"
        self.keep(event.invariants, data, lambda path: self.has(event, path), optional)
        more = "".join(f", occurred={Emitter(self.writer, names).value(bound)}" for bound in occurred)
        more += ", deprecated=True" if event.deprecated else ""
        self.writer.line(f"found.append(Event({event.type!r}, {data}{more}))")

    def only_changed(self, event: BoundEvent) -> frozenset[str]:
        """The fields that a delta carries where they changed: those of the state that its contract does not demand."""
        if event.style != "delta":
            return frozenset()
        taken = event.shape.keys() & self.bound.fields.keys() - event.fields.keys()
        return frozenset(name for name in taken if not event.shape[name].required)

    def _display(self, event: BoundEvent, names: Names) -> str:
        fields = {name: self.event_field(event, name, shape, names) for name, shape in event.shape.items()}
        return "{" + ", ".join(f"{name!r}: {text}" for name, text in fields.items() if text is not None) + "}"

    def _stepwise(self, event: BoundEvent, names: Names, optional: frozenset[str]) -> None:
        """The data of a delta, in the contract's order."""
        writer = self.writer
        writer.line("data = {}")
        for name, shape in event.shape.items():
            if name in optional:
                with writer.block(f"if old is None or new is None or {names.changed((name,))}:"):
                    writer.line(f"data[{name!r}] = {self.event_field(event, name, shape, names)}")
            elif (text := self.event_field(event, name, shape, names)) is not None:
                writer.line(f"data[{name!r}] = {text}")

    def has(self, event: BoundEvent, path: str) -> bool:
        return path in event.fields or (path.split(".")[0] not in event.fields and has_path(self.bound.fields, path))

    def event_field(self, event: BoundEvent, name: str, shape: Shape, names: Names) -> str | None:
        """One field of an event: computed here, or taken from the state and held against the event's own contract."""
        if name in event.fields:
            return self.computed(event.fields[name], names)
        if name not in self.bound.fields:
            return None
        return self.taken(f"source[{name!r}]", event, self.bound.fields[name], self.bound.shape[name], shape)

    def taken(self, text: str, event: BoundEvent, node: BoundNode, state: Shape, shape: Shape) -> str:
        """A state value for an event; where the event's contract says less, or demands more, it is cut or checked."""
        if state == shape:
            return text
        if isinstance(node, BoundField):
            self.mark(BoundField(node.path, node.bound, event.rule.when, shape))
            return self.checked(node, text, shape)
        if isinstance(node, BoundMembers):
            return self.cut(text, event, node, state, shape)
        found, element = self.writer.temp(), self.writer.temp()
        self.writer.line(f"{found} = []")
        with self.writer.block(f"for {element} in {text}:"):
            self.writer.line(f"{found}.append({self.cut(element, event, node, state, shape)})")
        return found

    def cut(self, text: str, event: BoundEvent, node: BoundMembers | BoundEach, state: Shape, shape: Shape) -> str:
        """The members of an object that the event's contract names."""
        taken = {
            name: self.taken(f"{text}[{name!r}]", event, node.fields[name], state.fields[name], shape.fields[name])
            for name in shape.fields
            if name in node.fields
        }
        return "{" + ", ".join(f"{name!r}: {value}" for name, value in taken.items()) + "}"


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
