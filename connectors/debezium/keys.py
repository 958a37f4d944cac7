"""Keys of records, and the other key of a row that moved: each in its own encoding, whatever the value's is."""

from __future__ import annotations

from typing import Any

from connectors.debezium.avro import AvroSchemas, is_avro
from connectors.debezium.envelope import MAX_BYTES, Unwrapper, load
from connectors.debezium.fast import Form
from connectors.debezium.records import Headers, MovedKey
from connectors.debezium.refusal import Refusal
from connectors.debezium.rows import RowPlan
from translators.values import Row

NEW_KEY, OLD_KEY = "__debezium.newkey", "__debezium.oldkey"


class Keys:
    """Reads keys: JSON with and without its schema, and Avro."""

    def __init__(self, avro: AvroSchemas) -> None:
        self._avro = avro
        self._unwrapper = Unwrapper()

    def image(self, topic: str, key: bytes, form: Form) -> Any:
        """A key for the everyday way: JSON without its schema, or what Avro held; `None` if it is anything else."""
        try:
            if is_avro(key):
                return self._avro.of(key, "key").value(key, "key") if form == "avro" else None
            if form != "json":
                return None
            return self._unwrapper.unwrap(topic, key)[0] if key.startswith(b'{"schema":') else key
        except Refusal:
            return None

    def plain(self, key: bytes | None) -> Any:
        """The key as JSON holds it, without its schema; `None` if the record has no key."""
        if key is None:
            return None
        if is_avro(key):
            return self._avro.of(key, "key").plain(key, "key")
        if key.startswith(b"Struct{"):
            raise Refusal("record.string-key")
        return load(self._unwrapper.unwrap("", key)[0], "key")

    def moved(self, plan: RowPlan, headers: Headers) -> MovedKey:
        """The keys that Debezium's headers tell, in canonical text; `Refusal` where one cannot be read."""
        return MovedKey(self._header(plan, headers, NEW_KEY), self._header(plan, headers, OLD_KEY))

    def other(self, plan: RowPlan, headers: Headers) -> Row | None:
        """The columns of the key on the other side of a change of the key, typed; `None` if no header tells one."""
        for name in (NEW_KEY, OLD_KEY):
            columns = self.header(next((value for one, value in headers if one == name), None))
            if columns is not None:
                return plan.only(columns, plan.key or tuple(columns))
        return None

    def _header(self, plan: RowPlan, headers: Headers, name: str) -> str | None:
        value = next((value for one, value in headers if one == name), None)
        columns = self.header(value)
        return None if columns is None else plan.key_of(columns, plan.key or tuple(columns))

    def header(self, value: bytes | None) -> dict[str, Any] | None:
        """The columns of a key in a header, as JSON holds them, in each of the encodings that a worker may be set to.

        SimpleHeaderConverter (the default) writes the bare struct as JSON, its decimals as numbers; JsonConverter writes
        schema and payload; AvroConverter writes framed Avro.
        """
        if value is None:
            return None
        if len(value) > MAX_BYTES:
            raise Refusal("record.too-large", f"{MAX_BYTES:,}")
        found = self.plain(value)
        if not isinstance(found, dict):
            raise Refusal("record.bad-envelope", "header")
        return found


def is_rekeyed(headers: Headers) -> bool:
    """Whether a record is half of a change of a primary key (a delete with the new key, an insert with the old one)."""
    return any(name in (NEW_KEY, OLD_KEY) for name, _ in headers)
