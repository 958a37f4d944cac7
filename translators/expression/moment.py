"""Catalogue: dates and times. A date stays a date; a timestamp is a wall clock; only AT TIME ZONE joins clock and zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from translators.expression import clock, types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Bound, Call
from translators.expression.errors import TypeMismatch
from translators.expression.runtime import tried

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_NOT_A_DATE = ("value.not_a_date",)
_OUT_OF_RANGE = ("value.date_out_of_range",)
_INTERVAL = re.compile(r"\s*([+-]?[0-9]{1,6})\s+(minute|hour|day|week|month|year)s?\s*", re.IGNORECASE)
_SPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(1), "week": timedelta(7)}


def _read(args: Arguments) -> Bound:
    """TO_DATE, TO_TIMESTAMP and their TRY_ forms; `data` is the format."""
    part = args.need(0, "text")
    pattern = args.constant_text(1, "the format")
    whole = args.name.removeprefix("TRY_") == "TO_DATE"
    try:
        found = set(clock.elements(pattern)) & set(clock.ELEMENTS)
    except ValueError as problem:
        fix = "Elements are YYYY MM DD HH24 MI SS, each once; between them - / . : T or a blank."
        raise args.wrong(f"the format cannot be read from '{problem}' on", fix, args.args[1]) from None
    if (
        not found >= {"YYYY", "MM", "DD"}
        or ("SS" in found and "MI" not in found)
        or ("MI" in found and "HH24" not in found)
    ):
        raise args.wrong(
            "the format leaves something out", "It needs YYYY, MM and DD; MI needs HH24, SS needs MI.", args.args[1]
        )
    if whole and len(found) > 3:
        raise args.wrong("a date has no time of day", "Use TO_TIMESTAMP.", args.args[1])
    strict = args.name.startswith("TO_")
    kind = types.DATE if whole else types.TIMESTAMP
    return args.call(kind, (part,), data=pattern, fails=strict, makes_null=not strict)


def _reading(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    reader = clock.date_reader if call.type.kind == "date" else clock.timestamp_reader
    name = emitter.use(reader(str(call.data)))
    return f"{name}({texts[0]})" if call.fails else f"{emitter.use(tried)}({name}, {texts[0]})"


_FIELDS = {
    "YEAR": "{0}.year",
    "MONTH": "{0}.month",
    "DAY": "{0}.day",
    "QUARTER": "(({0}.month + 2) // 3)",
    "DOY": "{0}.timetuple().tm_yday",
    "ISODOW": "{0}.isoweekday()",
    "WEEK": "{0}.isocalendar()[1]",
    "ISOYEAR": "{0}.isocalendar()[0]",
    "HOUR": "{0}.hour",
    "MINUTE": "{0}.minute",
}


def _extract(args: Arguments) -> Bound:
    """EXTRACT: `data` is the field."""
    if args.data not in _FIELDS:
        raise args.wrong(f"there is no {args.data}", f"There are {', '.join(_FIELDS)}.")
    kinds = ("timestamp",) if args.data in ("HOUR", "MINUTE") else ("date", "timestamp")
    args.need(0, *kinds)
    return args.call(types.INTEGER, data=args.data)


def _extracted(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return _FIELDS[str(call.data)].format(texts[0])


def _trunc(args: Arguments) -> Bound:
    unit = args.constant_text(0, "the unit").lower()
    part = args.need(1, "date", "timestamp")
    units = ("day", "week", "month", "quarter", "year", *(("hour",) if part.type.kind == "timestamp" else ()))
    if unit not in units:
        raise args.wrong(f"there is no unit '{unit}' for a {part.type}", f"There are {', '.join(units)}.", args.args[0])
    return args.call(part.type, (part,), data=unit)


def _truncated(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"{emitter.use(clock.truncate)}({texts[0]}, {call.data!r})"


def _shifted(args: Arguments) -> Bound:
    """date or timestamp ± INTERVAL: `data` is (sign, text); afterwards (amount, unit)."""
    sign, text = args.data
    part = args.need(0, "date", "timestamp")
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise args.wrong(
            "the interval must be one number and one unit",
            "Write INTERVAL '3 months'; units are minute, hour, day, week, month, year.",
        )
    unit = match[2].lower()
    if part.type.kind == "date" and unit in ("minute", "hour"):
        raise args.wrong(f"a date has no {unit}s", "Use a timestamp.")
    return args.call(part.type, data=(sign * int(match[1]), unit))


def _shift(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    amount, unit = call.data
    if unit in _SPANS:
        return f"{emitter.use(clock.add_span)}({texts[0]}, {emitter.use(amount * _SPANS[unit])})"
    return f"{emitter.use(clock.add_months)}({texts[0]}, {amount * (12 if unit == 'year' else 1)})"


def _days(args: Arguments) -> Bound:
    args.need(0, "date")
    if args.args[1].type.kind in types.NUMBERS:
        raise TypeMismatch(args.args[1].span, what="A date minus a number.", fix="Write - INTERVAL '3 days'.")
    args.need(1, "date")
    return args.call(types.INTEGER)


def _day_count(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"({texts[0]} - {texts[1]}).days"


def _zoned(args: Arguments) -> Bound:
    """AT TIME ZONE: `data` is the zone's name."""
    part = args.need(0, "timestamp", "timestamptz")
    zone = args.constant_text(1, "the zone")
    if clock.named_zone(zone) is None:
        raise args.wrong(
            f"there is no zone '{zone}'", "Write a name with a slash, such as 'Europe/Berlin', or 'UTC'.", args.args[1]
        )
    kind = types.TIMESTAMPTZ if part.type.kind == "timestamp" else types.TIMESTAMP
    return args.call(kind, (part,), data=zone)


def _in_zone(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    helper = clock.to_instant if call.type.kind == "timestamptz" else clock.to_wall
    return f"{emitter.use(helper)}({texts[0]}, {emitter.use(clock.named_zone(str(call.data)))})"


def _reader_entry(name: str, meaning: str, examples: tuple[Example, ...]) -> Entry:
    strict = name.startswith("TO_")
    return Entry(
        name=name,
        signature=f"{name}(x, 'format')",
        meaning=meaning,
        examples=examples,
        bind=_read,
        python=Python(strict=_reading),
        arity=(2, 2),
        nulls="strict" if strict else "NULL if x is no such date",
        errors=_NOT_A_DATE if strict else (),
    )


_NOON = datetime(2024, 1, 31, 12, 30)  # noqa: DTZ001 - a wall clock has no zone
_SUMMER = datetime(2024, 7, 1, 12)  # noqa: DTZ001

ENTRIES = (
    _reader_entry(
        "TO_DATE",
        "A date written exactly so, a real day: YYYY MM DD, between them - / . : T or a blank.",
        (
            Example("TO_DATE(s, 'YYYYMMDD')", date(2024, 2, 29), {"s": "20240229"}),
            Example("TO_DATE(s, 'YYYYMMDD')", None),
        ),
    ),
    _reader_entry(
        "TRY_TO_DATE",
        "TO_DATE, but NULL where the text is no such date.",
        (Example("TRY_TO_DATE(s, 'YYYYMMDD')", None, {"s": "20230229"}),),
    ),
    _reader_entry(
        "TO_TIMESTAMP",
        "A wall-clock time written exactly so; it has no zone.",
        (Example("TO_TIMESTAMP(s, 'YYYY-MM-DD HH24:MI')", _NOON, {"s": "2024-01-31 12:30"}),),
    ),
    _reader_entry(
        "TRY_TO_TIMESTAMP",
        "TO_TIMESTAMP, but NULL where the text is no such time.",
        (Example("TRY_TO_TIMESTAMP(s, 'YYYYMMDDHH24')", None, {"s": "2024013124"}),),
    ),
    Entry(
        name="EXTRACT",
        signature="EXTRACT(field FROM x)",
        meaning=f"A part of a date or timestamp, an integer: {', '.join(_FIELDS)}.",
        examples=(
            Example("EXTRACT(ISODOW FROM day)", 3, {"day": date(2024, 1, 31)}),
            Example("EXTRACT(WEEK FROM day)", 53, {"day": date(2021, 1, 1)}),
        ),
        bind=_extract,
        python=Python(strict=_extracted),
    ),
    Entry(
        name="DATE_TRUNC",
        signature="DATE_TRUNC('unit', x)",
        meaning="The start of the day, week (Monday), month, quarter, year, and hour of a timestamp. A date stays a date.",
        examples=(Example("DATE_TRUNC('quarter', day)", date(2024, 4, 1), {"day": date(2024, 5, 31)}),),
        bind=_trunc,
        python=Python(strict=_truncated),
        arity=(2, 2),
    ),
    Entry(
        name="± INTERVAL",
        signature="x + INTERVAL 'n unit', x - INTERVAL 'n unit'",
        meaning="A date or timestamp later or earlier: minute, hour, day, week, month, year. Months end on their last day.",
        examples=(
            Example("day + INTERVAL '1 month'", date(2024, 2, 29), {"day": date(2024, 1, 31)}),
            Example("ts - INTERVAL '90 minutes'", datetime(2024, 1, 31, 11), {"ts": _NOON}),  # noqa: DTZ001
        ),
        bind=_shifted,
        python=Python(strict=_shift),
        errors=_OUT_OF_RANGE,
        written="operator",
    ),
    Entry(
        name="DAYS",
        signature="date - date",
        meaning="The days from the second date to the first.",
        examples=(Example("day - day2", 29, {"day": date(2024, 3, 1), "day2": date(2024, 2, 1)}),),
        bind=_days,
        python=Python(strict=_day_count),
        arity=(2, 2),
        written="operator",
    ),
    Entry(
        name="AT TIME ZONE",
        signature="x AT TIME ZONE 'Area/City'",
        meaning="A wall-clock time as an instant, or an instant as a wall-clock time. "
        "In a gap or a repeated hour the smaller UTC offset counts.",
        examples=(
            Example("ts AT TIME ZONE 'Europe/Berlin'", datetime(2024, 1, 31, 11, 30, tzinfo=UTC), {"ts": _NOON}),
            Example("tz AT TIME ZONE 'Europe/Berlin'", _SUMMER, {"tz": datetime(2024, 7, 1, 10, tzinfo=UTC)}),
        ),
        bind=_zoned,
        python=Python(strict=_in_zone),
        arity=(2, 2),
        errors=_OUT_OF_RANGE,
        written="operator",
    ),
)
