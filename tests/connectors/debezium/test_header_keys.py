"""The other key of a row that moved, in each encoding that headers have."""

from __future__ import annotations

import json

import pytest

from connectors.debezium.decode import Decoder
from connectors.debezium.records import (
    Headers,
)
from connectors.debezium.refusal import Refusal
from connectors.debezium.registry import KnownSchemas
from tests.connectors.debezium.captures import capture, schema
from translators.change import Change
from translators.schema_text import read_schema


def test_the_key_of_a_moved_row_in_each_encoding_of_headers() -> None:
    registry = KnownSchemas(
        {1: json.dumps({"type": "record", "name": "Key", "fields": [{"name": "id", "type": "int"}]})}
    )
    first = next(at for at, one in enumerate(capture("pg1")) if dict(one.headers).get("__debezium.newkey"))
    gone, _, new = capture("pg1")[first : first + 3]
    decoder = Decoder(schema("pg1"), registry=registry)
    changes = [decoder.decode(*one) for one in (gone, new)]
    assert all(isinstance(one, Change) for one in changes)

    def keys(headers: tuple[Headers, Headers]) -> list[tuple[str | None, str | None]]:
        found = [decoder.moved(one, own) for one, own in zip(changes, headers, strict=True) if isinstance(one, Change)]
        return [(one.new_key, one.old_key) for one in found]

    def each(new_key: bytes, old_key: bytes) -> tuple[Headers, Headers]:
        return (("__debezium.newkey", new_key),), (("__debezium.oldkey", old_key),)

    expected = [("11", None), (None, "10")]
    assert keys((gone.headers, new.headers)) == expected
    assert keys(each(b'{"id":11}', b'{"id":10}')) == expected
    assert keys(each(b"\0\0\0\0\1\x16", b"\0\0\0\0\1\x14")) == expected
    assert keys(((), (("__debezium.oldkey", None),))) == [(None, None), (None, None)]


def test_a_key_in_a_header_has_the_canonical_text_of_its_columns() -> None:
    text = """{source: s, connector: postgresql, namespace: public, tables: {t: {key: [id, d, dec], columns: {
        id: int not null, d: date not null, dec: "numeric(5,2) not null"}}}}"""
    source = '{"connector":"postgresql","schema":"public","table":"t","txId":3,"lsn":9,"ts_us":1}'
    value = f'{{"op":"c","source":{source},"after":{{"id":5,"d":18263,"dec":"AJY="}}}}'.encode()
    decoder = Decoder(read_schema(text, "s"))
    change = decoder.decode("t", 0, 0, b'{"id":5,"d":18263,"dec":"AJY="}', value, ())
    assert isinstance(change, Change) and change.row_key == "5/2020-01-02/1.50"
    # As SimpleHeaderConverter writes it: the decimal is a number.
    moved = decoder.moved(change, (("__debezium.oldkey", b'{"id":5,"d":18263,"dec":1.50,"by":"AQI="}'),))
    assert (moved.old_key, moved.new_key) == (change.row_key, None)
    for ill in (b"{", b"5", b"Struct{id=1}", b'{"id":5}', b"\0\0\0\0\1\x14"):
        with pytest.raises(Refusal):
            decoder.moved(change, (("__debezium.oldkey", ill),))
