"""What all generated translators have in common: how they read rows, check values, keep invariants and refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import NoReturn

from translators.bound_mapping import BoundField, BoundInvariant, BoundMapping, BoundNode
from translators.checks import broken, unusable, write_checks
from translators.contract import Shape
from translators.expression.bind import sources
from translators.expression.python import Emitter, Writer
from translators.expression.runtime import ValueProblem
from translators.functions import PythonCall, fitting, guarded
from translators.schema import LegacySchema, Type
from translators.translator import Event
from translators.values import OutOfRange, Unavailable

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SENTINELS = frozenset({Unavailable, OutOfRange})
"""What stands for a value that no expression can use."""

Checked = BoundField | BoundInvariant


@dataclass(frozen=True, slots=True)
class Generated:
    """A translator's source and the namespace it runs in; `fields` are what is computed or checked, by its number."""

    source: str
    namespace: dict[str, object]
    fields: tuple[Checked, ...]


@dataclass(slots=True)
class Names:
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
        return "o" + steps(path)

    def new(self, path: str) -> str:
        return "n" + steps(path)

    def changed(self, paths: tuple[str, ...] | None) -> str:
        paths = self.business if paths is None else paths
        if paths is None:
            return "(old != new)"
        return "(" + " or ".join(f"{self.old(path)} != {self.new(path)}" for path in paths) + ")"

    def meta(self, name: str) -> str:
        return f"meta.{name}"

    def within(self) -> Names:
        """The same names, to which those of an inner row are added."""
        return Names(dict(self.columns), dict(self.parts))


class DataNames:
    """How an invariant spells the fields of its contract: members of `data`; those that nothing maps are NULL.

    `loose` are the paths that may be absent, and those of objects and lists that may be null.
    """

    created = deleted = "False"

    def __init__(self, data: str, contract: str, has: Callable[[str], bool], loose: frozenset[str]) -> None:
        self._data = data
        self._contract = contract
        self._has = has
        self._loose = loose

    def column(self, table: str, column: str) -> str:
        """A field, or one of a group of fields."""
        return self._member(column if table == self._contract else f"{table}.{column}", "None")

    def part(self, table: str) -> str:
        """The elements of a list."""
        return self._member(table, "()")

    def _member(self, path: str, otherwise: str) -> str:
        if not self._has(path):
            return otherwise
        text, above = self._data, ""
        for name in path.split("."):
            at = f"{above}.{name}" if above else name
            if above in self._loose:
                text = f"({text} or {{}}).get({name!r})"
            else:
                text += f".get({name!r})" if at in self._loose else f"[{name!r}]"
            above = at
        return f"({text} or ())" if otherwise == "()" and path in self._loose else text

    def old(self, path: str) -> NoReturn:
        """An invariant knows one state only."""
        raise AssertionError(path)

    def new(self, path: str) -> NoReturn:
        """An invariant knows one state only."""
        raise AssertionError(path)

    def changed(self, paths: tuple[str, ...] | None) -> NoReturn:
        """An invariant knows one state only."""
        raise AssertionError(paths)

    def meta(self, name: str) -> NoReturn:
        """An invariant knows no transaction."""
        raise AssertionError(name)


class Generating:
    """Writes the functions of one translator; `at` in them numbers the field that is computed, for errors."""

    def __init__(self, bound: BoundMapping) -> None:
        self.bound = bound
        self.writer = Writer()
        self.fields: list[Checked] = []
        self.writer.namespace.update(
            Event=Event,
            ValueProblem=ValueProblem,
            SENTINELS=SENTINELS,
            NULLS=_nulls(bound.state_types),
            broken=broken,
            unusable=unusable,
        )

    @property
    def generated(self) -> Generated:
        """What was written."""
        return Generated(self.writer.source, self.writer.namespace, tuple(self.fields))

    def mark(self, checked: Checked) -> None:
        """What follows computes or checks this."""
        self.writer.line(f"at = {len(self.fields)}")
        self.fields.append(checked)

    def computed(self, node: BoundField, names: Names) -> str:
        """One computed field: its value, and what its contract demands of it."""
        self.mark(node)
        text = self._called(node.bound, names) if isinstance(node.bound, PythonCall) else None
        return self.checked(node, text or Emitter(self.writer, names).value(node.bound))

    def checked(self, node: BoundField, text: str, shape: Shape | None = None) -> str:
        """The name of a value that its contract allows; `shape` is what another contract says of it."""
        value = self.writer.temp()
        self.writer.line(f"{value} = {text}")
        write_checks(self.writer, value, node.bound, shape or node.shape)
        return value

    def _called(self, bound: PythonCall, names: Names) -> str:
        name = bound.name.removeprefix("py ")
        call = self.writer.constant(guarded(name, bound.data.call))
        args = ", ".join([Emitter(self.writer, names).value(part) for part in bound.args])
        return f"{self.writer.constant(fitting(name, bound.type))}({call}({args}))"

    def keep(
        self,
        invariants: Iterable[BoundInvariant],
        data: str,
        has: Callable[[str], bool],
        loose: frozenset[str] = frozenset(),
    ) -> None:
        """Check that the data in a local variable keeps these invariants; `has` says which paths are there."""
        for one in invariants:
            if not self._has_all(one):
                continue
            self.mark(one)
            names = DataNames(data, one.contract.partition(".")[0], has, loose)
            with self.writer.block(f"if {Emitter(self.writer, names).is_false(one.bound)}:"):
                self.writer.line(f"raise broken('contract.invariant', {one.text!r})")

    def _has_all(self, invariant: BoundInvariant) -> bool:
        """Whether all that is mapped of an invariant's fields is computed here: some fields alone can keep none."""
        paths = {path[: at.start()] for path in invariant.paths for at in re.finditer(r"\.|$", path)}
        return all(has_path(self.bound.fields, path) for path in paths & self.bound.state_types.keys())

    def on_problem(self, refused: str) -> None:
        with self.writer.block("except ValueProblem as problem:"):
            self.writer.line(f"raise {refused}(at, problem) from problem")

    def read(self, used: Iterable[str], table: str, row: str, names: Names) -> None:
        """Read the columns of one row, each once."""
        wanted = sorted(name.removeprefix(f"{table}.") for name in used if name.startswith(f"{table}."))
        for column in wanted:
            if (table, column) in names.columns or column == "*":
                continue
            word = column if WORD.fullmatch(column) else f"column{len(names.columns)}"
            name = f"{row}_{word}"
            names.columns[table, column] = name
            self.writer.line(f"{name} = {row}[{column!r}]")
            if may_be_unusable(self.bound.schema, table, column):
                with self.writer.block(f"if {name}.__class__ in SENTINELS:"):
                    self.writer.line(f"raise unusable({table + '.' + column!r}, {name})")

    def correlation_function(self) -> None:
        writer, bound = self.writer, self.bound.correlation
        with writer.block("def correlation(rows):"):
            if bound is None:
                writer.line("return None")
                return
            writer.line("at = -1")
            writer.line(f"(row,) = rows[{self.bound.mapping.root!r}].values()")
            with writer.block("try:"):
                names = Names()
                self.read(sources(bound), self.bound.mapping.root, "row", names)
                writer.line(f"return {Emitter(writer, names).value(bound)}")
            self.on_problem("state_refused")


def steps(path: str) -> str:
    """A path as subscripts."""
    return "".join(f"[{step!r}]" for step in path.split("."))


def has_path(nodes: MappingType[str, BoundNode], path: str) -> bool:
    """Whether something is computed for a path."""
    first, _, inner = path.partition(".")
    node = nodes.get(first)
    if node is None or not inner:
        return node is not None
    return not isinstance(node, BoundField) and has_path(node.fields, inner)


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
