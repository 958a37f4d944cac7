"""`dragoman reconcile run`: is the view what the legacy says it should be, and if not, why?"""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import say_json

app = typer.Typer(help="Compare views with the legacy, behind the fence.", no_args_is_help=True, rich_markup_mode=None)


def _sleep(duration: timedelta) -> None:
    time.sleep(duration.total_seconds())


@app.callback()
def reconcile() -> None:
    """Compare views with the legacy database, behind the fence."""


@app.command()
def run(
    check: Annotated[str | None, typer.Argument(metavar="[CHECK]", help="Only this check.", show_default=False)] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Run the checks and write the report.

    Exit code 0: clean and complete; 1: more differences than a check's limit; 2: incomplete, so nothing is proven.
    """
    from dragoman.checking import chosen_checks, run_check, run_id
    from dragoman.progress import progress_line
    from dragoman.reports import as_data, exit_code, keep, say_results
    from dragoman.wiring import reading, running_worker, utc

    project = project_of(folder)
    specs = chosen_checks(project, check)

    def stopped() -> str | None:
        return None if running_worker(project.settings.log) is not None else "no worker is running"

    name = run_id(utc())
    with reading(project) as log, progress_line(enabled=not as_json) as line:
        results = []
        for spec in specs:
            line.doing(f"comparing {spec.mapping} with {spec.view}")
            results.append(run_check(project, spec, log, run=name, wait=_sleep, stopped=stopped))
    page = keep(project, results)
    if as_json:
        for one in as_data(results, page):
            say_json(one)
    else:
        say_results(results, page)
    raise typer.Exit(exit_code(results))
