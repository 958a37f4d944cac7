"""Orders to running workers: which key they are about, where it is, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

import msgspec

from dragoman.project import Project
from dragoman.wiring import reading, state_of, state_topic
from pipeline.cloudevents import place_of as published_at
from pipeline.control import ANYWHERE, CONTROL_TOPIC, Command, raised_to, send
from pipeline.epochs import EpochWithoutSnapshot
from pipeline.log.port import Log, Record
from pipeline.log.reading import read_through
from pipeline.reload import NOT_HERE
from pipeline.state.port import Pin
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

_LOOKED_AT = 20_000
"""How many keys are compared with one that is not known."""


class KeyUnknown(DragomanError):
    """No translator{place} knows the key {key}{suggestion}"""

    code: ClassVar[str] = "key.unknown"
    hint: ClassVar[str] = (
        "Keys are written as in the streams. `dragoman reload KEY -t NAME` asks the source for one never seen."
    )


class KeyInSeveral(DragomanError):
    """Several translators know the key {key}: {translators}."""

    code: ClassVar[str] = "key.ambiguous"
    hint: ClassVar[str] = "Say which one with --translator."


class NothingToRepublish(DragomanError):
    """{translator} keeps no rows (`store: none`), so the state of {key} cannot be published again from them."""

    code: ClassVar[str] = "republish.no-rows"
    hint: ClassVar[str] = (
        "`dragoman reload {key} -t {translator}` has the source read its row again, and publishes that."
    )


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A business key, the translator that knows it, and the feed partition that it is on."""

    translator: str
    key: str
    partition: int = ANYWHERE


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a worker has taken up: `result` is empty until it is executed."""

    translator: str
    pin: Pin


def place_of(project: Project, key: str, only: str | None) -> Place:
    """Where a key is, as the states keep it; `KeyUnknown` or `KeyInSeveral` if that is not one place."""
    found, known = [], []
    for name in _names(project, only):
        with state_of(project, name) as store:
            if store is None:
                continue
            if stored := store.load([key]):
                found.append(Place(translator=name, key=key, partition=stored[key].partition))
            elif last := _published_from(project, name, key):
                found.append(last)
            elif not found:
                known += [near for near, _ in islice(store.scan(), _LOOKED_AT)]
    if not found:
        place = f" called {only}" if only else ""
        raise KeyUnknown(key=key, place=place, suggestion=did_you_mean(key, known) or ".")
    if len(found) > 1:
        raise KeyInSeveral(key=key, translators=", ".join(place.translator for place in found))
    return found[0]


def _published_from(project: Project, name: str, key: str) -> Place | None:
    """Where a key of a translator that keeps no rows is, as its last state says."""
    if project.mapping(name)[0].keeps_rows:
        return None
    with reading(project) as log:
        last = _last_state(log, name, key)
    if last is None:
        return None
    return Place(translator=name, key=key, partition=int(published_at(last).feed_partition or ANYWHERE))


def check_has_rows(project: Project, places: Iterable[Place]) -> None:
    """`NothingToRepublish` where a translator keeps no rows of which a state could be made."""
    for place in places:
        if not project.mapping(place.translator)[0].keeps_rows:
            raise NothingToRepublish(key=place.key, translator=place.translator)


def last_published(log: Log, place: Place) -> str:
    """The id of the last record of a key in the state stream; empty if there is none."""
    last = _last_state(log, place.translator, place.key)
    return "" if last is None else (dict(last.headers).get("ce_id") or b"").decode()


def _last_state(log: Log, name: str, key: str) -> Record | None:
    topic, last = state_topic(name), None
    spec = log.topics().get(topic)
    for partition in range(0 if spec is None else spec.partitions):
        for records in read_through(log, topic, partition):
            for record in records:
                if record.key == key.encode():
                    last = record
    return last


def raised_epoch(project: Project) -> tuple[int, list[Command]]:
    """The next source epoch, and the command to each feed partition of each translator to begin it."""
    feeds = {name: project.source.feed_of(project.made(name)) for name in project.settings.translators}
    epochs = [project.source.epoch]
    places = []
    with reading(project) as log:
        topics = log.topics()
        for name, feed in feeds.items():
            if feed.begins == "empty":
                raise EpochWithoutSnapshot(translator=name)
            partitions = range(topics[feed.topic].partitions if feed.topic in topics else 0)
            places += [(name, partition) for partition in partitions]
            epochs += [raised_to(log, name, partition) for partition in partitions if CONTROL_TOPIC.name in topics]
            with state_of(project, name) as store:
                epochs += [] if store is None else [life.source_epoch for life in store.lives().values()]
    epoch = max(epochs) + 1
    return epoch, [
        Command(action="raise-epoch", translator=name, key="", partition=partition, source_epoch=epoch)
        for name, partition in places
    ]


def give(project: Project, commands: Iterable[Command], now: int) -> list[tuple[int, Command]]:
    """Append commands to the control topic, each for the life that its translator's state has now; with their ids."""
    epochs: dict[str, int] = {}
    given = []
    with reading(project) as log:
        for command in commands:
            name = command.translator
            if name not in epochs:
                epochs[name] = _epoch(project, name)
            command = msgspec.structs.replace(command, epoch=epochs[name])
            given.append((send(log, command, now), command))
    return given


def _epoch(project: Project, name: str) -> int:
    with state_of(project, name) as store:
        lives = {} if store is None else store.lives()
    return max((life.state_epoch for life in lives.values()), default=0)


def executed(project: Project) -> list[Executed]:
    """The commands that workers have taken up, by id; of a key that no one had seen, what the partition says that has it."""
    found = []
    for name in project.settings.translators:
        with state_of(project, name) as store:
            found += [
                Executed(translator=name, pin=pin)
                for pin in ([] if store is None else store.pins())
                if pin.command >= 0
            ]
    told: dict[tuple[str, int], Executed] = {}
    for one in found:
        before = told.get((one.translator, one.pin.command))
        if before is None or before.pin.result == NOT_HERE:
            told[one.translator, one.pin.command] = one
    return sorted(told.values(), key=lambda one: one.pin.command)


def _names(project: Project, only: str | None) -> tuple[str, ...]:
    if only is None:
        return project.settings.translators
    project.check_name(only)
    return (only,)
