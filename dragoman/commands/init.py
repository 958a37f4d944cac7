"""`dragoman init`: a project drawn from a live legacy database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption
from dragoman.console import count, paragraph, say, say_json

if TYPE_CHECKING:
    from dragoman.starting import Begun

_MOST_TOLD = 12


def init(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="postgresql://user@host/db, mariadb://user@host/db, or a SQLite file.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="An empty folder for the project.", show_default="here")
    ] = Path(),
    namespace: Annotated[
        str | None, typer.Option("--schema", metavar="NAME", help="The schema to read.", show_default="the login's own")
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="NAME", help="Only this table; may be said again.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a project from a live legacy database.

    Reads its schema and the first rows of columns that look like codes, and changes nothing. What it writes are guesses that
    pass `dragoman lint`. The password is taken from LEGACY_PASSWORD and stands in no file.
    """
    from dragoman.starting import begin

    begun = begin(url, folder, os.environ, namespace=namespace, tables=tables or [])
    if as_json:
        say_json(
            {
                "folder": str(begun.folder),
                "translators": {t.name: [t.table, *(p.table for p in t.parts)] for t in begun.guess.things},
                "files": list(begun.files),
                "left_out": begun.left_out,
            }
        )
        return
    _tell(begun)


def _tell(begun: Begun) -> None:
    things = begun.guess.things
    for thing in things:
        parts = ", ".join(part.table for part in thing.parts)
        say(
            ("✓ ", "green"),
            f"mappings/{thing.name}.yaml  ",
            (f"{thing.table}{f' with {parts}' if parts else ''}", "dim"),
        )
    for name, reason in list(begun.left_out.items())[:_MOST_TOLD]:
        say(("- ", "yellow"), f"{name}  ", (reason, "dim"))
    if len(begun.left_out) > _MOST_TOLD:
        say((f"  and {count(len(begun.left_out) - _MOST_TOLD, 'other relation')} left out: --json names them", "dim"))
    say()
    codes = sum(len(thing.codes) for thing in things)
    paragraph(
        f"{count(len(begun.files), 'file')}: {count(len(things), 'thing')}, {count(codes, 'code table')}. All of it is "
        "guessed: names, codes and what belongs together are yours to correct.",
        "",
    )
    for step in _next(begun):
        say(("  next   ", "bold"), step)


def _next(begun: Begun) -> tuple[str, ...]:
    where = "" if begun.folder == Path() else f"cd {begun.folder} && "
    if begun.reflection.connector == "sqlite":
        return (f"{where}dragoman lint", "dragoman doctor --install-triggers", "dragoman run")
    return (f"{where}dragoman lint", "export LEGACY_URL=...    # asked who it is, read by checks", "dragoman doctor")
