"""Wire values to values of the language: one reader for each type of the wire.

A reader gets what JSON held (never null) and answers with a value, or raises `ValueError` or an `ArithmeticError`.
"""

from __future__ import annotations

from binascii import a2b_base64, a2b_hex, b2a_base64
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from hashlib import md5
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from connectors.debezium import numbers, times
from connectors.debezium.wire import (
    BASE64,
    BASE64_URL,
    BITS,
    DECIMAL,
    DECIMAL_TEXT,
    ENUM,
    ESCAPED,
    HEX,
    SET,
    UNSIGNED,
    VARIABLE_DECIMAL,
    Wire,
)
from translators.schema import Kind
from translators.values import Opaque, OutOfRange, Unavailable, Value

Read: TypeAlias = Callable[[Any], Value]

TOAST = Unavailable("toast")
_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="number")
TIME = "io.debezium.time."
CONNECT = "org.apache.kafka.connect.data."
_BY_NAME: dict[str, tuple[Kind, Read]] = {
    f"{TIME}Date": ("date", times.day),
    f"{CONNECT}Date": ("date", times.day),
    f"{TIME}IsoDate": ("date", times.iso_day),
    f"{TIME}Timestamp": ("timestamp", times.timestamp(1_000)),
    f"{CONNECT}Timestamp": ("timestamp", times.timestamp(1_000)),
    f"{TIME}MicroTimestamp": ("timestamp", times.timestamp(1_000_000)),
    f"{TIME}NanoTimestamp": ("timestamp", times.timestamp(1_000_000_000)),
    f"{TIME}IsoTimestamp": ("timestamp", times.iso_timestamp),
    f"{TIME}ZonedTimestamp": ("timestamptz", times.zoned_timestamp),
    f"{TIME}Time": ("opaque", times.clock(1_000)),
    f"{CONNECT}Time": ("opaque", times.clock(1_000)),
    f"{TIME}MicroTime": ("opaque", times.clock(1_000_000)),
    f"{TIME}NanoTime": ("opaque", times.clock(1_000_000_000)),
    f"{TIME}IsoTime": ("opaque", times.iso_clock),
    f"{TIME}MicroDuration": ("opaque", times.duration(1_000_000)),
    f"{TIME}NanoDuration": ("opaque", times.duration(1_000_000_000)),
    f"{TIME}Interval": ("opaque", times.interval),
    f"{TIME}Year": ("integer", numbers.integer),
    VARIABLE_DECIMAL: ("wide", numbers.variable_decimal),
    DECIMAL_TEXT: ("wide", numbers.decimal_text),
    UNSIGNED: ("decimal", numbers.unsigned),
}
_BY_TYPE: dict[str, tuple[Kind, Read]] = {
    "int8": ("integer", numbers.integer),
    "int16": ("integer", numbers.integer),
    "int32": ("integer", numbers.integer),
    "int64": ("integer", numbers.integer),
    "float": ("float", numbers.single),
    "double": ("float", numbers.double),
    "boolean": ("boolean", numbers.boolean),
}
_TEXT_NAMES = {"", "io.debezium.data.Uuid", ENUM, SET}
_SENT_IN_ARRAYS = {
    # The elements for which the connector sends an array's placeholder; for all others it sends null.
    ("string", ""), ("string", "io.debezium.data.Json"), ("string", "io.debezium.data.Uuid"), ("bytes", ""),
    ("int32", ""), ("int64", ""), ("int32", f"{TIME}Date"), ("int32", f"{CONNECT}Date"),
    ("string", f"{TIME}IsoDate"), ("string", HEX), ("string", BASE64), ("string", BASE64_URL), ("any", ""),
}  # fmt: skip


class NulInText(ValueError):
    """A text holds U+0000, which JSON can write and no text column can store."""


class Placeholder:
    """What the connector sends for a value that it does not have (TOAST), in all its disguises."""

    def __init__(self, setting: str) -> None:
        text = setting
        if setting.startswith("hex:"):
            text = bytes.fromhex(setting.removeprefix("hex:")).decode(errors="replace")
        data = text.encode()
        base64 = b2a_base64(data, newline=False).decode()
        # Java's UUID.nameUUIDFromBytes: the MD5 of the bytes, with the version and variant bits of RFC 9562.
        uuid = str(UUID(bytes=md5(data, usedforsecurity=False).digest(), version=3))
        self.text = text
        self.texts = frozenset((text, base64))
        self.json = frozenset((text, f'{{"{text}":"{text}"}}'))
        self.lists: tuple[list[Any], ...] = ([text], [base64], list(data), [uuid])
        self.map = {text: text}


def hides_null(wire: Wire) -> bool:
    """Whether a null of this type may stand for a value that was not sent: arrays of most element types."""
    return wire.type == "array" and (wire.items is None or (wire.items.type, wire.items.name) not in _SENT_IN_ARRAYS)


def reader(wire: Wire, hidden: Placeholder) -> tuple[Kind, Read]:
    """The reader of a wire type and the kind of value that it gives."""
    if wire.name == DECIMAL:
        return "decimal", numbers.fixed_decimal(wire.scale)
    if wire.name in _BY_NAME:
        return _BY_NAME[wire.name]
    if wire.type in _BY_TYPE:
        return _BY_TYPE[wire.type]
    if wire.type == "string":
        return _string(wire, hidden)
    if wire.type == "bytes":
        return "opaque", _bits(wire.length) if wire.name == BITS else _binary(hidden.texts, _from_base64)
    if wire.type == "array":
        return "opaque", _array(None if wire.items is None else reader(wire.items, hidden)[1], hidden)
    return "opaque", _any(hidden)


def _string(wire: Wire, hidden: Placeholder) -> tuple[Kind, Read]:
    if wire.name == HEX:
        return "opaque", _binary(hidden.texts, a2b_hex)
    if wire.name == BASE64:
        return "opaque", _binary(hidden.texts, _from_base64)
    if wire.name == BASE64_URL:
        return "opaque", _binary(hidden.texts, _from_base64_url)
    if wire.name == ESCAPED:
        return "text", _member(wire.members, text_reader(hidden, padded=False))
    if wire.name in _TEXT_NAMES:
        return "text", text_reader(hidden, padded=False)
    return "opaque", _opaque_text(hidden)


def text_reader(hidden: Placeholder, *, padded: bool) -> Read:
    """Reads text; the trailing blanks of CHAR (`padded`) are no data."""
    placeholder = hidden.text

    def read(value: Any) -> Value:
        if type(value) is not str:
            raise ValueError("not a text")
        if value == placeholder:
            return TOAST
        if "\0" in value:
            raise NulInText
        return value.rstrip(" ") if padded else value

    return read


def _member(members: tuple[str, ...], read: Read) -> Read:
    """Reads a member of an enum, whose commas are escaped on one way in and not on the other.

    Where both readings are members nothing tells them apart, and the value is refused.
    """
    known = frozenset(members)

    def member(value: Any) -> Value:
        text = read(value)
        if not isinstance(text, str) or "\\," not in text:
            return text
        plain = text.replace("\\,", ",")
        if text in known and plain in known:
            raise ValueError("one of two members")
        return text if text in known else plain

    return member


def opaque_reader(read: Read) -> Read:
    """Reads a value of a type that expressions cannot look into, as its text."""

    def opaque(value: Any) -> Value:
        found = read(value)
        if isinstance(found, Opaque | Unavailable | OutOfRange):
            return found
        plain = _plain(found)
        return Opaque(plain if isinstance(plain, str) else canonical(plain))

    return opaque


def _opaque_text(hidden: Placeholder) -> Read:
    def read(value: Any) -> Value:
        if type(value) is not str:
            raise ValueError("not a text")
        return TOAST if value in hidden.json else Opaque(_clean(value))

    return read


def _clean(text: str) -> str:
    if "\0" in text:
        raise NulInText
    return text


def _binary(placeholders: frozenset[str], decode: Callable[[str], bytes]) -> Read:
    def read(value: Any) -> Value:
        if type(value) is not str:
            raise ValueError("not a text")
        return TOAST if value in placeholders else Opaque(rf"\x{decode(value).hex()}")

    return read


def _from_base64(text: str) -> bytes:
    return a2b_base64(text, strict_mode=True)


def _from_base64_url(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return a2b_base64(padded.replace("-", "+").replace("_", "/"), strict_mode=True)


def _bits(length: int) -> Read:
    """Reads a bit string; Debezium's bytes begin with the lowest. Leading zeros of varying ones are lost on the way."""

    def read(value: Any) -> Value:
        if type(value) is not str:
            raise ValueError("not a text")
        return Opaque(f"{int.from_bytes(_from_base64(value), 'little'):0{length or 1}b}")

    return read


def _array(element: Read | None, hidden: Placeholder) -> Read:
    def read(value: Any) -> Value:
        if type(value) is not list:
            raise ValueError("not an array")
        if value in hidden.lists:
            return TOAST
        if element is None:
            return Opaque(canonical(value))
        return Opaque(canonical([None if item is None else _plain(element(item)) for item in value]))

    return read


def _any(hidden: Placeholder) -> Read:
    def read(value: Any) -> Value:
        if isinstance(value, str):
            return TOAST if value in hidden.texts else Opaque(_clean(value))
        if value == hidden.map or value in hidden.lists:
            return TOAST
        return Opaque(canonical(_shortest(value)))

    return read


def _shortest(value: Any) -> Any:
    """The value, changed in place, with each number written in one way, whichever of `1.5`, `1.50`, `1.5E0` was sent."""
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else value
    if isinstance(value, list | dict):
        for at, item in enumerate(value) if isinstance(value, list) else value.items():
            if isinstance(item, Decimal | list | dict):
                value[at] = _shortest(item)
    return value


def message_content(text: str, binary: str) -> bytes:
    """The bytes of a log message, as `binary.handling.mode` writes them; `ValueError` if they are not so."""
    if binary == "hex":
        return a2b_hex(text)
    return _from_base64_url(text) if binary == "base64-url-safe" else _from_base64(text)


def canonical(value: Any) -> str:
    """JSON without blanks and with sorted keys."""
    return _CANONICAL.encode(value).decode()


def _plain(value: Value) -> Any:
    """A value as JSON can hold it inside an array: decimals and dates as their texts."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Opaque | OutOfRange):
        return value.text
    if isinstance(value, Unavailable):
        raise ValueError("a placeholder inside an array")  # noqa: TRY004  # an ill value, not an ill type
    return value
