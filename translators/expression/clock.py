"""What generated code calls for dates and times. Nothing here reads a clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, lru_cache
from typing import TypeVar

from translators.expression.runtime import ValueProblem

D = TypeVar("D", date, datetime)

ELEMENTS = {"YYYY": 4, "MM": 2, "DD": 2, "HH24": 2, "MI": 2, "SS": 2}
"""The elements of a format and how many digits each has."""
_FORMAT = re.compile(r"(YYYY|MM|DD|HH24|MI|SS)|([-/.:T ])")
_REMEMBERED = 16_384
"""Dates repeat: a book of policies knows some thousand days, and reading one takes 2 µs."""


def elements(pattern: str) -> list[str]:
    """The elements and separators of a date format, in order. `ValueError` if it has anything else, or one twice."""
    found: list[str] = []
    at = 0
    while at < len(pattern):
        match = _FORMAT.match(pattern, at)
        if match is None or (match[1] and match[1] in found):
            raise ValueError(pattern[at:])
        found.append(match[0])
        at = match.end()
    return found


def _reader(pattern: str) -> Callable[[str], dict[str, int] | None]:
    parts = [
        f"(?P<{part}>[0-9]{{{ELEMENTS[part]}}})" if part in ELEMENTS else re.escape(part) for part in elements(pattern)
    ]
    expression = re.compile("".join(parts))

    def read(text: str) -> dict[str, int] | None:
        match = expression.fullmatch(text)
        return None if match is None else {name: int(digits) for name, digits in match.groupdict().items()}

    return read


@cache
def date_reader(pattern: str) -> Callable[[str], date]:
    """The strict reader of one format: exactly that text, a real day; else `value.not_a_date`."""
    read = _reader(pattern)

    @lru_cache(maxsize=_REMEMBERED)
    def to_date(text: str) -> date:
        parts = read(text)
        if parts is not None:
            try:
                return date(parts["YYYY"], parts["MM"], parts["DD"])
            except ValueError:
                pass
        raise ValueProblem("value.not_a_date", {"value": text, "format": pattern})

    return to_date


@cache
def timestamp_reader(pattern: str) -> Callable[[str], datetime]:
    """The strict reader of one format with or without a time of day; the timestamp has no zone."""
    read = _reader(pattern)

    @lru_cache(maxsize=_REMEMBERED)
    def to_timestamp(text: str) -> datetime:
        parts = read(text)
        if parts is not None:
            try:
                return wall(parts)
            except ValueError:
                pass
        raise ValueProblem("value.not_a_date", {"value": text, "format": pattern})

    return to_timestamp


def wall(parts: dict[str, int]) -> datetime:
    """A wall-clock time from the elements of a format."""
    hour, minute, second = (parts.get(name, 0) for name in ("HH24", "MI", "SS"))
    day = date(parts["YYYY"], parts["MM"], parts["DD"])
    return datetime.combine(day, time(hour, minute, second))


def timestamp_text(moment: datetime) -> str:
    """2024-01-31 23:59:00, with the fraction of a second it has, without zeros at its end."""
    text = moment.isoformat(" ")
    return text.rstrip("0") if moment.microsecond else text


def add_months(day: D, months: int) -> D:
    """The same day of another month, or that month's last; `value.date_out_of_range` outside the years 1 to 9999."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueProblem("value.date_out_of_range", {"value": day.isoformat(), "months": months})
    return day.replace(year=year, month=month + 1, day=min(day.day, last_day(year, month + 1)))


def last_day(year: int, month: int) -> int:
    """How many days a month has."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def add_span(day: D, span: timedelta) -> D:
    """The date or time a span later; `value.date_out_of_range` outside the years 1 to 9999."""
    try:
        return day + span
    except OverflowError:
        raise ValueProblem("value.date_out_of_range", {"value": day.isoformat(), "span": str(span)}) from None


def truncate(day: D, unit: str) -> D:
    """The start of the hour, day, week (Monday), month, quarter or year."""
    if isinstance(day, datetime):
        hour = day.hour if unit == "hour" else 0
        day = day.replace(hour=hour, minute=0, second=0, microsecond=0)
    match unit:
        case "week":
            return day - timedelta(day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def to_instant(moment: datetime, zone: tzinfo) -> datetime:
    """A wall-clock time of a zone as an instant (UTC); of two readings the one with the smaller offset counts."""
    try:
        return min_offset(moment, zone)
    except OverflowError:
        raise ValueProblem("value.date_out_of_range", {"value": moment.isoformat(), "zone": str(zone)}) from None


def min_offset(moment: datetime, zone: tzinfo) -> datetime:
    """The instant that `to_instant` gives. `OverflowError` outside the years 1 to 9999."""
    offsets = (moment.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    smaller = min(offset for offset in offsets if offset is not None)
    return (moment - smaller).replace(tzinfo=UTC)


def to_wall(instant: datetime, zone: tzinfo) -> datetime:
    """An instant as the wall-clock time of a zone."""
    try:
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise ValueProblem("value.date_out_of_range", {"value": instant.isoformat(), "zone": str(zone)}) from None


def named_zone(name: str) -> tzinfo | None:
    """The zone of a name with a `/`, or UTC; `None` if there is no such zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name == "UTC":
        return UTC
    if not re.fullmatch(r"[A-Za-z_]+(/[A-Za-z0-9_+-]+)+", name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return None
