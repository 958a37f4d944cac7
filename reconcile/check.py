"""A check as a value: which mapping is compared with which view, and what difference is tolerated."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from translators.errors import DragomanError
from translators.yaml_text import Mark, YamlMap, YamlNode, YamlScalar, did_you_mean, load, place

_KEYS = ("check", "mapping", "view", "limit", "owner")


class CheckSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison. `limit` is the number of confirmed differences that are tolerated; `owner` answers for the view."""

    name: str
    mapping: str
    view: str
    limit: int
    owner: str


class CheckMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "check.malformed"
    hint: ClassVar[str] = "{fix}"


def read_check(text: str, file: str) -> CheckSpec:
    """The check that a YAML text says; `CheckMalformed` or a `YamlError`, with its place, if it says none."""
    top = _members(load(text, file), file)
    return CheckSpec(
        name=_text(top["check"], "check", file),
        mapping=_text(top["mapping"], "mapping", file),
        view=_text(top["view"], "view", file),
        limit=_limit(top["limit"], file),
        owner=_text(top["owner"], "owner", file),
    )


def _members(node: YamlNode, file: str) -> dict[str, YamlNode]:
    if not isinstance(node, YamlMap):
        raise _wrong("the check is no set of `name: value`", "Write one `name: value` a line.", file, node.mark)
    for name, mark in node.key_marks.items():
        if name not in _KEYS:
            fix = f"Known here: {', '.join(_KEYS)}{did_you_mean(name, _KEYS)}"
            raise _wrong(f"the check has the unknown key {name!r}", fix, file, mark)
    for name in _KEYS:
        if name not in node.items:
            raise _wrong(f"the check lacks the key {name!r}", f"Add `{name}:`.", file, node.mark)
    return node.items


def _text(node: YamlNode, name: str, file: str) -> str:
    if not isinstance(node, YamlScalar) or not node.text.strip():
        raise _wrong(f"{name} is no text", f"Write `{name}: ` and the text behind it, on one line.", file, node.mark)
    return node.text


def _limit(node: YamlNode, file: str) -> int:
    text = _text(node, "limit", file)
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise _wrong(f"limit is {text!r}, which is no whole number", "Write 0 to tolerate nothing.", file, node.mark)
    return int(text)


def _wrong(problem: str, fix: str, file: str, mark: Mark) -> CheckMalformed:
    return CheckMalformed(problem=problem, fix=fix, where=place(file, mark))
