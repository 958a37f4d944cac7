"""Where in a YAML file each character of a scalar's value stands.

A scalar is written in one of five styles; all but the simplest change the text on its way into the value (quotes
doubled, escapes, folded lines, indentation). The places are found by reading the scalar's source again by the rules of
YAML 1.2, sections 7.3 and 8.1, and noting an index for every character that comes out.
"""

from __future__ import annotations

import re

_ESCAPED = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX = {"x": 2, "u": 4, "U": 8}
_BREAK = re.compile(r"\r\n|\r|\n")
_BLANKS = re.compile(r"[ \t]+")
_FOLD = re.compile(r"[ \t]*(?:\r\n|\r|\n)(?:[ \t]*(?:\r\n|\r|\n))*[ \t]*")

Places = list[tuple[str, int]]
"""Each character of a value with the index in the file that it comes from."""


def places(source: str, start: int, end: int, style: str, value: str) -> list[int] | None:
    """The index in `source` of each character of `value`, a scalar of this style at `source[start:end]`.

    `style` is "" (plain), "'", '"', "|" or ">". `None` if the replay does not give `value`.
    """
    if style in ("|", ">"):
        found = _block(source, start, end, style == ">", value)
    else:
        inner = 1 if style else 0
        found = _flow(source, start + inner, end - inner, style)
    found = found[: len(value)]
    return [index for _, index in found] if "".join([char for char, _ in found]) == value else None


def _flow(source: str, at: int, end: int, style: str) -> Places:
    """Plain and quoted scalars: line breaks fold, a quote or an escape stands for one character."""
    found: Places = []
    while at < end:
        char = source[at]
        fold = _FOLD.match(source, at, end)
        blanks = _BLANKS.match(source, at, end)
        if fold is not None:
            found += _folded(fold[0], at)
            at = fold.end()
        elif blanks is not None:
            found += [(blank, at + offset) for offset, blank in enumerate(blanks[0])]
            at = blanks.end()
        elif style == '"' and char == "\\":
            at = _escape(source, at, end, found)
        else:
            found.append((char, at))
            at += 2 if style == "'" and char == "'" else 1
    return found


def _folded(gap: str, at: int) -> Places:
    """What a gap with line breaks becomes: one break a blank, each further break a line break."""
    breaks = [at + match.start() for match in _BREAK.finditer(gap)]
    return [(" ", breaks[0])] if len(breaks) == 1 else [("\n", index) for index in breaks[1:]]


def _escape(source: str, at: int, end: int, found: Places) -> int:
    """Adds the character of the escape at `at`, if it has one; the index behind it."""
    fold = _FOLD.match(source, at + 1, end)
    if fold is not None and source[at + 1] in "\r\n":
        found += [("\n", at + 1 + match.start()) for match in _BREAK.finditer(fold[0])][1:]
        return fold.end()
    kind = source[at + 1 : at + 2]
    if kind in _HEX:
        behind = at + 2 + _HEX[kind]
        found.append((chr(int(source[at + 2 : behind], 16)), at))
        return behind
    found.append((_ESCAPED.get(kind, kind), at))
    return at + 2


def _block(source: str, start: int, end: int, folded: bool, value: str) -> Places:
    """Literal and folded block scalars."""
    lines = _lines(source, start, end)[1:]
    indent = _indent(source, lines, value)
    found: Places = []
    for number, (first, last) in enumerate(lines):
        body = source[first + indent : last]
        found += [(char, first + indent + offset) for offset, char in enumerate(body)]
        if folded and body and body[0] not in " \t":
            gap = _gap(source, lines, number, indent)
            if gap is not None:
                found += [(" ", last)] if gap == 1 else []
                continue
        found.append(("\n", last))
    return found


def _gap(source: str, lines: list[tuple[int, int]], number: int, indent: int) -> int | None:
    """How many breaks stand between this line and the next text that folds onto it; `None` if nothing folds."""
    for step, (first, last) in enumerate(lines[number + 1 :], 1):
        body = source[first + indent : last]
        if body:
            return step if body[0] not in " \t" else None
    return None


def _indent(source: str, lines: list[tuple[int, int]], value: str) -> int:
    """The blanks that the block's indentation takes: those of its first line with text that are not in the value."""
    for first, last in lines:
        line = source[first:last]
        if line.strip(" "):
            text = next((part for part in value.split("\n") if part.strip(" ")), "")
            return (len(line) - len(line.lstrip(" "))) - (len(text) - len(text.lstrip(" ")))
    return 0


def _lines(source: str, start: int, end: int) -> list[tuple[int, int]]:
    """Half-open spans of the lines in `source[start:end]`, without their breaks."""
    spans: list[tuple[int, int]] = []
    at = start
    for match in _BREAK.finditer(source, start, end):
        spans.append((at, match.start()))
        at = match.end()
    return [*spans, (at, end)] if at < end else spans
