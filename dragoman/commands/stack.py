"""`dragoman stack`: Kafka, Kafka Connect with Debezium, PostgreSQL and MariaDB on this machine, without Docker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from dragoman.commands.options import JsonOption
from dragoman.console import FINDINGS, say, say_json
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.stack.stack import Standing

app = typer.Typer(
    help="Start and end the real stack on this machine: for development and tests, without Docker.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="DIR", help="Where the stack's logs and data are.", show_default="var/stack")
]
_FOLDER = Path("var/stack")
_MARKS = {"running": ("✓ ", "green"), "starting": ("… ", "yellow")}
_FAILED = ("✗ ", "bold red")


class PortUnreadable(DragomanError):
    """{text!r} is no port of a part."""

    code: ClassVar[str] = "stack.port-unreadable"
    hint: ClassVar[str] = "Write it as --port kafka=9092: a part, and a number from 1 to 65535."


@app.command()
def up(
    folder: FolderOption = _FOLDER,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="PART", help="kafka, connect, postgres or mariadb; may be repeated."),
    ] = None,
    port: Annotated[
        list[str] | None, typer.Option("--port", metavar="PART=PORT", help="A port of your choice for a part.")
    ] = None,
    exactly_once: Annotated[
        bool,
        typer.Option(
            "--exactly-once/--at-least-once", help="Whether the worker of Connect supports exactly-once sources."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Start what does not run yet.

    Kafka, PostgreSQL and MariaDB, then Kafka Connect with Debezium's connectors, each on a free port of the loopback
    interface, without passwords. The jars are fetched with Maven the first time. Runs until `dragoman stack down`.
    """
    from dragoman.stack.artifacts import cache_folder, fetched
    from dragoman.stack.errors import StartFailed
    from dragoman.stack.stack import PARTS, Wish
    from dragoman.stack.stack import up as start

    def told(one: Standing, seconds: float) -> None:
        if as_json:
            say_json(one)
        else:
            say(_MARKS["running"], (f"{one.title:<15}", "bold"), f"{one.url:<50}", (f"{seconds:>5.1f} s", "dim"))

    cache = cache_folder(os.environ)
    wish = Wish(parts=tuple(only or PARTS), ports=dict(map(_port, port or ())), exactly_once=exactly_once)
    if not as_json and fetched(cache) is None and {"kafka", "connect"} & set(wish.wanted):
        say((f"fetching Kafka and Debezium into {cache}, once (60 MB) ...", "dim"))
    try:
        start(folder.absolute(), cache, wish, told)
    except StartFailed as error:
        for line in error.lines:
            say((f"    {line}", "dim"))
        raise
    if not as_json:
        say(("  next  ", "bold"), "`dragoman stack status`; `dragoman stack down` ends it and removes its data")


@app.command()
def down(folder: FolderOption = _FOLDER) -> None:
    """End the stack, in whatever condition it is, and remove its data and logs."""
    from dragoman.stack.stack import down as end

    found = end(folder.absolute())
    say(f"ended and removed: {', '.join(found)}" if found else "nothing was running, nothing was left")


@app.command()
def status(folder: FolderOption = _FOLDER, as_json: JsonOption = False) -> None:
    """Show which parts run, and how to reach them."""
    from dragoman.stack.stack import standings

    found = standings(folder.absolute())
    if as_json:
        for one in found:
            say_json(one)
    elif not found:
        say(f"no stack in {folder}: `dragoman stack up` starts one")
    for one in () if as_json else found:
        say(_MARKS.get(one.state, _FAILED), (f"{one.title:<15}", "bold"), _told(one))
    if any(one.state not in _MARKS for one in found):
        raise typer.Exit(FINDINGS)


def _told(one: Standing) -> str:
    if one.url is not None:
        return f"{one.url:<50}process {one.pid}"
    reason = f": {one.reason}" if one.reason else ""
    advice = "" if one.state == "starting" else f" (`dragoman stack up` starts it again; log: {one.log})"
    return f"{one.state}{reason}{advice}"


def _port(text: str) -> tuple[str, int]:
    part, _, number = text.partition("=")
    if not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise PortUnreadable(text=text)
    return part, int(number)
