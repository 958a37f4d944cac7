"""Records in Avro with Confluent's frame: a zero byte, the schema's id in four bytes, then the value.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

import struct
from binascii import b2a_base64
from decimal import Decimal
from typing import Any

import msgspec

from connectors.debezium.avro_code import envelope_reader, is_envelope, value_reader
from connectors.debezium.avro_types import parse_avro
from connectors.debezium.envelope import Message
from connectors.debezium.refusal import Refusal
from connectors.debezium.registry import SchemaRegistry
from connectors.debezium.sources import Source
from connectors.debezium.wire import Wire

_HEAD = 5
_CACHED = 512
_UNFIT = (IndexError, ValueError, struct.error)


class AvroEnvelope(msgspec.Struct, gc=False):
    """`envelope.Envelope`, whose rows are what Avro held."""

    op: str
    source: Source
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    message: Message | None
    transaction: dict[str, Any] | None

    def images(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The old and the new row."""
        return self.before, self.after

    def old(self) -> dict[str, Any] | None:
        """The old row, if the record has one."""
        return self.before

    def new(self) -> dict[str, Any] | None:
        """The new row, if the record has one."""
        return self.after

    def block(self) -> str | None:
        """The id of the transaction block, if the record has one."""
        found = None if self.transaction is None else self.transaction.get("id")
        return found if isinstance(found, str) else None


class AvroSchema:
    """One schema of the registry: its semantic name, the columns of the rows under it, and how its values are read."""

    def __init__(self, text: str) -> None:
        self.type = parse_avro(text)
        self.name = self.type.wire.name
        rows = [kind.wire for field, kind in self.type.fields if field in ("before", "after") and kind.kind == "record"]
        self.columns: dict[str, Wire] | None = dict(rows[-1].fields) if rows else None
        self._envelope = envelope_reader(self.type) if is_envelope(self.type) else None
        self._value = value_reader(self.type)

    def value(self, data: bytes, what: str) -> Any:
        """The value as Avro holds it."""
        try:
            return self._value(data, _HEAD)
        except _UNFIT as error:
            raise Refusal("record.bad-avro", what) from error

    def plain(self, data: bytes, what: str) -> Any:
        """The value as JSON would have held it."""
        return json_like(self.type.wire, self.value(data, what))

    def envelope(self, data: bytes) -> AvroEnvelope | None:
        """The value as the envelope of a change; `None` if it is something else."""
        if self._envelope is None:
            return None
        try:
            op, source, before, after, message, transaction = self._envelope(data, _HEAD)
        except _UNFIT as error:
            raise Refusal("record.bad-avro", "value") from error
        return AvroEnvelope(op, source, before, after, _message(message), transaction)


def _message(found: dict[str, Any] | None) -> Message | None:
    if found is None:
        return None
    prefix, content = found.get("prefix"), found.get("content")
    if not isinstance(prefix, str) or not isinstance(content, str | bytes | None):
        raise Refusal("record.bad-envelope", "message")
    return Message(prefix, _base64(content) if isinstance(content, bytes) else content)


class AvroSchemas:
    """The schemas by their id, each asked for once."""

    def __init__(self, registry: SchemaRegistry | None) -> None:
        self._registry = registry
        self._known: dict[bytes, AvroSchema] = {}

    def of(self, data: bytes, what: str) -> AvroSchema:
        """The schema of a framed record; `Refusal` if there is none or it cannot be read."""
        head = data[:_HEAD]
        found = self._known.get(head)
        return self._ask(head, what) if found is None else found

    def _ask(self, head: bytes, what: str) -> AvroSchema:
        if self._registry is None:
            raise Refusal("record.no-registry", what)
        if len(head) < _HEAD:
            raise Refusal("record.bad-avro", what)
        text = self._registry.schema(int.from_bytes(head[1:], "big"))
        if text is None:
            raise Refusal("record.unknown-schema", what)
        if len(self._known) >= _CACHED:
            self._known.clear()
        self._known[head] = found = AvroSchema(text)
        return found


def is_avro(data: bytes) -> bool:
    """Whether a key or value is framed Avro; JSON never begins with a zero byte."""
    return data[:1] == b"\0"


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()


def json_like(wire: Wire, value: Any) -> Any:
    """A value of Avro as JsonConverter writes it: bytes in base64, numbers exact, no number as a text."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return _base64(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return value if wire.items is None else [json_like(wire.items, item) for item in value]
    if isinstance(value, dict):
        inner = dict(wire.fields)
        return {name: json_like(inner.get(name, wire.items or wire), item) for name, item in value.items()}
    return value


def _number(value: float) -> Decimal | str:
    if value - value == 0:
        return Decimal(repr(value))
    return "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
