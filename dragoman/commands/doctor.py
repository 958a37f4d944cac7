"""`dragoman doctor`: what stands in the way of a run, each with its fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of, today
from dragoman.console import FINDINGS, count, paragraph, say, say_json

if TYPE_CHECKING:
    from dragoman.health import Ailment

_MARKS = {"ok": ("✓ ", "green"), "warning": ("! ", "bold yellow"), "error": ("✗ ", "bold red")}


def doctor(
    folder: ProjectOption = Path(),
    install_triggers: Annotated[
        bool,
        typer.Option(
            "--install-triggers", help="First make the triggers in the legacy SQLite database.", show_default=False
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what stands in the way of a run, and the fix.

    Looks at the project's files, the packages, the disk, the legacy database, log, state and views.
    """
    from dragoman.health import examine, make_triggers

    project = project_of(folder)
    if install_triggers:
        make_triggers(project)
    found = examine(project, today())
    errors = sum(1 for one in found if one.severity == "error")
    if as_json:
        for one in found:
            say_json(one)
    else:
        for one in found:
            _say(one)
        warnings = sum(1 for one in found if one.severity == "warning")
        say()
        say(
            (f"{count(errors, 'error')}, {count(warnings, 'warning')}", "bold"),
            f" in {count(len(found), 'examination')}",
        )
    if errors:
        raise typer.Exit(FINDINGS)


def _say(one: Ailment) -> None:
    if one.severity == "ok":
        say(_MARKS["ok"], f"{one.what:<24}", (one.message, "dim"))
        return
    say(_MARKS[one.severity], (f"{one.what:<24}", "bold"), one.code)
    paragraph(one.message, "  ")
    if one.fix:
        paragraph(one.fix, "         ", "  next   ")
