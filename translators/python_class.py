"""Whole translators in Python: the class that an adopter writes, read like a mapping, every declaration at its place."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from translators.expression.runtime import Codes
from translators.facts import UNKNOWN, Facts
from translators.mapping import STORES, EventRule, Expression, MappingMalformed, Part
from translators.mapping import Mapping as MappingFile
from translators.translator import Event
from translators.values import Row
from translators.yaml_text import Mark, YamlScalar, did_you_mean, place


class LegacyRows(NamedTuple):
    """The rows of one aggregate as a Python translator sees them: the root's, and each part's in their order.

    Rows hold the columns that `inputs` declares and those that keys and orders name, as the decoder gave them.
    """

    root: Row
    parts: Mapping[str, list[Row]]


class PythonTranslator:
    """A translator written in Python: the same outcomes, checks, tests, lineage and lint as a mapping.

    `name`, `context`, `root`, `key`, `parts` and `codes` say what a mapping's words of that name say. `contract` is the
    state's contract, `publishes` those of the events. `inputs` declares the columns behind each state field: names of
    fields (`premium`, which covers all below it) to columns (`prem`, or `cov.cd` of a part); `*` are those of every field
    that is not named; `events` those that events read beside. No other column can be read. All methods are pure.
    """

    name: ClassVar[str]
    context: ClassVar[str]
    root: ClassVar[str]
    key: ClassVar[str | Sequence[str]]
    parts: ClassVar[Mapping[str, Mapping[str, str | Sequence[str]]]] = {}
    codes: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    contract: ClassVar[str]
    publishes: ClassVar[Sequence[str]] = ()
    inputs: ClassVar[Mapping[str, Sequence[str]]]
    technical: ClassVar[Sequence[str]] = ()
    store: ClassVar[str] = "rows"
    correlation: ClassVar[str | None] = None

    facts: Facts = UNKNOWN
    """Those of the transaction that `events` and `ignored` are asked about: `self.facts.origin`; `META` in a mapping."""

    def __init__(self, codes: Mapping[str, Mapping[str, str]]) -> None:
        self._codes = {name: Codes(name, entries) for name, entries in codes.items()}

    def code(self, table: str, code: str) -> str:
        """What a code table says of a code; one that it does not know rejects the change (`code.unmapped`)."""
        return self._codes[table][code]

    def state(self, root: Row, parts: Mapping[str, list[Row]]) -> Mapping[str, Any]:
        """The state as its contract names it: decimals as `Decimal`, objects as dicts, lists as lists of dicts."""
        raise NotImplementedError

    def events(
        self,
        old: Mapping[str, Any] | None,
        new: Mapping[str, Any] | None,
        before: LegacyRows | None,
        after: LegacyRows | None,
    ) -> Iterable[Event]:
        """What happened between two states; `None` is a thing that does not exist.

        An event's data are the fields that are not simply those of the state.
        """
        return ()

    def ignored(self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str | None:
        """Why a step says nothing, as it is counted; `None` where `events` is to be asked."""
        return None


@dataclass(frozen=True, slots=True)
class PythonRules:
    """The class behind a mapping, and its declared inputs with their places."""

    kind: type[PythonTranslator]
    inputs: Mapping[str, tuple[str, ...]]
    marks: Mapping[str, Mark]
    state: Expression
    events: Expression


def read_python(kind: type[PythonTranslator], text: str, file: str) -> MappingFile:
    """A class as a mapping; `text` is that of its file. `MappingMalformed` with the place of what is wrong."""
    return _Reader(kind, text, file).mapping()


class _Reader:
    def __init__(self, kind: type[PythonTranslator], text: str, file: str) -> None:
        self._kind = kind
        self._text = text
        self._file = file

    def mapping(self) -> MappingFile:
        contract, root = self._string("contract"), self._string("root")
        correlation = None if self._kind.correlation is None else self._expression("correlation")
        state, events = self._method("state"), self._method("events")
        inputs = {name: self._strings(columns, f"inputs.{name}") for name, columns in self._named("inputs").items()}
        marks = {name: self._mark("inputs", name) for name in inputs}
        return MappingFile(
            file=self._file,
            name=self._string("name"),
            context=self._string("context"),
            root=root,
            key=self._strings(self._kind.key, "key"),
            parts={name: self._part(name, part) for name, part in self._named("parts").items()},
            codes={name: self._codes(name, entries) for name, entries in self._named("codes").items()},
            contract=contract,
            fields={},
            technical=self._strings(self._kind.technical, "technical", empty=True),
            events=[
                EventRule(name, events, {}, self._mark("publishes", name))
                for name in self._strings(self._kind.publishes, "publishes", empty=True)
            ],
            ignore=[],
            correlation=correlation,
            marks={
                "context": self._mark("context"),
                "root": self._mark("root"),
                "root.key": self._mark("key"),
                "contract": self._mark("contract"),
                "technical": self._mark("technical"),
                "store": self._mark("store"),
            },
            python=PythonRules(self._kind, inputs, marks, state, events),
            keeps_rows=self._keeps_rows(),
        )

    def _keeps_rows(self) -> bool:
        store = self._string("store")
        if store not in STORES:
            fix = "Write store = 'none', or leave it out: then the rows of each thing are kept."
            raise self._wrong(f"{store!r} is no store", self._mark("store"), fix)
        return store == "rows"

    def _part(self, name: str, part: Any) -> Part:
        mark = self._mark("parts", name)
        known = ("parent", "order", "of")
        if not isinstance(part, Mapping) or "parent" not in part:
            raise self._wrong(f"the part {name} does not say its parent columns", mark, "Write {'parent': 'pol_no'}.")
        for word in part:
            if word not in known:
                fix = f"Known here: {', '.join(known)}{did_you_mean(str(word), known)}"
                raise self._wrong(f"the part {name} has the unknown key {word!r}", mark, fix)
        above = part.get("of")
        if above is not None and not isinstance(above, str):
            raise self._wrong(f"the part {name} belongs to no part", mark, "Write 'of': 'cov'.")
        order = self._strings(part.get("order", ()), f"parts.{name}.order", empty=True)
        return Part(self._strings(part["parent"], f"parts.{name}.parent"), order, mark, above)

    def _codes(self, name: str, entries: Any) -> Mapping[str, str]:
        if not isinstance(entries, Mapping) or not all(isinstance(t, str) for pair in entries.items() for t in pair):
            fix = "Write {'A': 'active'}: texts on both sides."
            raise self._wrong(f"the code table {name} is no set of texts", self._mark("codes", name), fix)
        return entries

    def _string(self, name: str) -> str:
        value = getattr(self._kind, name, None)
        if not isinstance(value, str) or not value:
            raise self._wrong(f"{self._kind.__name__}.{name} is no text", self._mark(name), f"Write {name} = '...'.")
        return value

    def _strings(self, value: Any, what: str, empty: bool = False) -> tuple[str, ...]:
        found = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Sequence) else (None,)
        if not all(isinstance(one, str) and one for one in found) or len({*found}) < len(found) or not (found or empty):
            first, _, second = what.partition(".")
            fix = "Write a text, or a list of different texts."
            raise self._wrong(f"{self._kind.__name__}.{what} is no list of names", self._mark(first, second), fix)
        return found

    def _named(self, name: str) -> Mapping[str, Any]:
        value = getattr(self._kind, name, None)
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            fix = f"Write {name} = {{'...': ...}}."
            raise self._wrong(f"{self._kind.__name__}.{name} is no set of names", self._mark(name), fix)
        return value

    def _expression(self, name: str) -> Expression:
        node = self._values.get(name)
        mark = self._mark(name)
        # Behind the quote, where the text is written as one literal.
        inner = Mark(mark.line, mark.column + 1) if isinstance(node, ast.Constant) else mark
        return Expression(YamlScalar(self._string(name), inner))

    def _method(self, name: str) -> Expression:
        for node in self._body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return Expression(YamlScalar(f"{name}()", Mark(node.lineno, node.col_offset + 5)))
        if name == "state":
            fix = "Write `def state(self, root, parts):` that gives the state's fields."
            raise self._wrong(f"{self._kind.__name__} has no method state", self._mark("name"), fix)
        return Expression(YamlScalar(f"{name}()", self._mark("publishes")))

    def _mark(self, name: str, member: str = "") -> Mark:
        """Where something is declared: the member of a list or dict by its text, else the value, else the class."""
        node = self._values.get(name)
        for part in ast.walk(node) if node is not None and member else ():
            if isinstance(part, ast.Constant) and part.value == member:
                return Mark(part.lineno, part.col_offset + 1)
        if node is not None:
            return Mark(node.lineno, node.col_offset + 1)
        return Mark(self._class.lineno, self._class.col_offset + 1) if self._class is not None else Mark(1, 1)

    @cached_property
    def _class(self) -> ast.ClassDef | None:
        nodes = ast.walk(ast.parse(self._text))
        return next((n for n in nodes if isinstance(n, ast.ClassDef) and n.name == self._kind.__name__), None)

    @property
    def _body(self) -> list[ast.stmt]:
        return [] if self._class is None else self._class.body

    @cached_property
    def _values(self) -> dict[str, ast.expr]:
        """The class's own assignments."""
        found: dict[str, ast.expr] = {}
        for node in self._body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AnnAssign) and node.value is not None else targets
            for target in targets:
                if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
                    found[target.id] = node.value
        return found

    def _wrong(self, problem: str, mark: Mark, fix: str) -> MappingMalformed:
        return MappingMalformed(problem=problem, fix=fix, where=place(self._file, mark))
