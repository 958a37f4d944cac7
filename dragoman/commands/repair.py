"""`dragoman republish` and `dragoman reload`: repair of single keys; and how an order is given and told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, now, project_of
from dragoman.console import say, say_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.project import Project
    from pipeline.control import Command

KeysArgument = Annotated[list[str], typer.Argument(metavar="KEY...", help="The business keys.", show_default=False)]
FindingOption = Annotated[
    str, typer.Option("--finding", metavar="ID", help="The finding that this is for.", show_default=False)
]
TranslatorOption = Annotated[
    str | None, typer.Option("--translator", "-t", metavar="NAME", help="Of this translator.", show_default=False)
]


def republish(
    keys: KeysArgument,
    finding: FindingOption = "",
    folder: ProjectOption = Path(),
    translator: TranslatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the current state of keys once more.

    As a new version of class repair, which names the record that it repeats: for views that lack it. No event is sent.
    """
    from dragoman.orders import check_has_rows, last_published, place_of
    from dragoman.wiring import reading
    from pipeline.control import Command

    project = project_of(folder)
    places = [place_of(project, key, translator) for key in keys]
    check_has_rows(project, places)
    with reading(project) as log:
        commands = [
            Command(
                action="republish",
                translator=place.translator,
                key=place.key,
                partition=place.partition,
                finding=finding,
                corrects=last_published(log, place),
            )
            for place in places
        ]
    order(project, commands, as_json)


def reload(
    keys: KeysArgument,
    finding: FindingOption = "",
    folder: ProjectOption = Path(),
    translator: TranslatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the rows of keys again from the legacy database.

    They replace those in state, and the state is published, class repair; what changed meanwhile wins, and no event is sent.
    Waiting steps that the reading overtakes are given up. A key never seen is loaded: say of which translator.
    """
    from dragoman.orders import KeyUnknown, Place, last_published, place_of
    from dragoman.wiring import reading
    from pipeline.control import Command

    project = project_of(folder)
    commands = []
    with reading(project) as log:
        for key in keys:
            try:
                place = place_of(project, key, translator)
            except KeyUnknown:
                if translator is None:
                    raise
                place = Place(translator=translator, key=key)
            commands.append(
                Command(
                    action="reload",
                    translator=place.translator,
                    key=place.key,
                    partition=place.partition,
                    finding=finding,
                    corrects=last_published(log, place),
                )
            )
    order(project, commands, as_json)


def order(project: Project, commands: Sequence[Command], as_json: bool) -> None:
    """Give commands, and say who will execute them."""
    from dragoman.kafka_source import Kafka
    from dragoman.orders import give
    from dragoman.wiring import reading, running_worker, workers_of

    given = give(project, commands, now())
    worker = running_worker(project.settings.log)
    if as_json:
        for number, one in given:
            told = {"command": number, "action": one.action, "translator": one.translator, "key": one.key}
            say_json({**told, "worker": worker})
        return
    for number, one in given:
        say(f"command {number}: {one.action} {one.translator} {one.key or f'(partition {one.partition})'}")
    if not given:
        say("No key is parked: nothing to do.")
    elif isinstance(project.source.origin, Kafka):
        with reading(project) as log:
            running = workers_of(project, log)
        say(f"The owner of the partition executes this (workers: {running}); `dragoman parked list` says the result.")
    elif worker is None:
        say("No worker is running: the next `dragoman run` executes this, then `dragoman parked list` says the result.")
    else:
        say(f"The running worker (process {worker}) executes this; `dragoman parked list` says the result.")
