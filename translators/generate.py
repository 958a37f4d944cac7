"""The Python of one translator: two straight functions that a person can read, made from a bound mapping.

    state(rows)                  -> the target state, None without a root row
    events(old, new, old_rows, new_rows) -> (events, ignored)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from translators.binding import BoundEach, BoundEvent, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.checks import write_checks
from translators.contract import Shape
from translators.expression.bound import Bound
from translators.expression.python import Emitter, Writer
from translators.expression.runtime import ValueProblem
from translators.schema import LegacySchema, Type
from translators.translator import Event
from translators.values import OutOfRange, Row, Unavailable

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Generated:
    """Source and namespace of a translator's functions; `fields` are the computed fields by the number in `at`."""

    source: str
    namespace: dict[str, object]
    fields: tuple[BoundField, ...]


def generate(bound: BoundMapping) -> Generated:
    """The Python for a bound mapping."""
    return _Generator(bound).generated()


@dataclass(slots=True)
class _Columns:
    """The columns of one row that code reads: each becomes one local variable, read once."""

    table: str
    row: str
    prefix: str
    used: dict[str, str] = field(default_factory=dict)

    def name(self, column: str) -> str:
        known = self.used.get(column)
        if known is None:
            word = column if _WORD.fullmatch(column) else f"column{len(self.used)}"
            known = self.used[column] = f"{self.prefix}{word}"
        return known


class _Names:
    """How the emitter spells what it reads."""

    created = "old is None"
    deleted = "new is None"

    def __init__(self, root: _Columns, part: _Columns | None, parts: dict[str, str]) -> None:
        self._root = root
        self._part = part
        self._parts = parts

    def column(self, table: str, column: str) -> str:
        row = self._part if self._part is not None and table == self._part.table else self._root
        return row.name(column)

    def part(self, table: str) -> str:
        return self._parts.setdefault(table, f"rows_{table}" if _WORD.fullmatch(table) else f"rows_{len(self._parts)}")

    def old(self, path: str) -> str:
        return "o" + "".join(f"[{step!r}]" for step in path.split("."))

    def new(self, path: str) -> str:
        return "n" + "".join(f"[{step!r}]" for step in path.split("."))

    def changed(self, paths: tuple[str, ...] | None) -> str:
        if paths is None:
            return "(old != new)"
        return "(" + " or ".join(f"{self.old(path)} != {self.new(path)}" for path in paths) + ")"


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
        self._events_function()
        return Generated("\n".join(self._writer.lines) + "\n", self._writer.namespace, tuple(self._fields))

    def _state_function(self) -> None:
        writer, root = self._writer, self._bound.mapping.root
        columns = _Columns(root, "row", "r_")
        parts: dict[str, str] = {}
        writer.line("def state(rows):")
        with writer.indented():
            writer.line(f"root = rows.get({root!r})")
            writer.line("if not root:")
            with writer.indented():
                writer.line("return None")
            writer.line("(row,) = root.values()")
            writer.line("at = 0")
            writer.line("try:")
            with writer.indented():
                begin = len(writer.lines)
                text = self._members(self._bound.fields, columns, None, parts)
                writer.line(f"return {text}")
                self._read_first(begin, [columns], parts, "rows")
            self._on_problem("state_refused(at, problem)")

    def _on_problem(self, refused: str) -> None:
        self._writer.line("except ValueProblem as problem:")
        with self._writer.indented():
            self._writer.line(f"raise {refused} from problem")

    def _members(
        self, nodes: MappingType[str, BoundNode], root: _Columns, part: _Columns | None, parts: dict[str, str]
    ) -> str:
        """The text of a dict display; the lines that compute its values are written before."""
        items = [f"{name!r}: {self._node(node, root, part, parts)}" for name, node in nodes.items()]
        return "{" + ", ".join(items) + "}"

    def _node(self, node: BoundNode, root: _Columns, part: _Columns | None, parts: dict[str, str]) -> str:
        match node:
            case BoundField():
                self._writer.line(f"at = {len(self._fields)}")
                return self._field(node, _Names(root, part, parts))
            case BoundMembers():
                return self._members(node.fields, root, part, parts)
            case BoundEach():
                return self._each(node, root, parts)

    def _field(self, node: BoundField, names: _Names) -> str:
        """One computed field: its value, and what its contract demands of it."""
        self._fields.append(node)
        text = Emitter(self._writer, names).value(node.bound)
        value = self._writer.temp()
        self._writer.line(f"{value} = {text}")
        write_checks(self._writer, value, node.bound.type, node.shape)
        return value

    def _each(self, node: BoundEach, root: _Columns, parts: dict[str, str]) -> str:
        writer = self._writer
        found, row = writer.temp(), writer.temp()
        writer.line(f"{found} = []")
        rows = _Names(root, None, parts).part(node.table)
        writer.line(f"for {row} in {rows}:")
        with writer.indented():
            columns = _Columns(node.table, row, "p_")
            begin = len(writer.lines)
            text = self._members(node.fields, root, columns, parts)
            writer.line(f"{found}.append({text})")
            self._read_first(begin, [columns], {}, "")
        return found

    def _read_first(self, begin: int, rows: list[_Columns], parts: dict[str, str], source: str) -> None:
        """Put the reads of columns and parts before the lines that use them: each is read once."""
        writer = self._writer
        body = writer.lines[begin:]
        del writer.lines[begin:]
        for columns in rows:
            for column, name in columns.used.items():
                writer.line(f"{name} = {columns.row}[{column!r}]")
                self._guard(columns.table, column, name)
        for table, name in parts.items():
            writer.line(f"{name} = {writer.constant(self._ordered(table))}({source}.get({table!r}))")
        writer.lines.extend(body)

    def _guard(self, table: str, column: str, name: str) -> None:
        """A value that the source did not send, or that the language has no room for, never enters an expression."""
        if may_be_unusable(self._bound.schema, table, column):
            self._writer.line(f"if {name}.__class__ in SENTINELS:")
            with self._writer.indented():
                self._writer.line(f"raise unusable({table + '.' + column!r}, {name})")

    def _ordered(self, table: str) -> Callable[[MappingType[str, Row] | None], list[Row]]:
        """Sorts the rows of a part by the mapping's order, then by row key, so that a repeat gives the same list."""
        order = self._bound.mapping.parts[table].order

        def by_order(item: tuple[str, Row]) -> tuple[object, ...]:
            return (*((item[1][c] is None, item[1][c]) for c in order), item[0])

        def ordered(rows: MappingType[str, Row] | None) -> list[Row]:
            if not rows:
                return []
            return [row for _, row in sorted(rows.items(), key=by_order)] if len(rows) > 1 else list(rows.values())

        return ordered

    def _events_function(self) -> None:
        writer = self._writer
        writer.line("")
        writer.line("def events(old, new, old_rows, new_rows):")
        with writer.indented():
            writer.line("o = NULLS if old is None else old")
            writer.line("n = NULLS if new is None else new")
            writer.line("source = o if new is None else n")
            writer.line("found = []")
            writer.line("at = -1")
            writer.line("try:")
            with writer.indented():
                self._ignore_rules()
                for event in self._bound.events:
                    self._event(event)
            self._on_problem("event_refused(at, problem)")
            writer.line("return tuple(found), None")

    def _ignore_rules(self) -> None:
        for rule in self._bound.ignore:
            self._writer.line(f"if {self._condition(rule.when)}:")
            with self._writer.indented():
                self._writer.line(f"return (), {rule.reason!r}")

    def _condition(self, when: Bound) -> str:
        """The text that is true if a condition is TRUE; columns in it are those of the row after, or last before."""
        writer = self._writer
        columns, parts = _Columns(self._bound.mapping.root, "row", "r_"), dict[str, str]()
        begin = len(writer.lines)
        text = Emitter(writer, _Names(columns, None, parts)).is_true(when)
        self._event_rows(begin, columns, parts)
        return text

    def _event_rows(self, begin: int, columns: _Columns, parts: dict[str, str]) -> None:
        writer = self._writer
        if not columns.used and not parts:
            return
        body = writer.lines[begin:]
        del writer.lines[begin:]
        writer.line("rows = old_rows if new is None else new_rows")
        if columns.used:
            writer.line(f"(row,) = rows[{columns.table!r}].values()")
        inner = len(writer.lines)
        writer.lines.extend(body)
        self._read_first(inner, [columns], parts, "rows")

    def _event(self, event: BoundEvent) -> None:
        writer = self._writer
        writer.line(f"if {self._condition(event.when)}:")
        with writer.indented():
            columns, parts = _Columns(self._bound.mapping.root, "row", "r_"), dict[str, str]()
            begin = len(writer.lines)
            names = _Names(columns, None, parts)
            items = []
            for name, shape in event.shape.items():
                text = self._event_field(event, name, shape, names)
                if text is not None:
                    items.append(f"{name!r}: {text}")
            writer.line(f"found.append(Event({event.type!r}, {{{', '.join(items)}}}))")
            self._event_rows(begin, columns, parts)

    def _event_field(self, event: BoundEvent, name: str, shape: Shape, names: _Names) -> str | None:
        """One field of an event: computed here, or taken from the state and held against the event's own contract."""
        if name in event.fields:
            self._writer.line(f"at = {len(self._fields)}")
            return self._field(event.fields[name], names)
        state = self._bound.shape.get(name)
        if state is None or name not in self._bound.fields:
            return None
        text = f"source[{name!r}]"
        return text if state == shape else self._narrowed(text, name, state, shape)

    def _narrowed(self, text: str, path: str, state: Shape, shape: Shape) -> str:
        """A state value for an event whose contract says less, or demands more, of it."""
        if shape.kind == "object":
            members = {m: f"{text}[{m!r}]" for m in shape.fields if m in state.fields}
            items = [
                f"{m!r}: {t if state.fields[m] == shape.fields[m] else self._narrowed(t, f'{path}.{m}', state.fields[m], shape.fields[m])}"
                for m, t in members.items()
            ]
            return "{" + ", ".join(items) + "}"
        if shape.kind == "list":
            kept = [m for m in shape.fields if m in state.fields]
            return f"[{{{', '.join(f'{m!r}: x[{m!r}]' for m in kept)}}} for x in {text}]"
        value = self._writer.temp()
        self._writer.line(f"{value} = {text}")
        write_checks(self._writer, value, self._bound.state_types[path], shape)
        return value


def may_be_unusable(schema: LegacySchema, table: str, column: str) -> bool:
    """Whether a column of this source can arrive as unavailable or out of the language's range at all."""
    if schema.connector == "sqlite":
        return False
    kind = schema.tables[table].columns[column].kind
    if kind in ("date", "timestamp", "timestamptz", "float", "decimal", "wide"):
        return True
    return schema.tables[table].replica_identity != "full" and kind in ("text", "opaque")


def _nulls(types: MappingType[str, Type]) -> dict[str, object]:
    """The state of a thing that does not exist, as OLD and NEW see it: every field null, objects there with null members."""
    nulls: dict[str, object] = {}
    for path, found in types.items():
        *above, last = path.split(".")
        level = nulls
        for step in above:
            inner = level[step]
            assert isinstance(inner, dict)
            level = inner
        level[last] = {} if found.kind == "object" else None
    return nulls
