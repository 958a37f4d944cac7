"""Lint: what is suspicious in mappings and contracts that are correct as far as the binder can tell.

Rules are pure functions over a whole project. Each has a stable code, a level, and a page in `docs/lint/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType

from translators.findings import Finding
from translators.lint import (
    codes,
    conditions,
    earlier,
    events,
    legacy,
    promises,
    suppress,
    tables,
    unsaid,
    yaml_traps,
)
from translators.lint.earlier import against
from translators.lint.places import ContractText
from translators.lint.rule import LEVELS, Check, Found, Level, Project, Rule, Subject, finding
from translators.lint.suppress import allowances, applied
from translators.lint.yaml_traps import traps

__all__ = [
    "LEVELS",
    "RULES",
    "ContractText",
    "Level",
    "Project",
    "Rule",
    "Subject",
    "against",
    "lint",
    "trapped",
]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.code: rule
        for group in (
            conditions.RULES, codes.RULES, unsaid.RULES, events.RULES, legacy.RULES, promises.RULES, tables.RULES,
            yaml_traps.RULES, earlier.RULES, suppress.RULES,
        )
        for rule in group
    }
)  # fmt: skip
"""All rules by code: the codes whose level a project can set."""

_CHECKS: tuple[Check, ...] = (
    conditions.check, codes.check, unsaid.check, events.check, legacy.check, promises.check, tables.check,
)  # fmt: skip


def lint(
    project: Project,
    *,
    texts: Mapping[str, str],
    levels: Mapping[str, Level],
    today: date,
    more: Sequence[Found] = (),
    is_whole: bool = True,
) -> list[Finding]:
    """What the rules find, ordered by place.

    `texts` are the files in which comments may allow findings, by the name that findings give them. `levels` are those
    that the project sets. `more` was found elsewhere, by rules of this package. `today` decides what is still allowed.
    `is_whole` is false where mappings are missing that could not be bound: then nobody knows which allowance is unused.
    """
    lines = {file: text.splitlines() for file, text in texts.items()}

    def leveled(found: Sequence[Found]) -> list[Finding]:
        judged = [(one, levels.get(one.code, RULES[one.code].level)) for one in dict.fromkeys(found)]
        return [finding(one, level, lines.get(one.place.file, [])) for one, level in judged if level != "off"]

    allowed = {}
    wrong: list[Found] = []
    for file, text in texts.items():
        if "dragoman:" in text:
            allowed[file], malformed = allowances(text, file, RULES.keys())
            wrong += malformed
    found = leveled([*more, *(one for check in _CHECKS for one in check(project))])
    left, judged = applied(found, allowed, today)
    wrong += [one for one in judged if is_whole or one.code != "lint.allow-unused"]
    return sorted([*left, *leveled(wrong)], key=lambda f: (f.file, f.line, f.column, f.code))


def trapped(text: str, file: str, levels: Mapping[str, Level]) -> list[Finding]:
    """The traps of YAML in a mapping that cannot be read or bound."""
    lines = text.splitlines()
    judged = [(one, levels.get(one.code, RULES[one.code].level)) for one in traps(text, file)]
    return [finding(one, level, lines) for one, level in judged if level != "off"]
