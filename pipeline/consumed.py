"""What an action consumer keeps in its database: the ids it has handled, its checkpoint, and the events put aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)

from pipeline.cloudevents import CloudEvent
from pipeline.log.port import Headers, Record
from pipeline.projection.rows import KEYS_AT_ONCE
from pipeline.projection.tables import NAME_LENGTH, checkpoint_table
from pipeline.projection.types import UTF8, Stored, bytes_type, key_type
from translators.errors import DragomanError

_headers = msgspec.json.Decoder(Headers).decode


class ParkedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was put aside, with the whole record. `code` and `message` say why."""

    event_id: str
    subject: str
    code: str
    message: str
    first_seen: datetime
    record: Record

    @property
    def line(self) -> tuple[str, str]:
        """Topic and subject: the events that wait for each other."""
        return self.record.topic, self.subject


class ConsumerTables:
    """The tables of one consumer, within transactions of the caller. Several consumers may share a database."""

    def __init__(self, consumer: str) -> None:
        metadata = MetaData()
        self._consumer = consumer
        self.checkpoint = checkpoint_table(metadata, "_dragoman_consumer_checkpoint", "consumer")
        self._handled = Table(
            "_dragoman_handled",
            metadata,
            Column("consumer", String(NAME_LENGTH), primary_key=True),
            Column("event_id", key_type(), primary_key=True),
            Column("subject", key_type(), nullable=False),
            Column("handled_at", Stored("timestamptz"), nullable=False),
            **UTF8,
        )
        self._parked = Table(
            "_dragoman_consumer_parked",
            metadata,
            Column("consumer", String(NAME_LENGTH), primary_key=True),
            Column("event_id", key_type(), primary_key=True),
            Column("topic", String(NAME_LENGTH), nullable=False),
            Column("partition", Integer, nullable=False),
            Column("offset", BigInteger, nullable=False),
            Column("timestamp", BigInteger, nullable=False),
            Column("subject", key_type(), nullable=False),
            Column("key", bytes_type()),
            Column("value", bytes_type()),
            Column("headers", bytes_type(), nullable=False),
            Column("code", String(NAME_LENGTH), nullable=False),
            Column("message", Text, nullable=False),
            Column("first_seen", Stored("timestamptz"), nullable=False),
            **UTF8,
        )
        self.all = metadata.sorted_tables

    def handled_ids(self, connection: Connection, ids: Sequence[str]) -> set[str]:
        """Those of the ids that were handled."""
        found: set[str] = set()
        columns = self._handled.c
        for start in range(0, len(ids), KEYS_AT_ONCE):
            chosen = columns["event_id"].in_(ids[start : start + KEYS_AT_ONCE])
            mine = columns["consumer"] == self._consumer
            found.update(connection.execute(select(columns["event_id"]).where(mine, chosen)).scalars())
        return found

    def is_known(self, connection: Connection, event_id: str) -> bool:
        """Whether the event was handled, or waits aside."""
        for table in (self._handled, self._parked):
            same = (table.c["consumer"] == self._consumer, table.c["event_id"] == event_id)
            if connection.execute(select(table.c["event_id"]).where(*same)).first() is not None:
                return True
        return False

    def has_waiting(self, connection: Connection, topic: str, subject: str) -> bool:
        """Whether an event of this subject waits aside."""
        columns = self._parked.c
        same = (columns["consumer"] == self._consumer, columns["topic"] == topic, columns["subject"] == subject)
        return connection.execute(select(columns["event_id"]).where(*same).limit(1)).first() is not None

    def remember(self, connection: Connection, event: CloudEvent, now: datetime) -> None:
        """The event is handled, if this transaction commits."""
        row = {"consumer": self._consumer, "event_id": event.id, "subject": event.subject, "handled_at": now}
        connection.execute(self._handled.insert(), row)

    def park(
        self, connection: Connection, record: Record, event_id: str, subject: str, problem: DragomanError, now: datetime
    ) -> None:
        """Put an event aside."""
        row = {
            **{name: getattr(record, name) for name in ("topic", "partition", "offset", "timestamp", "key", "value")},
            "consumer": self._consumer,
            "event_id": event_id,
            "subject": subject,
            "headers": msgspec.json.encode(record.headers),
            "code": problem.code,
            "message": problem.message,
            "first_seen": now,
        }
        connection.execute(self._parked.insert(), row)

    def parked_events(self, connection: Connection) -> list[ParkedEvent]:
        """What was put aside, by topic, partition and offset."""
        columns = self._parked.c
        order = (columns["topic"], columns["partition"], columns["offset"])
        mine = select(self._parked).where(columns["consumer"] == self._consumer).order_by(*order)
        return [
            ParkedEvent(
                event_id=row["event_id"],
                subject=row["subject"],
                code=row["code"],
                message=row["message"],
                first_seen=row["first_seen"],
                record=Record(
                    topic=row["topic"],
                    partition=row["partition"],
                    offset=row["offset"],
                    timestamp=row["timestamp"],
                    key=row["key"],
                    value=row["value"],
                    headers=_headers(row["headers"]),
                ),
            )
            for row in connection.execute(mine).mappings()
        ]

    def count(self, connection: Connection) -> int:
        """How many events are aside."""
        mine = self._parked.c["consumer"] == self._consumer
        return connection.execute(select(func.count()).select_from(self._parked).where(mine)).scalar_one()

    def unpark(self, connection: Connection, parked: ParkedEvent) -> bool:
        """Take an event back; `False` if another process did."""
        return bool(connection.execute(delete(self._parked).where(*self._same(parked))).rowcount)

    def tell(self, connection: Connection, parked: ParkedEvent, problem: DragomanError) -> None:
        """Say anew why an event is aside; since when stays."""
        told = self._parked.update().where(*self._same(parked))
        connection.execute(told.values(code=problem.code, message=problem.message))

    def _same(self, parked: ParkedEvent) -> tuple[ColumnElement[bool], ...]:
        columns = self._parked.c
        return columns["consumer"] == self._consumer, columns["event_id"] == parked.event_id
