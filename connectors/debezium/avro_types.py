"""Avro schemas as Kafka Connect's converters write them: each type with the Connect type that it stands for.

After the Avro 1.11 specification (https://avro.apache.org/docs/1.11.1/specification/) and Confluent's AvroData, which keeps
Connect's semantic names, parameters and small integers in `connect.*` properties, on the branch inside a union. A union is
null and one type, in either order: with a default the type stands first.
"""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.debezium.refusal import Refusal
from connectors.debezium.wire import MAX_DEPTH, Wire, make_wire

_PRIMITIVES = {
    "null": "null", "boolean": "boolean", "int": "int32", "long": "int64", "float": "float", "double": "double",
    "string": "string", "bytes": "bytes",
}  # fmt: skip
_MAX_NODES = 20_000
"""Types of one schema, each counted where it is used: few bytes of schema must not mean hours of reading."""


class AvroType(msgspec.Struct, frozen=True):
    """One type: `kind` is Avro's, `null_at` the index of null in its union (`None`: never null).

    `least` is the fewest bytes that a value takes, `nodes` how many types it is made of.
    """

    kind: str
    wire: Wire
    null_at: int | None = None
    items: AvroType | None = None
    fields: tuple[tuple[str, AvroType], ...] = ()
    symbols: tuple[str, ...] = ()
    size: int = 0
    least: int = 1
    nodes: int = 1


def parse_avro(text: str) -> AvroType:
    """The type that a schema's text tells; `Refusal` if it is none that Connect writes."""
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _bad("it is no JSON") from error
    return _Names().type(schema, "", 0)


def _bad(why: str) -> Refusal:
    return Refusal("record.bad-schema", why)


class _Names:
    """The named types of one schema, each defined once and then called by its name."""

    def __init__(self) -> None:
        self._known: dict[str, AvroType] = {}

    def type(self, schema: Any, space: str, depth: int) -> AvroType:
        if depth > MAX_DEPTH:
            raise _bad("its types are nested too deeply")
        if isinstance(schema, list):
            return self._union(schema, space, depth)
        given = schema if isinstance(schema, dict) else {"type": schema}
        kind = given.get("type")
        if isinstance(kind, dict | list):
            return self.type(kind, space, depth + 1)
        if not isinstance(kind, str):
            raise _bad("a type has no name")
        found = self._one(kind, given, space, depth)
        if found.nodes > _MAX_NODES:
            raise _bad("it has too many types")
        return found

    def _union(self, branches: list[Any], space: str, depth: int) -> AvroType:
        null_at = [at for at, branch in enumerate(branches) if branch == "null"]
        if len(branches) != 2 or len(null_at) != 1:
            raise _bad("a union is not null and one type")
        inner = self.type(branches[1 - null_at[0]], space, depth + 1)
        if inner.null_at is not None or inner.kind == "null":
            raise _bad("a union is not null and one type")
        return msgspec.structs.replace(inner, null_at=null_at[0], least=1)

    def _one(self, kind: str, given: dict[str, Any], space: str, depth: int) -> AvroType:
        if kind in _PRIMITIVES:
            return self._primitive(kind, given)
        if kind in ("array", "map"):
            return self._container(kind, given, space, depth)
        if kind in ("record", "enum", "fixed"):
            return self._named(kind, given, space, depth)
        full = kind if "." in kind or not space else f"{space}.{kind}"
        if full not in self._known:
            # A type that is not complete yet is not known either: nothing that Connect writes holds itself.
            raise _bad("a type is not defined")
        return self._known[full]

    def _primitive(self, kind: str, given: dict[str, Any]) -> AvroType:
        connect = given.get("connect.type")
        small = connect if kind == "int" and connect in ("int8", "int16") else _PRIMITIVES[kind]
        least = {"null": 0, "float": 4, "double": 8}.get(kind, 1)
        return AvroType(kind, _wire(small, given), least=least)

    def _container(self, kind: str, given: dict[str, Any], space: str, depth: int) -> AvroType:
        items = self.type(given.get("items" if kind == "array" else "values"), space, depth + 1)
        if not items.least and kind == "array":
            raise _bad("an array's items take no bytes")
        return AvroType(kind, _wire(kind, given, items.wire), items=items, nodes=items.nodes + 1)

    def _named(self, kind: str, given: dict[str, Any], space: str, depth: int) -> AvroType:
        name, own = given.get("name"), given.get("namespace", space)
        if not isinstance(name, str) or not isinstance(own, str):
            raise _bad("a type has no name")
        full = name if "." in name or not own else f"{own}.{name}"
        if full in self._known:
            raise _bad("a type is defined twice")
        make = {"record": self._record, "enum": self._enum, "fixed": self._fixed}[kind]
        self._known[full] = found = make(given, full.rpartition(".")[0], depth)
        return found

    def _record(self, given: dict[str, Any], space: str, depth: int) -> AvroType:
        fields = given.get("fields")
        if not isinstance(fields, list) or not all(
            isinstance(f, dict) and isinstance(f.get("name"), str) for f in fields
        ):
            raise _bad("a record has no fields")
        if len({field["name"] for field in fields}) != len(fields):
            raise _bad("a field has no name of its own")
        found = tuple([(field["name"], self.type(field.get("type"), space, depth + 1)) for field in fields])
        return AvroType(
            "record",
            _wire("struct", given, fields=tuple((name, inner.wire) for name, inner in found)),
            fields=found,
            least=sum(inner.least for _, inner in found),
            nodes=1 + sum(inner.nodes for _, inner in found),
        )

    def _enum(self, given: dict[str, Any], _space: str, _depth: int) -> AvroType:
        symbols = given.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise _bad("an enum has no symbols")
        return AvroType("enum", _wire("string", given), symbols=tuple(symbols))

    def _fixed(self, given: dict[str, Any], _space: str, _depth: int) -> AvroType:
        size = given.get("size")
        if type(size) is not int or size < 0:
            raise _bad("a fixed type has no size")
        return AvroType("fixed", _wire("bytes", given), size=size, least=size)


def _wire(
    kind: str, given: dict[str, Any], items: Wire | None = None, fields: tuple[tuple[str, Wire], ...] = ()
) -> Wire:
    name = given.get("connect.name") or ""
    if not isinstance(name, str):
        raise _bad("a type has no name")
    return make_wire(kind, name, given.get("connect.parameters"), items, fields)
