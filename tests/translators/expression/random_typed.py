"""Random expressions of every type over all entries of the catalogue, as text."""

from __future__ import annotations

import random
import re

from tests.translators.expression.edges import COLUMNS

KINDS = ("integer", "decimal", "float", "text", "boolean", "date", "timestamp", "timestamptz")
DRAWN = (*KINDS, "integer", "decimal", "decimal", "text", "text", "boolean", "boolean")
"""Types of whole expressions, as often as they are drawn."""
NAMES = {kind: [name for name, of in COLUMNS.items() if of.kind == kind] for kind in KINDS}
NAMES["text"].append("polmst.pol_no")
NAMES["integer"].append("polmst.cnt")

CONSTANTS = {
    "integer": ("0", "1", "-1", "3", "100", "9223372036854775807", "CAST(NULL AS INTEGER)"),
    "decimal": ("0.00", "0.5", "-1.05", "12345678901234567890.12", "99.995", "CAST(NULL AS DECIMAL(9, 2))"),
    "float": (),
    "text": (
        "''",
        "'a'",
        "'A'",
        "' a '",
        "'it''s'",
        "'a%\\_b'",
        "'ß'",
        "'日本'",
        "'20240229'",
        "'12'",
        "CAST(NULL AS TEXT)",
    ),
    "boolean": ("TRUE", "FALSE", "CAST(NULL AS BOOLEAN)"),
    "date": ("TO_DATE('2024-02-29', 'YYYY-MM-DD')", "TO_DATE('00010101', 'YYYYMMDD')", "CAST(NULL AS DATE)"),
    "timestamp": ("TO_TIMESTAMP('2024-03-31 02:30:00', 'YYYY-MM-DD HH24:MI:SS')", "CAST(NULL AS TIMESTAMP)"),
    "timestamptz": (),
}

INT, NUM, REAL, TEXT, COND, DAY, TIME, ZONED = (f"<{kind}>" for kind in KINDS)
FORMS: dict[str, tuple[str, ...]] = {
    "integer": (
        *(f"({INT} {sign} {INT})" for sign in "+-*%"),
        *(
            f"-{INT}",
            f"ABS({INT})",
            f"SIGN({NUM})",
            f"SIGN({INT})",
            f"SIGN({REAL})",
            f"LENGTH({TEXT})",
            f"STRPOS({TEXT}, {TEXT})",
        ),
        *(
            f"POSITION({TEXT} IN {TEXT})",
            f"CAST({TEXT} AS INTEGER)",
            f"TRY_CAST({TEXT} AS INTEGER)",
            f"CAST({NUM} AS INTEGER)",
        ),
        *(
            f"TRY_CAST({NUM} AS INTEGER)",
            f"({DAY} - {DAY})",
            f"EXTRACT(HOUR FROM {TIME})",
            f"EXTRACT(MINUTE FROM {TIME})",
        ),
        *(
            f"EXTRACT({field} FROM {DAY})"
            for field in ("YEAR", "MONTH", "DAY", "QUARTER", "DOY", "ISODOW", "WEEK", "ISOYEAR")
        ),
        *(f"EXTRACT({field} FROM {TIME})" for field in ("YEAR", "DOY", "ISODOW", "WEEK", "ISOYEAR")),
        *("COUNT(part)", "COUNT(part.s)", "SUM(part.n)", "MIN(part.n)", "MAX(part.n)"),
        *("SUM(part.n + 1)", "SUM(part.n) FILTER (WHERE part.a)", "SUM(3) FILTER (WHERE part.n > 0)", "FIRST(part.n)"),
        *(
            "SUM(LENGTH(part.s)) FILTER (WHERE part.d > 0 OR part.a)",
            "SUM(CAST(part.s AS INTEGER)) FILTER (WHERE MATCHES(part.s, '[0-9]{1,3}'))",
            "COUNT(part) FILTER (WHERE part.s LIKE 'a%')",
            "COUNT(NULLIF(part.n, 0)) FILTER (WHERE NOT part.a)",
            "COUNT(part.s || part.c) FILTER (WHERE part.a IS NOT FALSE)",
            "MAX(part.n % 7)",
            "MIN(CAST(part.s AS INTEGER))",
            "FIRST(part.n * part.n)",
            "LAST(part.n) FILTER (WHERE part.a)",
        ),
    ),
    "decimal": (
        *(f"({NUM} {sign} {NUM})" for sign in "+-*%"),
        *(f"({NUM} {sign} {INT})" for sign in "+-*%"),
        *(f"({INT} {sign} {NUM})" for sign in "+-*%"),
        *(f"{x} / {by}" for x in (NUM, INT) for by in ("100", "4", "0.5", "-8", "0.0016")),
        *(
            f"ROUND({x} / {y}, {n})"
            for x in (NUM, INT)
            for y, n in ((INT, 2), (NUM, 0), ("3", 4), ("-0.7", 1), (INT, 6))
        ),
        *(f"{name}({x})" for name in ("ROUND", "TRUNC", "FLOOR", "CEIL", "ABS") for x in (NUM, NUM, INT)),
        *(f"ROUND({NUM}, {n})" for n in (0, 1, 2, 5)),
        *(f"TRUNC({NUM}, {n})" for n in (0, 1, 3)),
        *(
            f"{cast}({x} AS {to})"
            for cast in ("CAST", "TRY_CAST")
            for x in (NUM, INT, REAL, TEXT)
            for to in ("DECIMAL(9, 2)", "DECIMAL(38, 4)")
        ),
        *(f"CAST(w AS DECIMAL({size}))" for size in ("9, 2", "38, 10", "4, 4")),
        *("SUM(part.d * part.n)", "SUM(part.h) FILTER (WHERE part.d IS NOT NULL)", "SUM(COALESCE(part.d, 0))"),
        *(
            "MIN(part.d - part.n)",
            "LAST(part.d)",
            "FIRST(part.h) FILTER (WHERE part.d > 0)",
            "SUM(ROUND(part.n / 3, 2))",
        ),
        *("SUM(part.n / 4)", "MAX(part.h * 2) FILTER (WHERE part.n BETWEEN 0 AND 100)", "SUM(100 % part.n)"),
        *(f"-{NUM}", "SUM(part.d)", "SUM(part.h)", "MAX(part.d)", "MIN(part.h)", "TRY_CAST(w AS DECIMAL(18, 3))"),
    ),
    "float": (
        *(f"({REAL} {sign} {REAL})" for sign in "+-*"),
        f"-{REAL}",
        f"ABS({REAL})",
        "MIN(part.f)",
        "MAX(part.f)",
        "FIRST(-part.f)",
        "LAST(part.f)",
    ),
    "text": (
        *(
            f"TRIM({TEXT})",
            f"LTRIM({TEXT})",
            f"RTRIM({TEXT})",
            f"TRIM({TEXT}, '0')",
            f"LTRIM({TEXT}, 'a')",
            f"RTRIM({TEXT}, ' ')",
        ),
        *(
            f"UPPER({TEXT})",
            f"LOWER({TEXT})",
            f"({TEXT} || {TEXT})",
            f"({TEXT} || '-' || {TEXT})",
            f"MD5({TEXT})",
            f"SHA256({TEXT})",
        ),
        *(
            f"LEFT({TEXT}, 2)",
            f"RIGHT({TEXT}, 2)",
            f"RIGHT({TEXT}, 0)",
            f"LEFT({TEXT}, 2147483648)",
            f"SUBSTRING({TEXT}, 2)",
        ),
        *(
            f"SUBSTRING({TEXT}, 2, 3)",
            f"SUBSTRING({TEXT}, 1, 0)",
            f"SUBSTRING({TEXT}, 2147483648)",
            f"LPAD({TEXT}, 4)",
            f"LPAD({TEXT}, 6, '0')",
        ),
        *(
            f"RPAD({TEXT}, 5, 'ä')",
            f"RPAD({TEXT}, 0)",
            f"REPLACE({TEXT}, 'a', 'bb')",
            f"REPLACE({TEXT}, ' ', '')",
            f"REPLACE({TEXT}, '\\', '''')",
        ),
        *(
            f"SPLIT_PART({TEXT}, '-', 2)",
            f"SPLIT_PART({TEXT}, 'aa', 2)",
            f"SPLIT_PART({TEXT}, ' ', 1)",
            f"CAST({INT} AS TEXT)",
        ),
        *(
            f"CAST({NUM} AS TEXT)",
            f"CAST({NUM} AS TEXT)",
            f"CAST({DAY} AS TEXT)",
            f"CAST({TIME} AS TEXT)",
            f"CAST({COND} AS TEXT)",
            f"CAST({TEXT} AS TEXT)",
        ),
        *(
            f"CODE('status', {TEXT})",
            f"CODE('status', {TEXT}, 'other')",
            f"CODE('status', {TEXT}, NULL)",
            f"CODE('none', {TEXT}, '')",
        ),
        *("MIN(part.s)", "MAX(part.c)", "FIRST(part.s)", "LAST(part.c)", "MIN(part.s || part.c)"),
        *(
            "FIRST(UPPER(part.s)) FILTER (WHERE part.s <> '')",
            "LAST(CODE('status', part.s)) FILTER (WHERE part.s IN ('A', 'C'))",
            "FIRST(CODE('status', part.s))",
            "MAX(part.c) FILTER (WHERE part.a)",
        ),
    ),
    "boolean": (
        *(
            f"({x} {sign} {x})"
            for x in (INT, NUM, REAL, TEXT, COND, DAY, TIME, ZONED)
            for sign in ("=", "<>", "<", ">=")
        ),
        *(f"({INT} {sign} {NUM})" for sign in ("=", "<=", ">")),
        *(f"({x} IS NOT DISTINCT FROM {x})" for x in (INT, NUM, TEXT, DAY, ZONED)),
        *(f"({x} IS DISTINCT FROM {x})" for x in (NUM, REAL, TEXT, COND, TIME)),
        *(f"({x} IS NULL)" for x in (INT, NUM, REAL, TEXT, COND, DAY, TIME, ZONED)),
        *(
            f"({TEXT} IS NOT NULL)",
            f"({COND} IS TRUE)",
            f"({COND} IS NOT TRUE)",
            f"({COND} IS FALSE)",
            f"({COND} IS NOT FALSE)",
        ),
        *(
            f"({COND} AND {COND})",
            f"({COND} OR {COND})",
            f"({COND} AND {COND} OR NOT {COND} AND {COND})",
            f"(NOT {COND})",
            f"({COND} OR {COND} OR {COND})",
        ),
        *(f"({x} BETWEEN {x} AND {x})" for x in (INT, NUM, TEXT, DAY, TIME)),
        *(f"({x} NOT BETWEEN {x} AND {x})" for x in (INT, TEXT)),
        *(
            f"({INT} IN (0, 1, 100))",
            f"({NUM} IN (0, 1.5, 2.00))",
            f"({TEXT} IN ('a', 'A ', ''))",
            f"({TEXT} NOT IN ('a', 'ß', 'it''s'))",
        ),
        *("ANY(part.a)", "ALL(part.a)", "ANY(part.n > 1)", "ALL(part.d >= 0) FILTER (WHERE part.a)", "FIRST(part.a)"),
        *("ANY(part.s = part.c)", "ALL(part.n + 1 > 0)", "ANY(CAST(part.s AS INTEGER) = 1)", "LAST(part.n IS NULL)"),
        *(
            "ANY(part.day < TO_DATE('2000-01-01', 'YYYY-MM-DD')) FILTER (WHERE part.s <> 'a')",
            "ALL(part.a IS NOT NULL)",
        ),
        *(f"({TEXT} LIKE '{p}')" for p in ("a%", "%a", "_", "%a%b%", "100\\%", "%\\\\%", "A_", "")),
        *(f"({TEXT} NOT LIKE '%|%%' ESCAPE '|')", f"STARTS_WITH({TEXT}, {TEXT})", f"STARTS_WITH({TEXT}, 'a')"),
        *(
            f"MATCHES({TEXT}, '{p}')"
            for p in ("[0-9]+", "[A-Za-z]*", ".*a.*", "(a|b)?.{0,3}", "[^a]*", "\\.?[äÄß-]+", "[0-9]{4}-[0-9]{2}-.+")
        ),
    ),
    "date": (
        *(
            f"({DAY} {sign} INTERVAL '{span}')"
            for sign in "+-"
            for span in ("1 month", "13 months", "4 years", "1 day", "5000 weeks")
        ),
        *(f"DATE_TRUNC('{unit}', {DAY})" for unit in ("day", "week", "month", "quarter", "year")),
        *(f"TO_DATE({TEXT}, '{form}')" for form in ("YYYYMMDD", "YYYY-MM-DD", "DD.MM.YYYY")),
        *(f"TRY_TO_DATE({TEXT}, '{form}')" for form in ("YYYYMMDD", "YYYY-MM-DD", "DD.MM.YYYY", "MM/DD/YYYY")),
        *("MIN(part.day)", "MAX(part.day)", "FIRST(part.day)", "LAST(part.day + INTERVAL '1 month')"),
        "MAX(part.day) FILTER (WHERE part.n > 0)",
    ),
    "timestamp": (
        *(
            f"({TIME} {sign} INTERVAL '{span}')"
            for sign in "+-"
            for span in ("1 month", "90 minutes", "25 hours", "1 year", "2 weeks")
        ),
        *(f"DATE_TRUNC('{unit}', {TIME})" for unit in ("hour", "day", "week", "month", "quarter", "year")),
        *(
            f"{name}({TEXT}, '{form}')"
            for name in ("TO_TIMESTAMP", "TRY_TO_TIMESTAMP")
            for form in ("YYYY-MM-DD HH24:MI:SS", "YYYYMMDD", "YYYY-MM-DDTHH24")
        ),
        *(f"{ZONED} AT TIME ZONE '{zone}'" for zone in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC")),
        *("MAX(part.ts)", "LAST(part.ts)", "MIN(DATE_TRUNC('month', part.ts)) FILTER (WHERE NOT part.a)"),
    ),
    "timestamptz": (
        *(
            f"{TIME} AT TIME ZONE '{zone}'"
            for zone in ("Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC")
        ),
        *("MIN(part.tz)", "MAX(part.tz)", "FIRST(part.tz)", "LAST(part.tz) FILTER (WHERE part.a)"),
    ),
}
"""Expressions of each type; `<type>` stands for a part of that type."""


X = "<x>"
CHOOSING = (
    *(
        f"COALESCE({X}, {X})",
        f"NULLIF({X}, {X})",
        f"CASE WHEN {COND} THEN {X} ELSE {X} END",
        f"CASE WHEN {COND} THEN {X} END",
    ),
    *(f"CASE {TEXT} WHEN {TEXT} THEN {X} WHEN 'a' THEN {X} END", f"CASE {NUM} WHEN {INT} THEN {X} ELSE {X} END"),
    *(f"GREATEST({X}, {X})", f"LEAST({X}, {X}, {X})"),
)
"""What chooses between values of any type `<x>`."""


def grow(draw: random.Random, kind: str, depth: int) -> str:
    """A random expression of a type, which the binder may still refuse."""
    if depth == 0 or draw.random() < 0.08:
        constants = CONSTANTS[kind]
        return draw.choice(constants) if constants and draw.random() < 0.15 else draw.choice(NAMES[kind])
    chosen = tuple(form.replace("<x>", f"<{kind}>") for form in CHOOSING)
    form = draw.choice(chosen if draw.random() < 0.2 else FORMS[kind])
    return re.sub(r"<(\w+)>", lambda found: grow(draw, found[1], depth - 1), form)
