"""The typed tree to Python text.

Everything becomes one expression, so laziness is Python's own. A strict tree tests its leaves for NULL first and computes
then (NULL wins over an error in another operand); a part that may itself be NULL is computed into a temporary name among
these tests, after those that cannot fail. Conditions compile twice: "is true" and "is false".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from translators.expression import runtime
from translators.expression.bound import (
    Aggregate,
    Bound,
    Call,
    Changed,
    Column,
    Constant,
    Field,
    Happened,
    Local,
    Meta,
)
from translators.expression.catalogue import CATALOGUE, can_raise
from translators.expression.python_parts import aggregated


class Names(Protocol):
    """How the caller spells what an expression reads; each text is one Python expression without side effects."""

    @property
    def created(self) -> str:
        """Whether there is no OLD."""

    @property
    def deleted(self) -> str:
        """Whether there is no NEW."""

    def column(self, table: str, column: str) -> str:
        """The value of a column, `None` for NULL: best a local variable."""

    def part(self, table: str) -> str:
        """The rows of a part, a list of dicts by column."""

    def old(self, path: str) -> str:
        """A field of the state before the step by its dotted path, `None` if it is NULL or there was no state."""

    def new(self, path: str) -> str:
        """The same of the state after the step."""

    def changed(self, paths: tuple[str, ...] | None) -> str:
        """Whether one of the state fields changed; any field if `paths` is `None`."""

    def meta(self, name: str) -> str:
        """A fact of the step's transaction, `None` if it is not known."""


class Writer:
    """The text of generated code as it grows: lines, fresh names, and the objects that the text names."""

    def __init__(self) -> None:
        self.namespace: dict[str, object] = {}
        self._lines: list[str] = []
        self._depth = 0
        self._temps = 0
        self._names: dict[int, str] = {}

    def line(self, text: str) -> None:
        """One line at the current indentation."""
        self._lines.append(" " * self._depth + text)

    def indent(self) -> None:
        """What follows belongs to the last line."""
        self._depth += 1

    def dedent(self) -> None:
        """The end of what `indent` began."""
        self._depth -= 1

    @contextmanager
    def block(self, text: str) -> Iterator[None]:
        """A line that ends in a colon, and what belongs to it."""
        self.line(text)
        self.indent()
        yield
        self.dedent()

    def temp(self) -> str:
        """A local name that is used nowhere else."""
        self._temps += 1
        return f"t{self._temps}"

    def constant(self, value: object) -> str:
        """The global name of an object; the same for the same object."""
        if id(value) not in self._names:
            name = getattr(value, "__name__", "")
            name = f"{name}_{len(self._names)}" if name.isidentifier() else f"k{len(self._names)}"
            self._names[id(value)] = name
            self.namespace[name] = value
        return self._names[id(value)]

    @property
    def source(self) -> str:
        """All lines."""
        return "\n".join(self._lines) + "\n"

    def run(self, filename: str) -> dict[str, object]:
        """Runs the lines in the namespace, which then holds what they define."""
        exec(compile(self.source, filename, "exec"), self.namespace)  # noqa: S102 - only text made here, from the catalogue
        return self.namespace


@dataclass(slots=True)
class Guards:
    """The tests that tell whether a strict tree is NULL, in the order in which they have to run."""

    deferring: bool = False
    tests: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, rank: int, subject: str, null: str = "None") -> None:
        """`subject` is NULL, or makes the tree NULL, if it is `null`. `rank`: 0 reads, 1 computes, 2 may fail."""
        test = (rank, subject, null)
        if test not in self.tests:
            self.tests.append(test)

    def null(self) -> str:
        """Text: one of the tests says NULL."""
        return " or ".join(f"{subject} {_IS[null == 'None']} {null}" for _, subject, null in self._ordered())

    def present(self) -> str:
        """Text: none of the tests says NULL."""
        return " and ".join(f"{subject} {_IS_NOT[null == 'None']} {null}" for _, subject, null in self._ordered())

    def _ordered(self) -> list[tuple[int, str, str]]:
        return sorted(self.tests, key=_rank)


_IS, _IS_NOT = ("==", "is"), ("!=", "is not")


def _rank(test: tuple[int, str, str]) -> int:
    return test[0]


class Emitter:
    """Writes typed trees as Python expressions. Texts are atoms or stand in brackets; a temporary belongs to one text."""

    def __init__(self, writer: Writer, names: Names) -> None:
        self.writer = writer
        self.names = names

    # what callers use

    def value(self, bound: Bound) -> str:
        """Text of the SQL value, `None` for NULL."""
        if isinstance(bound, Call):
            compile_value = CATALOGUE[bound.name].python.value
            if compile_value is not None:
                return compile_value(self, bound)
            guards, text = self.plan(bound)
            return f"(None if {guards.null()} else {text})" if guards.tests else text
        return self.leaf(bound)

    def is_true(self, bound: Bound) -> str:
        """Text that is truthy if the condition is TRUE, and falsy if it is FALSE or NULL."""
        if not isinstance(bound, Call):
            return self.leaf(bound)
        how = CATALOGUE[bound.name].python
        if how.is_true is not None:
            return how.is_true(self, bound)
        if how.strict is None:
            return self.value(bound)
        guards, text = self.plan(bound)
        return f"({guards.present()} and {text})" if guards.tests else text

    def is_false(self, bound: Bound) -> str:
        """Text that is truthy if the condition is FALSE, and falsy if it is TRUE or NULL."""
        if not isinstance(bound, Call):
            return f"({self.leaf(bound)} is False)" if bound.type.nullable else f"(not {self.leaf(bound)})"
        how = CATALOGUE[bound.name].python
        if how.is_false is not None:
            return how.is_false(self, bound)
        if how.strict is None:
            return f"({self.value(bound)} is False)" if bound.type.nullable else f"(not {self.value(bound)})"
        guards = self.guards(bound)
        texts = self.operands(bound, guards)
        text = f"(not {how.strict(self, bound, texts)})" if how.negated is None else how.negated(self, bound, texts)
        return f"({guards.present()} and {text})" if guards.tests else text

    # what entries use

    def use(self, value: object) -> str:
        """The name under which generated code finds a helper or an object."""
        return self.writer.constant(value)

    def literal(self, value: object) -> str:
        """A constant, in the text itself where Python can write it."""
        if value is None or type(value) in (bool, str):
            return repr(value)
        if type(value) is int:
            return repr(value) if value >= 0 else f"({value})"
        return self.writer.constant(value)

    def leaf(self, bound: Bound) -> str:
        """Text of a part that is no call."""
        match bound:
            case Constant():
                return self.literal(bound.value)
            case Column():
                return self.names.column(bound.table, bound.column)
            case Field():
                return self.names.old(bound.path) if bound.side == "OLD" else self.names.new(bound.path)
            case Meta():
                return self.names.meta(bound.name)
            case Happened():
                return f"({self.names.created if bound.what == 'CREATED' else self.names.deleted})"
            case Changed():
                return f"({self.names.changed(bound.paths)})"
            case Aggregate():
                return aggregated(self, bound)
            case Local():
                return bound.name
            case _:
                raise AssertionError(bound)

    def plan(self, bound: Bound) -> tuple[Guards, str]:
        """The NULL tests of a part, and the text of its value if none of them says NULL."""
        guards = self.guards(bound)
        return guards, self.strict(bound, guards)

    def guards(self, bound: Bound) -> Guards:
        """An empty set of tests for a part. Where two parts could be NULL or fail, failures have to wait for all tests."""
        return Guards(deferring=self._uncertain(bound) > 1)

    def strict(self, bound: Bound, guards: Guards) -> str:
        """The text of a part, right if no test in `guards` says NULL; adds the tests that it needs."""
        if not isinstance(bound, Call):
            text = self.leaf(bound)
            rank = int(isinstance(bound, Aggregate))
            return self._tested(bound, text, guards, rank) if bound.type.nullable else text
        how = CATALOGUE[bound.name].python
        if bound.name == "NULLIF" and not guards.deferring:
            return self.nullif(bound, guards)
        if how.strict is None:
            text = self.value(bound)
            return self._tested(bound, text, guards, 1) if bound.type.nullable else text
        text = how.strict(self, bound, self.operands(bound, guards))
        return self._tested(bound, text, guards, 1) if bound.makes_null else text

    def operands(self, call: Call, guards: Guards) -> tuple[str, ...]:
        """The texts of a strict call's arguments."""
        return tuple([self.strict(part, guards) for part in call.args])

    def _tested(self, bound: Bound, text: str, guards: Guards, rank: int) -> str:
        """`text` as a name that is tested for NULL."""
        if rank == 0 and text.isidentifier():
            guards.add(0, text)
            return text
        name = self.writer.temp()
        if rank and self.raises(bound):
            if guards.deferring:
                guards.add(2, f"({name} := {self.use(runtime.rescue)}(lambda: {text}))")
                return f"{self.use(runtime.sound)}({name})"
            rank = 2
        guards.add(rank, f"({name} := {text})")
        return name

    def nullif(self, bound: Call, guards: Guards) -> str:
        """NULLIF in a strict tree: its first argument, and one more test."""
        value, null = bound.args
        text = self.strict(value, guards)
        rank = 2 if self.raises(bound) else 1
        other = self.value(null)
        if text.isidentifier():
            guards.add(rank, text, other)
            return text
        name = self.writer.temp()
        guards.add(rank, f"({name} := {text})", other)
        return name

    def let(self, bound: Bound) -> tuple[Local, str]:
        """A part under a name, and the text that gives it the name and is true: `prefix and ...`; '' if it has one."""
        text = self.value(bound)
        if text.isidentifier() or isinstance(bound, Constant):
            return Local(bound.type, bound.span, text), ""
        name = self.writer.temp()
        return Local(bound.type, bound.span, name), f"({name} := {text}) is {name}"

    def raises(self, bound: Bound) -> bool:
        """Whether computing this part can raise at all."""
        return can_raise(bound)

    def _uncertain(self, bound: Bound) -> int:
        """How many parts of a strict tree may, each for itself, be NULL or fail."""
        if not isinstance(bound, Call):
            return int(isinstance(bound, Aggregate) and bound.type.nullable)
        strict = CATALOGUE[bound.name].python.strict is not None
        makes_null = bound.makes_null or (not strict and bound.type.nullable)
        own = int(makes_null and self.raises(bound))
        if not strict and bound.name != "NULLIF":
            return own
        return own + sum(self._uncertain(part) for part in bound.args)
