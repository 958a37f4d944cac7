"""A quick reader of the YAML that people mostly write; of anything else it says so, and the full parser reads the file.

The everyday form: block mappings and lists, texts on one line or folded over several, quoted texts without escapes, and
brackets that close on their line. Where this reader answers, it answers as the full parser does: same texts, same places.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from translators.yaml_nodes import Mark, YamlList, YamlMap, YamlNode, YamlScalar

MAX_DEPTH = 30

# Line breaks other than \n, tabs, marks of documents and directives, and what no YAML may hold.
_UNUSUAL = re.compile(
    r"[^\n\x20-\x7e\xa1-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
    r"|^(?:---|\.\.\.|%)",
    re.MULTILINE,
)
_LINE = re.compile(r"^( *)([^ #\n].*?) *$", re.MULTILINE)
_KEY = re.compile(r"""(?:(\w[\w./$-]*)|"([^"\\]*)"|'([^']*)'):(?: +|$)""")
_QUOTED = re.compile(r""""([^"\\]*)"|'((?:[^']|'')*)'""")
_PLAIN = re.compile(r"""[^-?:,\[\]{}#&*!|>'"%@` ](?:(?! #|: |:$).)*""")
_MORE = re.compile(r"(?:(?! #|: |:$).)+")
_REST = re.compile(r" *$| +#.*$")
_FLOW_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[\w./()$+=<>*-]| (?=[\w./()$+=<>*-]))*")
_FLOW_NEXT = re.compile(r" *, *")
_FLOW_KEY = re.compile(r"""(?:([A-Za-z0-9_][\w./$-]*)|"([^"\\]*)"|'([^']*)'): +""")


class _Unusual(Exception):
    """The file has something that this reader leaves to the full parser."""


class _Line(NamedTuple):
    number: int
    begin: int
    indent: int
    text: str

    def after(self, taken: int) -> _Line:
        """What is left of the line behind `taken` characters, as if the line began there."""
        text = self.text[taken:]
        blanks = len(text) - len(text.lstrip(" "))
        return _Line(self.number, self.begin + taken + blanks, self.indent + taken + blanks, text[blanks:])

    def mark(self, offset: int = 0) -> Mark:
        """The place of a character of the line's text."""
        return Mark(self.number, self.indent + offset + 1)


def everyday(text: str) -> YamlNode | None:
    """The tree of a YAML file, or `None` if the full parser has to read it, to understand it or to refuse it."""
    if _UNUSUAL.search(text):
        return None
    reader = _Reader(text)
    try:
        return reader.document()
    except _Unusual:
        return None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = _lines(text)
        self._at = 0

    def document(self) -> YamlNode:
        """The whole file."""
        root = self._block(0)
        if isinstance(root, YamlScalar) or self._at < len(self._lines):
            _leave()
        return root

    def _line(self) -> _Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _block(self, depth: int, outer: int = -1) -> YamlNode:
        """The mapping, list or text that begins on the line; `outer` is the column of what holds it."""
        line = self._line()
        if line is None or depth > MAX_DEPTH:
            _leave()
        if _is_item(line.text):
            return self._list(line, depth)
        if _KEY.match(line.text):
            return self._map(line, depth)
        return self._value(line, 0, outer, depth)

    def _map(self, first: _Line, depth: int) -> YamlMap:
        items: dict[str, YamlNode] = {}
        marks: dict[str, Mark] = {}
        line: _Line | None = first
        while line is not None and line.indent >= first.indent:
            key = _KEY.match(line.text)
            if key is None or line.indent > first.indent:
                _leave()
            name = next(group for group in key.groups() if group is not None)
            if name in items:
                _leave()
            marks[name] = line.mark()
            items[name] = self._member(line, key.end(), depth + 1)
            line = self._line()
        return YamlMap(items, marks, first.mark())

    def _member(self, line: _Line, offset: int, depth: int) -> YamlNode:
        """What stands behind a key: on its line, or in a block below it, or nothing."""
        if offset < len(line.text) and line.text[offset] != "#":
            return self._value(line, offset, line.indent, depth)
        self._at += 1
        below = self._line()
        if below is not None and (below.indent > line.indent or (below.indent == line.indent and _is_item(below.text))):
            return self._block(depth, line.indent)
        return YamlScalar("", line.mark())

    def _list(self, first: _Line, depth: int) -> YamlList:
        items: list[YamlNode] = []
        line: _Line | None = first
        while line is not None and line.indent >= first.indent and _is_item(line.text):
            if line.indent > first.indent:
                _leave()
            inner = line.after(1)
            if not inner.text or inner.text[0] == "#":
                _leave()
            self._lines[self._at] = inner
            items.append(self._block(depth + 1, first.indent))
            line = self._line()
        if line is not None and line.indent > first.indent:
            _leave()
        return YamlList(items, first.mark())

    def _value(self, line: _Line, offset: int, outer: int, depth: int) -> YamlNode:
        """The text or the brackets at `offset`; nothing but a comment may follow on the line."""
        self._at += 1
        if line.text[offset] in "[{":
            node, end = _flow(self._text, line, offset, depth)
        elif line.text[offset] in "\"'":
            node, end = _quoted(self._text, line, offset)
        else:
            return self._plain(line, offset, outer)
        if not _REST.match(line.text, end):
            _leave()
        return node

    def _plain(self, line: _Line, offset: int, outer: int) -> YamlScalar:
        """A text without quotes, with the lines further in than `outer` that continue it."""
        match = _PLAIN.match(line.text, offset)
        if match is None:
            _leave()
        parts, mark, start = [match[0].rstrip(" ")], line.mark(offset), line.begin + offset
        end = start + len(parts[0])
        while (more := self._line()) is not None and more.indent > outer:
            found = _MORE.match(more.text)
            # A comment or an empty line between them, or on the line before, ends the text or changes it.
            if found is None or match.end() < len(line.text) or more.number != line.number + 1:
                _leave()
            line, match = more, found
            parts.append(match[0].rstrip(" "))
            end = line.begin + len(parts[-1])
            self._at += 1
        if not _REST.match(line.text, match.end()):
            _leave()
        return YamlScalar(" ".join(parts), mark, "", self._text, start, end)


def _leave() -> NoReturn:
    raise _Unusual


def _lines(text: str) -> list[_Line]:
    """The lines that hold more than a comment, without what is blank around them."""
    found, number, counted = [], 1, 0
    for match in _LINE.finditer(text):
        number += text.count("\n", counted, match.start())
        counted = match.start()
        found.append(_Line(number, match.start(2), len(match[1]), match[2]))
    return found


def _is_item(text: str) -> bool:
    return text.startswith("- ") or text == "-"


def _quoted(source: str, line: _Line, offset: int) -> tuple[YamlScalar, int]:
    match = _QUOTED.match(line.text, offset)
    if match is None:
        _leave()
    text = match[1] if match[1] is not None else match[2].replace("''", "'")
    begin = line.begin + offset
    end = line.begin + match.end()
    return YamlScalar(text, line.mark(offset), line.text[offset], source, begin, end), match.end()


def _flow(source: str, line: _Line, offset: int, depth: int) -> tuple[YamlNode, int]:
    """A value within brackets, or the brackets themselves, at `offset`; and where it ends."""
    char = line.text[offset : offset + 1]
    if depth > MAX_DEPTH:
        _leave()
    if char == "{":
        return _flow_map(source, line, offset, depth)
    if char == "[":
        return _flow_list(source, line, offset, depth)
    if char in ("'", '"'):
        return _quoted(source, line, offset)
    match = _FLOW_PLAIN.match(line.text, offset)
    if match is None:
        _leave()
    begin = line.begin + offset
    return YamlScalar(match[0], line.mark(offset), "", source, begin, line.begin + match.end()), match.end()


def _flow_map(source: str, line: _Line, offset: int, depth: int) -> tuple[YamlMap, int]:
    items: dict[str, YamlNode] = {}
    marks: dict[str, Mark] = {}
    at, is_last = _begun(line, offset, "}")
    while not is_last:
        key = _FLOW_KEY.match(line.text, at)
        if key is None:
            _leave()
        name = next(group for group in key.groups() if group is not None)
        if name in items:
            _leave()
        marks[name] = line.mark(at)
        items[name], at = _flow(source, line, key.end(), depth + 1)
        at, is_last = _next(line, at, "}")
    return YamlMap(items, marks, line.mark(offset)), at


def _flow_list(source: str, line: _Line, offset: int, depth: int) -> tuple[YamlList, int]:
    items: list[YamlNode] = []
    at, is_last = _begun(line, offset, "]")
    while not is_last:
        item, at = _flow(source, line, at, depth + 1)
        items.append(item)
        at, is_last = _next(line, at, "]")
    return YamlList(items, line.mark(offset)), at


def _begun(line: _Line, offset: int, closing: str) -> tuple[int, bool]:
    """Where the first member within brackets begins, or behind them if there is none."""
    at = offset + 1
    while line.text[at : at + 1] == " ":
        at += 1
    return (at + 1, True) if line.text[at : at + 1] == closing else (at, False)


def _next(line: _Line, at: int, closing: str) -> tuple[int, bool]:
    """Where the next member within brackets begins, or behind them if that was the last."""
    comma = _FLOW_NEXT.match(line.text, at)
    if comma is not None:
        return comma.end(), False
    while line.text[at : at + 1] == " ":
        at += 1
    if line.text[at : at + 1] != closing:
        _leave()
    return at + 1, True
