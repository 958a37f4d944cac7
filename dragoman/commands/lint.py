"""`dragoman lint`: what is wrong with the project's files, each with its line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, cells, console, count, say, say_json, wrapped

if TYPE_CHECKING:
    from collections import Counter

    from dragoman.linting import Lint
    from translators.findings import Finding

_COLOURS = {"error": "bold red", "warning": "bold yellow"}
_KINDS = {"mapping": "mapping", "test": "test", "contract": "contract", "consumer": "consumer", "check": "check"}


def lint(folder: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Check the project's files without running anything.

    Mappings, contracts, the source, consumers, checks and tests: each error with its line and what to do.
    """
    from dragoman.linting import Lint

    begun = time.monotonic()
    found = Lint(project_of(folder))
    found.run()
    if as_json:
        for finding in found.findings:
            say_json(finding)
    else:
        for finding in found.findings:
            say_finding(finding)
        _say_summary(found, time.monotonic() - begun)
    if found.errors:
        raise typer.Exit(FINDINGS)


def say_finding(finding: Finding) -> None:
    """A finding with its line, the place marked below it."""
    where = finding.where if finding.column else f"{finding.file}:{finding.line}" if finding.line else finding.file
    say((f"{where:<24}", "bold"), "  ", (finding.severity, _COLOURS[finding.severity]), f"  {finding.code}")
    width = console().width
    margin = "         "
    if finding.excerpt:
        excerpt, at = _window(finding, width - 12)
        say((f"{finding.line:>6} │ ", "dim"), excerpt)
        mark = "~" * min(finding.length, max(1, width - 10 - at))
        lines = wrapped(finding.message, width, margin, f"{margin}{' ' * at}{mark} ")
        if len(lines) > 1:
            say(f"{margin}{' ' * at}", (mark, _COLOURS[finding.severity]))
            lines = wrapped(finding.message, width, margin, margin)
    else:
        lines = wrapped(finding.message, width, margin, margin)
    for line in lines:
        head, tildes, rest = line.partition("~" * finding.length) if finding.excerpt and "~" in line else (line, "", "")
        say(head, (tildes, _COLOURS[finding.severity]), rest)
    if finding.hint:
        for line in wrapped(finding.hint, width, margin, margin):
            say((line, "dim"))
    say()


def _window(finding: Finding, width: int) -> tuple[str, int]:
    """The part of the line that fits, and in which cell of it the place stands."""
    line, column = finding.excerpt, max(0, finding.column - 1)
    start = 0
    if cells(line) > width and column > width // 2:
        start = column - width // 2
    shown = ("…" if start else "") + line[start + bool(start) :]
    if cells(shown) > width:
        shown = shown[: width - 1] + "…"
    return shown, cells(line[start:column])


def _say_summary(found: Lint, seconds: float) -> None:
    warnings = len(found.findings) - found.errors
    looked = ", ".join(count(number, _KINDS[kind]) for kind, number in _ordered(found.looked_at) if number)
    verdict = f"{count(found.errors, 'error')}, {count(warnings, 'warning')}"
    mark = ("✓ ", "bold green") if not found.findings else ("✗ ", "bold red") if found.errors else ("! ", "bold yellow")
    say(mark, f"{looked}{': ' if looked else ''}", (verdict, "bold"), f", in {seconds:.2f} s")


def _ordered(looked_at: Counter[str]) -> list[tuple[str, int]]:
    return [(kind, looked_at[kind]) for kind in _KINDS]
