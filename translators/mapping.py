"""A mapping as a value: what a YAML file says of one translator, read but not yet bound to a schema.

Reading finds what is wrong with the file's form; `translators.compile` finds what is wrong with its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from translators.errors import DragomanError
from translators.yaml_text import (
    Mark,
    YamlList,
    YamlMap,
    YamlNode,
    YamlScalar,
    did_you_mean,
    load,
    place,
)


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


FieldNode = Expression | Members | Each


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
    fields: MappingType[str, Expression]
    mark: Mark
    occurred: Expression | None = None
    """When it happened in business time, if a column says it."""


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """A condition under which a step says nothing, and the reason that is counted."""

    when: Expression
    reason: str


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

    def where(self, mark: Mark) -> str:
        """`file:line:column` of a place in this mapping."""
        return place(self.file, mark)


class MappingMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "mapping.malformed"
    hint: ClassVar[str] = "{fix}"


def read_mapping(text: str, file: str) -> Mapping:
    """The mapping that a YAML text says; `MappingMalformed` or a `YamlError` with its place if it says none."""
    return _Reader(file).mapping(load(text, file))


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file

    def mapping(self, node: YamlNode) -> Mapping:
        top = self.members(
            node,
            "the mapping",
            {"translator", "context", "root", "state"},
            {"parts", "codes", "events", "ignore", "correlation"},
        )
        root = self.members(top["root"], "root", {"table", "key"})
        state = self.members(top["state"], "state", {"contract", "fields"}, {"technical"})
        return Mapping(
            file=self._file,
            name=self.text(top["translator"], "translator"),
            context=self.text(top["context"], "context"),
            root=self.text(root["table"], "root.table"),
            key=self.names(root["key"], "root.key"),
            parts={name: self.part(part, name) for name, part in self.optional_map(top, "parts").items()},
            codes={name: self.codes(table, name) for name, table in self.optional_map(top, "codes").items()},
            contract=self.text(state["contract"], "state.contract"),
            fields=self.fields(state["fields"], "state.fields"),
            technical=self.names(state["technical"], "state.technical") if "technical" in state else (),
            events=[self.event(rule) for rule in self.optional_list(top, "events")],
            ignore=[self.ignore(rule) for rule in self.optional_list(top, "ignore")],
            correlation=self.expression(top["correlation"], "correlation") if "correlation" in top else None,
            marks={
                "context": top["context"].mark,
                "root": root["table"].mark,
                "root.key": root["key"].mark,
                "contract": state["contract"].mark,
                "technical": state.get("technical", state["contract"]).mark,
            },
        )

    def part(self, node: YamlNode, name: str) -> Part:
        members = self.members(node, f"parts.{name}", {"parent"}, {"order", "of"})
        order = self.names(members["order"], f"parts.{name}.order") if "order" in members else ()
        above = self.text(members["of"], f"parts.{name}.of") if "of" in members else None
        return Part(self.names(members["parent"], f"parts.{name}.parent"), order, node.mark, above)

    def codes(self, node: YamlNode, name: str) -> MappingType[str, str]:
        table = self.a_map(node, f"the code table {name}")
        return {code: self.text(meaning, f"codes.{name}.{code}", empty=True) for code, meaning in table.items.items()}

    def fields(self, node: YamlNode, what: str) -> MappingType[str, FieldNode]:
        table = self.a_map(node, what)
        return {name: self.field(value, f"{what}.{name}", table.key_marks[name]) for name, value in table.items.items()}

    def field(self, node: YamlNode, what: str, mark: Mark) -> FieldNode:
        if isinstance(node, YamlScalar):
            return self.expression(node, what)
        members = self.a_map(node, what)
        if "each" in members.items:
            each = self.members(node, what, {"each", "fields"})
            return Each(self.text(each["each"], f"{what}.each"), self.fields(each["fields"], what), each["each"].mark)
        return Members(self.fields(node, what), mark)

    def expression(self, node: YamlNode, what: str) -> Expression:
        return Expression(self.scalar(node, what))

    def event(self, node: YamlNode) -> EventRule:
        members = self.members(node, "an event", {"type", "when"}, {"fields", "occurred"})
        fields = self.optional_map(members, "fields")
        return EventRule(
            type=self.text(members["type"], "type"),
            when=self.expression(members["when"], "when"),
            fields={name: self.expression(value, name) for name, value in fields.items()},
            mark=members["type"].mark,
            occurred=self.expression(members["occurred"], "occurred") if "occurred" in members else None,
        )

    def ignore(self, node: YamlNode) -> IgnoreRule:
        members = self.members(node, "an ignore rule", {"when", "reason"})
        return IgnoreRule(self.expression(members["when"], "when"), self.text(members["reason"], "reason"))

    def members(
        self, node: YamlNode, what: str, required: set[str], optional: set[str] | None = None
    ) -> dict[str, YamlNode]:
        """The members of a map with a fixed set of keys."""
        table = self.a_map(node, what)
        known = required | (optional or set())
        for name in table.items:
            if name not in known:
                fix = f"Known here: {', '.join(sorted(known))}{did_you_mean(name, known)}"
                raise self.wrong(f"{what} has the unknown key {name!r}", table.key_marks[name], fix)
        for name in sorted(required - table.items.keys()):
            raise self.wrong(f"{what} lacks the key {name!r}", table.mark, f"Add `{name}:`.")
        return table.items

    def a_map(self, node: YamlNode, what: str) -> YamlMap:
        if not isinstance(node, YamlMap):
            raise self.wrong(f"{what} is no set of `name: value`", node.mark, "Write one `name: value` a line.")
        return node

    def optional_map(self, members: dict[str, YamlNode], name: str) -> dict[str, YamlNode]:
        return self.a_map(members[name], name).items if name in members else {}

    def optional_list(self, members: dict[str, YamlNode], name: str) -> list[YamlNode]:
        if name not in members:
            return []
        node = members[name]
        if not isinstance(node, YamlList):
            raise self.wrong(f"{name} is no list", node.mark, "Begin each item with `- `.")
        return node.items

    def text(self, node: YamlNode, what: str, empty: bool = False) -> str:
        return self.scalar(node, what, empty).text

    def scalar(self, node: YamlNode, what: str, empty: bool = False) -> YamlScalar:
        if not isinstance(node, YamlScalar):
            raise self.wrong(
                f"{what} is no text", node.mark, "Write it on one line; quote it if it holds `: ` or a comma."
            )
        if not node.text and not empty:
            fix = "A comma inside { } ends a value, and ` #` begins a comment: quote the text or use block style."
            raise self.wrong(f"{what} is empty", node.mark, fix)
        return node

    def names(self, node: YamlNode, what: str) -> tuple[str, ...]:
        if isinstance(node, YamlList):
            return tuple(self.text(item, what) for item in node.items)
        return (self.text(node, what),)

    def wrong(self, problem: str, mark: Mark, fix: str) -> MappingMalformed:
        return MappingMalformed(problem=problem, fix=fix, where=place(self._file, mark))
