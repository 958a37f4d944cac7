"""`dragoman history`: one aggregate's life, step by step."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import say, say_json


def history(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The business key.", show_default=False)],
    translator: Annotated[
        str | None, typer.Option("--translator", "-t", metavar="NAME", help="Only this translator.", show_default=False)
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As of this time of the source, in UTC.", show_default=False),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option("--field", metavar="F", help="Only the steps that set this field.", show_default=False),
    ] = None,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show personal and sensitive values.")] = False,
    folder: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Show the life of one key, as far back as the streams are kept.

    Its changes and steps, the events and states published of them, dead letters, waiting steps and commands; its state,
    and which step set each field last. What today's mapping says otherwise than was published is told.
    """
    from dragoman.histories import Asked, chapters
    from dragoman.history_data import lines_of
    from dragoman.timeline import Timeline
    from dragoman.wiring import utc

    time = None if at is None else _time(at)
    asked = Asked(key=key, translator=translator, at=time, field=field, unmasked=unmasked)
    found = chapters(project_of(folder), asked)
    if as_json:
        for chapter in found:
            for line in lines_of(chapter):
                say_json(line)
        return
    for number, chapter in enumerate(found):
        if number:
            say()
        Timeline(chapter, utc()).say()


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write 2026-03-02 or 2026-03-02T10:30:00") from error
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
