"""The tree that a YAML file becomes: scalars are texts, and every node knows its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from translators.yaml_places import places


class Mark(NamedTuple):
    """A place in a file, both counted from 1; columns count characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class YamlScalar:
    """A text; an empty one (`key:`) has the place of its key.

    `style` is "" (plain), "'", '"', "|" or ">"; `source[start:end]` is how it was written.
    """

    text: str
    mark: Mark
    style: str = ""
    source: str = field(default="", repr=False, compare=False)
    start: int = field(default=0, repr=False, compare=False)
    end: int = field(default=0, repr=False, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written (`key:`), as opposed to an empty text in quotes."""
        return not self.text and not self.style

    def locate(self, offset: int) -> Mark:
        """The place in the file of the character at `offset` of `text` (`len(text)`: just behind the last).

        The scalar's own place, where the way it was written gives no better answer.
        """
        found = places(self.source, self.start, self.end, self.style, self.text)
        if not found:
            return self.mark
        index = found[offset] if offset < len(found) else found[-1] + 1
        return mark_at(self.source, index)


@dataclass(frozen=True, slots=True)
class YamlMap:
    """A mapping, in the order of the file; `key_marks` holds the place of each key."""

    items: dict[str, YamlNode]
    key_marks: dict[str, Mark]
    mark: Mark


@dataclass(frozen=True, slots=True)
class YamlList:
    """A list."""

    items: list[YamlNode]
    mark: Mark


YamlNode: TypeAlias = YamlMap | YamlList | YamlScalar


def mark_at(source: str, index: int) -> Mark:
    """The line and column of an index in a text; a byte order mark takes no column."""
    head = source[:index].replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    return Mark(head.count("\n") + 1, len(head) - (head.rfind("\n") + 1) + 1)
