"""A mapping as a value: what a YAML file says of one translator, read but not yet bound to a schema.

Reading finds what is wrong with the file's form; `translators.compile` finds what is wrong with its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from translators.codes import DatedCode, read_codes
from translators.errors import DragomanError
from translators.schema import Type, column_type
from translators.shared import FileMark, FileScalar, file_of
from translators.yaml_form import Form
from translators.yaml_text import Mark, YamlList, YamlNode, YamlScalar, load, place

if TYPE_CHECKING:
    from translators.python_class import PythonRules

STORES = ("rows", "none")
"""What `store:` may say: the rows of each thing are kept between steps, or nothing is."""

Include = Callable[[str], str]
"""The text of another file of the project, by its path from the project's folder. Raises a `DragomanError`."""


@dataclass(frozen=True, slots=True)
class Expression:
    """The text of one expression and the scalar that holds it."""

    scalar: YamlScalar

    @property
    def text(self) -> str:
        """What is parsed."""
        return self.scalar.text


@dataclass(frozen=True, slots=True)
class Members:
    """A nested object: its fields."""

    fields: MappingType[str, FieldNode]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Each:
    """A list: one element per row of a part."""

    table: str
    fields: MappingType[str, FieldNode]
    mark: Mark


@dataclass(frozen=True, slots=True)
class PythonField:
    """What a Python function (`module:function`) makes of columns, and the type of that."""

    function: Expression
    inputs: tuple[Expression, ...]
    type: Type

    @property
    def mark(self) -> Mark:
        """Where the function is named."""
        return self.function.scalar.mark


FieldNode = Expression | PythonField | Members | Each


@dataclass(frozen=True, slots=True)
class Dated:
    """Codes whose meaning depends on the day that `as_of` gives; an expression over what is known where CODE stands."""

    as_of: Expression
    codes: tuple[DatedCode, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that belong to the root, or to the rows of another part (`of`).

    `parent` are the columns that hold the key of what they belong to, `order` sorts the rows.
    """

    parent: tuple[str, ...]
    order: tuple[str, ...]
    mark: Mark
    of: str | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event: its contract, when it happens, and the fields that are not simply those of the state."""

    type: str
    when: Expression
    fields: MappingType[str, Expression | PythonField]
    mark: Mark
    occurred: Expression | None = None
    """When it happened in business time, if a column says it."""
    versions: tuple[str, ...] = ()
    """All versions that this rule publishes, where they are several; this is one of them."""


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """A condition under which a step says nothing, and the reason that is counted."""

    when: Expression
    reason: str


class TablePlaces(NamedTuple):
    """Where a code table stands, and each of its codes' meanings; both may be in another file than the mapping."""

    table: Mark
    meanings: MappingType[str, Mark]


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping file. Places are kept, so that every later error can name its line."""

    file: str
    name: str
    context: str
    root: str
    key: tuple[str, ...]
    parts: MappingType[str, Part]
    codes: MappingType[str, MappingType[str, str]]
    """Code tables: own ones, and those of the defaults that an expression names."""
    contract: str
    fields: MappingType[str, FieldNode]
    technical: tuple[str, ...]
    """State fields that views need and that are never a business change by themselves: versions, update stamps."""
    events: Sequence[EventRule]
    ignore: Sequence[IgnoreRule]
    correlation: Expression | None = None
    """What ties the outputs of several steps together, if a column says it; else it is the legacy transaction."""
    marks: MappingType[str, Mark] = field(default_factory=dict)
    """Places of the mapping's own words: `context`, `root`, `root.key`, `contract`, `technical`."""
    dated: MappingType[str, Dated] = field(default_factory=dict)
    """What some of the code tables mean on some days; `codes` holds what they always mean."""
    included: MappingType[str, str] = field(default_factory=dict)
    """The texts of the other files that were read for this mapping, by path."""
    code_places: MappingType[str, TablePlaces] = field(default_factory=dict)
    """Where the code tables are written."""
    python: PythonRules | None = None
    """The class that translates, where it is not done by expressions."""
    keeps_rows: bool = True
    """Whether the rows of its things are kept between steps; without (`store: none`) each change speaks for itself."""

    def where(self, mark: Mark) -> str:
        """`file:line:column` of a place in this mapping, or in the file that it was taken from."""
        return place(file_of(mark, self.file), mark)


class MappingMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "mapping.malformed"
    hint: ClassVar[str] = "{fix}"


def _no_files(path: str) -> str:
    raise MappingMalformed(problem=f"{path} cannot be read: this mapping stands alone", fix="Write it out here.")


def read_mapping(text: str, file: str, include: Include = _no_files) -> Mapping:
    """The mapping that a YAML text says; `MappingMalformed` or a `YamlError` with its place if it says none.

    `include` reads the files that it names: code tables and defaults. Their errors name them.
    """
    return _Reader(file, include).mapping(load(text, file))


class _Common(NamedTuple):
    """What mappings can share."""

    codes: dict[str, MappingType[str, str]]
    dated: dict[str, Dated]
    places: dict[str, TablePlaces]
    ignore: list[IgnoreRule]
    correlation: Expression | None


_Codes: TypeAlias = tuple[MappingType[str, str], MappingType[str, Mark]]
"""What codes mean, and where that is written."""

_PATH = re.compile(r"(?!\.\.?/)[\w-][\w. -]*(/(?!\.\.?/)[\w-][\w. -]*)*")


class _Reader(Form):
    """Reads one file; `above` is the reader of the mapping that shares what this file says."""

    def __init__(self, file: str, include: Include, above: _Reader | None = None) -> None:
        super().__init__(file, MappingMalformed)
        self._include = include
        self._is_shared = above is not None
        self._included: dict[str, str] = {} if above is None else above._included
        self._expressions: list[str] = [] if above is None else above._expressions

    def mapping(self, node: YamlNode) -> Mapping:
        required = {"translator", "context", "root", "state"}
        optional = {"parts", "codes", "events", "ignore", "correlation", "defaults", "store"}
        top = self.members(node, "the mapping", required, optional).items
        root = self.members(top["root"], "root", {"table", "key"}).items
        state = self.members(top["state"], "state", {"contract", "fields"}, {"technical"}).items
        fields = self.fields(state["fields"], "state.fields")
        events = [event for rule in self.rules(top, "events") for event in self.event(rule)]
        common = self.common(top)
        if "defaults" in top:
            common = self.with_defaults(common, top["defaults"])
        return Mapping(
            file=self._file,
            name=self.text(top["translator"], "translator"),
            context=self.text(top["context"], "context"),
            root=self.text(root["table"], "root.table"),
            key=self.texts(root["key"], "root.key"),
            parts={name: self.part(part, name) for name, part in self.optional(top, "parts").items()},
            codes=common.codes,
            contract=self.text(state["contract"], "state.contract"),
            fields=fields,
            technical=self.texts(state["technical"], "state.technical") if "technical" in state else (),
            events=events,
            ignore=common.ignore,
            correlation=common.correlation,
            marks={
                "context": top["context"].mark,
                "root": root["table"].mark,
                "root.key": root["key"].mark,
                "contract": state["contract"].mark,
                "technical": state.get("technical", state["contract"]).mark,
                "store": top.get("store", top["root"]).mark,
            },
            dated=common.dated,
            included=self._included,
            code_places=common.places,
            keeps_rows="store" not in top or self.keeps_rows(top["store"]),
        )

    def keeps_rows(self, node: YamlNode) -> bool:
        """What `store:` says."""
        said = self.text(node, "store")
        if said not in STORES:
            fix = "Write `store: none`, or leave it out: then the rows of each thing are kept."
            raise self.wrong(f"{said!r} is no store", node.mark, fix)
        return said == "rows"

    def common(self, top: dict[str, YamlNode]) -> _Common:
        """Code tables, ignore rules and the correlation, wherever they are written."""
        codes: dict[str, MappingType[str, str]] = {}
        dated: dict[str, Dated] = {}
        places: dict[str, TablePlaces] = {}
        for name, node in self.optional(top, "codes").items():
            if "file" in self.a_map(node, f"the code table {name}").items:
                codes[name], meanings = self.code_file(node, name, dated)
            else:
                codes[name], meanings = self.codes(node, name)
            places[name] = TablePlaces(self.at(self.a_map(top["codes"], "codes").key_marks[name]), meanings)
        ignore = [self.ignore(rule) for rule in self.rules(top, "ignore")]
        correlation = self.expression(top["correlation"], "correlation") if "correlation" in top else None
        return _Common(codes, dated, places, ignore, correlation)

    def with_defaults(self, own: _Common, node: YamlNode) -> _Common:
        """What the mapping says itself, and what it takes from the file of defaults: own tables and correlation win.

        Of the shared code tables those are taken that an expression names.
        """
        file, text = self.file(node, "defaults")
        reader = _Reader(file, self._include, self)
        known = {"codes", "ignore", "correlation"}
        shared = reader.common(reader.members(load(text, file), file, set(), known).items)
        texts = " ".join(self._expressions)
        wanted = [name for name in shared.codes if name not in own.codes and _quoted(name) in texts]
        return _Common(
            codes={**own.codes, **{name: shared.codes[name] for name in wanted}},
            dated={**own.dated, **{name: shared.dated[name] for name in wanted if name in shared.dated}},
            places={**own.places, **{name: shared.places[name] for name in wanted}},
            ignore=[*own.ignore, *shared.ignore],
            correlation=own.correlation or shared.correlation,
        )

    def file(self, node: YamlNode, what: str) -> tuple[str, str]:
        """The path that a text names, and what stands in that file."""
        path = self.text(node, what)
        if not _PATH.fullmatch(path):
            fix = "Write its path from the project's folder: codes/status.csv."
            raise self.wrong(f"{path!r} is no file of the project", node.mark, fix)
        if path not in self._included:
            self._included[path] = self._include(path)
        return path, self._included[path]

    def code_file(self, node: YamlNode, name: str, dated: dict[str, Dated]) -> _Codes:
        """A code table in a file of its own."""
        members = self.members(node, f"the code table {name} in a file", {"file"}, {"as_of"}).items
        path, text = self.file(members["file"], f"codes.{name}.file")
        found = read_codes(text, path)
        if found.dated and "as_of" not in members:
            fix = "Add `as_of:` with the column whose day counts, a date: as_of: TO_DATE(eff_dt, 'YYYYMMDD')."
            raise self.wrong(
                f"{path} says from when to when codes hold, and nothing says which day counts", node.mark, fix
            )
        if found.dated:
            dated[name] = Dated(self.expression(members["as_of"], f"codes.{name}.as_of"), found.dated)
        return found.entries, {code: FileMark(*mark, path) for code, mark in found.places.items()}

    def part(self, node: YamlNode, name: str) -> Part:
        members = self.members(node, f"parts.{name}", {"parent"}, {"order", "of"}).items
        order = self.texts(members["order"], f"parts.{name}.order") if "order" in members else ()
        above = self.text(members["of"], f"parts.{name}.of") if "of" in members else None
        return Part(self.texts(members["parent"], f"parts.{name}.parent"), order, node.mark, above)

    def codes(self, node: YamlNode, name: str) -> _Codes:
        table = self.a_map(node, f"the code table {name}").items
        entries = {code: self.text(meaning, f"codes.{name}.{code}", empty=True) for code, meaning in table.items()}
        return entries, {code: self.at(meaning.mark) for code, meaning in table.items()}

    def at(self, mark: Mark) -> Mark:
        """A place of this file that keeps the file's name if mappings share it."""
        return FileMark(*mark, self._file) if self._is_shared else mark

    def fields(self, node: YamlNode, what: str) -> MappingType[str, FieldNode]:
        table = self.a_map(node, what)
        return {name: self.field(value, f"{what}.{name}", table.key_marks[name]) for name, value in table.items.items()}

    def field(self, node: YamlNode, what: str, mark: Mark) -> FieldNode:
        if isinstance(node, YamlScalar):
            return self.expression(node, what)
        members = self.a_map(node, what)
        if "each" in members.items:
            each = self.members(node, what, {"each", "fields"}).items
            return Each(self.text(each["each"], f"{what}.each"), self.fields(each["fields"], what), each["each"].mark)
        if "py" in members.items:
            return self.python(node, what)
        return Members(self.fields(node, what), mark)

    def python(self, node: YamlNode, what: str) -> PythonField:
        """A field that a Python function computes."""
        members = self.members(node, what, {"py", "inputs", "type"}).items
        listed = members["inputs"].items if isinstance(members["inputs"], YamlList) else [members["inputs"]]
        try:
            kind = column_type(self.text(members["type"], f"{what}.type"))
        except ValueError as error:
            fix = "Write a type as columns have it: text, integer, decimal(9,2), date; add `not null` if it never is."
            raise self.wrong(str(error), members["type"].mark, fix) from error
        inputs = tuple(self.expression(one, f"{what}.inputs") for one in listed)
        return PythonField(self.expression(members["py"], f"{what}.py"), inputs, kind)

    def expression(self, node: YamlNode, what: str) -> Expression:
        scalar = self.scalar(node, what)
        self._expressions.append(scalar.text)
        return Expression(FileScalar.of(scalar, self._file) if self._is_shared else scalar)

    def event(self, node: YamlNode) -> list[EventRule]:
        """The rules of one entry: one for each version of the contract that it names."""
        members = self.members(node, "an event", {"type", "when"}, {"fields", "occurred"}).items
        named = members["type"]
        types = self.texts(named, "type")
        marks = [one.mark for one in (named.items if isinstance(named, YamlList) else [named])]
        when = self.expression(members["when"], "when")
        fields = {name: self.event_field(value, name) for name, value in self.optional(members, "fields").items()}
        occurred = self.expression(members["occurred"], "occurred") if "occurred" in members else None
        versions = types if len(types) > 1 else ()
        return [
            EventRule(kind, when, fields, mark, occurred, versions) for kind, mark in zip(types, marks, strict=True)
        ]

    def event_field(self, node: YamlNode, name: str) -> Expression | PythonField:
        return self.expression(node, name) if isinstance(node, YamlScalar) else self.python(node, name)

    def ignore(self, node: YamlNode) -> IgnoreRule:
        members = self.members(node, "an ignore rule", {"when", "reason"}).items
        return IgnoreRule(self.expression(members["when"], "when"), self.text(members["reason"], "reason"))

    def optional(self, members: dict[str, YamlNode], name: str) -> dict[str, YamlNode]:
        return self.a_map(members[name], name, empty=True).items if name in members else {}

    def rules(self, members: dict[str, YamlNode], name: str) -> list[YamlNode]:
        return self.items(members[name], name) if name in members else []


def _quoted(name: str) -> str:
    """A text as expressions write it."""
    return "'" + name.replace("'", "''") + "'"
