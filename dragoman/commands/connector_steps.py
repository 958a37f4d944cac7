"""What the commands that change something have in common: a yes where something is lost, and a line for each thing done."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dragoman.console import say, say_json

YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Do also what is destructive, without asking.", show_default=False)
]
WaitOption = Annotated[
    int, typer.Option("--wait", metavar="SECONDS", min=1, help="How long to wait until it truly works.")
]


def confirm(what: str, yes: bool) -> None:
    """Go on only if it is meant; `connect.unconfirmed`."""
    from connectors.connect.errors import Unconfirmed

    if yes:
        return
    if not sys.stdin.isatty() or not typer.confirm(f"{what}. Go on?", default=False, err=True):
        raise Unconfirmed(what=what)


def say_done(sentence: str) -> None:
    """A thing that was done."""
    say(("✓ ", "green"), sentence)


def say_json_done(sentence: str) -> None:
    """The same as data."""
    say_json({"done": sentence})
