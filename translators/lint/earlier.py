"""A project against an earlier revision of itself: promises that were made, and what codes meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from translators.compatibility import Schema, compare, published_schema
from translators.lint.places import Place
from translators.lint.rule import Found, Project, Rule, Subject

RULES = (
    Rule("contract.incompatible", "error", "A change of a contract that breaks its readers"),
    Rule("contract.removed", "error", "A contract in use that is gone"),
    Rule("codes.target-renamed", "warning", "A code that means something else than before"),
)

Codes = Mapping[str, Mapping[str, str]]
"""The code tables of one mapping: table -> code -> meaning."""


def against(project: Project, schemas: Mapping[str, Schema], codes: Mapping[str, Codes]) -> Iterator[Found]:
    """What the project breaks of an earlier revision.

    `schemas` are its contracts by type, as `published_schema` gives them; `codes` the code tables of its mappings by
    the mapping's file, shared ones among them.
    """
    for name, old in schemas.items():
        if name in project.contracts:
            yield from _broken(project, name, old)
        elif old["x-contract"]["status"] in ("active", "deprecated"):
            message = f"{name} was {old['x-contract']['status']} and is gone: its readers still begin at offset 0"
            hint = 'Put it back. When nobody reads it any more, say status="retired".'
            yield Found("contract.removed", Place("contracts", 0, 0), 1, message, hint)
    for subject in project.subjects:
        yield from _renamed(subject, codes.get(subject.file, {}))


def _broken(project: Project, name: str, old: Schema) -> Iterator[Found]:
    version = name.rpartition(".v")[2]
    next_ = f"{name.rpartition('.v')[0]}.v{int(version) + 1}" if version.isdigit() else "a new version"
    for found in compare(old, published_schema(project.promised(name))):
        message = f"{f'{found.path} of {name}' if found.path else name}: {found.message} ({found.rule})"
        hint = f"Keep {name} as it was, and publish the change as {next_} beside it."
        place = project.in_contract(name, found.path)
        yield Found("contract.incompatible", place, len(found.path.rsplit(".", 1)[-1]) or 1, message, hint)


def _renamed(subject: Subject, codes: Codes) -> Iterator[Found]:
    for table, entries in subject.bound.mapping.codes.items():
        for code, meaning in entries.items():
            before = codes.get(table, {}).get(code, meaning)
            if before != meaning:
                message = f"the code {code!r} of {table} meant {before!r} and means {meaning!r}"
                hint = "Published states and events keep the old word. `dragoman rehearse` shows what would change."
                yield Found("codes.target-renamed", subject.code_table(table, code), len(meaning), message, hint)
