"""`dragoman doctor`: what stands in the way of a run, each with its fix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of, today
from dragoman.console import FINDINGS, count, paragraph, say, say_json

if TYPE_CHECKING:
    from dragoman.ailments import Ailment

_MARKS = {"ok": ("✓ ", "green"), "info": ("· ", "dim"), "warning": ("! ", "bold yellow"), "error": ("✗ ", "bold red")}


def doctor(
    folder: ProjectOption = Path(),
    install_triggers: Annotated[
        bool,
        typer.Option(
            "--install-triggers", help="First make the triggers in the legacy SQLite database.", show_default=False
        ),
    ] = False,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="Look only at the legacy database: before there is any Kafka.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="As --legacy, as a script of the statements that mend it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what stands in the way of a run, and the fix.

    Looks at the project's files, the packages, the disk, the legacy database, Kafka Connect and its connector, log, state and
    views. Nothing is changed there: statements that mend a legacy database are printed, for whoever may execute them. Of feeds
    on Kafka it says at the end in which mode they are read, and what that costs.
    """
    from dragoman.health import beside, examine, make_triggers

    project = project_of(folder)
    if install_triggers:
        make_triggers(project)
    found = beside(project) if legacy or sql else examine(project, today())
    errors = sum(1 for one in found if one.severity == "error")
    if as_json:
        for one in found:
            say_json(one)
    elif sql:
        _say_script(found)
    else:
        for one in found:
            _say(one)
        warnings = sum(1 for one in found if one.severity == "warning")
        say()
        say(
            (f"{count(errors, 'error')}, {count(warnings, 'warning')}", "bold"),
            f" in {count(sum(1 for one in found if not one.costs), 'examination')}",
        )
    if errors:
        raise typer.Exit(FINDINGS)


def _say(one: Ailment) -> None:
    if one.severity == "ok":
        say(_MARKS["ok"], f"{one.what:<24}", (one.message, "dim"))
        return
    if one.severity == "info" and not one.fix and not one.sql:
        say(_MARKS["info"], f"{one.what:<24}", (one.message, "dim"))
        return
    say(_MARKS[one.severity], (f"{one.what:<24}", "bold"), one.code)
    paragraph(one.message, "  ")
    for name, cost in one.costs.items():
        paragraph(cost, "            ", f"  {name:<10}")
    for at, statement in enumerate(one.sql):
        say(("  next   " if at == 0 else "         ") + statement + ";")
    if one.fix:
        paragraph(one.fix, "         ", "         " if one.sql else "  next   ")


def _say_script(found: list[Ailment]) -> None:
    """Each statement below what it mends, once; what no statement does stands there as well."""
    said: set[str] = set()
    for one in found:
        if not one.sql or one.severity == "info":
            continue
        for text in (f"{one.severity}: {one.message}", one.fix):
            paragraph(text, "-- ", "-- ") if text else None
        for statement in one.sql:
            say(f"-- {statement}; (as above)" if statement in said else f"{statement};")
            said.add(statement)
        say()
