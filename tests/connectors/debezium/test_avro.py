"""Avro: the same values as JSON, exact where libraries round, and an oracle for the reader of its bytes."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest

from connectors.debezium.avro import AvroSchema
from connectors.debezium.decode import Decoder
from connectors.debezium.records import (
    Decoded,
    Heartbeat,
    LogicalMessage,
    Notification,
    TransactionMark,
    Unreadable,
)
from connectors.debezium.refusal import Refusal
from connectors.debezium.registry import KnownSchemas
from tests.connectors.debezium.captures import Raw, capture, decoded, schema, schema_texts
from translators.change import Change
from translators.errors import DragomanError
from translators.schema_text import read_schema


def rows(found: list[Decoded]) -> dict[tuple[str, str], str]:
    """The new rows by table and key, as text that tells types and scales apart."""
    return {
        (one.table, one.row_key): repr((one.op, one.after, one.flagged)) for one in found if isinstance(one, Change)
    }


def test_the_same_rows_in_avro_and_in_json_are_the_same_values() -> None:
    legacy = schema("v_dfmt")
    in_avro, in_json = rows(decoded("v_avro", legacy)), rows(decoded("v_dfmt", legacy))
    assert len(in_avro) == 20 and in_avro == in_json


def test_without_a_declared_schema_they_are_the_same_but_for_adjusted_names() -> None:
    in_avro, in_json = rows(decoded("v_avro", None)), rows(decoded("v_dfmt", None))
    differ = {name for name in in_json if in_avro[name] != in_json[name]}
    assert in_avro.keys() == in_json.keys() and differ == {("public.Odd Näme-x", "1")}
    assert "'W_ird_col_1': 2, '_1st': 3, 'a_b': 4" in in_avro["public.Odd Näme-x", "1"]


def test_adjusted_names_are_those_of_the_declared_columns() -> None:
    found = decoded("v_avro", schema("v_avro"))[0]
    assert isinstance(found, Change)
    assert found.after == {"id": 1, "Wéird col-1": 2, "1st": 3, "a.b": 4}


def test_an_adjusted_name_that_two_columns_share_is_none() -> None:
    text = """{source: s, connector: postgresql, namespace: public, tables: {
        Odd Näme-x: {key: [id], columns: {id: int, a.b: int, a-b: int}}}}"""
    found = Decoder(read_schema(text, "s"), registry=KnownSchemas(schema_texts())).decode(*capture("v_avro")[0])
    assert isinstance(found, Unreadable)
    assert (found.problem.code, found.problem.columns) == ("record.column-missing", ("Odd Näme-x.a.b",))


class Counting:
    """A registry that counts what it is asked, and cannot be reached at first."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[int] = []
        self.failures = failures

    def schema(self, identity: int) -> str | None:
        self.asked.append(identity)
        if self.failures:
            self.failures -= 1
            raise DragomanError
        return schema_texts().get(identity)


def test_a_registry_is_asked_once_for_each_schema() -> None:
    registry = Counting()
    decoder = Decoder(schema("v_avro"), registry=registry)
    for record in (*capture("v_avro"), *capture("v_avro")):
        decoder.decode(*record)
    assert len(registry.asked) == len(set(registry.asked))


def test_a_registry_that_cannot_be_reached_says_nothing_of_the_record() -> None:
    decoder = Decoder(schema("v_avro"), registry=Counting(failures=1))
    with pytest.raises(DragomanError):
        decoder.decode(*capture("v_avro")[1])
    assert isinstance(decoder.decode(*capture("v_avro")[1]), Change)


def refused(record: Raw, registry: KnownSchemas | None) -> str:
    found = Decoder(schema("v_avro"), registry=registry).decode(*record)
    assert isinstance(found, Unreadable), found
    return found.problem.code


def test_what_the_registry_does_not_have() -> None:
    record = capture("v_avro")[1]
    assert refused(record, None) == "record.no-registry"
    assert refused(record, KnownSchemas({})) == "record.unknown-schema"
    only_value = KnownSchemas({4: schema_texts()[4]})
    assert refused(record, only_value) == "record.unknown-schema"
    assert refused(record, KnownSchemas({4: "{", 3: "{"})) == "record.bad-schema"


def test_a_key_may_be_json_beside_a_value_in_avro_and_the_other_way_round() -> None:
    record, registry = capture("v_avro")[4], KnownSchemas(schema_texts())
    expected = Decoder(schema("v_avro"), registry=registry).decode(*record)
    mixed = Decoder(schema("v_avro"), registry=registry).decode(*record._replace(key=b'{"a":1,"b":1}'))
    assert isinstance(expected, Change) and mixed == expected
    in_json = next(one for one in capture("v_dfmt") if one.topic == "srv.public.k")
    other = Decoder(schema("v_dfmt"), registry=registry).decode(*in_json._replace(key=record.key))
    assert isinstance(other, Change) and other.row_key == "1/1"


def damaged() -> list[tuple[int, int]]:
    """Every place at which a record of a few tables may be cut."""
    return [(at, cut) for at in (0, 3, 21) for cut in range(len(capture("v_avro")[at].value or b""))]


def test_a_record_cut_anywhere_is_answered() -> None:
    registry = KnownSchemas(schema_texts())
    decoder = Decoder(schema("v_avro"), registry=registry)
    for at, cut in damaged():
        record = capture("v_avro")[at]
        found = decoder.decode(*record._replace(value=(record.value or b"")[:cut]))
        assert isinstance(found, Unreadable)
        assert found.problem.code == ("record.bad-avro" if cut else "record.bad-json")
    longer = capture("v_avro")[0]
    assert refused(longer._replace(value=(longer.value or b"") + b"\0"), registry) == "record.bad-avro"
    assert refused(longer._replace(key=(longer.key or b"")[:-1]), registry) == "record.bad-avro"


def field(kind: Any) -> str:
    return json.dumps({"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}]})


def named(name: str, *fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{at}", "type": kind} for at, kind in enumerate(fields)],
    }


def bomb() -> dict[str, Any]:
    """Twenty records, each holding the next twice: a million values of no byte."""
    kind: Any = named("E")
    for level in range(20):
        kind = named(f"N{level}", kind, f"N{level - 1}" if level else "E")
    return dict(kind)


ILL_SCHEMAS: dict[str, str] = {
    "no JSON": "{",
    "deep JSON": "[" * 200_000,
    "a number": "5",
    "no type": "{}",
    "an unknown name": field("Nowhere"),
    "a type that holds itself": json.dumps(named("R", "R")),
    "a union of three": field(["null", "int", "string"]),
    "a union without null": field(["int", "string"]),
    "a union of null": field(["null", "null"]),
    "items of no byte": field({"type": "array", "items": "null"}),
    "items of an empty record": field({"type": "array", "items": named("E")}),
    "a record without fields": json.dumps({"type": "record", "name": "R"}),
    "a record without a name": json.dumps({"type": "record", "fields": []}),
    "a field twice": json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}] * 2}),
    "a name twice": json.dumps(named("R", named("S"), named("S"))),
    "an enum without symbols": field({"type": "enum", "name": "E"}),
    "a fixed of no size": field({"type": "fixed", "name": "F", "size": -1}),
    "nested deeply": field([["null", "int"]] * 2),
    "a scale that fills the memory": field(
        {
            "type": "bytes",
            "connect.name": "org.apache.kafka.connect.data.Decimal",
            "connect.parameters": {"scale": "999999"},
        }
    ),
    "more types than there is time": json.dumps(bomb()),
}


@pytest.mark.parametrize("name", ILL_SCHEMAS)
def test_a_schema_that_connect_does_not_write_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        AvroSchema(ILL_SCHEMAS[name])
    assert caught.value.code == "record.bad-schema"


LONG = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
ILL_BYTES: dict[str, tuple[Any, bytes]] = {
    "a negative length": ("string", b"\x01"),
    "a length beyond the end": ("bytes", b"\x80\x80\x80\x80\x10"),
    "a number of eleven bytes": ("long", b"\xff" * 10 + b"\x01"),
    "a number of 70 bits": ("long", b"\xff" * 9 + b"\x7f"),
    "no such branch": (["null", "int"], b"\x04"),
    "two as a truth": ("boolean", b"\x02"),
    "no such symbol": ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x02"),
    "a symbol below zero": ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x01"),
    "text that is no UTF-8": ("string", b"\x02\xff"),
    "half a double": ("double", b"\0\0\0"),
    "2^63 items": ({"type": "array", "items": "int"}, LONG),
    "2^63 items of a fixed size": ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 2}}, LONG),
    "2^63 items that begin with a length": ({"type": "array", "items": "string"}, LONG + b"\x80\x01"),
    "an array without an end": ({"type": "array", "items": "int"}, b"\x02\x02"),
    "a map without an end": ({"type": "map", "values": "int"}, b"\x02\x02a\x02"),
}


@pytest.mark.parametrize("name", ILL_BYTES)
def test_bytes_that_do_not_fit(name: str) -> None:
    kind, data = ILL_BYTES[name]
    with pytest.raises(Refusal) as caught:
        AvroSchema(field(kind)).plain(b"\0\0\0\0\1" + data, "value")
    assert caught.value.code == "record.bad-avro"


def framed(identity: int, kind: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(kind), value)
    return b"\0" + identity.to_bytes(4, "big") + out.getvalue()


def typed(kind: str, name: str, **parameters: str) -> dict[str, Any]:
    return {"type": kind, "connect.name": name, "connect.parameters": parameters}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    told = typed("bytes", "org.apache.kafka.connect.data.Decimal", scale=str(scale))
    return told | {"logicalType": "decimal", "precision": precision, "scale": scale}


def test_decimals_are_exact_where_libraries_round_or_give_up() -> None:
    text = """{source: s, connector: postgresql, namespace: public, tables: {t: {key: [id], columns: {
        id: int not null, wide: "numeric(65,30)", few: "numeric(5,2)", neg: "numeric(5,-2)"}}}}"""
    row = {
        "type": "record",
        "name": "Value",
        "fields": [
            {"name": "id", "type": "int"},
            {"name": "wide", "type": ["null", decimal(65, 30)]},
            # Precision says five digits, the value has more: a rounding reader would bend it, ours refuses it.
            {"name": "few", "type": ["null", decimal(5, 2)]},
            {"name": "neg", "type": ["null", decimal(5, 2046)]},
        ],
    }
    names = ("connector", "schema", "table", "sequence")
    source = {"type": "record", "name": "Source", "fields": [{"name": name, "type": "string"} for name in names]}
    source["fields"] += [{"name": name, "type": "long"} for name in ("lsn", "txId", "ts_us")]  # type: ignore[operator]
    envelope = {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "after", "type": ["null", row]},
            {"name": "source", "type": source},
            {"name": "op", "type": "string"},
        ],
    }
    place = dict(zip(names, ("postgresql", "public", "t", '["1","9"]'), strict=True)) | {
        "lsn": 9,
        "txId": 3,
        "ts_us": 1,
    }
    registry = KnownSchemas({7: json.dumps(envelope)})
    plain = json.loads(json.dumps(envelope).replace('"logicalType"', '"no"'))

    def decode(**values: int) -> Decoded:
        sent = {n: v.to_bytes(v.bit_length() // 8 + 1, "big", signed=True) for n, v in values.items()}
        after = {"id": 1, "wide": None, "few": None, "neg": None} | sent
        value = framed(7, plain, {"op": "c", "source": place, "after": after})
        return Decoder(read_schema(text, "s"), registry=registry).decode("t", 0, 0, b'{"id":1}', value, ())

    found = decode(
        wide=-12345678901234567890123456789012345123456789012345678901234567890, few=12345, neg=123 * 10**2048
    )
    assert isinstance(found, Change) and found.after
    assert found.after["wide"] == Decimal("-12345678901234567890123456789012345.123456789012345678901234567890")
    assert (repr(found.after["few"]), repr(found.after["neg"])) == ("Decimal('123.45')", "Decimal('12300')")
    ill = decode(few=1234567)
    assert isinstance(ill, Unreadable) and ill.problem.columns == ("t.few",)


COMMON = "io.debezium.connector.common"


def mark(name: str, value: Any, **fields: Any) -> Decoded:
    kind = {
        "type": "record", "name": name.rpartition(".")[2], "namespace": COMMON, "connect.name": name,
        "fields": [{"name": one, "type": told} for one, told in fields.items()],
    }  # fmt: skip
    return Decoder(schema("pg1"), registry=KnownSchemas({9: json.dumps(kind)})).decode(
        "x", 0, 0, None, framed(9, kind, value), ()
    )


def test_marks_in_avro() -> None:
    assert isinstance(mark(f"{COMMON}.Heartbeat", {"ts_ms": 5}, ts_ms="long"), Heartbeat)
    item = {
        "type": "record",
        "name": "C",
        "fields": [{"name": "data_collection", "type": "string"}, {"name": "event_count", "type": "long"}],
    }
    ended = mark(
        f"{COMMON}.TransactionMetadataValue",
        {
            "status": "END",
            "id": "755:9",
            "event_count": 2,
            "data_collections": [{"data_collection": "public.k", "event_count": 2}],
        },
        status="string",
        id="string",
        event_count=["null", "long"],
        data_collections=["null", {"type": "array", "items": item}],
    )
    assert isinstance(ended, TransactionMark) and (ended.transaction, ended.counts) == ("755", {"k": 2})
    told = mark(
        f"{COMMON}.Notification",
        {"id": "1", "type": "COMPLETED", "aggregate_type": "Initial Snapshot", "additional_data": {"a": "b"}},
        id="string",
        type="string",
        aggregate_type="string",
        additional_data=["null", {"type": "map", "values": ["null", "string"]}],
    )
    assert isinstance(told, Notification) and told.data == {"a": "b"}


def test_a_message_of_the_log_in_avro() -> None:
    names = ("connector", "schema", "table")
    source = {
        "type": "record",
        "name": "Source",
        "fields": [
            *[{"name": name, "type": "string"} for name in names],
            *[{"name": name, "type": ["null", "long"]} for name in ("lsn", "txId", "ts_ms")],
        ],
    }
    message = {
        "type": "record",
        "name": "Block",
        "fields": [{"name": "prefix", "type": "string"}, {"name": "content", "type": ["null", "bytes"]}],
    }
    kind = {
        "type": "record",
        "name": "Envelope",
        "fields": [
            {"name": "op", "type": "string"},
            {"name": "source", "type": source},
            {"name": "message", "type": message},
        ],
    }
    place = dict.fromkeys(names, "postgresql") | {"lsn": 9, "txId": None, "ts_ms": 5}
    value = framed(3, kind, {"op": "m", "source": place, "message": {"prefix": "outbox", "content": b"\xff\0"}})
    found = Decoder(schema("pg1"), registry=KnownSchemas({3: json.dumps(kind)})).decode("x", 0, 0, None, value, ())
    assert isinstance(found, LogicalMessage)
    assert (found.prefix, found.content, found.position, found.transaction) == ("outbox", b"\xff\0", 9, None)
