"""Numbers of the wire, exactly: no ambient decimal context, no float on the way to a decimal."""

from __future__ import annotations

import re
import struct
from binascii import a2b_base64
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any

from connectors.debezium.wire import MAX_SCALE
from translators.schema import MAX_DECIMAL
from translators.values import OutOfRange

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
_MAX_BYTES = 62_000
"""An unscaled value of PostgreSQL's widest number (147,455 digits) has 61,231 bytes."""
EXACT = Context(prec=200_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])
_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SPECIAL = {"NaN", "NAN", "Infinity", "-Infinity", "POSITIVE_INFINITY", "NEGATIVE_INFINITY"}
_SHORT = 24
"""Longer texts than these are not kept, so that the cache of amounts stays small."""
_DIRECT = 8_192
"""Bits of an integer that is converted in one piece, in quadratic time."""
_FLOAT_DIGITS = 15
"""A decimal of so many digits survives the way through a double and back by its shortest text."""


def integer(value: Any) -> int:
    """A 64-bit integer."""
    if type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER:
        return value
    raise ValueError("not a 64-bit integer")


def boolean(value: Any) -> bool:
    """A truth value; 0 and 1 as SQLite has them."""
    if value is True or value is False:
        return bool(value)
    if type(value) is int and value in (0, 1):
        return value == 1
    raise ValueError("not a boolean")


def truth(value: Any) -> int:
    """A truth value as 0 or 1."""
    return int(boolean(value))


def double(value: Any) -> float | OutOfRange:
    """A double; NaN and infinities have no room in the language. There is no negative zero."""
    if isinstance(value, str):
        if value in _SPECIAL:
            return OutOfRange(value)
        raise ValueError("not a number")
    if type(value) is not int and not isinstance(value, Decimal):
        raise ValueError("not a number")
    try:
        number = float(value)
    except OverflowError:
        return OutOfRange(str(value))
    if number in (float("inf"), float("-inf")):
        return OutOfRange(str(value))
    return number + 0.0


def unsigned(value: Any) -> Decimal:
    """An unsigned 64-bit integer that was written as a signed one: what is over 2^63 arrives below zero."""
    number = integer(value)
    return Decimal(number if number >= 0 else number + 2**64)


def single(value: Any) -> float | OutOfRange:
    """A single-precision number, widened with its noise, as databases widen it."""
    number = double(value)
    if isinstance(number, OutOfRange):
        return number
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return OutOfRange(str(value))


@lru_cache(maxsize=256)
def _unit(scale: int) -> Decimal:
    return Decimal((0, (1,), -scale))


def rescaled(number: Decimal, scale: int) -> Decimal:
    """The same number with exactly `scale` decimals; an `ArithmeticError` if it has more. There is no negative zero."""
    result = EXACT.quantize(number, _unit(scale))
    return result if result else result.copy_abs()


def _unscaled(text: str, scale: int) -> Decimal:
    return unscaled(a2b_base64(text, strict_mode=True), scale)


def unscaled(data: bytes, scale: int) -> Decimal:
    """The number that is `data`, big-endian in two's complement, divided by ten to the `scale`."""
    if len(data) > _MAX_BYTES:
        raise ValueError("too many digits")
    return EXACT.scaleb(_whole(int.from_bytes(data, "big", signed=True)), -scale)


def _whole(number: int) -> Decimal:
    """The same number; halves are joined by Decimal's fast multiplication, so that time stays near linear."""
    bits = number.bit_length()
    if bits <= _DIRECT:
        return Decimal(number)
    half = bits // 2
    high, low = number >> half, number & ((1 << half) - 1)
    return EXACT.add(EXACT.multiply(_whole(high), _power(half)), _whole(low))


@lru_cache(maxsize=64)
def _power(bits: int) -> Decimal:
    return EXACT.power(2, bits)


def _number(value: Any) -> Decimal:
    """A number of JSON as it was written."""
    if type(value) is int or isinstance(value, Decimal):
        return Decimal(value)
    raise ValueError("not a number")


def fixed_decimal(scale: int) -> Callable[[Any], Decimal]:
    """Reads Connect's Decimal: base64 of the unscaled value, or a JSON number where the converter was told so.

    PostgreSQL's negative scales arrive as scales around 2,000 (the number is right): their zeros are dropped.
    """

    def convert(value: Any) -> Decimal:
        number = _unscaled(value, scale) if type(value) is str else rescaled(_number(value), scale)
        return _trimmed(number) if scale > MAX_DECIMAL else number

    return convert


def _trimmed(number: Decimal) -> Decimal:
    small = EXACT.normalize(number)
    exponent = small.as_tuple().exponent
    return rescaled(small, 0) if isinstance(exponent, int) and exponent > 0 else small


def variable_decimal(value: Any) -> Decimal:
    """Reads VariableScaleDecimal: `{"scale": 9, "value": "J+Qb..."}`."""
    if not isinstance(value, dict):
        return _bounded(_number(value))
    scale, text = value.get("scale"), value.get("value")
    if type(scale) is not int or abs(scale) > MAX_SCALE or not isinstance(text, str):
        raise ValueError("not a decimal of its own scale")
    number = _unscaled(text, scale)
    return rescaled(number, 0) if scale < 0 else number


def decimal_text(value: Any) -> Decimal | OutOfRange:
    """Reads a decimal that is written as plain text, or as a JSON number."""
    if not isinstance(value, str):
        return _bounded(_number(value))
    if value in _SPECIAL:
        return OutOfRange(value)
    if len(value) > 200_000 or not _PLAIN.fullmatch(value):
        raise ValueError("not a decimal")
    return Decimal(value)


def decimal_double(precision: int) -> Callable[[Any], Decimal | OutOfRange]:
    """Reads a decimal that was written as a double, which is exact for few digits only."""

    def convert(value: Any) -> Decimal | OutOfRange:
        if isinstance(value, str) and value in _SPECIAL:
            return OutOfRange(value)
        if not 0 < precision <= _FLOAT_DIGITS:
            raise ValueError("a double cannot carry so many digits")
        return _bounded(_number(value))

    return convert


def _bounded(number: Decimal) -> Decimal:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MAX_SCALE or number.adjusted() > EXACT.prec:
        raise ValueError("too many digits")
    return rescaled(number, 0) if exponent > 0 else number


def declared_decimal(convert: Callable[[Any], Any], precision: int, scale: int) -> Callable[[Any], Any]:
    """Brings a decimal to its column's scale; a number that the column could not hold is refused."""
    limit = EXACT.scaleb(Decimal(1), precision - scale)

    def fitted(value: Any) -> Any:
        number = convert(value)
        if isinstance(number, OutOfRange):
            return number
        if number.as_tuple().exponent != -scale or not number:
            number = rescaled(number, scale)
        if not -limit < number < limit:
            raise ValueError("more digits than the column has")
        return number

    return fitted


def declared_unscaled(precision: int, scale: int) -> Callable[[Any], Any]:
    """`fixed_decimal` and `declared_decimal` in one, for the way that most decimals come."""
    limit = 10**precision
    general = declared_decimal(fixed_decimal(scale), precision, scale)

    def convert(value: Any) -> Any:
        return short(value) if type(value) is str and len(value) <= _SHORT else general(value)

    # Old and new rows, and rows beside each other, mostly hold the same amounts.
    @lru_cache(maxsize=4096)
    def short(text: str) -> Decimal:
        number = int.from_bytes(a2b_base64(text, strict_mode=True), "big", signed=True)
        if -limit < number < limit:
            return EXACT.scaleb(Decimal(number), -scale)
        raise ValueError("more digits than the column has")

    return convert
