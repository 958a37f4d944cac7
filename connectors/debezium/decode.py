"""Debezium records to changes: one record in, one closed answer out. Nothing is guessed, nothing is raised."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, cast

import msgspec

from connectors.debezium import keys, marks
from connectors.debezium.avro import AvroEnvelope, AvroSchema, AvroSchemas, is_avro
from connectors.debezium.codec import message_content
from connectors.debezium.envelope import MAX_BYTES, Envelope, SentSchema, Unwrapper, envelope, load
from connectors.debezium.everyday import everyday
from connectors.debezium.images import Image, TableReader
from connectors.debezium.records import (
    Decoded,
    Headers,
    IncrementalRow,
    LogicalMessage,
    MovedKey,
    Signal,
    Tombstone,
    Truncate,
    Unreadable,
)
from connectors.debezium.refusal import Refusal
from connectors.debezium.registry import SchemaRegistry
from connectors.debezium.rows import RowPlan, declared_plan, sent_plan
from connectors.debezium.sources import (
    Source,
    SourceForm,
    is_snapshot,
    moment,
    origin,
    snapshot_place,
    source_form,
    transaction,
)
from translators.change import Change, Coordinate, Op
from translators.schema import Encoding, LegacySchema
from translators.values import Row

_CACHED = 512
Sent = SentSchema | AvroSchema


class Decoder:
    """Decodes the records of one source.

    `schema` is the legacy's; without it only records that carry their own schema can be read. `notification_topic` is
    where the connector says what it does; without it notifications are known by their shape. `registry` has the schemas
    of Avro records; without it they are refused. `signal_table` is the connector's `signal.data.collection`, as
    `schema.yaml` names it. `needs` are the columns that rows must have, by table (none told: all that are declared); what
    other columns do is told in `Change.drift`.
    """

    def __init__(
        self,
        schema: LegacySchema | None,
        notification_topic: str | None = None,
        registry: SchemaRegistry | None = None,
        signal_table: str | None = None,
        needs: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._needs = needs
        self._schema = schema
        self._encoding = Encoding() if schema is None else schema.encoding
        self._notification_topic = notification_topic
        self._signal_table = signal_table
        self._unwrapper = Unwrapper()
        self._avro = AvroSchemas(registry)
        self._keys = keys.Keys(self._avro)
        self._readers: dict[tuple[Sent | None, str, str | None, str | None, str | None], TableReader] = {}

    def decode(
        self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> Decoded:
        """What this record is. A record that cannot be read for sure is `Unreadable`, with the reason."""
        at = Coordinate(topic, partition, offset)
        if value is None:
            return Tombstone(at)
        try:
            return self._record(at, key, value, headers)
        except Refusal as refusal:
            return Unreadable(problem=refusal.problem(refusal.table), at=at, table=refusal.table)

    def moved(self, change: Change, headers: Headers) -> MovedKey:
        """The other key of a row whose key was changed, from the headers of its record; `Refusal` if it is unreadable.

        The change was decoded from the same record, and the key is in the same canonical text as `row_key`.
        """
        return self._keys.moved(self._plan_of(change), headers)

    def with_moved(self, change: Change, headers: Headers) -> Decoded:
        """The change with the key on its other side, where its record's headers say that its key was changed."""
        if change.op not in ("c", "d") or not keys.is_rekeyed(headers):
            return change
        try:
            return msgspec.structs.replace(change, moved=self._keys.other(self._plan_of(change), headers))
        except Refusal as refusal:
            return Unreadable(problem=refusal.problem(change.table), at=change.at, table=change.table)

    def connector_of(self, topic: str, value: bytes) -> str | None:
        """The connector that a change names as its own; `None` for a record that is no change or cannot be read."""
        try:
            if is_avro(value):
                found: Envelope | AvroEnvelope | None = self._avro.of(value, "value").envelope(value)
            else:
                found = envelope(self._unwrapper.unwrap(topic, value)[0])
        except Refusal:
            return None
        return None if found is None else found.source.connector

    def _plan_of(self, change: Change) -> RowPlan:
        reader = next((one for one in self._readers.values() if one.table == change.table), None)
        if reader is None:
            raise Refusal("record.unknown-table")
        return reader.plan

    def _record(self, at: Coordinate, key: bytes | None, value: bytes, headers: Headers) -> Decoded:
        if len(value) > MAX_BYTES or (key is not None and len(key) > MAX_BYTES):
            raise Refusal("record.too-large", f"{MAX_BYTES:,}")
        if is_avro(value):
            payload, schema = value, self._avro.of(value, "value")
            found: Envelope | AvroEnvelope | None = schema.envelope(value)
            sent: Sent | None = schema
            if found is None:
                return self._mark(at, key, schema.plain(value, "value"), schema.name)
        else:
            payload, sent = self._unwrapper.unwrap(at.topic, value)
            found = envelope(payload)
            if found is None:
                return self._mark(at, key, load(payload, "value"), "" if sent is None else sent.name)
        source = found.source
        reader = self._readers.get((sent, source.connector, source.db, source.schema, source.table))
        if reader is not None and reader.fast is not None and key is not None:
            change = everyday(at, reader, reader.fast, self._keys.image(at.topic, key, reader.form), payload, found)
            if change is not None:
                return change
        return self._careful(at, key, found, sent, headers)

    def _careful(
        self, at: Coordinate, key: bytes | None, found: Envelope | AvroEnvelope, sent: Sent | None, headers: Headers
    ) -> Decoded:
        """Every record with an envelope, step by step."""
        form = source_form(found.source.connector)
        if found.op == "m":
            return self._message(at, found, form)
        table = self._table(found.source, form)
        try:
            if table == self._signal_table:
                return _signal(at, found)
            if found.op == "t":
                return _truncate(at, table, found, form)
            return self._change(at, key, found, self._reader(table, found.source, sent, form), headers)
        except Refusal as refusal:
            refusal.table = table
            raise

    def _mark(self, at: Coordinate, key: bytes | None, data: Any, name: str) -> Decoded:
        mark = marks.mark(data, name, at, self._schema, self._notification_topic)
        if mark is None:
            raise marks.refuse(data, self._keys.plain(key))
        return mark

    def _table(self, source: Source, form: SourceForm) -> str:
        if not source.table:
            raise Refusal("record.bad-envelope", "source")
        space = source.schema if form.namespace == "schema" else source.db
        if not space or (self._schema is not None and space == self._schema.namespace):
            return source.table
        return f"{space}.{source.table}"

    def _reader(self, table: str, source: Source, sent: Sent | None, form: SourceForm) -> TableReader:
        identity = (sent, source.connector, source.db, source.schema, source.table)
        reader = self._readers.get(identity)
        if reader is None:
            reader = self._new_reader(table, sent, form)
            if len(self._readers) >= _CACHED:
                self._readers.clear()
            self._readers[identity] = reader
        return reader

    def _new_reader(self, table: str, sent: Sent | None, form: SourceForm) -> TableReader:
        declared = None if self._schema is None else self._schema.tables.get(table)
        needed = None if self._needs is None else self._needs.get(table, ())
        if sent is not None and sent.columns is not None:
            plan = sent_plan(table, sent.columns, declared, self._encoding, form.connector, needed)
            return TableReader(table, plan, "avro" if isinstance(sent, AvroSchema) else "json", form)
        if declared is None:
            raise Refusal("record.unknown-table")
        reshape = partial(declared_plan, table, declared, self._encoding, form.connector, needed=needed)
        return TableReader(table, reshape(), "json", form, reshape)

    def _change(
        self, at: Coordinate, key: bytes | None, found: Envelope | AvroEnvelope, reader: TableReader, headers: Headers
    ) -> Decoded:
        op, source = found.op, found.source
        if op not in ("c", "u", "d", "r"):
            raise Refusal("record.unknown-op")
        snapshot = is_snapshot(source, op)
        old, new = found.old(), found.new()
        names, text = self._row_key(reader, key, op, old, new)
        after, flagged = _after(reader, op, new, headers)
        place, committed = (snapshot_place(reader.source, source), None) if snapshot else reader.source.place(source)
        change = Change(
            table=reader.table,
            op=cast("Op", op),
            row_key=text,
            before=_before(reader, op, old, names),
            after=after,
            position=place,
            transaction=None if snapshot else transaction(source, found),
            committed_after=committed,
            time=None if snapshot else moment(source),
            at=at,
            flagged=flagged,
            drift=reader.plan.drift,
            origin=None if snapshot else origin(source),
        )
        if source.snapshot == "incremental":
            return IncrementalRow(change)
        return change

    def _row_key(
        self, reader: TableReader, key: bytes | None, op: str, old: Image | None, new: Image | None
    ) -> tuple[tuple[str, ...], str]:
        """The key's columns, and its canonical text: from the record's key, or from the row where that is as good."""
        plan = reader.plan
        if op == "d" and not plan.key_proven:
            raise Refusal("record.key-unproven")
        sent = self._keys.plain(key)
        given = isinstance(sent, dict)
        names = plan.key or (tuple(sent) if given else ())
        if not names:
            raise Refusal("record.no-key")
        if given and not plan.key_fields.difference(sent):
            return names, plan.key_of(sent, names)
        row = old if op == "d" else new
        if row is None:
            raise Refusal("record.no-key")
        return names, plan.key_of(reader.plain(row), names)

    def _message(self, at: Coordinate, found: Envelope | AvroEnvelope, form: SourceForm) -> LogicalMessage:
        if found.message is None:
            raise Refusal("record.bad-envelope", "message")
        place, _ = form.place(found.source)
        try:
            content = message_content(found.message.content or "", self._encoding.binary)
        except ValueError as error:
            raise Refusal("record.bad-envelope", "message") from error
        return LogicalMessage(
            prefix=found.message.prefix,
            content=content,
            position=place,
            transaction=None if found.source.txId is None else transaction(found.source, found),
            time=moment(found.source),
            at=at,
        )


def _signal(at: Coordinate, found: Envelope | AvroEnvelope) -> Signal:
    """A row of the signal table, whose columns are the command's id, its type and its data, in this order."""
    new, old = found.new(), found.old()
    image = old if new is None else new
    row = load(image, "value") if isinstance(image, bytes) else image
    kind = list(row.values())[1:2] if isinstance(row, dict) else []
    return Signal(kind[0] if kind and isinstance(kind[0], str) else None, at)


def _after(reader: TableReader, op: str, new: Image | None, headers: Headers) -> tuple[Row | None, tuple[str, ...]]:
    """The new row, and its columns whose value is not available or out of range."""
    if op == "d":
        if new is not None:
            raise Refusal("record.bad-envelope", "after")
        return None, ()
    if new is None:
        raise Refusal("record.bad-envelope", "after")
    row, flagged = reader.row(new)
    # The new half of a changed key repeats a row that was there before, placeholders included.
    old_row = op == "u" or (op == "c" and any(name == keys.OLD_KEY for name, _ in headers))
    if reader.hides and old_row:
        row = reader.plan.with_hidden(row)
        return row, reader.plan.flagged(row)
    return row, flagged


def _before(reader: TableReader, op: str, old: Image | None, names: tuple[str, ...]) -> Row | None:
    """The old row: whole, or no more than its key where all else would be made up by the connector."""
    plan = reader.plan
    if old is None:
        if plan.full and op in ("u", "d"):
            raise Refusal("record.before-missing")
        return None
    return reader.row(old)[0] if plan.full else plan.only(reader.plain(old), names)


def _truncate(at: Coordinate, table: str, found: Envelope | AvroEnvelope, form: SourceForm) -> Truncate:
    place, committed = form.place(found.source)
    return Truncate(
        table=table,
        position=place,
        transaction=transaction(found.source, found),
        committed_after=committed,
        time=moment(found.source),
        at=at,
        origin=origin(found.source),
    )
