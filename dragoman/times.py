"""Times as people read them: the zone is UTC, the year is said where it is another one than now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from translators.errors import DragomanError

_SPAN = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class SpanUnreadable(DragomanError):
    """{text!r} is no duration."""

    code: ClassVar[str] = "watch.duration"
    hint: ClassVar[str] = "Write a whole number and its unit: 90s, 15m, 24h or 7d."


def span_of(text: str) -> timedelta:
    """`90s`, `15m`, `24h` or `7d`; `SpanUnreadable`."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise SpanUnreadable(text=text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def moment(time: datetime | None, now: datetime) -> str:
    """`19 Nov 22:41:37`, or with the year if that is not this one; `-` for no time."""
    if time is None:
        return "-"
    local = time.astimezone(UTC)
    year = "" if local.year == now.year else f" {local.year}"
    return f"{local.day} {local:%b}{year} {local:%H:%M:%S}"


def of_millis(millis: int) -> datetime:
    """Milliseconds since the epoch as a time."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def span(seconds: float) -> str:
    """`0.4 s`, `12 min`, `3 h`, `5 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
