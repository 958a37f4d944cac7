"""The JSON of a record: with or without its schema, and the envelope of a change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from connectors.debezium.refusal import Refusal
from connectors.debezium.sources import Source
from connectors.debezium.wire import Wire, parse_wire

T = TypeVar("T")

MAX_BYTES = 16 * 1024 * 1024
_CACHED = 512


class Message(msgspec.Struct):
    """A message in the source's log."""

    prefix: str
    content: str | None = None


_NOTHING = msgspec.Raw()


class Envelope(msgspec.Struct, gc=False, kw_only=True):
    """What every change is wrapped in, in its order; its rows and its transaction block stay JSON until they are read."""

    before: msgspec.Raw = _NOTHING
    after: msgspec.Raw = _NOTHING
    source: Source
    transaction: msgspec.Raw = _NOTHING
    op: str
    message: Message | None = None

    def images(self) -> tuple[msgspec.Raw | None, msgspec.Raw | None]:
        """The old and the new row as they stand in the record, without a copy."""
        return as_sent(self.before), as_sent(self.after)

    def old(self) -> bytes | None:
        """The old row, if the record has one."""
        return _present(self.before)

    def new(self) -> bytes | None:
        """The new row, if the record has one."""
        return _present(self.after)

    def block(self) -> str | None:
        """The id of the transaction block, if the record has one."""
        block = _present(self.transaction)
        found = None if block is None else load(block, "value")
        text = found.get("id") if isinstance(found, dict) else None
        return text if isinstance(text, str) else None


def _present(raw: msgspec.Raw) -> bytes | None:
    data = bytes(raw)
    return None if data in (b"", b"null") else data


def as_sent(raw: msgspec.Raw) -> msgspec.Raw | None:
    """A row as it stands in the record, without a copy; `None` if there is none."""
    return None if len(raw) <= 4 and bytes(raw) in (b"", b"null") else raw


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    schema: msgspec.Raw
    payload: msgspec.Raw


class SentSchema:
    """The schema that came with a record: its name, and the columns of the rows under it."""

    def __init__(self, text: bytes) -> None:
        schema = load(text, "schema")
        if not isinstance(schema, dict) or "type" not in schema:
            raise Refusal("record.bad-schema", "it has no type")
        name = schema.get("name")
        self.name: str = name if isinstance(name, str) else ""
        self.columns: dict[str, Wire] | None = None
        fields = schema.get("fields")
        for field in fields if isinstance(fields, list) else []:
            if isinstance(field, dict) and field.get("field") in ("after", "before") and field.get("type") == "struct":
                self.columns = dict(parse_wire(field).fields)


_MAX_DIGITS = 200_000
"""Longer than any database's numbers (PostgreSQL: 147,455 digits)."""


def _bounded(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise OverflowError("too many digits")
    return Decimal(text)


_ANY = msgspec.json.Decoder(float_hook=Decimal)
_ANY_BOUNDED = msgspec.json.Decoder(float_hook=_bounded)
_ENVELOPE = msgspec.json.Decoder(Envelope)
_WRAPPED = msgspec.json.Decoder(_Wrapped)


def _decode(decoder: msgspec.json.Decoder[T], data: bytes, what: str) -> T:
    """The decoded JSON; `ValidationError` if it is JSON of another shape, `Refusal` if it is none."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("record.bad-json", what) from error
    except RecursionError as error:
        raise Refusal("record.too-deep", what) from error
    except ArithmeticError as error:
        raise Refusal("record.number-too-large", what) from error


def load(data: bytes, what: str) -> Any:
    """Any JSON, its numbers exact."""
    try:
        return _decode(_ANY if len(data) < _MAX_DIGITS else _ANY_BOUNDED, data, what)
    except msgspec.ValidationError as error:
        # The one thing that JSON of any shape can violate: integers have a limit of digits.
        raise Refusal("record.number-too-large", what) from error


def envelope(payload: bytes) -> Envelope | None:
    """The payload as the envelope of a change; `None` if it is something else."""
    try:
        return _decode(_ENVELOPE, payload, "value")
    except msgspec.ValidationError:
        return None


class Unwrapper:
    """Takes the schema off records.

    The schema is the larger part of such a record and repeats byte for byte: a record that begins as an earlier one of
    its topic did, up to the payload, has the same schema, and only its payload is parsed. Both caches are bounded.
    """

    def __init__(self) -> None:
        self._schemas: dict[bytes, SentSchema] = {}
        self._heads: dict[str, list[tuple[bytes, SentSchema]]] = {}

    def unwrap(self, topic: str, value: bytes) -> tuple[bytes, SentSchema | None]:
        """The payload, and the schema if the record carries one."""
        for head, schema in self._heads.get(topic, ()):
            if value.startswith(head) and value.endswith(b"}"):
                return value[len(head) : -1], schema
        if value.startswith(b'{"before":'):
            return value, None
        wrapped = split(value, "value")
        if wrapped is None:
            return value, None
        text, payload = wrapped
        if text == b"null":
            return payload, None
        schema = self._schema(text)
        if value.startswith(b'{"schema":' + text) and value.endswith(payload + b"}"):
            self._remember(topic, value[: -len(payload) - 1], schema)
        return payload, schema

    def _schema(self, text: bytes) -> SentSchema:
        if text not in self._schemas:
            if len(self._schemas) >= _CACHED:
                self._schemas.clear()
            self._schemas[text] = SentSchema(text)
        return self._schemas[text]

    def _remember(self, topic: str, head: bytes, schema: SentSchema) -> None:
        if len(self._heads) >= _CACHED:
            self._heads.clear()
        heads = self._heads.setdefault(topic, [])
        # A routed topic mixes a few tables; a schema that changed pushes out the oldest.
        heads[8:] = []
        heads.insert(0, (head, schema))


def split(data: bytes, what: str) -> tuple[bytes, bytes] | None:
    """Schema and payload as they stand, if this is a record with its schema: exactly these two keys, and a schema."""
    if b'"payload"' not in data or b'"schema"' not in data:
        return None
    try:
        wrapped = _decode(_WRAPPED, data, what)
    except msgspec.ValidationError:
        return None
    schema = bytes(wrapped.schema)
    if schema != b"null" and not (schema.startswith(b"{") and b'"type"' in schema):
        return None
    return schema, bytes(wrapped.payload)
