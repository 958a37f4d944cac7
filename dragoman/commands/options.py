"""The options that commands share, and the project that they name."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dragoman.project import Project

ProjectOption = Annotated[
    Path, typer.Option("--project", "-p", metavar="DIR", help="The project's folder.", show_default="here")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print data as JSON, one object a line.")]
TranslatorArgument = Annotated[str, typer.Argument(metavar="TRANSLATOR", help="The name of a translator.")]


def project_of(folder: Path) -> Project:
    """The project in a folder. The one place that reads the environment."""
    from dragoman.project import Project
    from dragoman.settings import FAILPOINT, read_settings
    from pipeline.failpoint import arm

    if failpoint := os.environ.get(FAILPOINT):
        arm(failpoint)
    return Project(read_settings(folder, os.environ))


def today() -> date:
    """The day that it is, in UTC."""
    return datetime.now(UTC).date()


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def confirmed(question: str) -> bool:
    """Whether a person says yes; where nobody can be asked, nobody did."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        typer.echo()
        return False
