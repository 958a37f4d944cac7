"""The rows of edge values over which all engines are asked, and the scope that names their columns."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from translators.expression import CodeTable, Scope
from translators.expression.runtime import MAX_INTEGER, MIN_INTEGER
from translators.schema import Type
from translators.values import Row, Value

COLUMNS = {
    **dict.fromkeys(("a", "b"), Type("boolean")),
    **dict.fromkeys(("n", "m"), Type("integer")),
    "k": Type("integer", nullable=False),
    "d": Type("decimal", 9, 2),
    "e": Type("decimal", 18, 4),
    "h": Type("decimal", 38, 6),
    "u": Type("decimal", 4, 4),
    **dict.fromkeys(("f", "g"), Type("float")),
    "w": Type("wide"),
    **dict.fromkeys(("s", "t"), Type("text")),
    "c": Type("text", padded=True, length=6),
    **dict.fromkeys(("day", "day2"), Type("date")),
    **dict.fromkeys(("ts", "ts2"), Type("timestamp")),
    **dict.fromkeys(("tz", "tz2"), Type("timestamptz")),
}
OUTER = {"pol_no": Type("text", nullable=False), "cnt": Type("integer")}
PART = {name: COLUMNS[name] for name in ("a", "n", "d", "h", "f", "s", "c", "day", "ts", "tz")}
CODES = {"A": "active", "C": "cancelled", "": "none", "it's": "o'clock \\ %"}

SCOPE = Scope(
    table="legacy",
    columns=COLUMNS,
    outer={"polmst": OUTER},
    parts={"part": PART},
    orders={"part": ()},
    codes={"status": CodeTable("status", CODES), "none": CodeTable("none", {})},
)

D = Decimal
_INTEGERS = (0, 1, -1, 2, 3, -3, 7, 10, 99, 100, -100, 12345, 2**31, -(2**31) - 1, 2**53 + 1, 10**18 - 1)
_TEXTS = (
    *(
        "",
        " ",
        "a",
        "A",
        "C",
        "a ",
        " a",
        "aa",
        "aA",
        "ab",
        "bab",
        "aaa",
        "a-b-c",
        "--",
        "it's",
        'q"q',
        "a%b",
        "a_b",
        "a\\b",
    ),
    *(
        "100%",
        "ä",
        "Ä",
        "é",
        "e\u0301",
        "ß",
        "ẞ",
        "straße",
        "İ",
        "\u0131",
        "ΌΣΟΣ",
        "σς",
        "ǆ",
        "ŉ",
        "ﬁ",
        "\u00a0x\u00a0",
        "x\ty",
        "a\nb",
    ),
    *(
        "日本語",
        "😀",
        "👨‍👩‍👧",
        "\ufeff",
        "z" * 40,
        "12",
        "-3",
        "+7",
        " 12 ",
        "007",
        "1.5",
        "-0.05",
        ".5",
        "5.",
        "1e3",
        "0x1f",
        "1_0",
        "\u0661",
    ),
    *(
        "9" * 18,
        "9" * 19,
        "-" + "9" * 18,
        "NaN",
        "inf",
        "12345678901234567890.123456789",
        "0." + "4" * 30,
        "2.5",
        "-2.5",
        "1,5",
    ),
    *(
        "20240229",
        "20230229",
        "00000000",
        "20241301",
        "2024-02-29",
        "2024-2-9",
        "00010101",
        "99991231",
        "20240229 ",
        "00000229",
    ),
    *(
        "2024-02-29 23:59:59",
        "2024-02-29 24:00:00",
        "2024-02-29 23:59:60",
        "29.02.2024",
        "29.02.1900",
        "2024-02-29T01",
        "12\n",
    ),
)
_DAYS = (
    *(
        date(1, 1, 1),
        date(1, 1, 7),
        date(1, 12, 31),
        date(987, 3, 1),
        date(1582, 10, 10),
        date(1899, 12, 31),
        date(1900, 2, 28),
    ),
    *(date(1970, 1, 1), date(2000, 2, 29), date(2020, 12, 31), date(2021, 1, 3), date(2024, 1, 31), date(2024, 2, 29)),
    *(
        date(2024, 3, 31),
        date(2024, 10, 27),
        date(2026, 12, 28),
        date(9998, 12, 31),
        date(9999, 1, 1),
        date(9999, 12, 31),
    ),
)
_TIMES = (
    timedelta(),
    timedelta(hours=2, minutes=30),
    timedelta(hours=23, minutes=59, seconds=59, microseconds=999_999),
)
_MOMENTS = tuple(datetime(day.year, day.month, day.day) + time for day in _DAYS for time in _TIMES)  # noqa: DTZ001
EDGES: dict[str, tuple[Value, ...]] = {
    "integer": (*_INTEGERS, MAX_INTEGER, MIN_INTEGER, MAX_INTEGER - 1),
    "d": tuple(
        map(D, ("0.00", "0.01", "-0.01", "0.05", "1.00", "1.50", "-1.50", "2.00", "99.99", "9999999.99", "-9999999.99"))
    ),
    "e": tuple(map(D, ("0.0000", "0.0001", "-0.0050", "0.0050", "1.2345", "2.5000", "-2.5000", "99999999999999.9999"))),
    "h": tuple(
        map(
            D,
            (
                "0.000000",
                "0.000001",
                "-1.500000",
                "12345678901234567890.123456",
                f"{'9' * 32}.999999",
                f"-{'9' * 32}.000000",
            ),
        )
    ),
    "u": tuple(map(D, ("0.0000", "0.0500", "-0.0500", "0.9999", "-0.9999", "0.0001"))),
    "part.h": tuple(map(D, ("0.000001", "-1.500000", "12345678901234567890.123456"))),
    "w": tuple(map(D, ("0", "1.5", "-0.005", "1e30", "1e45", "0.123456789012345678901234567890", "-99.995", "7"))),
    "float": (
        0.0,
        1.0,
        -1.5,
        0.1,
        1.005,
        2.675,
        1e-7,
        123456789.12345679,
        1e15,
        1e22,
        -1e300,
        1.7e308,
        5e-7,
        0.30000000000000004,
    ),
    "text": _TEXTS,
    "c": ("", "a", "A", "ab", "aä", "12", "x y", "100%", "00a", "ÄÖ"),
    "boolean": (True, False),
    "date": _DAYS,
    "timestamp": _MOMENTS,
    "timestamptz": tuple(moment.replace(tzinfo=UTC) for moment in _MOMENTS),
}
"""What columns may hold besides NULL, by the column's name or else by its type; decimals at the scale of their column."""


def rows(count: int, seed: int = 5) -> list[Row]:
    """Rows by column; an outer column as `polmst.column`, the rows of the part under `part`."""
    draw = random.Random(seed)

    def value(name: str, kind: Type, at: int) -> Value:
        pool = EDGES.get(name) or EDGES[kind.kind]
        if kind.nullable and draw.random() < 0.12:
            return None
        return pool[at % len(pool)] if draw.random() < 0.5 else draw.choice(pool)

    made: list[Row] = []
    for at in range(count):
        made.append({name: value(name, kind, at) for name, kind in COLUMNS.items()})
        made[-1] |= {
            f"polmst.{name}": value("s" if kind.kind == "text" else "n", kind, at) for name, kind in OUTER.items()
        }
        of = [
            {name: value(f"part.{name}" if name == "h" else name, kind, at) for name, kind in PART.items()}
            for _ in range(draw.choice((0, 1, 1, 2, 4)))
        ]
        made[-1]["part"] = of  # type: ignore[assignment]
    return made
