"""`# dragoman: allow CODE until 2026-12-31 because ...`: a finding that the project accepts, with a reason and an end."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import msgspec

from translators.findings import Finding
from translators.lint.places import Place
from translators.lint.rule import Found, Rule
from translators.yaml_text import did_you_mean

RULES = (
    Rule("lint.allow-malformed", "error", "An allowance without a reason or an end"),
    Rule("lint.allow-expired", "error", "An allowance whose time is over"),
    Rule("lint.allow-unused", "warning", "An allowance for which there is no finding"),
)

_ANY = re.compile(r"#\s*dragoman:\s*(?P<said>\S.*)$")
_WHOLE = re.compile(r"allow\s+(?P<code>\S+)(?:\s+until\s+(?P<until>\S+))?(?:\s+because\s+(?P<why>\S.*))?\s*$")
_HINT = "Write `# dragoman: allow CODE until 2026-12-31 because ...` on the line of the finding, or above it."


class Allowance(msgspec.Struct, frozen=True):
    """One comment: it allows findings of this code on `line` until the end of that day."""

    code: str
    until: date
    line: int
    place: Place
    length: int


def allowances(text: str, file: str, known: Collection[str]) -> tuple[list[Allowance], list[Found]]:
    """The allowances of a file, and what is wrong with them. `known` are the codes that can be allowed."""
    found: list[Allowance] = []
    wrong: list[Found] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, start=1):
        match = _ANY.search(line)
        if match is None or _is_quoted(line, match.start()):
            continue
        place, length = Place(file, number, match.start() + 1), len(match[0].rstrip())
        read = _read(match["said"], known)
        if isinstance(read, str):
            wrong.append(Found("lint.allow-malformed", place, length, read, _HINT))
        else:
            found.append(Allowance(read[0], read[1], _meant(lines, number, match.start()), place, length))
    return found, wrong


def _is_quoted(line: str, at: int) -> bool:
    """Whether a place of a line stands inside a text in single quotes."""
    return line[:at].count("'") % 2 == 1


def _read(said: str, known: Collection[str]) -> tuple[str, date] | str:
    """The code and the last day, or what is wrong."""
    match = _WHOLE.match(said)
    if match is None:
        return f"{said!r} is nothing that lint understands"
    if match["code"] not in known:
        return f"{match['code']} is no finding that can be allowed{did_you_mean(match['code'], known)}"
    if match["until"] is None:
        return f"it does not say until when {match['code']} is allowed"
    try:
        until = date.fromisoformat(match["until"])
    except ValueError:
        return f"{match['until']} is no day"
    if match["why"] is None:
        return f"it does not say why {match['code']} is allowed"
    return match["code"], until


def _meant(lines: list[str], number: int, column: int) -> int:
    """The line that a comment is about: its own, or the next that holds more than a comment."""
    if lines[number - 1][:column].strip():
        return number
    for at in range(number, len(lines)):
        if lines[at].strip() and not lines[at].lstrip().startswith("#"):
            return at + 1
    return number


def applied(
    findings: list[Finding], allowed: Mapping[str, list[Allowance]], today: date
) -> tuple[list[Finding], Iterator[Found]]:
    """The findings that no allowance covers, and what is wrong with the allowances. `allowed` are those of each file."""
    used: set[Allowance] = set()
    left = []
    for finding in findings:
        covering = [a for a in allowed.get(finding.file, []) if a.code == finding.code and a.line == finding.line]
        used.update(covering)
        if not any(today <= allowance.until for allowance in covering):
            left.append(finding)
    return left, _judged([a for inner in allowed.values() for a in inner], used, today)


def _judged(allowed: list[Allowance], used: set[Allowance], today: date) -> Iterator[Found]:
    for allowance in allowed:
        place, length = allowance.place, allowance.length
        if allowance not in used:
            message = f"there is no {allowance.code} here to allow"
            yield Found("lint.allow-unused", place, length, message, "Take the comment out.")
        elif today > allowance.until:
            message = f"{allowance.code} was allowed until {allowance.until}, which is over"
            hint = "Correct what it was about, or decide again and write a later day."
            yield Found("lint.allow-expired", place, length, message, hint)
