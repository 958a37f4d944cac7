"""What generated code calls: the parts of the language that Python does not have, or has otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce

from translators.expression.errors import nearest
from translators.schema import MAX_DECIMAL
from translators.values import OutOfRange, Row, Unavailable, Value

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

CTX = Context(prec=100, rounding=ROUND_HALF_UP)
"""Private, wide enough for the exact product of any two decimals; half away from zero. Never the ambient context."""
_ZERO = Decimal(0)

NO_VALUES = frozenset({Unavailable, OutOfRange})
"""What stands in a column for a value that no expression can use."""


class ValueProblem(Exception):
    """A value of one row that an expression cannot use; `detail` says which value and what was expected."""

    def __init__(self, code: str, detail: dict[str, object]) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Codes(dict[str, str]):
    """A code table that rejects what it does not know, naming the nearest code that it does."""

    def __init__(self, name: str, entries: Mapping[str, str]) -> None:
        super().__init__(entries)
        self.name = name

    def __missing__(self, code: str) -> str:
        """Raises `code.unmapped`."""
        raise ValueProblem("code.unmapped", {"set": self.name, "value": code, "nearest": nearest(code, self)})


class _OneToOne(dict[int, int]):
    """A letter-to-letter table for `str.translate`, filled as letters are met."""

    def __init__(self, change: Callable[[str], str]) -> None:
        super().__init__()
        self.change = change

    def __missing__(self, point: int) -> int:
        self[point] = ord(self.change(chr(point)))
        return self[point]


def upper_letter(letter: str) -> str:
    """The one upper-case letter of a letter; itself where it has none (ß)."""
    return next((form for form in (letter.upper(), letter.title()) if len(form) == 1), letter)


def lower_letter(letter: str) -> str:
    """The one lower-case letter of a letter: only İ has a longer form, whose first letter it is."""
    return letter.lower()[0]


_UPPER, _LOWER = _OneToOne(upper_letter), _OneToOne(lower_letter)


def upper(text: str) -> str:
    """UPPER: letter by letter, so that the length stays."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def lower(text: str) -> str:
    """LOWER: letter by letter; a final sigma is a sigma."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def split_part(text: str, separator: str, index: int) -> str:
    """The part before the `index`-th separator, from 1; '' beyond the end."""
    parts = text.split(separator, index)
    return parts[index - 1] if index <= len(parts) else ""


def integer_overflow(value: int) -> int:
    """Raises `value.overflow`: the result of an operation on integers needs more than 64 bits."""
    raise ValueProblem("value.overflow", {"value": value, "type": "integer"})


def finite(value: float) -> float:
    """The result of an operation on floats, if it is a number; no negative zero."""
    if value - value != 0:
        raise ValueProblem("value.overflow", {"value": repr(value), "type": "float"})
    return value + 0.0


def decimal_38(value: Decimal) -> Decimal:
    """The value, if 38 digits hold it; else `value.overflow`."""
    if len(value.as_tuple().digits) > MAX_DECIMAL:
        raise ValueProblem("value.overflow", {"value": format(value, "f"), "type": "decimal(38)"})
    return value


def remainder_integer(dividend: int, divisor: int) -> int:
    """`%` with the sign of the dividend."""
    if not divisor:
        raise ValueProblem("value.division_by_zero", {})
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


def remainder_decimal(dividend: Decimal | int, divisor: Decimal | int) -> Decimal:
    """`%` with the sign of the dividend, and no negative zero."""
    if not divisor:
        raise ValueProblem("value.division_by_zero", {})
    rest = CTX.remainder(Decimal(dividend), Decimal(divisor))
    return rest if rest else rest.copy_abs()


def round_quotient(dividend: Decimal | int, divisor: Decimal | int, up: int, down: int, unit: Decimal) -> Decimal:
    """ROUND(dividend / divisor, n), half away from zero, in integers.

    Both are numbers whose points were taken away by `unscaled`; `up` and `down` are the powers of ten that put them on
    one scale with the n digits wanted, `unit` is 10^-n.
    """
    if not divisor:
        raise ValueProblem("value.division_by_zero", {})
    over, under = abs(int(dividend)) * up, abs(int(divisor)) * down
    whole = (2 * over + under) // (2 * under)
    return CTX.multiply(unit, -whole if (dividend < 0) != (divisor < 0) and whole else whole)


def quantize(value: Decimal | int, unit: Decimal) -> Decimal:
    """The value at the scale of `unit`, half away from zero, no negative zero."""
    result = CTX.quantize(value, unit)
    return result if result else result.copy_abs()


def rounded(value: Decimal, unit: Decimal, how: str) -> Decimal:
    """The value at the scale of `unit`, by one of the decimal module's rounding modes; no negative zero."""
    result = value.quantize(unit, how, CTX)
    return result if result else result.copy_abs()


def as_decimal(value: Decimal | int, unit: Decimal, limit: Decimal, type_name: str) -> Decimal:
    """The value at the scale of `unit`, if its amount is then below `limit`; else `value.overflow`."""
    if -limit < value < limit and -limit < (result := quantize(value, unit)) < limit:
        return result
    raise ValueProblem("value.overflow", {"value": format(value, "f"), "type": type_name})


def decimal_to_integer(value: Decimal) -> int:
    """The nearest whole number, half away from zero, if 64 bits hold it."""
    whole = int(value.to_integral_value(ROUND_HALF_UP, CTX))
    return whole if MIN_INTEGER <= whole <= MAX_INTEGER else integer_overflow(whole)


def float_as_decimal(value: float, unit: Decimal, limit: Decimal, type_name: str) -> Decimal:
    """The decimal of the shortest text that reads back as this float, as `as_decimal` gives it."""
    if value - value != 0:
        raise ValueProblem("value.out_of_range", {"value": repr(value)})
    return as_decimal(Decimal(repr(value)), unit, limit, type_name)


_INTEGER = re.compile(r" *([+-]?[0-9]{1,18}) *")
_DECIMAL = re.compile(r" *([+-]?[0-9]{1,38}(?:\.[0-9]{1,38})?) *")


def text_to_integer(text: str) -> int:
    """A whole number of 1 to 18 digits, blanks around it; else `value.not_an_integer`."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ValueProblem("value.not_an_integer", {"value": text})
    return int(match[1])


def text_as_decimal(text: str, unit: Decimal, limit: Decimal, type_name: str) -> Decimal:
    """A number without exponent, blanks around it, as `as_decimal` gives it; else `value.not_a_number`."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueProblem("value.not_a_number", {"value": text})
    return as_decimal(Decimal(match[1]), unit, limit, type_name)


def tried(convert: Callable[..., Value], value: Value, *how: object) -> Value:
    """What the conversion gives; NULL where it rejects the value."""
    try:
        return convert(value, *how)
    except ValueProblem:
        return None


def greatest(*values: Value) -> Value:
    """The greatest that is not NULL."""
    return max([value for value in values if value is not None], default=None)  # type: ignore[type-var]


def least(*values: Value) -> Value:
    """The least that is not NULL."""
    return min([value for value in values if value is not None], default=None)  # type: ignore[type-var]


def rescue(compute: Callable[[], Value]) -> Value | ValueProblem:
    """The value, or the problem it met: whether it counts depends on what else is NULL."""
    try:
        return compute()
    except ValueProblem as problem:
        return problem


def sound(value: Value | ValueProblem) -> Value:
    """The value that `rescue` kept; raises the problem that it kept instead."""
    if isinstance(value, ValueProblem):
        raise value
    return value


def column_of(rows: list[Row], column: str) -> Sequence[Value]:
    """The values of one column of a part that are not NULL, each of them usable."""
    values = [value for row in rows if (value := row[column]) is not None]
    for value in values:
        usable(value, column)
    return values


def usable(value: Value, column: str) -> None:
    """Raises `value.out_of_range` or `value.unavailable` for what stands in a column in place of a value."""
    if isinstance(value, OutOfRange):
        raise ValueProblem("value.out_of_range", {"value": value.text, "column": column})
    if isinstance(value, Unavailable):
        raise ValueProblem("value.unavailable", {"column": column, "reason": value.reason})


def sum_integers(rows: list[Row], column: str) -> int | None:
    """SUM of integers; NULL of nothing."""
    values = [value for row in rows if (value := row[column]) is not None]
    if not values:
        return None
    try:
        total: int = sum(values)  # type: ignore[arg-type]
    except TypeError:
        column_of(rows, column)
        raise
    return total if MIN_INTEGER <= total <= MAX_INTEGER else integer_overflow(total)


def sum_decimals(rows: list[Row], column: str) -> Decimal | None:
    """SUM of decimals; NULL of nothing."""
    values = [value for row in rows if (value := row[column]) is not None]
    if not values:
        return None
    try:
        return decimal_38(reduce(CTX.add, values, _ZERO))  # type: ignore[arg-type]
    except TypeError:
        column_of(rows, column)
        raise


def add_integers(values: list[int | None]) -> int | None:
    """SUM of integers that were computed; NULL of nothing."""
    found = [value for value in values if value is not None]
    if not found:
        return None
    total = sum(found)
    return total if MIN_INTEGER <= total <= MAX_INTEGER else integer_overflow(total)


def add_decimals(values: list[Decimal | None]) -> Decimal | None:
    """SUM of decimals that were computed; NULL of nothing."""
    found = [value for value in values if value is not None]
    return decimal_38(reduce(CTX.add, found, _ZERO)) if found else None


def count(values: list[Value]) -> int:
    """COUNT of what was computed and is not NULL."""
    return len(values) - values.count(None)


def any_true(values: Iterable[bool | None]) -> bool | None:
    """The values joined by OR, as far as they are needed."""
    found: bool | None = False
    for value in values:
        if value:
            return True
        if value is None:
            found = None
    return found


def all_true(values: Iterable[bool | None]) -> bool | None:
    """The values joined by AND, as far as they are needed."""
    found: bool | None = True
    for value in values:
        if value is None:
            found = None
        elif not value:
            return False
    return found


def least_of(rows: list[Row], column: str) -> Value:
    """MIN over a part; NULL of nothing."""
    return min(column_of(rows, column), default=None)  # type: ignore[type-var]


def greatest_of(rows: list[Row], column: str) -> Value:
    """MAX over a part; NULL of nothing."""
    return max(column_of(rows, column), default=None)  # type: ignore[type-var]


def like(pattern: str, escape: str | None) -> Callable[[str], bool]:
    """The test that a constant LIKE pattern makes; linear in the text, whatever the pattern."""
    pieces = like_pieces(pattern, escape)
    matchers = [
        re.compile("".join("." if one is None else re.escape(one) for one in piece), re.DOTALL) for piece in pieces
    ]
    widths = [len(piece) for piece in pieces]

    def test(text: str) -> bool:
        if len(pieces) == 1:
            return len(text) == widths[0] and matchers[0].match(text) is not None
        end = len(text) - widths[-1]
        if matchers[0].match(text) is None:
            return False
        at = widths[0]
        for matcher in matchers[1:-1]:
            found = matcher.search(text, at)
            if found is None:
                return False
            at = found.end()
        return at <= end and matchers[-1].match(text, end) is not None

    return test


def like_pieces(pattern: str, escape: str | None) -> list[list[str | None]]:
    """A LIKE pattern cut at its `%`; in a piece, `None` is any one character. `ValueError` if it ends in the escape."""
    pieces: list[list[str | None]] = [[]]
    letters = iter(pattern)
    for letter in letters:
        if letter == escape:
            following = next(letters, None)
            if following is None:
                raise ValueError(pattern)
            pieces[-1].append(following)
        elif letter == "%":
            pieces.append([])
        else:
            pieces[-1].append(None if letter == "_" else letter)
    return pieces
