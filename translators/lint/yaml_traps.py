"""What YAML does to SQL before anybody reads the SQL, said in words that name the cause and not the symptom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from translators.lint.places import Place
from translators.lint.rule import Found, Rule
from translators.yaml_text import Mark, YamlError, YamlList, YamlMap, YamlNode, YamlScalar, load

RULES = (
    Rule("yaml.comma", "error", "A comma inside { } or [ ] that ended a value"),
    Rule("yaml.comment", "error", "A # that began a comment"),
    Rule("yaml.quotes", "error", "Quotes that YAML took away"),
    Rule("yaml.colon", "error", "A colon that began a key"),
    Rule("yaml.first-sign", "error", "A first character that YAML reads as a sign of its own"),
)

_QUOTED = re.compile(r"'[^']*'")
_VALUE = re.compile(r"^(?P<head>\s*(?:- +)*(?:[\w.\"'-]+\s*:\s+)?)(?P<value>\S.*?)\s*$")
_SIGNS = {
    "*": "an alias (a name given elsewhere)",
    "&": "an anchor (a name for what follows)",
    "!": "a tag",
    "@": "a sign kept for later",
    "`": "a sign kept for later",
    "%": "a directive",
    "-": "an item of a list",
    "?": "a key",
}
_QUOTE_IT = 'Write the whole in double quotes ("..."), or put it below a `>-`.'


def traps(text: str, file: str) -> list[Found]:
    """The traps of YAML that the text of a mapping has stepped into.

    To be asked of a mapping that cannot be read or bound: what is found here is why.
    """
    try:
        root = load(text, file)
    except YamlError as error:
        return list(_unreadable(text, file, error))
    return list(_in_node(root, file, text.splitlines(), ()))


def _in_node(node: YamlNode, file: str, lines: list[str], path: tuple[str, ...]) -> Iterator[Found]:
    if isinstance(node, YamlList):
        for item in node.items:
            yield from _in_node(item, file, lines, path)
    elif isinstance(node, YamlMap):
        yield from _commas(node, file)
        for key, value in node.items.items():
            yield from _in_node(value, file, lines, (*path, key))
    elif not node.style and not _is_whole(node.text):
        yield from _comment(node, file, lines)
    elif node.style in ("'", '"') and _is_expression(path):
        yield from _bare_text(node, file)


def _is_whole(text: str) -> bool:
    """Whether quotes and brackets of an expression are closed."""
    rest = _QUOTED.sub("", text)
    return "'" not in rest and rest.count("(") == rest.count(")")


def _is_expression(path: tuple[str, ...]) -> bool:
    return (len(path) > 2 and path[:2] == ("state", "fields") and path[-1] != "each") or (
        len(path) > 2 and path[:2] == ("events", "fields")
    )


def _commas(node: YamlMap, file: str) -> Iterator[Found]:
    """A value with an open bracket, and behind it a key that nobody gave a value."""
    keys = list(node.items)
    for key, after in pairwise(keys):
        value, rest = node.items[key], node.items[after]
        if not isinstance(value, YamlScalar) or not isinstance(rest, YamlScalar):
            continue
        if (
            not rest.text
            and not _is_whole(value.text)
            and not value.style
            and node.key_marks[after].line == value.mark.line
        ):
            message = f"the comma inside {{ }} ended the value at {value.text}; what follows became a key of its own"
            yield Found("yaml.comma", Place(file, *value.mark), len(value.text), message, _COMMA_HINT)


_COMMA_HINT = 'Quote the value ("..."), or write block style: one `name: value` a line, without { }.'


def _comment(node: YamlScalar, file: str, lines: list[str]) -> Iterator[Found]:
    """A value that stops in the middle, right before ` #`."""
    end = node.locate(len(node.text))
    line = lines[end.line - 1] if end.line <= len(lines) else ""
    behind = line[end.column - 1 :]
    if re.match(r"\s+#", behind):
        at = Mark(end.line, end.column + behind.index("#"))
        message = "` #` begins a comment in YAML: the expression ends before it"
        yield Found("yaml.comment", Place(file, *at), len(behind.strip()), message, _QUOTE_IT)


def _bare_text(node: YamlScalar, file: str) -> Iterator[Found]:
    """`currency: 'EUR'`: the quotes are YAML's, and what is left reads as a column."""
    if re.fullmatch(r"[A-Z][A-Z0-9]*", node.text) and node.text not in ("NULL", "TRUE", "FALSE", "CREATED", "DELETED"):
        message = f"the quotes are YAML's own: the expression is the column {node.text}, not the text"
        fix = f"Write \"'{node.text}'\" for the text '{node.text}'."
        yield Found("yaml.quotes", Place(file, *node.mark), len(node.text) + 2, message, fix)


def _unreadable(text: str, file: str, error: YamlError) -> Iterator[Found]:
    """The trap in the line that YAML stopped at, or in the one before it."""
    number = int((error.where or "").split(":")[1]) if ":" in (error.where or "") else 0
    lines = text.splitlines()
    for at in (number, number - 1):
        if 0 < at <= len(lines):
            found = _trap_of_line(lines[at - 1], at, file)
            if found is not None:
                yield found
                return


def _trap_of_line(line: str, number: int, file: str) -> Found | None:
    match = _VALUE.match(line)
    if match is None or not match["head"].strip():
        return None
    value, column = match["value"], match.start("value") + 1
    place, length = Place(file, number, column), len(value)
    if value[0] == "'" and re.match(r"'(?:[^']|'')*'\s*[^\s#]", value):
        message = "a value that begins with ' is a text of YAML and ends at the next ': the rest cannot follow"
        return Found("yaml.quotes", place, length, message, _QUOTE_IT)
    if value[0] in _SIGNS and not (value[0] in "-?" and value[1:2].strip()):
        message = f"a value that begins with {value[0]} is {_SIGNS[value[0]]} to YAML, no expression"
        return Found("yaml.first-sign", place, 1, message, _QUOTE_IT)
    if value[0] not in "\"'{[" and ": " in value:
        at = value.index(": ")
        message = "`: ` begins a key in YAML, also inside the quotes of SQL"
        return Found("yaml.colon", Place(file, number, column + at), 1, message, _QUOTE_IT)
    if value[0] in "{[" and not _is_whole(value):
        message = "a comma inside { } or [ ] ends a value, also inside the brackets of SQL"
        return Found("yaml.comma", place, length, message, _COMMA_HINT)
    return None
