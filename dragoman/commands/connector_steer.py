"""`dragoman connectors pause|resume|restart|offsets|destroy`: what is done to a connector that there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.connector_steps import WaitOption, YesOption, confirm, say_done, say_json_done
from dragoman.commands.options import JsonOption, ProjectOption, project_of
from dragoman.console import say, say_json

if TYPE_CHECKING:
    from connectors.connect import ConnectClient, SourceOffset
    from dragoman.connecting import Declared
    from dragoman.project import Project


def pause(folder: ProjectOption = Path(), wait: WaitOption = 60) -> None:
    """Let the connector rest; the database keeps its log meanwhile, and it grows."""
    with _connector(folder) as (_, told, client):
        client.pause(told.worker.name)
        client.wait_until_state(told.worker.name, "PAUSED", wait)
        say_done(f"the connector {told.worker.name} is PAUSED: the database keeps its log until it goes on")


def resume(folder: ProjectOption = Path(), wait: WaitOption = 120) -> None:
    """Let a paused or stopped connector go on, and wait until it truly works."""
    from dragoman.connector_standing import check_slot

    with _connector(folder) as (project, told, client):
        check_slot(project, told.worker.name)
        client.resume(told.worker.name)
        _say_works(project, told, client, wait)


def restart(
    folder: ProjectOption = Path(),
    only_failed: Annotated[bool, typer.Option("--failed", help="Only what has failed.", show_default=False)] = False,
    wait: WaitOption = 120,
) -> None:
    """Start the connector and its task again, and wait until it truly works."""
    from dragoman.connector_standing import check_slot

    with _connector(folder) as (project, told, client):
        check_slot(project, told.worker.name)
        client.restart(told.worker.name, only_failed=only_failed)
        _say_works(project, told, client, wait)


def offsets(
    folder: ProjectOption = Path(),
    to: Annotated[
        str | None,
        typer.Option("--set", metavar="POSITION", help="Go on from there: an LSN, or FILE:POS.", show_default=False),
    ] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Begin anew with a snapshot.", show_default=False)] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far the connector is by its own account, or set that otherwise.

    A position is set only after the database was asked whether it can go on from there: Connect believes everything. The
    connector is stopped for it.
    """
    from dragoman.positioning import positions, set_position

    with _connector(folder) as (project, told, client):
        name = told.worker.name
        if to is None and not forget:
            for one in positions(client, name):
                if as_json:
                    say_json(one)
                else:
                    say((one.source, "bold"), f"  {one.position}")
            return
        wanted = None if to is None else _position(project, told, client, to)
        confirm(
            "What is before the new position and not read yet would be lost" if to else "All would be read anew", yes
        )
        set_position(client, name, wanted, say_json_done if as_json else say_done)


def destroy(
    folder: ProjectOption = Path(),
    keep_slot: Annotated[
        bool, typer.Option("--keep-slot", help="Leave the slot; it holds back the database's log.", show_default=False)
    ] = False,
    topics: Annotated[
        bool, typer.Option("--topics", help="Delete the connector's own topics too.", show_default=False)
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take the connector away, with its slot. May be repeated.

    Topics stay unless --topics is said; then those go that the connector writes. State, changelogs, events and dead letters
    of the translators always stay.
    """
    from dragoman.destroying import destroy as end
    from dragoman.destroying import ending_of, steps_of

    with _connector(folder) as (project, told, client):
        ending = ending_of(told, project.source.file, keep_slot=keep_slot, topics=topics)
        if not as_json:
            for number, step in enumerate(steps_of(ending, told.worker.name), start=1):
                say((f"{number} ", "bold"), step)
        confirm(f"The connector {told.worker.name} would be taken away", yes)
        end(told, ending, client, say_json_done if as_json else say_done)


def _position(project: Project, told: Declared, client: ConnectClient, text: str) -> SourceOffset:
    from dragoman.applying import legacy_of
    from dragoman.positioning import DatabaseUnsaid, position_at

    with legacy_of(told) as database:
        if database is None:
            raise DatabaseUnsaid(source=project.source.file, where=project.source.file)
        return position_at(told, client, database, text)


def _say_works(project: Project, told: Declared, client: ConnectClient, seconds: float) -> None:
    from dragoman.applying import wait_until_it_works
    from dragoman.connecting import wanted_of

    position = wait_until_it_works(wanted_of(project), told, client, seconds)
    say_done(f"the connector {told.worker.name} works: RUNNING, what it writes moves, its position is {position}")


@contextmanager
def _connector(folder: Path) -> Iterator[tuple[Project, Declared, ConnectClient]]:
    from dragoman.access import connect_client
    from dragoman.connecting import declared

    project = project_of(folder)
    told = declared(project)
    with connect_client(told.worker) as client:
        yield project, told, client
