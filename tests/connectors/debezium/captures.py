"""The recorded feeds, as the decoder gets them, and the schemas that were in force."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded, Headers
from connectors.debezium.registry import KnownSchemas
from translators.schema import Encoding, LegacySchema
from translators.schema_text import read_schema

DATA = Path(__file__).parents[2] / "data"
POSTGRES = ("pg1", "v_connect", "v_iso", "v_micro", "v_amicro", "v_dfmt", "v_gen", "v_st", "v_toa")
MODES = {
    "v_connect": Encoding(decimal="double", time="connect", binary="hex"),
    "v_iso": Encoding(decimal="string", time="isostring", binary="base64"),
    "v_micro": Encoding(time="microseconds"),
    "v_amicro": Encoding(time="adaptive_time_microseconds"),
    "v_dfmt": Encoding(decimal="numeric"),
}


class Raw(NamedTuple):
    """One record as it was on the wire."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@functools.cache
def capture(name: str) -> tuple[Raw, ...]:
    """The records of one capture of `data/debezium`, in order."""
    with gzip.open(DATA / "debezium" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return tuple(_raw(offset, json.loads(line)) for offset, line in enumerate(lines))


def _raw(offset: int, record: dict[str, Any]) -> Raw:
    headers = tuple((name, _bytes(value)) for name, value in record["headers"].items())
    return Raw(
        record["topic"], record["partition"] or 0, offset, _bytes(record["key"]), _bytes(record["value"]), headers
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


@functools.cache
def orders() -> tuple[Raw, ...]:
    """The records of the orders feed, in the order of the file."""
    with gzip.open(DATA / "orders" / "feed.jsonl.gz", "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return tuple(
        Raw(
            record["topic"],
            record["partition"],
            record["offset"],
            None if record["key"] is None else record["key"].encode(),
            None if record["value"] is None else record["value"].encode(),
            tuple((name, None if value is None else value.encode()) for name, value in record["headers"]),
        )
        for record in records
    )


def schema(name: str) -> LegacySchema:
    """The schema of a capture, with the modes that its connector ran under."""
    path = DATA / "debezium" / "schema.yaml"
    base = read_schema(path.read_text(encoding="utf-8"), path.name)
    return msgspec.structs.replace(base, encoding=MODES.get(name, Encoding()))


def mariadb_schema() -> LegacySchema:
    """The schema of the MariaDB capture."""
    path = DATA / "debezium" / "mariadb.yaml"
    return read_schema(path.read_text(encoding="utf-8"), path.name)


@functools.cache
def schema_texts() -> dict[int, str]:
    """The schemas of the registry behind the Avro capture, by id."""
    found = json.loads((DATA / "debezium" / "sr.json").read_text(encoding="utf-8"))["schemas"]
    return {int(identity): text for identity, text in found.items()}


def orders_schema() -> LegacySchema:
    """The schema of the orders feed."""
    path = DATA / "orders" / "schema.yaml"
    return read_schema(path.read_text(encoding="utf-8"), path.name)


def decoded(name: str, legacy: LegacySchema | None) -> list[Decoded]:
    """A whole capture, decoded."""
    decoder = Decoder(legacy, "srv-notif", KnownSchemas(schema_texts()))
    return [decoder.decode(*record) for record in capture(name)]
