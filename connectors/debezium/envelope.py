"""The JSON of a record: with or without its schema, the envelope of a change, and where and when it happened."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from connectors.debezium import times
from connectors.debezium.refusal import Refusal
from connectors.debezium.wire import Wire, parse_wire

T = TypeVar("T")

MAX_BYTES = 16 * 1024 * 1024
PROVEN = ("postgresql", "sqlite")
_UNPROVEN = ("mysql", "mariadb", "sqlserver", "oracle", "db2", "mongodb")
_SNAPSHOT = ("first", "first_in_data_collection", "true", "last_in_data_collection", "last")
_MAX_POSITION = 2**64 - 1
_CACHED = 512


class Source(msgspec.Struct, gc=False):
    """What a change says of its place in the source; `sequence` is JSON text: last commit and own position."""

    connector: str
    schema: str | None = None
    table: str | None = None
    txId: int | str | None = None
    lsn: int | None = None
    sequence: str | None = None
    snapshot: str | None = None
    ts_us: int | None = None
    ts_ms: int | None = None


class Message(msgspec.Struct):
    """A message in the source's log."""

    prefix: str
    content: str | None = None


class Envelope(msgspec.Struct, gc=False):
    """What every change is wrapped in."""

    op: str
    source: Source
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    message: Message | None = None


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


_ANY = msgspec.json.Decoder(float_hook=Decimal)
_ENVELOPE = msgspec.json.Decoder(Envelope, float_hook=Decimal)
_WRAPPED = msgspec.json.Decoder(_Wrapped)
_SEQUENCE = re.compile(r'\[ ?(?:null|"([0-9]{1,20})"), ?(?:null|"([0-9]{1,20})") ?\]')


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
        return _decode(_ANY, data, what)
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


def check_connector(connector: object) -> None:
    """Refuses records of connectors whose forms were never proven here."""
    if connector in PROVEN:
        return
    if connector in _UNPROVEN:
        raise Refusal("record.connector-unproven", str(connector))
    raise Refusal("record.connector-unknown")


def is_snapshot(source: Source, op: str) -> bool:
    """Whether an initial snapshot read this row, as op and mark say alike."""
    mark = source.snapshot
    if mark == "incremental":
        raise Refusal("snapshot.incremental-unsupported")
    streamed = mark is None or mark == "false"
    if not streamed and mark not in _SNAPSHOT:
        raise Refusal("record.unknown-snapshot")
    if (op == "r") == streamed:
        raise Refusal("record.unknown-snapshot")
    return not streamed


def positions(source: Source) -> tuple[int, int | None]:
    """The position of a change and that of the last commit before its transaction, where the source says it."""
    committed = own = None
    if source.sequence is not None:
        match = _SEQUENCE.fullmatch(source.sequence)
        if match is None:
            raise Refusal("record.no-position")
        first, second = match.groups()
        committed = None if first is None else int(first)
        own = None if second is None else int(second)
    position = own if source.lsn is None else source.lsn
    if position is None or not 0 < position <= _MAX_POSITION:
        raise Refusal("record.no-position")
    return position, committed


def transaction(source: Source) -> str:
    """The source's transaction id, the same on all its rows."""
    if source.txId is None or source.txId == "":
        raise Refusal("record.no-transaction")
    return str(source.txId)


def moment(source: Source) -> datetime:
    """When the source committed, in UTC."""
    micros = source.ts_us
    if micros is None and source.ts_ms is not None:
        micros = source.ts_ms * 1000
    if micros is None:
        raise Refusal("record.bad-time")
    try:
        return times.instant(micros)
    except OverflowError as error:
        raise Refusal("record.bad-time") from error
