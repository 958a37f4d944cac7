"""`dragoman events`: what a translator has published."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dragoman.commands.options import JsonOption, ProjectOption, TranslatorArgument, project_of
from dragoman.console import count, say, say_json

if TYPE_CHECKING:
    from pipeline.cloudevents import CloudEvent
    from pipeline.log.port import Log, Record

_PAGE = 1_000


def events(
    translator: TranslatorArgument,
    folder: ProjectOption = Path(),
    state: Annotated[bool, typer.Option("--state", help="The state stream instead of the events.")] = False,
    key: Annotated[str | None, typer.Option("--key", "-k", metavar="KEY", help="Only this business key.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The last so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the last business events of a translator, or the last records of its state stream."""
    from dragoman.wiring import events_topic, reading, state_topic
    from pipeline import cloudevents

    project = project_of(folder)
    project.check_name(translator)
    topic = state_topic(translator) if state else events_topic(translator)
    with reading(project) as log:
        found = _last(log, topic, key, limit)
        shown = [cloudevents.read(record) for record in found]
    if as_json:
        for event in shown:
            say_json(_structured(event))
        return
    for event in shown:
        _say_event(event)
    noun = "record" if state else "event"
    of = f" of {key}" if key else ""
    say(f"{count(len(shown), noun)}{of} of {topic}" + (", the last ones" if len(shown) == limit else ""))


def records_of(log: Log, topic: str) -> Iterator[Record]:
    """Every record of a topic, partition by partition; none if the topic does not exist."""
    spec = log.topics().get(topic)
    for partition in range(0 if spec is None else spec.partitions):
        offset = 0
        while records := log.read(topic, partition, offset, _PAGE):
            yield from records
            offset = records[-1].offset + 1


def _last(log: Log, topic: str, key: str | None, limit: int) -> list[Record]:
    """The last records by time; within a partition that is their order."""
    wanted = None if key is None else key.encode()
    chosen = (r for r in records_of(log, topic) if wanted is None or r.key == wanted)
    newest = heapq.nlargest(limit, chosen, key=lambda r: (r.timestamp, r.partition, r.offset))
    return newest[::-1]


def _structured(event: CloudEvent) -> dict[str, Any]:
    """The event in CloudEvents' structured mode, and where it stands."""
    record = event.record
    attributes = {name: text for name, text in event.attributes.items() if name.isalnum()}
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return {**attributes, "data": event.data, "dragoman": place}


def _say_event(event: CloudEvent) -> None:
    from dragoman.times import moment
    from dragoman.wiring import utc

    marks = "" if event.event_class == "live" else f"   {event.event_class}"
    version = int(event.sequence.split(".")[1])
    time = "" if event.time is None else f"   {moment(event.time, utc())}"
    say((event.name, "bold"), f"   {event.subject}   version {version}{time}{marks}")
    if event.data is None:
        say("    deleted")
        return
    for path, value in _leaves(event.data):
        say((f"    {path:<24}", "dim"), f"  {value}")
    say()


def _leaves(data: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each leaf of the data with its path; elements of a list are numbered from 1."""
    if isinstance(data, dict) and data:
        for name, value in data.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(data, list) and data:
        for number, value in enumerate(data, start=1):
            yield from _leaves(value, f"{prefix}[{number}]")
    else:
        yield prefix, {None: "null", True: "true", False: "false"}.get(data, str(data)) if _is_word(data) else str(data)


def _is_word(data: Any) -> bool:
    return data is None or isinstance(data, bool)
