"""Reads Avro's binary form: one generated function for each schema, straight code, without a table to look up.

Values come as Connect has them: decimals and blobs as bytes, dates and times as integers. What is not asked for is
skipped. Whatever the bytes say, a function ends after at most a step for each of them and each type of the schema, and
raises an `IndexError`, `ValueError` or `struct.error` where they do not fit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from connectors.debezium.avro_types import AvroType
from connectors.debezium.sources import Source

Read = Callable[[bytes, int], tuple[Any, int]]
"""Reads the value that begins at a place, and tells where it ends."""


def varint(data: bytes, first: int, at: int) -> tuple[int, int]:
    """A variable-length integer of more than one byte, still zigzagged, and where it ends."""
    number, shift = first & 127, 7
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise ValueError("an integer of too many bytes")
    if number >> 64:
        raise ValueError("an integer of more than 64 bits")
    return number, at


def unfit() -> Any:
    """What the code calls where the bytes do not fit: `ValueError`."""
    raise ValueError("the bytes do not fit the schema")


class _Code:
    """The text of the functions of one schema; each record type and container is a function of its own."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {
            "varint": varint,
            "unfit": unfit,
            "f4": struct.Struct("<f").unpack_from,
            "f8": struct.Struct("<d").unpack_from,
        }
        self._functions: dict[tuple[str, int], str] = {}

    def constant(self, value: object) -> str:
        name = f"k{len(self.scope)}"
        self.scope[name] = value
        return name

    def function(self, kind: AvroType) -> str:
        """The name of the function that reads a type, null aside; made on first use."""
        same = (kind.kind, id(kind.fields or kind.items))
        if same in self._functions:
            return self._functions[same]
        name = self._functions[same] = f"r{len(self._functions)}"
        body = {"record": self._record, "array": self._array, "map": self._map}[kind.kind](kind)
        self.lines += [f"def {name}(d, i):", *body]
        return name

    def _record(self, kind: AvroType) -> list[str]:
        body: list[str] = []
        for at, (_, inner) in enumerate(kind.fields):
            body += self.read(inner, f"v{at}", "    ")
        values = ", ".join(f"{name!r}: v{at}" for at, (name, _) in enumerate(kind.fields))
        return [*body, f"    return {{{values}}}, i"]

    def _array(self, kind: AvroType) -> list[str]:
        item = self.read(kind.items or kind, "v", "            ")
        return self._blocks(["    o = []"], [*item, "            o.append(v)"])

    def _map(self, kind: AvroType) -> list[str]:
        item = [*self._sized("k", "            ", ".decode()"), *self.read(kind.items or kind, "v", "            ")]
        return self._blocks(["    o = {}"], [*item, "            o[k] = v"])

    def _blocks(self, begin: list[str], item: list[str]) -> list[str]:
        size = ["    " + line for line in _number("s", "        ")]
        return [
            *begin,
            "    while True:",
            *_number("c", "        "),
            "        if not c: return o, i",
            "        c = (c >> 1) ^ -(c & 1)",
            "        if c < 0:",
            "            c = -c",
            *size,
            "        for _ in range(c):",
            *item,
        ]

    def read(self, kind: AvroType, to: str, pad: str) -> list[str]:
        """The lines that read a value into the variable `to`."""
        if kind.null_at is None:
            return self._plain(kind, to, pad)
        return [
            f"{pad}b = d[i]; i += 1",
            f"{pad}if b == {kind.null_at * 2}: {to} = None",
            f"{pad}elif b != {2 - kind.null_at * 2}: unfit()",
            f"{pad}else:",
            *self._plain(kind, to, pad + "    "),
        ]

    def _plain(self, kind: AvroType, to: str, pad: str) -> list[str]:
        match kind.kind:
            case "null":
                return [f"{pad}{to} = None"]
            case "boolean":
                return [f"{pad}b = d[i]; i += 1", f"{pad}if b > 1: unfit()", f"{pad}{to} = b == 1"]
            case "int" | "long":
                return [*_number("b", pad), f"{pad}{to} = (b >> 1) ^ -(b & 1)"]
            case "float" | "double":
                size = 4 if kind.kind == "float" else 8
                return [f"{pad}{to} = f{size}(d, i)[0]; i += {size}"]
            case "string":
                return self._sized(to, pad, ".decode()")
            case "bytes":
                return self._sized(to, pad, "")
            case "fixed":
                # A slice does not tell that it is short, and without an end an array of these would not end either.
                return [f"{pad}{to} = d[i:i + {kind.size}]; i += {kind.size}", f"{pad}if i > len(d): unfit()"]
            case "enum":
                symbols = self.constant(kind.symbols)
                return [*_number("b", pad), f"{pad}if b & 1: unfit()", f"{pad}{to} = {symbols}[b >> 1]"]
            case _:
                return [f"{pad}{to}, i = {self.function(kind)}(d, i)"]

    def _sized(self, to: str, pad: str, decode: str) -> list[str]:
        return [
            *_number("b", pad),
            f"{pad}if b & 1: unfit()",
            f"{pad}b = i + (b >> 1)",
            f"{pad}{to} = d[i:b]{decode}; i = b",
        ]

    def skip(self, kind: AvroType, pad: str) -> list[str]:
        """The lines that pass over a value."""
        if kind.null_at is not None:
            return [
                f"{pad}b = d[i]; i += 1",
                f"{pad}if b != {kind.null_at * 2}:",
                f"{pad}    if b != {2 - kind.null_at * 2}: unfit()",
                *self.skip(msgspec.structs.replace(kind, null_at=None), pad + "    "),
            ]
        if kind.kind in ("int", "long", "enum"):
            return [f"{pad}while d[i] > 127: i += 1", f"{pad}i += 1"]
        if kind.kind in ("string", "bytes"):
            return [*_number("b", pad), f"{pad}if b & 1: unfit()", f"{pad}i += b >> 1"]
        return self.read(kind, "_", pad)

    def compile(self, name: str, arguments: str, body: list[str]) -> Any:
        """The function of this name, after all that it uses."""
        text = "\n".join([*self.lines, f"def {name}({arguments}):", *body])
        exec(compile(text, "<avro>", "exec"), self.scope)  # noqa: S102  # made here of indices and quoted names
        return self.scope[name]


def _number(to: str, pad: str) -> list[str]:
    return [f"{pad}{to} = d[i]; i += 1", f"{pad}if {to} > 127: {to}, i = varint(d, {to}, i)"]


def value_reader(kind: AvroType) -> Callable[[bytes, int], Any]:
    """Reads the value that begins at a place and has to end where the bytes end."""
    code = _Code()
    body = code.read(kind, "v", "    ")
    found: Callable[[bytes, int], Any] = code.compile("value", "d, i", [*body, *_END, "    return v"])
    return found


_END = ["    if i != len(d): unfit()"]
_SOURCE = {
    "connector": ("string",), "db": ("string",), "schema": ("string",), "table": ("string",), "txId": ("long", "string"),
    "lsn": ("long",), "sequence": ("string",), "snapshot": ("string",), "ts_us": ("long",), "ts_ms": ("long",),
    "gtid": ("string",), "file": ("string",), "pos": ("long", "int"), "row": ("int", "long"),
    "origin": ("string",), "server_id": ("long", "int"),
}  # fmt: skip
_PARTS = ("op", "source", "before", "after", "message", "transaction")


def is_envelope(kind: AvroType) -> bool:
    """Whether this is the envelope of a change, its parts of the types that it takes."""
    fields = dict(kind.fields)
    op, source = fields.get("op"), fields.get("source")
    if (
        op is None
        or source is None
        or (op.kind, op.null_at, source.kind, source.null_at) != ("string", None, "record", None)
    ):
        return False
    told = dict(source.fields)
    if any(name in told and told[name].kind not in kinds for name, kinds in _SOURCE.items()) or "connector" not in told:
        return False
    return all(fields[name].kind == "record" for name in _PARTS[2:] if name in fields)


def envelope_reader(kind: AvroType) -> Callable[[bytes, int], tuple[Any, ...]]:
    """Reads an envelope: op, source, and the others of `before, after, message, transaction`, `None` where absent."""
    code = _Code()
    code.scope["Source"] = Source
    body: list[str] = []
    for name, inner in kind.fields:
        if name == "source":
            body += _source(code, inner)
        elif name in _PARTS:
            body += code.read(inner, f"p_{name}", "    ")
        else:
            body += code.skip(inner, "    ")
    answer = ", ".join(f"p_{name}" if name in dict(kind.fields) else "None" for name in _PARTS)
    found: Callable[[bytes, int], tuple[Any, ...]] = code.compile(
        "envelope", "d, i", [*body, *_END, f"    return {answer}"]
    )
    return found


def _source(code: _Code, kind: AvroType) -> list[str]:
    wanted: Collection[str] = _SOURCE
    body: list[str] = []
    for name, inner in kind.fields:
        body += code.read(inner, f"s_{name}", "    ") if name in wanted else code.skip(inner, "    ")
    told = dict(kind.fields)
    arguments = ", ".join(f"s_{name}" if name in told else "None" for name in Source.__struct_fields__)
    return [*body, f"    p_source = Source({arguments})"]
