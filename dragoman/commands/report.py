"""`dragoman report`: the report of the last run, or of a named one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import say_json


def report(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run's name; the last one if absent.", show_default=False)
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            "--parquet", metavar="FILE", help="Write all keys that differ into it as well.", show_default=False
        ),
    ] = None,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Tell again what the last checks found.

    A page that is gone is made again from what the run has left beside it.
    """
    from dragoman.reports import as_data, read_again, say_results

    results, page = read_again(project_of(folder), run)
    if parquet is not None:
        from reconcile.parquet import write_parquet

        write_parquet(results, parquet)
    if as_json:
        for one in as_data(results, page):
            say_json(one)
    else:
        say_results(results, page)
