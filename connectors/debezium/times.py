"""Dates and times of the wire. What the language has no room for (infinity, BC, beyond 9999) stays what was sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from translators.values import Opaque, OutOfRange

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the wall clock of a column without a zone
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_MICRO = 1_000_000
_INFINITE: dict[int, dict[int, str]] = {
    # PostgreSQL's infinities by unit: each number is an ordinary moment in another one.
    1_000: {9223372036825200: "infinity", -9223372036832400: "-infinity"},
    _MICRO: {9223372036825200000: "infinity", -9223372036832400000: "-infinity"},
    1_000_000_000: {2**63 - 1: "infinity", -(2**63): "-infinity"},
}
_BEYOND = re.compile(r"-?infinity|[+-][0-9]{4,9}-.{1,40}|0000-.{1,40}")
_STAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_ISO_TIME = re.compile(r"([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,9}))?Z?")


def _whole(value: Any) -> int:
    if type(value) is int:
        return value
    raise ValueError("not an integer")


@lru_cache(maxsize=4096)
def _date(days: int) -> date | OutOfRange:
    try:
        return date.fromordinal(_EPOCH_DAY + days)
    except (ValueError, OverflowError):
        return OutOfRange(str(days))


def day(value: Any) -> date | OutOfRange:
    """Days since 1970-01-01."""
    return _date(_whole(value))


def iso_day(value: Any) -> date | OutOfRange:
    """`2020-01-02Z`; the Z is decoration."""
    text = _text(value).removesuffix("Z")
    if len(text) == 10 and not text.startswith("0000"):
        return date.fromisoformat(text)
    return _beyond(text)


def timestamp(per_second: int) -> Callable[[Any], datetime | OutOfRange]:
    """Reads a wall clock without a zone, counted from 1970 in thousandths, millionths or billionths of a second."""

    factor, divisor = max(_MICRO // per_second, 1), max(per_second // _MICRO, 1)
    infinite = _INFINITE[per_second]

    @lru_cache(maxsize=4096)
    def moment(number: int) -> datetime | OutOfRange:
        if number in infinite or number % divisor:
            return OutOfRange(infinite.get(number, str(number)))
        try:
            return _EPOCH + timedelta(0, 0, number * factor // divisor)
        except OverflowError:
            return OutOfRange(str(number))

    return lambda value: moment(_whole(value))


def iso_timestamp(value: Any) -> datetime | OutOfRange:
    """`2020-01-02T03:04:05.678901Z`, a wall clock without a zone; the Z is decoration."""
    stamp = _stamp(_text(value))
    return stamp if isinstance(stamp, OutOfRange) else stamp.replace(tzinfo=None)


def zoned_timestamp(value: Any) -> datetime | OutOfRange:
    """An instant with its offset, in UTC."""
    text = _text(value)
    if len(text) == 27 and text[26] == "Z" and text[4] == text[7] == "-" and text[10] == "T":
        return datetime.fromisoformat(text)
    stamp = _stamp(text)
    if isinstance(stamp, OutOfRange):
        return stamp
    if stamp.tzinfo is None:
        raise ValueError("an instant without an offset")
    try:
        return stamp.astimezone(UTC)
    except OverflowError:
        return OutOfRange(text)


def _stamp(text: str) -> datetime | OutOfRange:
    match = _STAMP.fullmatch(text)
    if match is None or text.startswith("0000"):
        return _beyond(text)
    base, fraction, offset = match[1], (match[2] or "").rstrip("0"), match[3] or ""
    if len(fraction) > 6:
        return OutOfRange(text)
    return datetime.fromisoformat(f"{base}{'.' if fraction else ''}{fraction}{offset}")


@lru_cache(maxsize=4096)
def sure_day(days: int) -> date:
    """Days since 1970-01-01 that are a date; `ValueError` or `OverflowError` for all others."""
    return date.fromordinal(_EPOCH_DAY + days)


@cache
def sure_timestamp(per_second: int) -> Callable[[int], datetime]:
    """`timestamp` for numbers that are a wall clock; `ValueError` or `OverflowError` for all others.

    Infinities in milli- and microseconds lie beyond the year 9999, and in nanoseconds they are no whole microsecond.
    """
    factor, divisor = max(_MICRO // per_second, 1), max(per_second // _MICRO, 1)

    @lru_cache(maxsize=4096)
    def micros(number: int) -> datetime:
        return _EPOCH + timedelta(0, 0, number)

    @lru_cache(maxsize=4096)
    def others(number: int) -> datetime:
        if number % divisor:
            raise ValueError("not a whole microsecond")
        return _EPOCH + timedelta(0, 0, number * factor // divisor)

    return micros if per_second == _MICRO else others


@lru_cache(maxsize=4096)
def sure_zoned(text: str) -> datetime:
    """`zoned_timestamp` for instants of the years 1 to 9999; `ValueError` for all others."""
    found = zoned_timestamp(text)
    if type(found) is not datetime:
        raise ValueError("beyond the years 1 to 9999")
    return found


def _beyond(text: str) -> OutOfRange:
    if _BEYOND.fullmatch(text):
        return OutOfRange(text)
    raise ValueError("not a date")


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    raise ValueError("not a text")


def clock(per_second: int) -> Callable[[Any], Opaque]:
    """Reads a time of day (or a signed duration) as its text, `24:00:00` included."""
    digits = len(str(per_second)) - 1

    def convert(value: Any) -> Opaque:
        number = _whole(value)
        seconds, rest = divmod(abs(number), per_second)
        minutes, hours = seconds // 60 % 60, seconds // 3600
        text = f"{'-' if number < 0 else ''}{hours:02d}:{minutes:02d}:{seconds % 60:02d}"
        return Opaque(_with_fraction(text, f"{rest:0{digits}d}"))

    return convert


def iso_clock(value: Any) -> Opaque:
    """`12:34:56.789Z`; the Z is decoration."""
    match = _ISO_TIME.fullmatch(_text(value))
    if match is None:
        raise ValueError("not a time")
    return Opaque(_with_fraction(match[1] if len(match[1]) == 8 else f"{match[1]}:00", match[2] or ""))


def _with_fraction(text: str, digits: str) -> str:
    digits = digits.rstrip("0")
    return f"{text}.{digits}" if digits else text


def duration(per_second: int) -> Callable[[Any], Opaque]:
    """Reads an interval that the connector made one number of: `PT37091106.5S`."""
    digits = len(str(per_second)) - 1

    def convert(value: Any) -> Opaque:
        number = _whole(value)
        seconds, rest = divmod(abs(number), per_second)
        sign = "-" if number < 0 else ""
        return Opaque(f"PT{sign}{_with_fraction(str(seconds), f'{rest:0{digits}d}')}S")

    return convert


def interval(value: Any) -> Opaque:
    """An interval, however the connector was told to write it."""
    return Opaque(value) if type(value) is str else _MICRO_DURATION(value)


_MICRO_DURATION = duration(_MICRO)


@lru_cache(maxsize=1024)
def instant(micros: int) -> datetime:
    """An instant in UTC; `OverflowError` beyond the years 1 to 9999."""
    return _EPOCH_UTC + timedelta(microseconds=micros)
