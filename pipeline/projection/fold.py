"""What a batch of state records makes of the rows that a view has: newest wins, per key, deleted keys included."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pipeline import cloudevents
from pipeline.cloudevents import CloudEvent
from pipeline.log.port import Record
from pipeline.projection.content import Children, Header, Projector
from pipeline.projection.errors import KeyMissing, RecordRefused, RecordUnreadable
from pipeline.projection.rows import ViewRow

_SEQUENCE = re.compile(r"\d{4}\.\d{12}\.\d{6}\.\d{4}")


@dataclass(slots=True)
class Slot:
    """One key in a batch: what the view has (`stored`, or `stored_gone`: the version of its deletion), and what is to
    be there: `header` is `None` if no row is. `latest` is the record of the batch that made it so, if any did."""

    stored: ViewRow | None
    stored_gone: str | None
    version: str | None
    header: Header | None
    children: Children = field(default_factory=dict)
    latest: CloudEvent | None = None

    @classmethod
    def of(cls, stored: ViewRow | None, gone: str | None) -> Slot:
        """The slot of a key as the view has it."""
        if stored is None:
            return cls(None, gone, gone, None)
        # Both can be there only if somebody put the row back by hand; the deletion still counts.
        version = stored.meta.version if gone is None else max(stored.meta.version, gone)
        return cls(stored, gone, version, stored.header, stored.children)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that cannot be applied. `version` is `None` where the record does not say it."""

    record: Record
    key: str
    version: str | None
    problem: RecordRefused


@dataclass(slots=True)
class Folded:
    """The slots by key, and what became of each record."""

    slots: Mapping[str, Slot]
    applied: int = 0
    older: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def fold(records: Iterable[Record], slots: Callable[[list[str]], Mapping[str, Slot]], projector: Projector) -> Folded:
    """Apply records in order to the slots of their keys, in memory. `slots` gives what the view has of some keys."""
    events: list[CloudEvent] = []
    refusals: list[Refusal] = []
    for record in records:
        try:
            events.append(readable(record))
        except RecordRefused as problem:
            refusals.append(Refusal(record, (record.key or b"").decode("utf-8", "replace"), None, problem))
    keys = list(dict.fromkeys(event.subject for event in events))
    # What others say of an unreadable record's key decides whether it is still of interest.
    folded = Folded(slots(keys), refusals=refusals)
    for event in events:
        slot = folded.slots[event.subject]
        if slot.version is not None and event.sequence <= slot.version:
            folded.older += 1
            continue
        try:
            _take(slot, event, projector)
        except RecordRefused as problem:
            refusals.append(Refusal(event.record, event.subject, event.sequence, problem))
        else:
            folded.applied += 1
    return folded


def readable(record: Record) -> CloudEvent:
    """A state record decoded; `view.record-unreadable` if it is none."""
    try:
        event = cloudevents.read(record)
    except ValueError as error:
        raise RecordUnreadable(reason=str(error)) from error
    if not _SEQUENCE.fullmatch(event.sequence):
        raise RecordUnreadable(reason="its sequence has another form")
    if event.data is not None and not isinstance(event.data, dict):
        raise RecordUnreadable(reason="its data are no JSON object")
    position = event.attributes.get("dragoman_position")
    if position is not None and not position.isdecimal():
        raise RecordUnreadable(reason="its dragoman_position is no number")
    return event


def _take(slot: Slot, event: CloudEvent, projector: Projector) -> None:
    if event.data is None:
        slot.header, slot.children = None, {}
    else:
        said = projector.content(event.data)
        whole = projector.completed(said, slot.header or {}, slot.children)
        for path, column in projector.key:
            if whole.header[column] is None:
                raise KeyMissing(path=path, what="null" if column in said.header else "absent")
        slot.header, slot.children = whole.header, whole.children
    slot.version, slot.latest = event.sequence, event
