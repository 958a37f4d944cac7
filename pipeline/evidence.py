"""What the streams and the state still hold of one business key: what was published, rejected, ordered, and what waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from pipeline import cloudevents, control
from pipeline.cloudevents import CloudEvent
from pipeline.control import CONTROL_TOPIC, Command
from pipeline.feed import Curated
from pipeline.kept import Reach, kept_records, reaches
from pipeline.log.port import Log, Record
from pipeline.state.port import Pin, StateStore, Waiting
from translators.change import Coordinate
from translators.problem import Problem


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One curated record. `name` is its contract, `data` `None` for a tombstone, `attributes` as its headers have them."""

    id: str
    name: str
    event_class: str
    version: int
    mapping_version: str
    time: datetime | None
    data: Any
    at: Coordinate
    attributes: Mapping[str, str]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter, as it was written."""

    id: str
    version: int
    transaction: str
    first_seen: int
    mapping_version: str
    problem: Problem
    at: Coordinate


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One command for this key: when it was sent, and the pin that says where it was executed and with what result."""

    command: Command
    sent: datetime
    pin: Pin | None


@dataclass(slots=True)
class Said:
    """What is known of one version of the key. `position` and `lowest` are the highest and lowest row position of its step.

    `is_again`: it published again what is known already, and is no step of the source.
    """

    position: int
    lowest: int
    transaction: str | None = None
    events: list[Published] = field(default_factory=list)
    state: Published | None = None
    letters: list[Letter] = field(default_factory=list)
    waiting: Waiting | None = None
    is_again: bool = False


@dataclass(slots=True)
class Evidence:
    """Everything that is kept beside the feed. `partition` is the key's feed partition, if anything names it."""

    by_version: dict[int, Said]
    partition: int | None
    events: tuple[Reach, ...]
    states: tuple[Reach, ...]
    orders: tuple[Order, ...]


def gather(log: Log, store: StateStore | None, translator: str, key: str) -> Evidence:
    """Read all streams of a translator for one key; its versions in order."""
    curated = Curated.of(translator, 1)
    found = _Gathering(key)
    events = found.records(log, curated.events.name, found.event)
    states = found.records(log, curated.state.name, found.state)
    found.records(log, curated.dead_letters.name, found.letter)
    for step in [] if store is None else store.waiting(key):
        said = found.of(step.version, [change.position for change in step.changes])
        said.waiting, said.transaction = step, step.changes[0].transaction
        found.partition = step.partition
    return Evidence(
        by_version=dict(sorted(found.by_version.items())),
        partition=found.partition,
        events=events,
        states=states,
        orders=tuple(_orders(log, store, translator, key)),
    )


class _Gathering:
    def __init__(self, key: str) -> None:
        self.by_version: dict[int, Said] = {}
        self.partition: int | None = None
        self._key = key.encode()
        self._ids: set[str] = set()

    def records(self, log: Log, topic: str, take: Any) -> tuple[Reach, ...]:
        """Hand every record of the key to `take`; the reaches of the partitions that have any, or of all."""
        kept = reaches(log, topic)
        having = []
        for one in kept:
            mine = [record for record in kept_records(log, one) if record.key == self._key]
            having += [one] if mine else []
            for record in mine:
                take(record)
        return tuple(having or kept)

    def of(self, version: int, positions: Sequence[int]) -> Said:
        return self.by_version.setdefault(version, Said(max(positions), min(positions)))

    def event(self, record: Record) -> None:
        published, said = self._curated(record)
        # A repeat has the same id: the first one is what consumers acted upon.
        if published.id not in self._ids:
            said.events.append(published)
        self._ids.add(published.id)

    def state(self, record: Record) -> None:
        published, said = self._curated(record)
        said.state = published
        said.is_again = published.event_class not in ("live", "snapshot")

    def _curated(self, record: Record) -> tuple[Published, Said]:
        event = cloudevents.read(record)
        partition = event.attributes.get("dragoman_feed_partition")
        self.partition = self.partition if partition is None else int(partition)
        published = _published(event)
        lowest = int(event.attributes["causationid"].rpartition("@")[2])
        said = self.of(published.version, [lowest, int(event.attributes.get("dragoman_position", lowest))])
        said.transaction = said.transaction or _transaction(event)
        return published, said

    def letter(self, record: Record) -> None:
        body = orjson.loads(record.value or b"{}")
        said = self.of(body["version"], [change["position"] for change in body["changes"]])
        said.transaction = body["transaction"]
        said.letters.append(
            Letter(
                id=body["id"],
                version=body["version"],
                transaction=body["transaction"],
                first_seen=body["first_seen"],
                mapping_version=body["mapping_version"],
                problem=msgspec.convert(body["problem"], Problem),
                at=_place(record),
            )
        )
        self.partition = int(dict(record.headers).get("dragoman_feed_partition") or self.partition or 0)


def _published(event: CloudEvent) -> Published:
    return Published(
        id=event.id,
        name=event.name,
        event_class=event.event_class,
        version=int(event.sequence.split(".")[1]),
        mapping_version=event.attributes.get("mappingversion", ""),
        time=event.time,
        data=event.data,
        at=_place(event.record),
        attributes=event.attributes,
    )


def _transaction(event: CloudEvent) -> str | None:
    """The source transaction, where no column of the row ties the step to something else."""
    parts = event.attributes.get("correlationid", "").split(":", 2)
    source = event.attributes.get("source", "").split("/")
    return parts[2] if len(parts) == 3 and parts[0] in source and parts[2] != "snapshot" else None


def _place(record: Record) -> Coordinate:
    return Coordinate(record.topic, record.partition, record.offset)


def _orders(log: Log, store: StateStore | None, translator: str, key: str) -> Iterator[Order]:
    pins = {pin.command: pin for pin in ([] if store is None else store.pins())}
    for kept in reaches(log, CONTROL_TOPIC.name):
        for record in kept_records(log, kept):
            command = control.command_of(record)
            if command.translator == translator and command.key == key:
                sent = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                yield Order(command=command, sent=sent, pin=pins.get(command.id))
