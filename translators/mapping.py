"""A mapping as a value: what a YAML file says of one translator, read but not yet bound to a schema.

Reading finds what is wrong with the file's form; `translators.compile` finds what is wrong with its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import Mark, YamlNode, YamlScalar, load, place


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
    return _Reader(file, MappingMalformed).mapping(load(text, file))


class _Reader(Form):
    def mapping(self, node: YamlNode) -> Mapping:
        required = {"translator", "context", "root", "state"}
        optional = {"parts", "codes", "events", "ignore", "correlation"}
        top = self.members(node, "the mapping", required, optional).items
        root = self.members(top["root"], "root", {"table", "key"}).items
        state = self.members(top["state"], "state", {"contract", "fields"}, {"technical"}).items
        return Mapping(
            file=self._file,
            name=self.text(top["translator"], "translator"),
            context=self.text(top["context"], "context"),
            root=self.text(root["table"], "root.table"),
            key=self.texts(root["key"], "root.key"),
            parts={name: self.part(part, name) for name, part in self.optional(top, "parts").items()},
            codes={name: self.codes(table, name) for name, table in self.optional(top, "codes").items()},
            contract=self.text(state["contract"], "state.contract"),
            fields=self.fields(state["fields"], "state.fields"),
            technical=self.texts(state["technical"], "state.technical") if "technical" in state else (),
            events=[self.event(rule) for rule in self.rules(top, "events")],
            ignore=[self.ignore(rule) for rule in self.rules(top, "ignore")],
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
        members = self.members(node, f"parts.{name}", {"parent"}, {"order", "of"}).items
        order = self.texts(members["order"], f"parts.{name}.order") if "order" in members else ()
        above = self.text(members["of"], f"parts.{name}.of") if "of" in members else None
        return Part(self.texts(members["parent"], f"parts.{name}.parent"), order, node.mark, above)

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
            each = self.members(node, what, {"each", "fields"}).items
            return Each(self.text(each["each"], f"{what}.each"), self.fields(each["fields"], what), each["each"].mark)
        return Members(self.fields(node, what), mark)

    def expression(self, node: YamlNode, what: str) -> Expression:
        return Expression(self.scalar(node, what))

    def event(self, node: YamlNode) -> EventRule:
        members = self.members(node, "an event", {"type", "when"}, {"fields", "occurred"}).items
        fields = self.optional(members, "fields")
        return EventRule(
            type=self.text(members["type"], "type"),
            when=self.expression(members["when"], "when"),
            fields={name: self.expression(value, name) for name, value in fields.items()},
            mark=members["type"].mark,
            occurred=self.expression(members["occurred"], "occurred") if "occurred" in members else None,
        )

    def ignore(self, node: YamlNode) -> IgnoreRule:
        members = self.members(node, "an ignore rule", {"when", "reason"}).items
        return IgnoreRule(self.expression(members["when"], "when"), self.text(members["reason"], "reason"))

    def optional(self, members: dict[str, YamlNode], name: str) -> dict[str, YamlNode]:
        return self.a_map(members[name], name, empty=True).items if name in members else {}

    def rules(self, members: dict[str, YamlNode], name: str) -> list[YamlNode]:
        return self.items(members[name], name) if name in members else []
