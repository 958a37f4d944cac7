"""Records that nobody should send: each is answered with a code, in bounded time, and nothing is raised."""

from __future__ import annotations

import base64
import json
import random
import time
import typing
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded, Unreadable
from connectors.debezium.refusal import CODES
from tests.connectors.debezium.captures import capture, decoded, schema
from translators.change import Change
from translators.schema_text import read_schema
from translators.values import Opaque, OutOfRange

LEGACY = read_schema(
    """
source: legacy
connector: postgresql
namespace: main
encoding: {decimal: precise, time: adaptive, binary: bytes}
tables:
  pol:
    key: [no]
    replica_identity: full
    columns: {no: char(4) not null, amt: "decimal(9,2)", cnt: bigint, at: timestamp, txt: text, f: double precision}
  wide:
    key: [no]
    columns: {no: char(4) not null, w: numeric, blob: bytea, js: json, arr: "int[]", flag: boolean}
""",
    "schema.yaml",
)
SOURCE: dict[str, Any] = {
    "connector": "postgresql", "schema": "main", "table": "pol", "txId": 7, "lsn": 900, "sequence": '["800","900"]',
    "ts_us": 1_700_000_000_000_000, "snapshot": "false",
}  # fmt: skip
ROW: dict[str, Any] = {"no": "P1  ", "amt": "AeJA", "cnt": 3, "at": 1_577_934_245_678_901, "txt": "x", "f": 1.5}
WIDE: dict[str, Any] = {"no": "W", "w": None, "blob": None, "js": None, "arr": None, "flag": None}
KINDS = typing.get_args(Decoded)


def record(row: object = None, key: object = None, **fields: Any) -> tuple[bytes, bytes]:
    """Key and value of an insert into pol, with some fields of envelope, source (`s_...`) or row made otherwise."""
    source = SOURCE | {name[2:]: value for name, value in fields.items() if name.startswith("s_")}
    envelope: dict[str, Any] = {"op": "c", "before": None, "after": ROW if row is None else row, "source": source}
    envelope |= {name: value for name, value in fields.items() if not name.startswith("s_")}
    envelope = {name: value for name, value in envelope.items() if value is not ...}
    envelope["source"] = {name: value for name, value in envelope["source"].items() if value is not ...}
    return json.dumps({"no": "P1"} if key is None else key).encode(), json.dumps(envelope).encode()


def decode(key: bytes | None, value: bytes | None) -> Decoded:
    """What a decoder says that has read a good record of each table before, so that the everyday way is open."""
    decoder = Decoder(LEGACY, "notif")
    for good in (record(), record(WIDE, key={"no": "W"}, s_table="wide")):
        decoder.decode("legacy.feed", 0, 4, *good, ())
    found = decoder.decode("legacy.feed", 0, 5, key, value, ())
    assert repr(found) == repr(Decoder(LEGACY, "notif").decode("legacy.feed", 0, 5, key, value, ()))
    return found


def code(found: Decoded) -> str:
    assert isinstance(found, Unreadable), found
    assert found.problem.cause == "technical" and found.problem.hint
    return found.problem.code


def test_the_plain_record_is_fine() -> None:
    found = decode(*record())
    assert isinstance(found, Change) and found.row_key == "P1" and str(found.after and found.after["amt"]) == "1234.56"


OK_KEY = b'{"no":"P1"}'
HOSTILE: dict[str, tuple[str, tuple[bytes | None, bytes | None]]] = {
    "empty": ("record.bad-json", (OK_KEY, b"")),
    "cut": ("record.bad-json", (OK_KEY, record()[1][:-5])),
    "two documents": ("record.bad-json", (OK_KEY, record()[1] * 2)),
    "avro without a registry": ("record.no-registry", (OK_KEY, b"\x00\x00\x00\x00\x07\x02\x04")),
    "byte order mark": ("record.bad-json", (OK_KEY, b"\xef\xbb\xbf" + record()[1])),
    "latin-1": ("record.bad-json", (OK_KEY, record()[1].replace(b'"x"', b'"\xff"'))),
    "raw NUL": ("record.bad-json", (OK_KEY, record()[1].replace(b'"x"', b'"\x00"'))),
    "half a surrogate pair": ("record.bad-json", (OK_KEY, record()[1].replace(b'"x"', rb'"\ud800"'))),
    "NaN literal": ("record.bad-json", (OK_KEY, record()[1].replace(b"1.5", b"NaN"))),
    "escaped NUL": ("record.bad-text", record(ROW | {"txt": "a\0b"})),
    "NUL in the key": ("record.bad-text", record(key={"no": "a\0"})),
    "deep arrays": ("record.too-deep", (OK_KEY, b"[" * 200_000)),
    "deep row": ("record.too-deep", (OK_KEY, b'{"op":"c","source":{"connector":"x"},"after":{"a":' + b"[" * 200_000)),
    "deep schema": ("record.too-deep", (OK_KEY, b'{"schema":' + b'{"type":' * 200_000 + b',"payload":1}')),
    "an integer of 4,401 digits": ("record.number-too-large", (OK_KEY, b'{"a":1' + b"0" * 4400 + b"}")),
    "a huge exponent": ("record.number-too-large", (OK_KEY, record()[1].replace(b"1.5", b"1e99999999999999999999"))),
    "larger than the limit": ("record.too-large", (OK_KEY, b" " * (16 * 1024 * 1024 + 1))),
    "a number": ("record.unknown-shape", (OK_KEY, b"5")),
    "null": ("record.unknown-shape", (OK_KEY, b"null")),
    "an array": ("record.unknown-shape", (OK_KEY, b"[]")),
    "another object": ("record.unknown-shape", (OK_KEY, b'{"hello":"world"}')),
    "a bare row": ("record.flattened", (OK_KEY, json.dumps(ROW).encode())),
    "a bare row with marks": ("record.flattened", (None, b'{"x":1,"__deleted":"false"}')),
    "schema without a type": ("record.unknown-shape", (OK_KEY, b'{"schema":{"a":1},"payload":{}}')),
    "schema with an ill type": (
        "record.bad-schema",
        (OK_KEY, b'{"schema":{"type":"struct","fields":[{"field":"after","type":"struct"}]},"payload":{}}'),
    ),
    "a scale that fills the memory": (
        "record.bad-schema",
        (
            OK_KEY,
            b'{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[{"field":"a","type":"bytes",'
            b'"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"999999999"}}]}]},"payload":{}}',
        ),
    ),
    "unknown op": ("record.unknown-op", record(op="x")),
    "op is a number": ("record.bad-envelope", record(op=1)),
    "no new row": ("record.bad-envelope", record(after=...)),
    "new row of a delete": ("record.bad-envelope", record(op="d", before=ROW)),
    "row is a text": ("record.bad-envelope", record("row")),
    "no table": ("record.bad-envelope", record(s_table=...)),
    "message without content": ("record.bad-envelope", record(op="m")),
    "message that is no base64": ("record.bad-envelope", record(op="m", message={"prefix": "p", "content": "?"})),
    "ill transaction mark": (
        "record.bad-envelope",
        (OK_KEY, b'{"status":"END","id":5,"event_count":1,"data_collections":[]}'),
    ),
    "ill counts": (
        "record.bad-envelope",
        (OK_KEY, b'{"status":"END","id":"5:1","event_count":1,"data_collections":[3]}'),
    ),
    "notification elsewhere": ("record.unknown-shape", (None, b'{"id":"1","type":"a","aggregate_type":"b"}')),
    **{
        name: ("record.connector-unproven", record(s_connector=name))
        for name in ("sqlserver", "oracle", "db2", "mongodb")
    },
    "mongodb's rows are texts": ("record.connector-unproven", record('{"_id": 1}', s_connector="mongodb")),
    "a stranger": ("record.connector-unknown", record(s_connector="vitess")),
    "no connector": ("record.connector-unknown", record(s_connector=...)),
    "unknown table": ("record.unknown-table", record(s_table="nope")),
    "table of another namespace": ("record.unknown-table", record(s_schema="other")),
    "no old row under full": ("record.before-missing", record(op="u")),
    "unknown snapshot mark": ("record.unknown-snapshot", record(s_snapshot="maybe")),
    "read without a snapshot": ("record.unknown-snapshot", record(op="r")),
    "insert within a snapshot": ("record.unknown-snapshot", record(s_snapshot="true")),
    "snapshot as a boolean": ("record.bad-envelope", record(s_snapshot=True)),
    "no position": ("record.no-position", record(s_lsn=None, s_sequence=None)),
    "position zero": ("record.no-position", record(s_lsn=0)),
    "position of 30 digits": ("record.no-position", record(s_lsn=10**29)),
    "sequence is no JSON": ("record.no-position", record(s_sequence="[")),
    "sequence of other digits": ("record.no-position", record(s_sequence='["٣","900"]')),
    "no transaction": ("record.no-transaction", record(s_txId=None)),
    "no time": ("record.bad-time", record(s_ts_us=None)),
    "a time beyond time": ("record.bad-time", record(s_ts_us=10**30)),
    "missing column": ("record.column-missing", record({name: ROW[name] for name in ROW if name != "cnt"})),
    "null where there is none": ("record.null-value", record(ROW | {"no": None})),
    "text in an integer": ("record.bad-value", record(ROW | {"cnt": "3"})),
    "boolean in an integer": ("record.bad-value", record(ROW | {"cnt": True})),
    "65 bits": ("record.bad-value", record(ROW | {"cnt": 2**63})),
    "no base64": ("record.bad-value", record(ROW | {"amt": "A"})),
    "base64 with a blank": ("record.bad-value", record(ROW | {"amt": "Ae JA"})),
    "ten digits in decimal(9,2)": ("record.bad-value", record(ROW | {"amt": "AlQL5AA="})),
    "a third decimal": ("record.bad-value", record(ROW | {"amt": 1.005})),
    "text in a timestamp": ("record.bad-value", record(ROW | {"at": "2020-01-01"})),
    "object in a text": ("record.bad-value", record(ROW | {"txt": {"a": 1}})),
    "text in a double": ("record.bad-value", record(ROW | {"f": "1.5"})),
    "StringConverter key": ("record.string-key", (b"Struct{no=P1}", record()[1])),
    "key is no JSON": ("record.bad-json", (b"P1", record()[1])),
    "deep key": ("record.too-deep", (b"[" * 200_000, record()[1])),
    "null in the key": ("record.key-unusable", record(key={"no": None})),
    "ill value in the key": ("record.bad-value", record(key={"no": 5})),
    "no key and no old row": ("record.no-key", (None, record({}, op="d", s_table="wide", after=None)[1])),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    expected, (key, value) = HOSTILE[name]
    begun = time.process_time()
    assert code(decode(key, value)) == expected
    assert time.process_time() - begun < 1


WIDE_VALUES: dict[str, tuple[str, object, str]] = {
    "scale beyond all numbers": ("w", {"scale": 10**9, "value": "AQ=="}, "record.bad-value"),
    "scale is a text": ("w", {"scale": "2", "value": "AQ=="}, "record.bad-value"),
    "no value": ("w", {"scale": 2}, "record.bad-value"),
    "an array in its place": ("w", [1], "record.bad-value"),
    "bytes that are no text": ("blob", 5, "record.bad-value"),
    "json that is an object": ("js", {"a": 1}, "record.bad-value"),
    "an array that is a text": ("arr", "1,2", "record.bad-value"),
    "an array of texts": ("arr", ["1"], "record.bad-value"),
    "two as a truth": ("flag", 2, "record.bad-value"),
}


@pytest.mark.parametrize("name", WIDE_VALUES)
def test_hostile_values(name: str) -> None:
    column, value, expected = WIDE_VALUES[name]
    found = decode(*record(WIDE | {column: value}, s_table="wide"))
    assert code(found) == expected
    assert isinstance(found, Unreadable) and found.problem.columns == (f"wide.{column}",)


def test_numbers_as_large_as_a_database_can_hold_are_exact() -> None:
    digits = "9" * 4000
    found = decode(*record(WIDE | {"w": int(digits)}, s_table="wide"))
    assert isinstance(found, Change) and found.after is not None and format(found.after["w"], "f") == digits
    numeric = {"scale": 9, "value": "J+QbMka+ybFuOYEV"}
    found = decode(*record(WIDE | {"w": numeric}, s_table="wide"))
    assert isinstance(found, Change) and str(found.after and found.after["w"]) == "12345678901234567890.123456789"
    found = decode(*record(WIDE | {"w": {"scale": -3, "value": "BQ=="}}, s_table="wide"))
    assert isinstance(found, Change) and str(found.after and found.after["w"]) == "5000"


@settings(max_examples=10, deadline=None)
@given(st.integers(1000, 20_000), st.integers(0, 2**64), st.booleans())
def test_numbers_of_many_bytes_are_exact(size: int, seed: int, negative: bool) -> None:
    number = int.from_bytes(random.Random(seed).randbytes(size), "big") * (-1 if negative else 1)
    sent = base64.b64encode(number.to_bytes(size + 1, "big", signed=True)).decode()
    found = decode(*record(WIDE | {"w": {"scale": 0, "value": sent}}, s_table="wide"))
    assert isinstance(found, Change) and found.after is not None and found.after["w"] == Decimal(number)


def test_values_without_room_in_the_language_stay_what_was_sent() -> None:
    row = ROW | {"f": "-Infinity", "at": 9223372036825200000, "amt": "AA=="}
    found = decode(*record(row))
    assert isinstance(found, Change) and found.after is not None
    assert (found.after["f"], found.after["at"]) == (OutOfRange("-Infinity"), OutOfRange("infinity"))
    assert str(found.after["amt"]) == "0.00" and found.flagged == ("at", "f")
    key, value = record()
    for text, read in ((b"1e400", OutOfRange("1E+400")), (b"-0.0", 0.0)):
        found = decode(key, value.replace(b"1.5", text))
        assert isinstance(found, Change) and repr(found.after and found.after["f"]) == repr(read)


def test_single_precision_widens_with_its_noise() -> None:
    legacy = read_schema(
        "{source: s, connector: sqlite, namespace: main, tables: {r: {key: [i], columns: {i: int, f: real}}}}", "s"
    )
    key, value = record({"i": 1, "f": 0.1}, s_table="r", s_connector="sqlite", s_txId="tx-9")
    found = Decoder(legacy).decode("t", 0, 0, b'{"i":1}', value, ())
    assert key and isinstance(found, Change)
    assert (found.after, found.transaction) == ({"i": 1, "f": 0.10000000149011612}, "tx-9")


def test_the_key_is_taken_from_the_row_where_the_record_has_none() -> None:
    for key in (None, b"5", b'{"other":1}'):
        found = decode(key, record()[1])
        assert isinstance(found, Change) and found.row_key == "P1"


def test_problems_hold_no_values() -> None:
    private = "Mrs Miller"
    for column in ROW:
        found = decode(*record(ROW | {column: {"x": private}}))
        assert isinstance(found, Unreadable) and private not in repr(found)


def test_every_code_is_used_and_known() -> None:
    seen = {expected for expected, _ in HOSTILE.values()} | {expected for _, _, expected in WIDE_VALUES.values()}
    for name in ("pg1", "v_connect", "v_st"):
        seen |= {one.problem.code for one in decoded(name, schema(name)) if isinstance(one, Unreadable)}
    # Under an index identity; a key column that the record's own schema does not have; test_avro has the others.
    seen |= {"record.key-unproven", "record.key-columns", "record.unknown-schema", "record.bad-avro"}
    assert seen == set(CODES)


def test_a_key_column_that_the_rows_do_not_have() -> None:
    found = Decoder(None).decode(*capture("pg1")[46]._replace(key=b'{"__dbz__physicalTableIdentifier":"x"}'))
    assert code(found) == "record.key-columns"


def test_base64_of_values_is_canonical_text() -> None:
    found = decode(*record(WIDE | {"blob": "3q2+7w==", "arr": [1, None], "js": '{"a":1}'}, s_table="wide"))
    assert isinstance(found, Change) and found.after is not None
    assert [found.after[name] for name in ("blob", "arr", "js")] == [
        Opaque(r"\xdeadbeef"),
        Opaque("[1,null]"),
        Opaque('{"a":1}'),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SAMPLES = [one for name in ("pg1", "v_st", "v_connect", "v_mar") for one in capture(name) if one.value]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_answered(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES))
    value = bytearray(sample.value or b"")
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(value) - 1))
        value[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for legacy in (None, schema("pg1")):
        found = Decoder(legacy).decode(*sample._replace(value=bytes(value)))
        assert isinstance(found, KINDS)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_json_in_any_place_is_answered(data: st.DataObject) -> None:
    payload = json.loads(record()[1])
    place = data.draw(st.sampled_from(["top", "after", "source", "key"]))
    strange = data.draw(JSON)
    key: object = {"no": "P1"}
    if place == "top":
        payload[data.draw(st.sampled_from([*payload, "transaction", "schema", "payload"]))] = strange
    elif place == "key":
        key = strange
    else:
        payload[place][data.draw(st.sampled_from(list(payload[place])))] = strange
    found = decode(json.dumps(key).encode(), json.dumps(payload).encode())
    assert isinstance(found, KINDS)


@settings(max_examples=100, deadline=None)
@given(st.integers(-(10**9) + 1, 10**9 - 1), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20))
def test_what_a_connector_writes_is_read_back(cents: int, count: int, text: str) -> None:
    """The oracle writes as Java does: the shortest two's complement, base64, JSON."""
    size = max(1, (cents + (cents < 0)).bit_length() // 8 + 1)
    sent = base64.b64encode(cents.to_bytes(size, "big", signed=True)).decode()
    clean = text.replace("\0", "")
    found = decode(*record(ROW | {"amt": sent, "cnt": count, "txt": clean}))
    assert isinstance(found, Change) and found.after is not None
    sign, digits = "-" if cents < 0 else "", f"{abs(cents):03d}"
    assert str(found.after["amt"]) == f"{sign}{digits[:-2]}.{digits[-2:]}"
    assert (found.after["cnt"], found.after["txt"]) == (count, clean)
