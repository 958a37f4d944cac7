"""`dragoman lint`: what is wrong with the project's files, each with its line."""

from __future__ import annotations

import sys
import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of, today
from dragoman.console import FINDINGS, cells, console, count, say, say_json, say_lines, wrapped

if TYPE_CHECKING:
    from collections import Counter

    from dragoman.linting import Lint
    from dragoman.project import Project
    from dragoman.revision import Earlier
    from translators.findings import Finding


class Form(Enum):
    """How findings are printed: for people, as JSON Lines, for code scanning, for CI."""

    text = "text"
    json = "json"
    sarif = "sarif"
    junit = "junit"


_COLOURS = {"error": "bold red", "warning": "bold yellow"}
_KINDS = {"mapping": "mapping", "test": "test", "contract": "contract", "consumer": "consumer", "check": "check"}


def lint(
    folder: ProjectOption = Path(),
    form: Annotated[
        Form, typer.Option("--format", "-f", help="How findings are printed.", show_default=True, case_sensitive=False)
    ] = Form.text,
    against: Annotated[
        str | None,
        typer.Option("--against", "-a", metavar="REV|FOLDER", help="Compare contracts and codes with a git revision."),
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="Say what a finding means, and do nothing else.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the project's files without running anything.

    Mappings, contracts, the source, consumers, checks and tests: each error with its line and what to do.
    """
    if explain is not None:
        from dragoman.pages import page_of

        sys.stdout.write(page_of(explain))
        return
    from dragoman.linting import Lint

    begun = time.monotonic()
    project = project_of(folder)
    found = Lint(project, today(), None if against is None else _earlier(project, against))
    found.run()
    _say_all(found, Form.json if as_json else form, time.monotonic() - begun)
    if found.errors:
        raise typer.Exit(FINDINGS)


def _earlier(project: Project, against: str) -> Earlier:
    from dragoman.revision import promised_at

    return promised_at(project, against)


def _say_all(found: Lint, form: Form, seconds: float) -> None:
    from dragoman import __version__
    from dragoman.lint_formats import to_junit, to_sarif

    match form:
        case Form.text:
            for finding in found.findings:
                say_finding(finding)
            _say_summary(found, seconds)
        case Form.json:
            say_lines(found.findings)
        case Form.sarif:
            say_json(to_sarif(found.findings, __version__, found.titles))
        case Form.junit:
            sys.stdout.write(to_junit(found.findings, seconds))


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
    for name in found.without_rows:
        say((f"  {name} keeps no rows (`store: none`): each change of a row is a step of its own.", "dim"))
    say(mark, f"{looked}{': ' if looked else ''}", (verdict, "bold"), f", in {seconds:.2f} s")
    if found.findings:
        worst = next((f for f in found.findings if f.severity == "error"), found.findings[0])
        say((f"  `dragoman lint --explain {worst.code}` says more.", "dim"))


def _ordered(looked_at: Counter[str]) -> list[tuple[str, int]]:
    return [(kind, looked_at[kind]) for kind in _KINDS]
