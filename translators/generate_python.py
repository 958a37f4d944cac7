"""The code around a Python translator: its class is asked, and what it says is held against the contracts.

state(rows)                                 -> the target state, None without a root row
events(old, new, old_rows, new_rows, meta)  -> (events, why nothing was said)
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from typing import Any

from msgspec.structs import replace

from translators.bound_mapping import BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.contract import Shape
from translators.expression.bound import Bound
from translators.functions import PythonCall, fitting
from translators.generating import Generated, Generating
from translators.promises import claimed
from translators.python_asking import Asking, cut, elements, members
from translators.schema import Type


def generate_python(bound: BoundMapping) -> Generated:
    """The Python around a Python translator's class."""
    return _Generator(bound).written()


class _Generator(Generating):
    def __init__(self, bound: BoundMapping) -> None:
        super().__init__(bound)
        rules = bound.mapping.python
        assert rules is not None  # noqa: S101 - generated for Python translators only
        self._rules = rules

    def written(self) -> Generated:
        """All functions."""
        self._state_function()
        for at, event in enumerate(self.bound.events):
            self._event_function(event, f"event_{at}")
        self._events_function()
        self.correlation_function()
        return self.generated

    def _state_function(self) -> None:
        writer, mapping = self.writer, self.bound.mapping
        computed: list[Bound] = [field.bound for field in _leaves(self.bound.fields)]
        computed += [part for event in self.bound.events for part in (event.when, *_bounds(event.fields))]
        asking = Asking(self.bound, computed)
        writer.namespace.update(ask_state=asking.state, ask_events=asking.events)
        whole = Shape(kind="object", fields=self.bound.shape)
        with writer.block("def state(rows):"):
            with writer.block(f"if not rows.get({mapping.root!r}):"):
                writer.line("return None")
            writer.line("at = -1")
            with writer.block("try:"):
                self.mark(self._thing("", whole))
                data = self._object("ask_state(rows)", "", whole, self.bound.fields)
                self.keep(self.bound.invariants, data, self._has, frozenset(_loose(self.bound.shape, "")))
                writer.line(f"return {data}")
            self.on_problem("state_refused")

    def _has(self, path: str) -> bool:
        """Whether a path is computed at all: a translator of some of the fields is made to explain each alone."""
        return path.split(".")[0] in self.bound.fields

    def _thing(self, path: str, shape: Shape) -> BoundField:
        """An object, a list or an event, as what errors name."""
        source = self._rules.events if shape.kind == "opaque" else self._rules.state
        return BoundField(path, PythonCall(Type(shape.kind), (0, 0), f"py {source.text}", ()), source, shape)

    def _object(self, text: str, path: str, shape: Shape, nodes: MappingType[str, BoundNode] | None) -> str:
        """The name of a checked object; `nodes` are the fields that are wanted of it, all where it is `None`."""
        writer = self.writer
        given, data = writer.temp(), writer.temp()
        what = repr(path or f"what {self._rules.state.text} gives")
        required = writer.constant(frozenset(name for name, one in shape.fields.items() if one.required))
        known = writer.constant(frozenset(shape.fields))
        writer.line(f"{given} = {writer.constant(members)}({text}, {what}, {required}, {known})")
        writer.line(f"{data} = {{}}")
        for name, one in shape.fields.items():
            node = None if nodes is None else nodes.get(name)
            if nodes is not None and node is None:
                continue
            inner = f"{path}.{name}" if path else name
            if one.required:
                writer.line(f"{data}[{name!r}] = {self._value(f'{given}[{name!r}]', inner, one, node)}")
                continue
            with writer.block(f"if {name!r} in {given}:"):
                writer.line(f"{data}[{name!r}] = {self._value(f'{given}[{name!r}]', inner, one, node)}")
        return data

    def _value(self, text: str, path: str, shape: Shape, node: BoundNode | None) -> str:
        """The name of a value that is of its type and keeps its contract."""
        if shape.fields:
            self.mark(node if isinstance(node, BoundField) else self._thing(path, shape))
            return self._group(text, path, shape, node.fields if isinstance(node, BoundMembers) else None)
        field = node if isinstance(node, BoundField) else self._leaf(path, shape)
        self.mark(field)
        fit = self.writer.constant(fitting(path, field.bound.type))
        return self.checked(field, f"{fit}({text})", shape)

    def _group(self, text: str, path: str, shape: Shape, nodes: MappingType[str, BoundNode] | None) -> str:
        """The name of an object or list, `None` where its contract lets it be null."""
        writer = self.writer
        if not shape.nullable:
            is_list = shape.kind == "list"
            return self._list(text, path, shape) if is_list else self._object(text, path, shape, nodes)
        found = writer.temp()
        writer.line(f"{found} = {text}")
        with writer.block(f"if {found} is not None:"):
            writer.line(f"{found} = {self._group(found, path, replace(shape, nullable=False), nodes)}")
        return found

    def _leaf(self, path: str, shape: Shape) -> BoundField:
        source = self._rules.state
        return BoundField(path, PythonCall(claimed(shape), (0, 0), f"py {source.text}", ()), source, shape)

    def _list(self, text: str, path: str, shape: Shape) -> str:
        writer = self.writer
        found, element = writer.temp(), writer.temp()
        writer.line(f"{found} = []")
        with writer.block(f"for {element} in {writer.constant(elements)}({text}, {path!r}):"):
            writer.line(f"{found}.append({self._object(element, f'{path}[]', shape, None)})")
        return found

    def _event_function(self, event: BoundEvent, name: str) -> None:
        """Data of one type: what the class says, and what it leaves to the state."""
        writer = self.writer
        with writer.block(f"def {name}(event, old, new):"):
            writer.line("source = old if new is None else new")
            writer.line("at = -1")
            with writer.block("try:"):
                own = frozenset(n for n, one in event.shape.items() if one.required and n not in self.bound.shape)
                known = writer.constant(frozenset(event.shape))
                self.mark(self._thing("", Shape(kind="opaque")))
                asked = f"event.data, {event.type!r}, {writer.constant(own)}, {known}"
                writer.line(f"given = {writer.constant(members)}({asked})")
                writer.line("data = {}")
                for field, shape in event.shape.items():
                    self._event_field(event, field, shape)
                self.keep(event.invariants, "data", lambda path: True, frozenset(_loose(event.shape, "")))
                writer.line(f"return Event({event.type!r}, data, event.occurred, {event.deprecated})")
            self.on_problem("event_refused")

    def _event_field(self, event: BoundEvent, name: str, shape: Shape) -> None:
        writer = self.writer
        given = f"given[{name!r}]"
        if name in self.bound.shape:
            taken = f"source[{name!r}]"
            if self.bound.shape[name] != shape:
                taken = f"{writer.constant(cut)}({taken}, {_names(shape)!r})"
            given = f"(given[{name!r}] if {name!r} in given else {taken})"
        if name in self.bound.shape and shape.required:
            # The state's contract may let it be absent where the event's does not.
            with writer.block(f"if {name!r} not in given and {name!r} not in source:"):
                writer.line(f"raise broken('py.field-missing', {f'{event.type} lacks {name}'!r})")
        node = event.fields.get(name)
        if shape.required:
            writer.line(f"data[{name!r}] = {self._value(given, name, shape, node)}")
            return
        with writer.block(f"if {self._when_carried(event, name)}:"):
            writer.line(f"data[{name!r}] = {self._value(given, name, shape, node)}")

    def _when_carried(self, event: BoundEvent, name: str) -> str:
        """The condition under which an event has an optional field."""
        if name not in self.bound.shape:
            return f"{name!r} in given"
        there = f"{name!r} in source"
        if event.style == "delta":
            there += f" and (old is None or new is None or old.get({name!r}) != new.get({name!r}))"
        return f"{name!r} in given or {there}"

    def _events_function(self) -> None:
        writer = self.writer
        table = ", ".join(f"{event.type!r}: event_{at}" for at, event in enumerate(self.bound.events))
        with writer.block("def events(old, new, old_rows, new_rows, meta):"):
            writer.line("at = -1")
            with writer.block("try:"):
                self.mark(self._thing("", Shape(kind="opaque")))
                writer.line("said, ignored = ask_events(old, new, old_rows, new_rows, meta)")
            self.on_problem("event_refused")
            writer.line("return tuple([CHECKED[event.type](event, old, new) for event in said]), ignored")
        writer.line(f"CHECKED = {{{table}}}")


def _loose(shapes: MappingType[str, Shape], above: str) -> Iterator[str]:
    """The paths that may be absent, and those of objects and lists that may be null."""
    for name, shape in shapes.items():
        if not shape.required or (shape.nullable and shape.fields):
            yield f"{above}{name}"
        if shape.kind == "object":
            yield from _loose(shape.fields, f"{above}{name}.")


def _names(shape: Shape) -> dict[str, Any]:
    return {name: _names(one) for name, one in shape.fields.items()}


def _leaves(nodes: MappingType[str, BoundNode]) -> list[BoundField]:
    found: list[BoundField] = []
    for node in nodes.values():
        found += [node] if isinstance(node, BoundField) else _leaves(node.fields)
    return found


def _bounds(fields: MappingType[str, BoundField]) -> list[Bound]:
    return [field.bound for field in fields.values()]
