"""Curated records as CloudEvents 1.0 in Kafka's binary mode: data in the value, attributes in `ce_` headers.

Everything is made from what is stable in a repeat: no clock, no random, no order of arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import orjson

from pipeline.log.port import Headers, Outgoing, Record
from translators.translator import Event, Partial, State

EventClass = Literal["live", "snapshot", "recompute", "repair", "backfill"]

_UNAVAILABLE = "dragoman_unavailable"
_JSON = b"application/json"


class Producer(msgspec.Struct, frozen=True, kw_only=True):
    """Who publishes: what stays the same for all records of one worker's life."""

    namespace: str
    context: str
    source: str
    source_epoch: int
    translator: str
    state_epoch: int
    generation: int
    mapping_version: str
    producer_version: str
    events_topic: str
    state_topic: str

    @property
    def ce_source(self) -> bytes:
        """The `source` attribute: the legacy system and the translator."""
        return f"/legacy/{self.source}/{self.translator}".encode()


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


def event_records(producer: Producer, facts: StepFacts, events: tuple[Event, ...]) -> list[Outgoing]:
    """The business events of a step, in order. They are live, always."""
    seen: Counter[str] = Counter()
    records = []
    for ordinal, event in enumerate(events, 1):
        identity = step_id(producer, facts, event.type, seen[event.type])
        seen[event.type] += 1
        headers = _headers(producer, facts, identity, event.type, ordinal, "live")
        if event.occurred is not None:
            headers += (("ce_occurredtime", _instant(event.occurred).encode()),)
        headers += _absent(event.data)
        if event.deprecated:
            headers += (("ce_deprecated", b"true"),)
        records.append(_outgoing(producer.events_topic, facts, encode(event.data), headers))
    return records


def state_record(
    producer: Producer, facts: StepFacts, state_type: str, state: State | None, event_class: EventClass
) -> Outgoing:
    """The state after a step, or a tombstone."""
    identity = step_id(producer, facts, state_type)
    headers = _headers(producer, facts, identity, state_type, 0, event_class)
    headers += _absent(state)
    return _outgoing(producer.state_topic, facts, None if state is None else encode(state), headers)


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
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def _outgoing(topic: str, facts: StepFacts, value: bytes | None, headers: Headers) -> Outgoing:
    stamp = facts.arrived if facts.time is None else int(facts.time.timestamp() * 1000)
    return Outgoing(topic=topic, timestamp=stamp, key=facts.key.encode(), value=value, headers=headers)


def rfc3339(time: datetime) -> str:
    """A UTC instant as text, microseconds where there are any."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _headers(
    producer: Producer, facts: StepFacts, identity: str, kind: str, ordinal: int, event_class: EventClass
) -> Headers:
    key = facts.key.encode()
    context = f"{producer.namespace}.{producer.context}"
    headers: list[tuple[str, bytes | None]] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_source", producer.ce_source),
        ("ce_type", f"{context}.{kind}".encode()),
        ("ce_subject", key),
        ("ce_dataschema", f"urn:dragoman:{producer.context}:{kind}".encode()),
        ("ce_partitionkey", key),
        ("ce_sequence", sequence(producer, facts.version, ordinal).encode()),
        ("ce_correlationid", (facts.correlation or _transaction(producer, facts)).encode()),
        ("ce_causationid", f"{facts.first_row}@{facts.lowest}".encode()),
        ("ce_traceparent", f"00-{identity}-{identity[:16]}-00".encode()),
        ("ce_eventclass", event_class.encode()),
        ("ce_mappingversion", producer.mapping_version.encode()),
        ("ce_producerversion", producer.producer_version.encode()),
        ("dragoman_feed_partition", str(facts.feed_partition).encode()),
        ("dragoman_position", str(facts.position).encode()),
        ("content-type", _JSON),
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
