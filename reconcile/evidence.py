"""What the pipeline knows of a key that differs: what it last published, what waits, what the view set aside."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from pipeline import cloudevents
from pipeline.log.port import Log, Record
from pipeline.state.port import StateStore, Stored, Waiting
from reconcile.errors import ReconcileError
from reconcile.view import ViewParked, ViewRow, ViewSide
from translators.change import Coordinate

LAST = 4
"""Records of one key that are told; of older ones nobody asks what they said."""

_FETCH = 1_000


class StreamUnreadable(ReconcileError):
    """A record of the state stream is no curated record: {reason}."""

    code = "reconcile.stream-unreadable"
    hint = "See who else writes to the topic; only translators may. What was published cannot be told until then."


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the state stream. `data` is `None` for a tombstone; `time` is the source's commit time.

    `absent` are fields that it leaves out, since the source did not send what is behind them, with the reasons.
    """

    sequence: str
    id: str
    time: datetime | None
    event_class: str
    data: Mapping[str, Any] | None
    at: Coordinate
    absent: Mapping[str, str] = {}
    mapping_version: str = ""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one key.

    `published` is the record of the highest sequence, `lacking` the first record above the sequence that the view shows,
    `shown` the last one of that sequence; `last` are the last records of the key, in the order of the stream.
    """

    published: Published | None = None
    lacking: Published | None = None
    shown: Published | None = None
    waiting: tuple[Waiting, ...] = ()
    stored: Stored | None = None
    view_parked: ViewParked | None = None
    last: tuple[Published, ...] = ()


class Witness:
    """Gathers evidence from the state stream, the translator's store and the view. Reads only.

    Where the store is a copy, `catch_up` brings it up to now before each look.
    """

    def __init__(
        self,
        log: Log,
        state_topic: str,
        store: StateStore,
        view: ViewSide,
        catch_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._catch_up = catch_up
        self._log = log
        self._topic = state_topic
        self._store = store
        self._view = view

    def of(self, shown: Mapping[str, ViewRow | None]) -> dict[str, Evidence]:
        """The evidence for each key, given what the view shows of it. Reads the state stream once."""
        published: dict[str, Published] = {}
        lacking: dict[str, Published] = {}
        seen: dict[str, Published] = {}
        last: dict[str, deque[Published]] = {}
        for key, record in records_of(self._log, self._topic, shown):
            row = shown[key]
            last.setdefault(key, deque(maxlen=LAST)).append(record)
            if key not in published or record.sequence >= published[key].sequence:
                published[key] = record
            if row is not None and record.sequence == row.sequence:
                seen[key] = record
            unseen = row is None or record.sequence > row.sequence
            if unseen and (key not in lacking or record.sequence < lacking[key].sequence):
                lacking[key] = record
        self._catch_up()
        stored = self._store.load(list(shown))
        waiting_keys, parked = self._store.waiting_keys(), self._view.parked()
        return {
            key: Evidence(
                published=published.get(key),
                lacking=lacking.get(key),
                shown=seen.get(key),
                waiting=tuple(self._store.waiting(key)) if key in waiting_keys else (),
                stored=stored.get(key),
                view_parked=parked.get(key),
                last=tuple(last.get(key, ())),
            )
            for key in shown
        }


def records_of(log: Log, topic: str, keys: Container[str] | None) -> Iterator[tuple[str, Published]]:
    """The records of some keys (of all for `None`), partition by partition; `StreamUnreadable` for what is none."""
    for partition in range(log.topics()[topic].partitions):
        offset, end = 0, log.end(topic, partition)
        while offset < end:
            page = log.read(topic, partition, offset, _FETCH)
            if page.next <= offset:
                break
            for record in page.records:
                key = (record.key or b"").decode(errors="replace")
                if keys is None or key in keys:
                    yield key, _published(record)
            offset = page.next


def _published(record: Record) -> Published:
    at = Coordinate(record.topic, record.partition, record.offset)
    try:
        event = cloudevents.read(record)
    except ValueError as error:
        raise StreamUnreadable(where=at, reason=error) from error
    return Published(
        sequence=event.sequence,
        id=event.id,
        time=event.time,
        event_class=event.event_class,
        data=event.data,
        at=at,
        absent=cloudevents.absent_of(event),
        mapping_version=event.attributes.get("mappingversion", ""),
    )
