"""The form of a declaration in YAML: maps with known keys, texts and lists, every mistake at its place."""

from __future__ import annotations

from translators.errors import DragomanError
from translators.yaml_text import Mark, YamlList, YamlMap, YamlNode, YamlScalar, did_you_mean, place

MAX_IDENTIFIER = 63
"""Characters that every database keeps of a name."""


class Form:
    """Reads nodes of one file. `malformed` has the fields problem, fix and where."""

    def __init__(self, file: str, malformed: type[DragomanError]) -> None:
        self._file = file
        self._malformed = malformed

    def members(self, node: YamlNode, what: str, required: set[str], optional: set[str] | None = None) -> YamlMap:
        """A map that has all of the required keys and no unknown one."""
        table = self.a_map(node, what)
        known = required | (optional or set())
        for name in table.items:
            if name not in known:
                fix = f"Known here: {', '.join(sorted(known))}{did_you_mean(name, known)}"
                raise self.wrong(f"{what} has the unknown key {name!r}", table.key_marks[name], fix)
        for name in sorted(required - table.items.keys()):
            raise self.wrong(f"{what} lacks the key {name!r}", table.mark, f"Add `{name}:`.")
        return table

    def a_map(self, node: YamlNode, what: str, empty: bool = False) -> YamlMap:
        """A map, with at least one member unless it may be `empty`."""
        if not isinstance(node, YamlMap) or not (node.items or empty):
            raise self.wrong(f"{what} is no set of `name: value`", node.mark, "Write one `name: value` a line.")
        return node

    def scalar(self, node: YamlNode, what: str, empty: bool = False) -> YamlScalar:
        """A text with its place; not an empty one, unless it may be `empty`."""
        if not isinstance(node, YamlScalar):
            raise self.wrong(
                f"{what} is no text", node.mark, "Write it on one line; quote it if it holds `: ` or a comma."
            )
        if not node.text and not empty:
            fix = "A comma inside { } ends a value, and ` #` begins a comment: quote the text or use block style."
            raise self.wrong(f"{what} is empty", node.mark, fix)
        return node

    def text(self, node: YamlNode, what: str, empty: bool = False) -> str:
        """A text; not an empty one, unless it may be `empty`."""
        return self.scalar(node, what, empty).text

    def items(self, node: YamlNode, what: str) -> list[YamlNode]:
        """The items of a list."""
        if not isinstance(node, YamlList):
            raise self.wrong(f"{what} is no list", node.mark, "Begin each item with `- `.")
        return node.items

    def texts(self, node: YamlNode, what: str) -> tuple[str, ...]:
        """One text, or a list of different ones."""
        if not isinstance(node, YamlList):
            return (self.text(node, what),)
        found: list[str] = []
        for item in node.items:
            text = self.text(item, what)
            if text in found:
                raise self.wrong(f"{what} names {text!r} twice", item.mark, "Keep one of the two.")
            found.append(text)
        if not found:
            raise self.wrong(f"{what} is empty", node.mark, "Begin each item with `- `.")
        return tuple(found)

    def identifier(self, name: str, what: str, mark: Mark) -> str:
        """A name that every database takes, and that is not one of our own."""
        if not name.isidentifier() or name.startswith("_") or len(name) > MAX_IDENTIFIER:
            fix = f"Use at most {MAX_IDENTIFIER} letters, digits and `_`; names that begin with `_` or a digit are not free."
            raise self.wrong(f"{name!r} cannot be {what}", mark, fix)
        return name

    def wrong(self, problem: str, mark: Mark, fix: str) -> DragomanError:
        """The error for a place in the file."""
        return self._malformed(problem=problem, fix=fix, where=self.where(mark))

    def where(self, mark: Mark) -> str:
        """`file:line:column`."""
        return place(self._file, mark)
