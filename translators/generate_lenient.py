"""The Python of one translator for rows that lack values which the source did not send: each field stands for itself.

A field that its contract does not demand is left out, with the reason; one that it demands cannot be computed, nor can a
condition that reads one. Used only where the straight functions meet such a value: `Partial` says what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingType
from typing import Any

from translators.bound_mapping import BoundEach, BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.contract import Shape
from translators.expression.bind import sources
from translators.expression.bound import Bound
from translators.expression.python import Emitter
from translators.generate import Generator
from translators.generating import WORD, Generated, Names
from translators.translator import Partial
from translators.values import OutOfRange, Unavailable


def generate_lenient(bound: BoundMapping) -> Generated:
    """The lenient functions for a bound mapping that is no Python translator."""
    return _Lenient(bound).written()


class _Names(Names):
    """CHANGED looks at fields that may be absent."""

    def changed(self, paths: tuple[str, ...] | None) -> str:
        paths = self.business if paths is None else paths
        return "(old != new)" if paths is None else f"differ(o, n, {paths!r})"

    def within(self) -> Names:
        return _Names(dict(self.columns), dict(self.parts))


class _Lenient(Generator):
    names = _Names

    def __init__(self, bound: BoundMapping) -> None:
        super().__init__(bound)
        self.loose = frozenset(_optional(bound.shape, ""))
        self.writer.namespace.update(
            Partial=Partial, Unavailable=Unavailable, OutOfRange=OutOfRange, differ=differ, below=below
        )

    def read(self, used: Iterable[str], table: str, row: str, names: Names) -> None:
        for column in sorted(name.removeprefix(f"{table}.") for name in used if name.startswith(f"{table}.")):
            if (table, column) in names.columns or column == "*":
                continue
            word = column if WORD.fullmatch(column) else f"column{len(names.columns)}"
            name = names.columns[table, column] = f"{row}_{word}"
            self.writer.line(f"{name} = {row}[{column!r}]")
            with self.writer.block(f"if {name}.__class__ is OutOfRange:"):
                self.writer.line(f"raise unusable({table + '.' + column!r}, {name})")

    def begin(self) -> None:
        self.writer.line("absent = {}")

    def given(self, text: str) -> str:
        return f"Partial({text}, absent) if absent else {text}"

    def members(self, nodes: MappingType[str, BoundNode], names: Names) -> str:
        found = self.writer.temp()
        self.writer.line(f"{found} = {{}}")
        for name, node in nodes.items():
            if isinstance(node, BoundField):
                self._field(f"{found}[{name!r}]", node, names, node.path)
            else:
                self.writer.line(f"{found}[{name!r}] = {self.node(node, names)}")
        return found

    def _field(self, target: str, node: BoundField, names: Names, path: str) -> None:
        """One computed field, or why it is absent."""
        writer = self.writer
        if node.shape.required:
            self.mark(node)
            self._sure(node.bound, names)
            writer.line(f"{target} = {self.computed(node, names)}")
            return
        with writer.block("try:"):
            self._sure(node.bound, names)
            writer.line(f"{target} = {self.computed(node, names)}")
        with writer.block("except ValueProblem as problem:"):
            with writer.block("if problem.code != 'value.unavailable':"):
                writer.line("raise")
            writer.line(f"absent[{path!r}] = problem.detail['reason']")

    def _sure(self, bound: Bound, names: Names) -> None:
        """No column that this reads is unavailable; those of parts are looked at where they are read."""
        for name in sorted(sources(bound)):
            table, _, column = name.rpartition(".")
            if (table, column) in names.columns:
                text = names.columns[table, column]
                with self.writer.block(f"if {text}.__class__ is Unavailable:"):
                    self.writer.line(f"raise unusable({name!r}, {text})")

    def condition(self, when: Bound) -> str:
        names = self.event_names([when])
        self._sure(when, names)
        return Emitter(self.writer, names).is_true(when)

    def event(self, event: BoundEvent) -> None:
        writer = self.writer
        occurred = [] if event.occurred is None else [event.occurred]
        names = self.event_names([*(node.bound for node in event.fields.values()), *occurred])
        optional = self.only_changed(event)
        self.begin()
        writer.line("data = {}")
        for name, shape in event.shape.items():
            if name in event.fields:
                self._field(f"data[{name!r}]", event.fields[name], names, name)
            elif name in self.bound.fields:
                self._taken_field(event, name, shape, name in optional, names)
        self.keep(event.invariants, "data", lambda path: self.has(event, path), frozenset(_optional(event.shape, "")))
        for bound in occurred:
            self._sure(bound, names)
        more = "".join(f", occurred={Emitter(writer, names).value(bound)}" for bound in occurred)
        more += ", deprecated=True" if event.deprecated else ""
        writer.line("absent.update(below(source, data))")
        writer.line(f"found.append(Event({event.type!r}, Partial(data, absent) if absent else data{more}))")

    def _taken_field(self, event: BoundEvent, name: str, shape: Shape, delta: bool, names: Names) -> None:
        """A field of the state; one that is absent there is absent here, where the event's contract allows it."""
        wanted = [f"{name!r} in source"] if not shape.required else []
        if delta:
            wanted.append(f"(old is None or new is None or {names.changed((name,))})")
        with self.writer.block(f"if {' and '.join(wanted) or 'True'}:"):
            self.writer.line(f"data[{name!r}] = {self.event_field(event, name, shape, names)}")
        if not shape.required:
            with self.writer.block(f"if {name!r} not in source:"):
                self.writer.line(f"absent[{name!r}] = source.absent[{name!r}]")

    def cut(self, text: str, event: BoundEvent, node: BoundMembers | BoundEach, state: Shape, shape: Shape) -> str:
        found = self.writer.temp()
        self.writer.line(f"{found} = {{}}")
        for name in shape.fields:
            if name not in node.fields:
                continue
            with self.writer.block("if True:" if shape.fields[name].required else f"if {name!r} in {text}:"):
                inner = self.taken(
                    f"{text}[{name!r}]", event, node.fields[name], state.fields[name], shape.fields[name]
                )
                self.writer.line(f"{found}[{name!r}] = {inner}")
        return found


def _optional(shapes: MappingType[str, Shape], above: str) -> Iterator[str]:
    """The paths of fields that a contract does not demand, as invariants spell them."""
    for name, shape in shapes.items():
        path = f"{above}{name}"
        if not shape.required:
            yield path
        yield from _optional(shape.fields, f"{path}.")


_ABSENT = object()


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        if data is not None and data is not _ABSENT:
            data = data.get(name, _ABSENT)
    return data


def differ(old: MappingType[str, Any], new: MappingType[str, Any], paths: tuple[str, ...]) -> bool:
    """Whether one of these fields differs. Absent on both sides is unchanged; on one side it cannot be told: `KeyError`."""
    unknown = None
    for path in paths:
        before, after = _at(old, path), _at(new, path)
        if (before is _ABSENT) != (after is _ABSENT):
            unknown = path
        elif before != after:
            return True
    if unknown is not None:
        raise KeyError(unknown)
    return False


def below(state: Any, data: MappingType[str, Any]) -> dict[str, str]:
    """What the state lacks inside of fields that an event has taken from it."""
    absent: MappingType[str, str] = state.absent if isinstance(state, Partial) else {}
    inner = {path: path.replace("[]", "").split(".") for path in absent}
    return {path: absent[path] for path, names in inner.items() if len(names) > 1 and names[0] in data}
