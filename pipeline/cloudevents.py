"""Curated records as CloudEvents 1.0 in Kafka's binary mode: data in the value, attributes in `ce_` headers.

Everything is made from what is stable in a repeat: no clock, no random, no order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import orjson

from pipeline.log.port import Header, Headers, Outgoing, Record
from translators.translator import Event, Partial, State

EventClass = Literal["live", "snapshot", "recompute", "repair", "backfill"]

_UNAVAILABLE = "dragoman_unavailable"
_VERSION: Header = ("ce_specversion", b"1.0")
_JSON: Header = ("content-type", b"application/json")
_CLASSES: dict[EventClass, Header] = {of: ("ce_eventclass", of.encode()) for of in get_args(EventClass)}


class Producer(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Who publishes: what stays the same for all records of one worker's life."""

    namespace: str
    context: str
    source: str
    source_epoch: int
    translator: str
    state_epoch: int
    """The first number of a sequence."""
    generation: int
    mapping_version: str
    producer_version: str
    events_topic: str
    state_topic: str

    @property
    def ce_source(self) -> bytes:
        """The `source` attribute: the legacy system and the translator."""
        return f"/legacy/{self.source}/{self.translator}".encode()

    @cached_property
    def same(self) -> tuple[Header, Header, Header]:
        """The headers that are the same on all its records: source, version of the mapping, version of the product."""
        return (
            ("ce_source", self.ce_source),
            ("ce_mappingversion", self.mapping_version.encode()),
            ("ce_producerversion", self.producer_version.encode()),
        )

    @cached_property
    def kinds(self) -> dict[str, tuple[Header, Header]]:
        """The headers that are the same on all records of a contract, as far as they were asked for: type and schema."""
        return {}

    def of_kind(self, kind: str) -> tuple[Header, Header]:
        """Type and schema of a contract, as headers."""
        found = self.kinds.get(kind)
        if found is None:
            found = self.kinds[kind] = (
                ("ce_type", f"{self.namespace}.{self.context}.{kind}".encode()),
                ("ce_dataschema", f"urn:dragoman:{self.context}:{kind}".encode()),
            )
        return found


class StepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a step is known by, the same in every repeat.

    `lowest` is the lowest row position of the step and `first_row` that row (`table/row key`). `time` is the source's
    commit time, `None` on snapshot rows. `position` is the highest row position. `arrived`: milliseconds since the epoch
    at which the step's first record came into the feed. `correlation` ties steps together; without one it is the transaction.
    `renumbered_from` and `renumbered_to` are the other business key of a thing that was given a new one. `corrects` is
    the id of the record that this one repeats or corrects, `finding` what it was found wrong by.
    """

    key: str
    version: int
    transaction: str
    lowest: int
    position: int
    first_row: str
    time: datetime | None
    feed_partition: int
    arrived: int
    correlation: str | None = None
    renumbered_from: str | None = None
    renumbered_to: str | None = None
    corrects: str | None = None
    finding: str | None = None


def step_id(producer: Producer, facts: StepFacts, kind: str, ordinal: int = 0) -> str:
    """The id of one output of a step, 32 hex digits; `kind` is its contract (or `dead-letter`)."""
    made_of = (
        producer.source,
        str(producer.source_epoch),
        producer.translator,
        facts.key,
        facts.transaction,
        str(facts.lowest),
        kind,
        str(ordinal),
    )
    return blake2b("\x1f".join(made_of).encode(), digest_size=16).hexdigest()


def sequence(producer: Producer, version: int, ordinal: int) -> str:
    """State epoch, version, mapping generation, ordinal: fixed widths, so that the order of texts is the order."""
    return f"{producer.state_epoch:04d}.{version:012d}.{producer.generation:06d}.{ordinal:04d}"


class PublishedAt(NamedTuple):
    """Of what step a record speaks: the feed partition that it came from, the version, and the highest row position."""

    feed_partition: bytes | None
    version: int
    position: int


def place_of(record: Record) -> PublishedAt:
    """Where a curated record comes from, by its headers alone."""
    headers = dict(record.headers)
    said = headers.get("ce_sequence") or b"0.0"
    return PublishedAt(
        headers.get("dragoman_feed_partition"), int(said.split(b".")[1]), int(headers.get("dragoman_position") or 0)
    )


class Records:
    """The records of one step. What they have in common is made once, since most steps have an event and a state.

    `ValueError` if the key or another text of the step is no UTF-8.
    """

    __slots__ = ("_causation", "_correlation", "_facts", "_key", "_producer", "_stamp", "_tail")

    def __init__(self, producer: Producer, facts: StepFacts) -> None:
        self._producer = producer
        self._facts = facts
        self._key = facts.key.encode()
        self._stamp = facts.arrived if facts.time is None else int(facts.time.timestamp() * 1000)
        self._correlation = ("ce_correlationid", (facts.correlation or _transaction(producer, facts)).encode())
        self._causation = ("ce_causationid", f"{facts.first_row}@{facts.lowest}".encode())
        self._tail = _tail(producer, facts)

    def events(self, events: tuple[Event, ...]) -> list[Outgoing]:
        """The business events of the step, in order. They are live, always."""
        seen: dict[str, int] = {}
        records = []
        for ordinal, event in enumerate(events, 1):
            before = seen.get(event.type, 0)
            seen[event.type] = before + 1
            headers = self._headers(event.type, before, ordinal, "live")
            if event.occurred is not None:
                headers += (("ce_occurredtime", _instant(event.occurred).encode()),)
            headers += _absent(event.data)
            if event.deprecated:
                headers += (("ce_deprecated", b"true"),)
            records.append(self._outgoing(self._producer.events_topic, encode(event.data), headers))
        return records

    def state(self, state_type: str, state: State | None, event_class: EventClass) -> Outgoing:
        """The state after the step, or a tombstone."""
        headers = self._headers(state_type, 0, 0, event_class)
        headers += _absent(state)
        return self._outgoing(self._producer.state_topic, None if state is None else encode(state), headers)

    def _headers(self, kind: str, before: int, ordinal: int, event_class: EventClass) -> Headers:
        """`before`: how many records of this kind the step has before this one."""
        producer, facts, key = self._producer, self._facts, self._key
        identity = step_id(producer, facts, kind, before)
        of_type, schema = producer.of_kind(kind)
        return (
            _VERSION,
            ("ce_id", identity.encode()),
            producer.same[0],
            of_type,
            ("ce_subject", key),
            schema,
            ("ce_partitionkey", key),
            ("ce_sequence", sequence(producer, facts.version, ordinal).encode()),
            self._correlation,
            self._causation,
            ("ce_traceparent", f"00-{identity}-{identity[:16]}-00".encode()),
            _CLASSES[event_class],
            *self._tail,
        )

    def _outgoing(self, topic: str, value: bytes | None, headers: Headers) -> Outgoing:
        return Outgoing(topic=topic, timestamp=self._stamp, key=self._key, value=value, headers=headers)


def _tail(producer: Producer, facts: StepFacts) -> Headers:
    """The last headers, which are the same on all records of a step."""
    _, mapping_version, producer_version = producer.same
    headers: list[Header] = [
        mapping_version,
        producer_version,
        ("dragoman_feed_partition", str(facts.feed_partition).encode()),
        ("dragoman_position", str(facts.position).encode()),
        _JSON,
    ]
    if facts.time is not None:
        headers.append(("ce_time", rfc3339(facts.time).encode()))
    if facts.renumbered_from is not None:
        headers.append(("ce_renumberedfrom", facts.renumbered_from.encode()))
    if facts.renumbered_to is not None:
        headers.append(("ce_renumberedto", facts.renumbered_to.encode()))
    if facts.corrects is not None:
        headers.append(("ce_corrects", facts.corrects.encode()))
    if facts.finding is not None:
        headers.append(("dragoman_finding", facts.finding.encode()))
    return tuple(headers)


def _absent(data: Mapping[str, Any] | None) -> Headers:
    """Which fields are left out, since the source did not send what is behind them: `remark=toast,lines[].note=toast`."""
    if not isinstance(data, Partial):
        return ()
    return ((_UNAVAILABLE, ",".join(f"{path}={why}" for path, why in data.absent.items()).encode()),)


def encode(data: Mapping[str, Any]) -> bytes:
    """JSON in the order of the contract; decimals are texts with their scale, dates and times ISO 8601.

    `TypeError` or `ValueError` for what JSON cannot say (lone surrogates, integers beyond 64 bits).
    """
    return orjson.dumps(data, default=_text, option=orjson.OPT_UTC_Z)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        text = str(value)
        return format(value, "f") if "E" in text else text  # the same, where no exponent is written
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def rfc3339(time: datetime) -> str:
    """A UTC instant as text, microseconds where there are any."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _transaction(producer: Producer, facts: StepFacts) -> str:
    return f"{producer.source}:{producer.source_epoch}:{facts.transaction}"


def _instant(time: date | datetime) -> str:
    """Business time as the column says it: a day, a wall clock, or an instant."""
    return rfc3339(time) if isinstance(time, datetime) and time.tzinfo is not None else time.isoformat()


def absent_of(event: CloudEvent) -> dict[str, str]:
    """The fields that a record leaves out, each with the reason; paths as contracts spell them (`lines.note`)."""
    said = event.attributes.get(_UNAVAILABLE, "")
    pairs = [one.split("=", 1) for one in said.split(",") if "=" in one]
    return {path.replace("[]", ""): why for path, why in pairs}


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A curated record as a consumer reads it. `data` is `None` for a tombstone; decimals in it are texts."""

    id: str
    type: str
    subject: str
    time: datetime | None
    sequence: str
    event_class: str
    data: dict[str, Any] | None
    attributes: Mapping[str, str]
    record: Record

    @property
    def name(self) -> str:
        """The contract without namespace and context: `PolicyBound.v1`."""
        return ".".join(self.type.rsplit(".", 2)[1:])


def read(record: Record) -> CloudEvent:
    """A curated record decoded. `ValueError` (with what is wrong) if it is none."""
    attributes = {name.removeprefix("ce_"): (value or b"").decode() for name, value in record.headers}
    missing = [name for name in ("specversion", "id", "type", "subject", "sequence") if name not in attributes]
    if missing:
        raise ValueError(f"the header ce_{missing[0]} is missing")
    time = attributes.get("time")
    return CloudEvent(
        id=attributes["id"],
        type=attributes["type"],
        subject=attributes["subject"],
        time=None if time is None else datetime.fromisoformat(time),
        sequence=attributes["sequence"],
        event_class=attributes.get("eventclass", "live"),
        data=None if record.value is None else orjson.loads(record.value),
        attributes=attributes,
        record=record,
    )
