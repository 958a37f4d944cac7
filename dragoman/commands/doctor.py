"""`dragoman doctor`: what stands in the way of a run, each with its fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import FINDINGS, count, paragraph, say, say_json

if TYPE_CHECKING:
    from dragoman.health import Ailment

_MARKS = {"ok": ("✓ ", "green"), "warning": ("! ", "bold yellow"), "error": ("✗ ", "bold red")}


def doctor(folder: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Examine the project, the legacy database, log, state and views; say what is wrong and how to mend it."""
    from dragoman.health import examine

    found = examine(project_of(folder))
    errors = sum(1 for one in found if one.severity == "error")
    if as_json:
        for one in found:
            say_json(one)
    else:
        for one in found:
            _say(one)
        warnings = sum(1 for one in found if one.severity == "warning")
        say()
        say((f"{count(errors, 'error')}, {count(warnings, 'warning')}", "bold"), f" in {count(len(found), 'examination')}")
    if errors:
        raise typer.Exit(FINDINGS)


def _say(one: Ailment) -> None:
    if one.severity == "ok":
        say(_MARKS["ok"], f"{one.what:<20}", (one.message, "dim"))
        return
    say(_MARKS[one.severity], (f"{one.what:<20}", "bold"), one.code)
    paragraph(one.message, "  ")
    if one.fix:
        paragraph(one.fix, "         ", "  next   ")
