"""A connector taken away with what it holds, in the order that loses nothing by accident: each step may be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from connectors.connect import ConnectClient, PostgresSource
from connectors.connect.topics import topics_of
from dragoman.applying import Told, legacy_of
from dragoman.connecting import Declared
from pipeline.log.kafka.admin import TopicAdmin
from translators.errors import DragomanError


class SlotStays(DragomanError):
    """The slot {slot} cannot be dropped: the source {source} does not say how its database is reached."""

    code: ClassVar[str] = "connectors.slot-stays"
    hint: ClassVar[str] = (
        "Nothing was done. Name the variable that holds its URL under `database:` there; or say --keep-slot, and have it "
        "dropped by hand, for it holds back the database's log until its disk is full."
    )


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go beside the connector: its offsets, the slot, the publication that it made, the topics."""

    offsets: bool
    slot: str | None
    publication: str | None
    topics: tuple[str, ...]


def ending_of(project: Declared, source: str, *, keep_slot: bool, topics: bool) -> Ending:
    """What a connector leaves, as far as it is to go; `connectors.slot-stays`.

    Offsets and slot go together, or one declared later would go on with a gap. A publication goes only if the connector made
    it. State, changelogs, events and dead letters never go.
    """
    held, slot, publication = project.spec.source, None, None
    if isinstance(held, PostgresSource) and not keep_slot:
        if project.origin.database is None:
            raise SlotStays(slot=held.slot, source=source, where=source)
        slot, publication = held.slot, held.publication if held.makes_publication else None
    return Ending(
        offsets=slot is not None or not isinstance(held, PostgresSource),
        slot=slot,
        publication=publication,
        topics=tuple(topic.name for topic in topics_of(project.spec, project.worker.name)) if topics else (),
    )


def steps_of(ending: Ending, connector: str) -> Iterator[str]:
    """What will be done, in order."""
    yield f"stop the connector {connector}"
    if ending.offsets:
        yield "forget its offsets: one of the same name would go on after what nobody has kept for it"
    yield "delete it"
    if ending.slot:
        yield f"drop the slot {ending.slot}: the database keeps its log for nobody any more"
    if ending.publication:
        yield f"drop the publication {ending.publication}, which the connector made"
    if ending.topics:
        yield f"delete the topics {', '.join(ending.topics)}, with all that is in them"


def destroy(project: Declared, ending: Ending, client: ConnectClient, told: Told) -> None:
    """Take it away. What is gone already is passed over."""
    name = project.worker.name
    if client.config(name) is not None:
        client.stop(name)
        client.wait_until_state(name, "STOPPED")
        told(f"stopped the connector {name}")
        if ending.offsets:
            client.reset_offsets(name)
            told("forgot its offsets")
    client.delete(name)
    told(f"the connector {name} is gone")
    with legacy_of(project) as database:
        if database is not None and ending.slot is not None:
            was_there = database.drop_slot(ending.slot)
            told(f"dropped the slot {ending.slot}" if was_there else f"there was no slot {ending.slot}")
        if database is not None and ending.publication is not None and database.drop_publication(ending.publication):
            told(f"dropped the publication {ending.publication}")
    if ending.topics:
        with TopicAdmin(project.origin.bootstrap, security=project.origin.security()) as admin:
            admin.remove(ending.topics)
        told(f"deleted {len(ending.topics):,} topics")
