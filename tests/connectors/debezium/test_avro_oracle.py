"""The reader of Avro bytes against another library: random schemas, random values, the same answer."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.debezium.avro import AvroSchema
from tests.connectors.debezium.test_avro import framed

NAMES = st.integers(0, 10**6).map(lambda number: f"n{number}")
PRIMITIVE: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=140),
    "bytes": st.binary(max_size=140),
}


@st.composite
def schema_and_value(draw: st.DrawFn, depth: int = 3) -> tuple[Any, Any]:
    """A schema of the kinds that Connect writes, and a value of it."""
    kind = draw(
        st.sampled_from([*PRIMITIVE, "null", "enum", "fixed", *(["array", "map", "record", "union"] * (depth > 0))])
    )
    if kind in PRIMITIVE:
        return kind, draw(PRIMITIVE[kind])
    if kind == "enum":
        return {"type": "enum", "name": _fresh(draw), "symbols": ["A", "B", "C"]}, draw(st.sampled_from("ABC"))
    if kind == "fixed":
        return {"type": "fixed", "name": _fresh(draw), "size": 3}, draw(st.binary(min_size=3, max_size=3))
    if kind == "record":
        fields = draw(st.lists(schema_and_value(depth - 1), max_size=4))
        told = [{"name": f"f{at}", "type": one} for at, (one, _) in enumerate(fields)]
        value = {f"f{at}": one for at, (_, one) in enumerate(fields)}
        return {"type": "record", "name": _fresh(draw), "fields": told}, value
    if kind == "null":
        return "null", None
    inner, value = draw(
        schema_and_value(depth - 1).filter(lambda found: found[0] != "null" and not isinstance(found[0], list))
    )
    if kind == "array":
        count = draw(st.integers(0, 3))
        return ({"type": "array", "items": inner}, [value] * count) if _takes_bytes(inner) else (inner, value)
    if kind == "map":
        return {"type": "map", "values": inner}, {
            name: value for name in draw(st.sets(st.text("ab", max_size=3), max_size=3))
        }
    return (["null", inner] if draw(st.booleans()) else [inner, "null"]), draw(st.sampled_from([None, value]))


COUNT = [0]


def _fresh(draw: st.DrawFn) -> str:
    COUNT[0] += 1
    return f"T{COUNT[0]}"


def _takes_bytes(kind: Any) -> bool:
    if isinstance(kind, dict) and kind["type"] == "record":
        return any(_takes_bytes(one["type"]) for one in kind["fields"])
    return bool(kind != "null")


@settings(max_examples=200, deadline=None)
@given(schema_and_value())
def test_the_reader_reads_what_another_library_wrote(drawn: tuple[Any, Any]) -> None:
    kind, value = drawn
    wrapped = {"type": "record", "name": "Top", "fields": [{"name": "f", "type": kind}]}
    data = framed(1, wrapped, {"f": value})
    expected = fastavro.schemaless_reader(io.BytesIO(data[5:]), fastavro.parse_schema(wrapped), None)
    assert repr(AvroSchema(json.dumps(wrapped)).value(data, "value")) == repr(expected)
