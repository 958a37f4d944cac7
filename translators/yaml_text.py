"""YAML as text: a tree whose scalars are all strings and whose every node knows its place in the file.

`01`, `NO` and `1e3` stay what was written, so that code tables and column types mean what a person reads. Tags,
duplicate keys and anything that a reader of the file would not see at once are refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NoReturn, TypeAlias

from translators.errors import DragomanError
from translators.yaml_everyday import everyday
from translators.yaml_nodes import Mark, YamlList, YamlMap, YamlNode, YamlScalar, mark_at

__all__ = [
    "Mark", "YamlDuplicateKey", "YamlError", "YamlList", "YamlMap", "YamlNode", "YamlRefused", "YamlScalar",
    "YamlTooLarge", "did_you_mean", "load", "mark_at", "parsed", "place",
]  # fmt: skip

Event: TypeAlias = Any
"""An event of the YAML parser, which declares no types."""

_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_ALIASED = 10_000
"""How many nodes aliases may repeat in one file, counted as if each were written out."""


class YamlError(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "yaml.syntax"
    hint: ClassVar[str] = "Correct the file there; quote a text that holds `: `, ` #`, or a comma inside brackets."


class YamlDuplicateKey(YamlError):
    """The key {key!r} stands twice in one mapping, first in line {first}."""

    code: ClassVar[str] = "yaml.duplicate-key"
    hint: ClassVar[str] = "Keep one of the two."


class YamlRefused(YamlError):
    """{problem}."""

    code: ClassVar[str] = "yaml.refused"
    hint: ClassVar[str] = "Write the file as plain mappings, lists and texts."


class YamlTooLarge(YamlError):
    """{problem}."""

    code: ClassVar[str] = "yaml.too-large"
    hint: ClassVar[str] = "Divide the file."


def place(file: str, mark: Mark) -> str:
    """`file:line:column`, as errors name a place."""
    return f"{file}:{mark.line}:{mark.column}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word nearest to this one, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def load(text: str, file: str) -> YamlNode:
    """The tree of a YAML file's text; `file` is its name in errors. A `YamlError` if it cannot be read."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise YamlTooLarge(problem=f"the file is larger than {MAX_BYTES:,} bytes", where=file)
    return everyday(text) or parsed(text, file)


def parsed(text: str, file: str) -> YamlNode:
    """The same by the full parser alone, which is some fifteen times slower."""
    return _Builder(text, file).document()


def _events(text: str, file: str) -> Iterator[Event]:
    # Imported here: the core must load without a YAML reader.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = file if mark is None else place(file, mark_at(text, mark.index))
        said = ": ".join([str(part) for part in (error.context, error.problem) if part])
        raise YamlError(problem=said or "this is no YAML", where=where) from error
    except ReaderError as error:
        raise YamlError(
            problem=f"the character U+{ord(text[error.position]):04X} is not allowed in YAML",
            where=place(file, mark_at(text, error.position)),
        ) from error
    except (YAMLError, ValueError, OverflowError) as error:
        # ValueError and OverflowError: what the scanner lets through for escapes beyond U+10FFFF.
        raise YamlError(problem="this is no YAML", where=file) from error


class _Builder:
    """Builds the tree from the parser's events, so that neither depth nor aliases can run away."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._events = _events(text, file)
        self._anchors: dict[str, tuple[YamlNode, int]] = {}
        self._nodes = 0
        self._aliased = 0

    def document(self) -> YamlNode:
        """The file's one document."""
        from ruamel.yaml import events as kinds

        root: YamlNode | None = None
        for event in self._events:
            if isinstance(event, kinds.DocumentStartEvent):
                if root is not None:
                    self._refuse("a second document begins here", event)
                root = self._node(next(self._events), 0)
        if root is None:
            raise YamlRefused(problem="the file is empty", where=self._file)
        return root

    def _node(self, event: Event, depth: int) -> YamlNode:
        from ruamel.yaml import events as kinds

        if depth > MAX_DEPTH:
            raise YamlTooLarge(problem=f"nested deeper than {MAX_DEPTH}", where=self._where(event))
        if isinstance(event, kinds.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            self._refuse(f"tags such as {str(event.tag)!r} are not read", event)
        before = self._nodes
        self._nodes += 1
        node: YamlNode
        if isinstance(event, kinds.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, kinds.SequenceStartEvent):
            node = self._sequence(event, depth)
        else:
            node = self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before)
        return node

    def _scalar(self, event: Event) -> YamlScalar:
        start = event.start_mark.index
        if event.anchor is not None:
            written = self._text[start : event.end_mark.index].removeprefix(f"&{event.anchor}")
            start = event.end_mark.index - len(written.lstrip())
        mark = mark_at(self._text, start) if event.anchor is not None else self._mark(event)
        if _SURROGATE.search(event.value):
            self._refuse("an escape names half of a surrogate pair, which is no character", event)
        return YamlScalar(event.value, mark, event.style or "", self._text, start, event.end_mark.index)

    def _sequence(self, event: Event, depth: int) -> YamlList:
        from ruamel.yaml import events as kinds

        items: list[YamlNode] = []
        while not isinstance(inner := next(self._events), kinds.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return YamlList(items, self._mark(event))

    def _mapping(self, event: Event, depth: int) -> YamlMap:
        from ruamel.yaml import events as kinds

        items: dict[str, YamlNode] = {}
        marks: dict[str, Mark] = {}
        while not isinstance(inner := next(self._events), kinds.MappingEndEvent):
            if not isinstance(inner, kinds.ScalarEvent):
                self._refuse("a key must be a text", inner)
            key = self._node(inner, depth + 1)
            name = key.text if isinstance(key, YamlScalar) else ""
            if name in items:
                raise YamlDuplicateKey(key=name, first=marks[name].line, where=place(self._file, key.mark))
            marks[name] = key.mark
            value = self._node(next(self._events), depth + 1)
            # The parser puts an empty value where the next thing begins, which may be lines below.
            empty = isinstance(value, YamlScalar) and value.is_empty
            items[name] = YamlScalar("", key.mark) if empty else value
        return YamlMap(items, marks, self._mark(event))

    def _alias(self, event: Event) -> YamlNode:
        if event.anchor not in self._anchors:
            self._refuse(f"the alias *{event.anchor} stands for nothing written before it", event)
        node, size = self._anchors[event.anchor]
        self._nodes += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise YamlTooLarge(problem=f"aliases repeat more than {MAX_ALIASED:,} nodes", where=self._where(event))
        return node

    def _refuse(self, problem: str, event: Event) -> NoReturn:
        raise YamlRefused(problem=problem, where=self._where(event))

    def _where(self, event: Event) -> str:
        return place(self._file, self._mark(event))

    @staticmethod
    def _mark(event: Event) -> Mark:
        return Mark(event.start_mark.line + 1, event.start_mark.column + 1)
