"""`dragoman raise-epoch`: the legacy's log is another one; translators load the source anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, confirmed, project_of
from dragoman.commands.repair import order
from dragoman.console import FAILED, paragraph, say


def raise_epoch(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Raise the source epoch: the legacy's log is another one, after a restore or a failover.

    Every translator then loads the source anew. What its feed says of the old log is passed over until the snapshot begins,
    what that does not show is taken back, and no event is said of it. `dragoman parked list` says what became of it.
    """
    from dragoman.orders import raised_epoch

    project = project_of(folder)
    epoch, commands = raised_epoch(project)
    if not yes:
        paragraph(
            f"All translators load {project.source.file} anew, in source epoch {epoch}. Nothing goes on before the connector "
            "takes a snapshot, and nothing brings back the epoch before."
        )
        if not confirmed(f"Raise the source epoch to {epoch}?"):
            say("Nothing was sent.")
            raise typer.Exit(FAILED)
    order(project, commands, as_json)
    if not as_json:
        say(f"Write `epoch: {epoch}` in {project.source.file} too: a translator that begins later takes it from there.")
