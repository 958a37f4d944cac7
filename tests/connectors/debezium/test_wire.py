"""What schema.yaml and the connector's modes promise is what the connector wrote."""

from __future__ import annotations

import json

import pytest

from connectors.debezium.wire import (
    BASE64,
    BITS,
    DECIMAL_DOUBLE,
    DECIMAL_TEXT,
    HEX,
    VARIABLE_DECIMAL,
    Wire,
    native_wire,
    parse_wire,
)
from tests.connectors.debezium.captures import capture, schema
from translators.schema import Encoding

OURS = {HEX: "", BASE64: "", DECIMAL_TEXT: "", DECIMAL_DOUBLE: ""}


def seen(wire: Wire) -> tuple[str, str, int, object]:
    """A wire type as far as both a record and a declaration tell it; our own names are plain on the wire."""
    items = None if wire.items is None else seen(wire.items)
    return wire.type, OURS.get(wire.name, wire.name), wire.scale, items


@pytest.mark.parametrize("name", ["pg1", "v_connect", "v_iso", "v_micro", "v_dfmt"])
def test_declared_types_meet_the_schema_in_the_records(name: str) -> None:
    legacy = schema(name)
    table = legacy.tables["t"]
    record = next(one for one in capture(name) if one.topic == "srv.public.t")
    sent = json.loads(record.value or b"")["schema"]["fields"][1]
    wires = dict(parse_wire(sent).fields)
    told_only_by_the_record = set()
    for column, native in table.native.items():
        expected = native_wire(native, legacy.encoding)
        # Arrays of enum and of arrays are the connector's own affair: their text is what was sent.
        if expected.type == "any" or column in ("moods", "i2d", "mood"):
            told_only_by_the_record.add(column)
            continue
        assert (column, seen(expected)) == (column, seen(wires[column]))
        if expected.name == BITS and native != "varbit(20)":
            assert expected.length == wires[column].length == 9
    assert told_only_by_the_record == {
        "m", "iv", "pt", "ln", "bx", "h", "comp", "mood", "moods", "i2d", "mr", "tsq", "lsn", "jp", "xid",
    }  # fmt: skip


CONNECT, DEBEZIUM = "org.apache.kafka.connect.data.", "io.debezium.time."
TIMES: list[tuple[str, str, str, str]] = [
    ("time(3)", "adaptive", "int32", f"{DEBEZIUM}Time"),
    ("time(4)", "adaptive", "int64", f"{DEBEZIUM}MicroTime"),
    ("time", "adaptive", "int64", f"{DEBEZIUM}MicroTime"),
    ("time(0)", "adaptive_time_microseconds", "int64", f"{DEBEZIUM}MicroTime"),
    ("timestamp(3)", "adaptive_time_microseconds", "int64", f"{DEBEZIUM}Timestamp"),
    ("timestamp(4)", "adaptive", "int64", f"{DEBEZIUM}MicroTimestamp"),
    ("timestamp without time zone", "adaptive", "int64", f"{DEBEZIUM}MicroTimestamp"),
    ("timestamp(0)", "nanoseconds", "int64", f"{DEBEZIUM}NanoTimestamp"),
    ("time(0)", "nanoseconds", "int64", f"{DEBEZIUM}NanoTime"),
    ("timestamp", "connect", "int64", f"{CONNECT}Timestamp"),
    ("time", "connect", "int32", f"{CONNECT}Time"),
    ("date", "connect", "int32", f"{CONNECT}Date"),
    ("date", "nanoseconds", "int32", f"{DEBEZIUM}Date"),
]


@pytest.mark.parametrize(("native", "mode", "kind", "name"), TIMES)
def test_the_unit_of_a_time_follows_from_mode_and_precision(native: str, mode: str, kind: str, name: str) -> None:
    assert native_wire(native, Encoding(time=mode)) == Wire(kind, name)  # type: ignore[arg-type]


def test_a_numeric_without_precision_has_a_scale_of_its_own() -> None:
    assert native_wire("numeric", Encoding()) == Wire("struct", VARIABLE_DECIMAL)
    assert native_wire("bit varying(20)", Encoding()) == Wire("bytes", BITS)
    assert native_wire("bit(1)", Encoding()) == native_wire("bit", Encoding()) == Wire("boolean")
