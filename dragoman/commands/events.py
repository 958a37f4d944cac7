"""`dragoman events`: what a translator has published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman.commands.options import JsonOption, ProjectOption, TranslatorArgument, project_of
from dragoman.console import count, say, say_json

if TYPE_CHECKING:
    from dragoman.project import Project
    from pipeline.cloudevents import CloudEvent


def events(
    translator: TranslatorArgument,
    folder: ProjectOption = Path(),
    state: Annotated[bool, typer.Option("--state", help="The state stream instead of the events.")] = False,
    key: Annotated[str | None, typer.Option("--key", "-k", metavar="KEY", help="Only this business key.")] = None,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Personal and sensitive fields as they are.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The last so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what a translator has published last; personal and sensitive fields are masked."""
    from dragoman.streams import last_records, structured
    from dragoman.wiring import events_topic, reading, state_topic
    from pipeline import cloudevents

    project = project_of(folder)
    project.check_name(translator)
    topic = state_topic(translator) if state else events_topic(translator)
    with reading(project) as log:
        found = last_records(log, topic, key, limit)
        shown = [cloudevents.read(record) for record in found]
    if not unmasked:
        shown = _masked(project, shown)
    if as_json:
        for event in shown:
            say_json(structured(event))
        return
    for event in shown:
        _say_event(event)
    noun = "record" if state else "event"
    of = f" of {key}" if key else ""
    say(f"{count(len(shown), noun)}{of} of {topic}" + (", the last" if len(shown) == limit else ""))


def _masked(project: Project, events: list[CloudEvent]) -> list[CloudEvent]:
    """The events with what their contracts classify masked; everything, where the contract cannot be read."""
    from msgspec.structs import replace

    from dragoman.streams import masked
    from translators.contract import shape_of
    from translators.errors import DragomanError

    try:
        shapes = {name: shape_of(contract) for name, contract in project.contracts.items()}
    except DragomanError:
        shapes = {}
    return [replace(event, data=masked(event.data, shapes.get(event.name))) for event in events]


def _say_event(event: CloudEvent) -> None:
    from dragoman.streams import leaves
    from dragoman.times import moment
    from dragoman.wiring import utc

    marks = "" if event.event_class == "live" else f"   {event.event_class}"
    version = int(event.sequence.split(".")[1])
    time = "" if event.time is None else f"   {moment(event.time, utc())}"
    say((event.name, "bold"), f"   {event.subject}   version {version}{time}{marks}")
    if event.data is None:
        say("    deleted")
        return
    found = list(leaves(event.data))
    width = max((len(path) for path, _ in found), default=0)
    for path, value in found:
        say((f"    {path:<{width}}", "dim"), f"  {value}")
    say()
