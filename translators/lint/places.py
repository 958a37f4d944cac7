"""Where in the project's files the things stand that have no place of their own: keys of a mapping, fields of a contract."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from translators.yaml_text import Mark


class Place(NamedTuple):
    """A place in one of the project's files; line and column count from 1, 0 where only the file is known."""

    file: str
    line: int
    column: int


class ContractText(msgspec.Struct, frozen=True):
    """Where a contract is written: its file's name and text, and the name of its class there."""

    file: str
    text: str
    name: str


def key_mark(text: str, path: tuple[str, ...]) -> Mark | None:
    """The place of a key in YAML of block style: `("codes", "status")`. `None` where it is written otherwise."""
    above = -1
    wanted = list(path)
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.lstrip(" ")
        indent = len(line) - len(stripped)
        if not stripped or stripped.startswith("#"):
            continue
        if indent <= above and len(wanted) < len(path):
            return None
        if indent > above and re.match(rf"(['\"]?){re.escape(wanted[0])}\1\s*:(\s|$)", stripped):
            wanted.pop(0)
            above = indent
            if not wanted:
                return Mark(number, indent + 1)
    return None


@lru_cache(maxsize=1_000)
def contract_places(text: ContractText) -> Mapping[str, Mark]:
    """The place of a contract (`""`) and of each of its fields by path, those of bases and nested models included.

    Only what stands in the contract's own file is found.
    """
    classes = _classes(text.text)
    own = classes.get(text.name)
    if own is None:
        return {"": Mark(1, 1)}
    found = {"": _mark_of_name(own, text.text)}
    found.update(_fields(own, classes, "", ()))
    return found


@lru_cache(maxsize=200)
def _classes(source: str) -> Mapping[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _mark_of_name(node: ast.ClassDef, source: str) -> Mark:
    line = source.splitlines()[node.lineno - 1]
    return Mark(node.lineno, line.find(node.name, node.col_offset) + 1)


def _fields(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], path: str, above: tuple[str, ...]
) -> Iterator[tuple[str, Mark]]:
    """The fields of a class; those of its bases first, so that its own win."""
    if node.name in above:
        return
    above = (*above, node.name)
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _fields(classes[base.id], classes, path, above)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = f"{path}{statement.target.id}"
            yield name, Mark(statement.lineno, statement.col_offset + 1)
            words = {part.id: part for part in ast.walk(statement.annotation) if isinstance(part, ast.Name)}
            step = "[]." if {"list", "tuple"} & words.keys() else "."
            for inner in words.keys() & classes.keys():
                yield from _fields(classes[inner], classes, f"{name}{step}", above)
