"""Debezium records to changes: one record in, one closed answer out. Nothing is guessed, nothing is raised."""

from __future__ import annotations

from typing import Any, cast

from connectors.debezium import marks
from connectors.debezium.codec import message_content
from connectors.debezium.envelope import (
    MAX_BYTES,
    Envelope,
    SentSchema,
    Source,
    Unwrapper,
    check_connector,
    envelope,
    is_snapshot,
    load,
    moment,
    positions,
    split,
    transaction,
)
from connectors.debezium.records import Decoded, Headers, LogicalMessage, Tombstone, Truncate, Unreadable
from connectors.debezium.refusal import Refusal
from connectors.debezium.rows import RowPlan, declared_plan, sent_plan
from translators.change import SNAPSHOT_POSITION, Change, Coordinate, Op
from translators.schema import Encoding, LegacySchema
from translators.values import Row

_OLD_KEY = "__debezium.oldkey"
_CACHED = 512


class Decoder:
    """Decodes the records of one source.

    `schema` is the legacy's; without it only records that carry their own schema can be read. `notification_topic` is
    where the connector says what it does; without it notifications are known by their shape.
    """

    def __init__(self, schema: LegacySchema | None, notification_topic: str | None = None) -> None:
        self._schema = schema
        self._encoding = Encoding() if schema is None else schema.encoding
        self._notification_topic = notification_topic
        self._unwrapper = Unwrapper()
        self._plans: dict[tuple[SentSchema | None, str | None, str | None], RowPlan] = {}

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

    def _record(self, at: Coordinate, key: bytes | None, value: bytes, headers: Headers) -> Decoded:
        if len(value) > MAX_BYTES or (key is not None and len(key) > MAX_BYTES):
            raise Refusal("record.too-large", f"{MAX_BYTES:,}")
        payload, sent = self._unwrapper.unwrap(at.topic, value)
        found = envelope(payload)
        if found is None:
            data = load(payload, "value")
            name = "" if sent is None else sent.name
            mark = marks.mark(data, name, at, self._schema, self._notification_topic)
            if mark is None:
                raise marks.refuse(data, _key(key))
            return mark
        check_connector(found.source.connector)
        if found.op == "m":
            return self._message(at, found)
        table = self._table(found.source)
        try:
            if found.op == "t":
                return _truncate(at, table, found.source)
            return self._change(at, table, key, found, self._plan(table, found.source, sent), headers)
        except Refusal as refusal:
            refusal.table = table
            raise

    def _table(self, source: Source) -> str:
        if not source.table:
            raise Refusal("record.bad-envelope", "source")
        if not source.schema or (self._schema is not None and source.schema == self._schema.namespace):
            return source.table
        return f"{source.schema}.{source.table}"

    def _plan(self, table: str, source: Source, sent: SentSchema | None) -> RowPlan:
        identity = (sent, source.schema, source.table)
        plan = self._plans.get(identity)
        if plan is None:
            declared = None if self._schema is None else self._schema.tables.get(table)
            if sent is not None and sent.columns is not None:
                plan = sent_plan(table, sent.columns, declared, self._encoding)
            elif declared is not None:
                plan = declared_plan(table, declared, self._encoding)
            else:
                raise Refusal("record.unknown-table")
            if len(self._plans) >= _CACHED:
                self._plans.clear()
            self._plans[identity] = plan
        return plan

    def _change(
        self, at: Coordinate, table: str, key: bytes | None, found: Envelope, plan: RowPlan, headers: Headers
    ) -> Change:
        op = found.op
        if op not in ("c", "u", "d", "r"):
            raise Refusal("record.unknown-op")
        source = found.source
        snapshot = is_snapshot(source, op)
        names, text = _row_key(plan, _key(key), found)
        after = _after(plan, found, headers)
        position, committed = (SNAPSHOT_POSITION, None) if snapshot else positions(source)
        return Change(
            table=table,
            op=cast("Op", op),
            row_key=text,
            before=_before(plan, found, names),
            after=after,
            position=position,
            transaction=None if snapshot else transaction(source),
            committed_after=committed,
            time=None if snapshot else moment(source),
            at=at,
            flagged=() if after is None else plan.flagged(after),
        )

    def _message(self, at: Coordinate, found: Envelope) -> LogicalMessage:
        if found.message is None:
            raise Refusal("record.bad-envelope", "message")
        position, _ = positions(found.source)
        try:
            content = message_content(found.message.content or "", self._encoding.binary)
        except ValueError as error:
            raise Refusal("record.bad-envelope", "message") from error
        return LogicalMessage(
            prefix=found.message.prefix,
            content=content,
            position=position,
            transaction=None if found.source.txId is None else transaction(found.source),
            time=moment(found.source),
            at=at,
        )


def _key(key: bytes | None) -> Any:
    """The key's JSON without its schema; `None` if the record has no key."""
    if key is None:
        return None
    if key.startswith(b"Struct{"):
        raise Refusal("record.string-key")
    wrapped = split(key, "key")
    return load(key if wrapped is None else wrapped[1], "key")


def _row_key(plan: RowPlan, key: Any, found: Envelope) -> tuple[tuple[str, ...], str]:
    """The key's columns, and its canonical text: from the record's key, or from the row where that is as good."""
    if found.op == "d" and not plan.key_proven:
        raise Refusal("record.key-unproven")
    given = isinstance(key, dict)
    names = plan.key or (tuple(key) if given else ())
    if not names:
        raise Refusal("record.no-key")
    if given and not plan.key_set.difference(key):
        return names, plan.key_of(key, names)
    row = found.before if found.op == "d" else found.after
    if row is None:
        raise Refusal("record.no-key")
    return names, plan.key_of(row, names)


def _after(plan: RowPlan, found: Envelope, headers: Headers) -> Row | None:
    if found.op == "d":
        if found.after is not None:
            raise Refusal("record.bad-envelope", "after")
        return None
    if found.after is None:
        raise Refusal("record.bad-envelope", "after")
    row = plan.row(found.after)
    if plan.full or found.op == "r":
        return row
    # The new half of a changed key repeats a row that was there before, placeholders included.
    moved = found.op == "c" and any(name == _OLD_KEY for name, _ in headers)
    return plan.with_hidden(row) if found.op == "u" or moved else row


def _before(plan: RowPlan, found: Envelope, names: tuple[str, ...]) -> Row | None:
    """The old row: whole, or no more than its key where all else would be made up by the connector."""
    if found.before is None:
        if plan.full and found.op in ("u", "d"):
            raise Refusal("record.before-missing")
        return None
    return plan.row(found.before) if plan.full else plan.only(found.before, names)


def _truncate(at: Coordinate, table: str, source: Source) -> Truncate:
    position, committed = positions(source)
    return Truncate(
        table=table,
        position=position,
        transaction=transaction(source),
        committed_after=committed,
        time=moment(source),
        at=at,
    )
