"""Decoding alone: typed changes out of 1 KB records of PostgreSQL, in each form, against what is done by hand.

JSON without schema against the same with msgspec by hand; JSON with its schema against JSON without; Avro against bare
fastavro, which reads key and value and makes no value of them.
"""

from __future__ import annotations

import io
import json
import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import fastavro

from bench import decode_by_hand
from bench.measure import ratio
from connectors.debezium.decode import Decoder
from connectors.debezium.registry import KnownSchemas
from translators.change import Change
from translators.schema_text import read_schema

RECORDS = 10_000
TOPIC = "legacy.policies"
SCHEMA = read_schema(
    """
source: legacy
connector: postgresql
namespace: public
tables:
  polmst:
    key: [pol_no]
    replica_identity: full
    columns:
      pol_no: char(10) not null
      cust_id: bigint not null
      ver: integer not null
      prod_cd: char(6) not null
      sts: char(1) not null
      ccy: char(3) not null
      prem: numeric(11,2) not null
      tax: numeric(11,2)
      sum_ins: numeric(11,2)
      eff_dt: date not null
      exp_dt: date
      cxl_dt: date
      cre_ts: timestamp not null
      upd_ts: timestamptz not null
      auto_renew: boolean
      rmk: varchar(80)
""",
    "schema.yaml",
)
DECIMAL, DATE = "org.apache.kafka.connect.data.Decimal", "io.debezium.time.Date"
TYPES: dict[str, tuple[str, str]] = {
    "pol_no": ("string", ""), "cust_id": ("int64", ""), "ver": ("int32", ""), "prod_cd": ("string", ""),
    "sts": ("string", ""), "ccy": ("string", ""), "prem": ("bytes", DECIMAL), "tax": ("bytes", DECIMAL),
    "sum_ins": ("bytes", DECIMAL), "eff_dt": ("int32", DATE), "exp_dt": ("int32", DATE), "cxl_dt": ("int32", DATE),
    "cre_ts": ("int64", "io.debezium.time.MicroTimestamp"), "upd_ts": ("string", "io.debezium.time.ZonedTimestamp"),
    "auto_renew": ("boolean", ""), "rmk": ("string", ""),
}  # fmt: skip
SOURCE: dict[str, tuple[str, bool]] = {
    "version": ("string", False), "connector": ("string", False), "name": ("string", False), "ts_ms": ("int64", False),
    "snapshot": ("string", True), "db": ("string", False), "sequence": ("string", True), "ts_us": ("int64", True),
    "ts_ns": ("int64", True), "schema": ("string", False), "table": ("string", False), "txId": ("int64", True),
    "lsn": ("int64", True), "xmin": ("int64", True), "origin": ("string", True), "origin_lsn": ("int64", True),
}  # fmt: skip
BLOCK = {"id": ("string", False), "total_order": ("int64", False), "data_collection_order": ("int64", False)}
STAMPS = {"ts_ms": ("int64", True), "ts_us": ("int64", True), "ts_ns": ("int64", True)}


@dataclass
class Result:
    """Microseconds of processor time a record, and each form as a multiple of what it is measured against."""

    records: int
    record_bytes: int
    ours: float
    by_hand: float
    times: float
    with_schema: float
    with_schema_times: float
    avro: float
    fastavro: float
    avro_times: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"decoding alone     {self.ours:>10.2f} us a record of {self.record_bytes:,} bytes, "
            f"{self.times:.2f} x the same by hand ({self.by_hand:.2f} us); "
            f"with its schema {self.with_schema_times:.2f} x without; "
            f"Avro {self.avro_times:.2f} x bare fastavro ({self.fastavro:.2f} us)"
        )


def _row(draw: random.Random, number: int) -> dict[str, Any]:
    """A row as Connect holds it."""
    return {
        "pol_no": f"P{number:08d} ",
        "cust_id": draw.randrange(10**9),
        "ver": draw.randrange(40),
        "prod_cd": draw.choice(["HOME  ", "MOTO  ", "LIAB  "]),
        "sts": draw.choice("QACL"),
        "ccy": "EUR",
        "prem": _bytes(draw.randrange(5_000, 250_000)),
        "tax": _bytes(draw.randrange(500, 25_000)),
        "sum_ins": _bytes(draw.randrange(1_000, 900_000) * 100),
        "eff_dt": 20_000 + draw.randrange(700),
        "exp_dt": 20_400 + draw.randrange(700),
        "cxl_dt": None,
        "cre_ts": 1_760_000_000_000_000 + draw.randrange(10**13),
        "upd_ts": f"2026-0{draw.randrange(1, 10)}-1{draw.randrange(10)}T08:30:00.{draw.randrange(10**6):06d}Z",
        "auto_renew": draw.random() < 0.5,
        "rmk": draw.choice(["called back, wants a quote for the garage", "Grüße aus München, siehe Akte", None]),
    }


def _bytes(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _payload(draw: random.Random, number: int) -> dict[str, Any]:
    before = _row(draw, draw.randrange(10**7))
    after = before | {
        "sts": draw.choice("QACL"),
        "ver": before["ver"] + 1,
        "prem": _bytes(draw.randrange(5_000, 250_000)),
    }
    lsn, micros = 22_714_136 + number * 232, 1_795_166_836_000_000 + number * 1_137
    source = {
        "version": "3.6.3.Final", "connector": "postgresql", "name": "legacy", "ts_ms": micros // 1000,
        "snapshot": "false", "db": "core", "sequence": f'["{lsn - 900}","{lsn}"]', "ts_us": micros,
        "ts_ns": micros * 1000, "schema": "public", "table": "polmst", "txId": 740 + number // 3, "lsn": lsn,
        "xmin": None, "origin": None, "origin_lsn": None,
    }  # fmt: skip
    block = {"id": f"{740 + number // 3}:{lsn}", "total_order": 1 + number % 3, "data_collection_order": 1}
    sent = {"ts_ms": micros // 1000 + 90, "ts_us": micros + 90_123, "ts_ns": micros * 1000 + 90_123_456}
    return {"before": before, "after": after, "source": source, "transaction": block, "op": "u", **sent}


def _json(value: Any) -> bytes:
    return json.dumps(
        value, separators=(",", ":"), ensure_ascii=False, default=lambda b: b64encode(b).decode()
    ).encode()


def _nullable(name: str) -> bool:
    return SCHEMA.tables["polmst"].columns[name].nullable


def _connect_field(field: str, kind: str, name: str, optional: bool) -> dict[str, Any]:
    told = {"type": kind, "optional": optional} | ({"name": name, "version": 1} if name else {})
    return (
        told
        | ({"parameters": {"scale": "2", "connect.decimal.precision": "11"}} if name == DECIMAL else {})
        | {"field": field}
    )


def _connect_struct(fields: list[dict[str, Any]], name: str, field: str | None, optional: bool) -> dict[str, Any]:
    return {"type": "struct", "fields": fields, "optional": optional, "name": name} | (
        {"field": field} if field else {}
    )


def _connect_schema() -> dict[str, Any]:
    columns = [_connect_field(name, kind, told, _nullable(name)) for name, (kind, told) in TYPES.items()]
    source = [_connect_field(name, kind, "", optional) for name, (kind, optional) in SOURCE.items()]
    block = [_connect_field(name, kind, "", optional) for name, (kind, optional) in BLOCK.items()]
    fields = [
        _connect_struct(columns, "legacy.public.polmst.Value", "before", True),
        _connect_struct(columns, "legacy.public.polmst.Value", "after", True),
        _connect_struct(source, "io.debezium.connector.postgresql.Source", "source", False),
        _connect_struct(block, "event.block", "transaction", True),
        _connect_field("op", "string", "", False),
        *[_connect_field(name, kind, "", optional) for name, (kind, optional) in STAMPS.items()],
    ]
    return _connect_struct(fields, "legacy.public.polmst.Envelope", None, False)


AVRO = {"int32": "int", "int64": "long"}


def _avro_field(field: str, kind: str, name: str, optional: bool) -> dict[str, Any]:
    plain: Any = AVRO.get(kind, kind)
    if name == DECIMAL:
        plain = {
            "type": "bytes", "scale": 2, "precision": 11, "connect.version": 1, "connect.name": DECIMAL,
            "connect.parameters": {"scale": "2", "connect.decimal.precision": "11"}, "logicalType": "decimal",
        }  # fmt: skip
    elif name:
        plain = {"type": plain, "connect.version": 1, "connect.name": name}
    return {"name": field, "type": ["null", plain], "default": None} if optional else {"name": field, "type": plain}


def _avro_record(name: str, fields: list[Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name.rpartition(".")[2],
        "namespace": name.rpartition(".")[0],
        "fields": fields,
        "connect.name": name,
    }


def _avro_schema() -> dict[str, Any]:
    columns = [_avro_field(name, kind, told, _nullable(name)) for name, (kind, told) in TYPES.items()]
    row = _avro_record("legacy.public.polmst.Value", columns)
    source = [_avro_field(name, kind, "", optional) for name, (kind, optional) in SOURCE.items()]
    block = [_avro_field(name, kind, "", optional) for name, (kind, optional) in BLOCK.items()]
    fields = [
        {"name": "before", "type": ["null", row], "default": None},
        {"name": "after", "type": ["null", "legacy.public.polmst.Value"], "default": None},
        {"name": "source", "type": _avro_record("io.debezium.connector.postgresql.Source", source)},
        {"name": "transaction", "type": ["null", _avro_record("event.block", block)], "default": None},
        {"name": "op", "type": "string"},
        *[_avro_field(name, kind, "", optional) for name, (kind, optional) in STAMPS.items()],
    ]
    return _avro_record("legacy.public.polmst.Envelope", fields)


KEY_AVRO = _avro_record("legacy.public.polmst.Key", [{"name": "pol_no", "type": "string"}])
KEY_CONNECT = _connect_struct([_connect_field("pol_no", "string", "", False)], "legacy.public.polmst.Key", None, False)


def _framed(identity: int, parsed: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, value)
    return b"\0" + identity.to_bytes(4, "big") + out.getvalue()


def _without_logical(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _without_logical(value) for name, value in schema.items() if name != "logicalType"}
    return [_without_logical(one) for one in schema] if isinstance(schema, list) else schema


Feed = list[tuple[bytes, bytes]]


def _avro_feed(payloads: list[dict[str, Any]]) -> tuple[Feed, Callable[[Feed], object]]:
    """The records, and bare fastavro that reads them."""
    key, value = fastavro.parse_schema(KEY_AVRO), fastavro.parse_schema(_without_logical(_avro_schema()))
    feed = [(_framed(1, key, {"pol_no": p["after"]["pol_no"]}), _framed(2, value, p)) for p in payloads]

    def bare(feed: Feed) -> object:
        read, stream = fastavro.schemaless_reader, io.BytesIO
        return [(read(stream(k[5:]), key, None), read(stream(v[5:]), value, None)) for k, v in feed]

    return feed, bare


def _changes(decoder: Decoder, feed: Feed) -> list[Change]:
    decode = decoder.decode
    return [decode(TOPIC, 0, at, key, value, ()) for at, (key, value) in enumerate(feed)]  # type: ignore[misc]


def run() -> Result:
    """Check that all forms give the same changes, then time them."""
    draw = random.Random(4)
    payloads = [_payload(draw, number) for number in range(RECORDS)]
    keys = [{"pol_no": p["after"]["pol_no"]} for p in payloads]
    bare = [(_json(key), _json(payload)) for key, payload in zip(keys, payloads, strict=True)]
    schemas = _json(KEY_CONNECT), _json(_connect_schema())
    wrapped = [(_wrap(schemas[0], key), _wrap(schemas[1], value)) for key, value in bare]
    avro, bare_fastavro = _avro_feed(payloads)
    registry = KnownSchemas({1: json.dumps(KEY_AVRO), 2: json.dumps(_avro_schema())})
    decoder = Decoder(SCHEMA, registry=registry)

    def by_hand() -> list[Change]:
        change = decode_by_hand.change
        return [change(TOPIC, 0, at, key, value) for at, (key, value) in enumerate(bare)]

    expected = by_hand()
    if any(_changes(decoder, feed) != expected for feed in (bare, wrapped, avro)):
        raise AssertionError("not the same changes")
    ours, other, times = ratio(lambda: _changes(decoder, bare), by_hand)
    told, _, told_times = ratio(lambda: _changes(decoder, wrapped), lambda: _changes(decoder, bare))
    avro_ours, avro_bare, avro_times = ratio(lambda: _changes(decoder, avro), lambda: bare_fastavro(avro))
    size = sum(len(value) for _, value in bare) // RECORDS
    each = [seconds / RECORDS * 1e6 for seconds in (ours, other, told, avro_ours, avro_bare)]
    return Result(RECORDS, size, each[0], each[1], times, each[2], told_times, each[3], each[4], avro_times)


def _wrap(schema: bytes, payload: bytes) -> bytes:
    return b'{"schema":' + schema + b',"payload":' + payload + b"}"
