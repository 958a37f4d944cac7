"""Edge values: what numbers, texts, dates and conditions must answer, whatever Python would do by itself."""

from __future__ import annotations

import decimal
import sys
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.translators.expression.worlds import truths, typed, value
from translators.expression.runtime import MAX_INTEGER, MIN_INTEGER, ValueProblem, like, lower, upper
from translators.values import OutOfRange, Unavailable

TRUE, FALSE, NULL = (True, True, False), (False, False, True), (None, False, False)
D = Decimal


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("d * e", {"d": D("-1.00"), "e": D("0.0000")}, "0.000000"),
        ("d / -4", {"d": D("0.00")}, "0.0000"),
        ("-d", {"d": D("0.00")}, "0.00"),
        ("ROUND(e, 1)", {"e": D("-0.0400")}, "0.0"),
        ("TRUNC(d)", {"d": D("-0.99")}, "0"),
        ("d % 1", {"d": D("-2.00")}, "0.00"),
        ("CAST(s AS DECIMAL(3, 1))", {"s": "-0.04"}, "0.0"),
        ("CAST(s AS DECIMAL(3, 1))", {"s": "-0"}, "0.0"),
        ("ROUND(n / 1000, 1)", {"n": -4}, "0.0"),
        ("ROUND(n / 7, 2)", {"n": -1}, "-0.14"),
        ("n / 100", {"n": 0}, "0.00"),
        ("n / 0.5", {"n": 3}, "6"),
        ("n / 8", {"n": -3}, "-0.375"),
        ("d / 100", {"d": D("1234567.89")}, "12345.6789"),
        ("COALESCE(d, 0)", {}, "0.00"),
        ("CASE WHEN a THEN n ELSE d END", {"a": True, "n": 7}, "7.00"),
        ("GREATEST(n, d)", {"n": 7, "d": D("6.99")}, "7.00"),
        ("d + 1", {"d": D("1.50")}, "2.50"),
        ("FLOOR(n)", {"n": 3}, "3"),
        ("CAST(f AS DECIMAL(20, 8))", {"f": 123456789.12345679}, "123456789.12345679"),
        ("n - m", {"n": 1, "m": 3}, "-2"),
        ("n % m", {"n": -7, "m": 3}, "-1"),
        ("n % m", {"n": 7, "m": -3}, "1"),
        ("SIGN(d)", {"d": D("-0.01")}, "-1"),
        ("CAST(d AS INTEGER)", {"d": D("-2.50")}, "-3"),
        ("CAST(d AS TEXT)", {"d": D("-0.05")}, "-0.05"),
        ("CAST(ts AS TEXT)", {"ts": datetime(2024, 1, 2, 3, 4, 5, 120000)}, "2024-01-02 03:04:05.12"),  # noqa: DTZ001
        ("CAST(ts AS TEXT)", {"ts": datetime(2024, 1, 2, 3, 4)}, "2024-01-02 03:04:00"),  # noqa: DTZ001
        ("CAST(a AS TEXT)", {"a": False}, "false"),
        ("-9223372036854775808 + n", {"n": 0}, "-9223372036854775808"),
        ("SUM(part.d)", {"part": [{"d": D("0.10")}] * 3}, "0.30"),
        ("ROUND(SUM(part.n) / 3, 2)", {"part": [{"n": 5}, {"n": 5}]}, "3.33"),
    ],
)
def test_a_number_has_its_exact_value_and_its_static_scale(text: str, given: dict[str, object], wanted: str) -> None:
    """-9223372036854775808 is a decimal as in PostgreSQL, for 9223372036854775808 is one."""
    assert str(value(text, **given)) == wanted


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("n + 1", {"n": MAX_INTEGER}),
        ("n - 1", {"n": MIN_INTEGER}),
        ("n * m", {"n": 2**32, "m": 2**31}),
        ("-n", {"n": MIN_INTEGER}),
        ("ABS(n)", {"n": MIN_INTEGER}),
        ("CAST(d AS DECIMAL(3, 2))", {"d": D("9.995") + D("0.005")}),
        ("CAST(e AS DECIMAL(3, 2))", {"e": D("9.9950")}),
        ("CAST(n AS DECIMAL(3, 1))", {"n": 100}),
        ("CAST(d AS DECIMAL(8, 1))", {"d": D("9999999.95")}),
        ("CAST(s AS DECIMAL(3, 1))", {"s": "99.95"}),
        ("CAST(f AS DECIMAL(38, 2))", {"f": 1e300}),
        ("CAST(w AS DECIMAL(38, 2))", {"w": D("1e40")}),
        ("SUM(part.n)", {"part": [{"n": MAX_INTEGER}, {"n": 1}]}),
        ("CAST(s AS DECIMAL(38, 0)) * 10", {"s": "9" * 38}),
        ("CAST(s AS DECIMAL(38, 0)) + 1", {"s": "9" * 38}),
    ],
)
def test_what_does_not_fit_is_an_overflow(text: str, given: dict[str, object]) -> None:
    with pytest.raises(ValueProblem, match=r"value\.overflow"):
        value(text, **given)


def test_the_ambient_decimal_context_has_no_say() -> None:
    texts = {"1234567890123456789012345678.01 * d": "1246913569024691356902469134.7901"}
    texts |= {"-CAST(s AS DECIMAL(38, 2))": "-123456789012345678901234567890.12"}
    texts |= {"ABS(CAST(s AS DECIMAL(38, 2)))": "123456789012345678901234567890.12"}
    texts |= {"CAST(s AS DECIMAL(38, 3))": "123456789012345678901234567890.120"}
    texts |= {"ROUND(CAST(s AS DECIMAL(38, 2)), 1)": "123456789012345678901234567890.1"}
    given = {"d": D("1.01"), "s": "123456789012345678901234567890.12"}
    with decimal.localcontext(decimal.Context(prec=3, rounding=decimal.ROUND_DOWN)):
        assert {text: str(value(text, **given)) for text in texts} == texts


@given(
    a=st.decimals(-9_999_999, 9_999_999, places=2),
    b=st.decimals(-9_999_999, 9_999_999, places=4),
    n=st.integers(MIN_INTEGER, MAX_INTEGER),
    places=st.integers(0, 4),
)
def test_arithmetic_is_exact(a: Decimal, b: Decimal, n: int, places: int) -> None:
    x, y = Fraction(a), Fraction(b)
    given = {"d": a, "e": b, "n": n}
    wanted = {"d + e": x + y, "d - e": x - y, "d * e": x * y, "n / 100": Fraction(n, 100), "d * n": x * n}
    wanted[f"ROUND(e, {places})"] = half_away(y, places)
    wanted["CAST(d AS INTEGER)"] = half_away(x, 0)
    wanted["FLOOR(e)"] = Fraction(y.__floor__())
    wanted["CEIL(e)"] = Fraction(y.__ceil__())
    wanted["TRUNC(e)"] = Fraction(y.__trunc__())
    if b:
        wanted[f"ROUND(d / e, {places})"] = half_away(x / y, places)
        wanted[f"ROUND(e / d, {places})"] = half_away(y / x, places) if a else Fraction(0)
        wanted["d % e"] = x - y * (x / y).__trunc__()
    if not a:
        wanted.pop(f"ROUND(e / d, {places})", None)
    assert {text: Fraction(str(value(text, **given))) for text in wanted} == wanted


def half_away(number: Fraction, places: int) -> Fraction:
    """The nearest number with so many places; of two equally near ones the farther from zero."""
    scaled = abs(number) * 10**places
    whole = scaled.__floor__() + (scaled - scaled.__floor__() >= Fraction(1, 2))
    return Fraction(whole if number >= 0 else -whole, 10**places)


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("TRIM(s)", {"s": "\u00a0 a\t "}, "\u00a0 a\t"),
        ("TRIM(s)", {"s": "   "}, ""),
        ("LPAD(s, 0)", {"s": "abc"}, ""),
        ("RIGHT(s, 0)", {"s": "abc"}, ""),
        ("LEFT(s, 9)", {"s": "abc"}, "abc"),
        ("SUBSTRING(s, 2, 0)", {"s": "abc"}, ""),
        ("STRPOS(s, '')", {"s": "abc"}, 1),
        ("STRPOS(s, t)", {"s": "abc", "t": "x"}, 0),
        ("SPLIT_PART(s, '--', 2)", {"s": "a--b--c"}, "b"),
        ("s || t || s || t", {"s": "a", "t": ""}, "aa"),
        ("LENGTH(s)", {"s": "e\u0301"}, 2),
        ("REPLACE(s, 'aa', 'b')", {"s": "aaa"}, "ba"),
        ("UPPER(s)", {"s": "ßŉǰﬁ ǆ ÿ ᾳ"}, "ßŉǰﬁ Ǆ Ÿ ᾼ"),
        ("LOWER(s)", {"s": "ΟΔΟΣ İI ẞ"}, "οδοσ ii ß"),
        ("MD5(s)", {"s": ""}, "d41d8cd98f00b204e9800998ecf8427e"),
        ("CAST(s AS INTEGER)", {"s": " -007 "}, -7),
        ("TRY_CAST(s AS INTEGER)", {"s": "1" * 19}, None),
        ("TRY_CAST(s AS INTEGER)", {"s": "\u0661"}, None),
        ("TRY_CAST(s AS INTEGER)", {"s": "1_000"}, None),
        ("TRY_CAST(s AS INTEGER)", {"s": "7\n"}, None),
        ("TRY_CAST(s AS DECIMAL(9, 2))", {"s": "NaN"}, None),
        ("TRY_CAST(s AS DECIMAL(9, 2))", {"s": "1,5"}, None),
        ("TRY_CAST(f AS DECIMAL(9, 2))", {"f": float("nan")}, None),
        ("TRY_CAST(d AS DECIMAL(3, 2))", {"d": D("10.00")}, None),
        ("NULLIF(s, '')", {"s": " "}, " "),
        ("LEFT(NULLIF(CAST(NULL AS TEXT), s), 2)", {"s": "a"}, None),
        ("CODE('status', TRIM(s))", {"s": "A "}, "active"),
    ],
)
def test_text_is_read_and_written_as_it_stands(text: str, given: dict[str, object], wanted: object) -> None:
    assert value(text, **given) == wanted


def test_upper_and_lower_change_letter_by_letter() -> None:
    """UnicodeData.txt 14.0 has 1,450 simple mappings to upper case and 1,433 to lower case."""
    letters = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    everything = "".join(letters)
    ups, downs = upper(everything), lower(everything)
    assert (len(ups), len(downs)) == (len(letters), len(letters))
    if unicodedata.unidata_version == "14.0.0":
        assert sum(a != b for a, b in zip(everything, ups, strict=True)) == 1_450
        assert sum(a != b for a, b in zip(everything, downs, strict=True)) == 1_433


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        ("", [""], ["a"]),
        ("%", ["", "a\n"], []),
        ("a%", ["a", "ab\n"], ["ba", "A"]),
        ("%a", ["a", "ba"], ["ab"]),
        ("%a%", ["bab"], ["b", ""]),
        ("a%b", ["ab", "axb"], ["a", "abx", "b"]),
        ("a%a", ["aa", "aba"], ["a"]),
        ("a_c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("_%_", ["ab", "abc"], ["a", ""]),
        ("%a_%c%", ["xabyc", "aac"], ["ac", "abx"]),
        ("10\\%", ["10%"], ["10\\%", "100"]),
        ("a.c", ["a.c"], ["abc"]),
        ("%ab%ab%", ["abab", "xabyabz"], ["ab", "aab"]),
    ],
)
def test_like_takes_the_whole_text(pattern: str, fits: list[str], not_fits: list[str]) -> None:
    for text in [*fits, *not_fits]:
        wanted = TRUE if text in fits else FALSE
        assert truths(f"s LIKE '{pattern}'", s=text) == wanted
        assert truths(f"s NOT LIKE '{pattern}'", s=text) == (FALSE if text in fits else TRUE)
        assert like(pattern, "\\")(text) is (text in fits)
    assert truths(f"s LIKE '{pattern}'") == NULL


def test_like_is_linear() -> None:
    assert value(f"s LIKE '{'%a' * 30}%b'", s="a" * 20_000) is False


@pytest.mark.parametrize(
    ("text", "given", "wanted"),
    [
        ("day + INTERVAL '1 month'", {"day": date(2023, 1, 31)}, date(2023, 2, 28)),
        ("day - INTERVAL '13 months'", {"day": date(2024, 3, 31)}, date(2023, 2, 28)),
        ("day + INTERVAL '4 years'", {"day": date(1896, 2, 29)}, date(1900, 2, 28)),
        ("day + INTERVAL '-1 week'", {"day": date(2024, 1, 1)}, date(2023, 12, 25)),
        ("DATE_TRUNC('week', day)", {"day": date(1, 1, 7)}, date(1, 1, 1)),
        ("DATE_TRUNC('WEEK', day)", {"day": date(2024, 1, 7)}, date(2024, 1, 1)),
        ("DATE_TRUNC('year', day)", {"day": date(1, 12, 31)}, date(1, 1, 1)),
        ("EXTRACT(ISOYEAR FROM day)", {"day": date(2021, 1, 3)}, 2020),
        ("EXTRACT(DOY FROM day)", {"day": date(2024, 12, 31)}, 366),
        ("EXTRACT(QUARTER FROM day)", {"day": date(2024, 10, 1)}, 4),
        ("day - day2", {"day": date(1, 1, 1), "day2": date(9999, 12, 31)}, -3652058),
        ("TRY_TO_DATE(s, 'YYYYMMDD')", {"s": "00000000"}, None),
        ("TRY_TO_DATE(s, 'YYYYMMDD')", {"s": " 20240101"}, None),
        ("TRY_TO_DATE(s, 'YYYYMMDD')", {"s": "2024010"}, None),
        ("TRY_TO_DATE(s, 'YYYYMMDD')", {"s": "20240101\n"}, None),
        ("TRY_TO_DATE(s, 'DD.MM.YYYY')", {"s": "1.1.2024"}, None),
        ("TRY_TO_DATE(s, 'DD.MM.YYYY')", {"s": "29x02x2024"}, None),
        ("TO_DATE(s, 'DD.MM.YYYY')", {"s": "29.02.2024"}, date(2024, 2, 29)),
        ("TRY_TO_DATE(s, 'YYYYMMDD')", {"s": "2024010\uff11"}, None),
        ("TRY_TO_TIMESTAMP(s, 'YYYYMMDD HH24:MI:SS')", {"s": "20240101 23:59:60"}, None),
        ("TO_DATE(NULLIF(s, '00000000'), 'YYYYMMDD')", {"s": "00000000"}, None),
        ("MIN(part.day)", {"part": [{"day": None}, {"day": date(2024, 1, 2)}]}, date(2024, 1, 2)),
    ],
)
def test_dates_are_real_days(text: str, given: dict[str, object], wanted: object) -> None:
    assert value(text, **given) == wanted


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("day + INTERVAL '1 month'", {"day": date(9999, 12, 1)}),
        ("day - INTERVAL '1 year'", {"day": date(1, 1, 1)}),
        ("ts - INTERVAL '1 minute'", {"ts": datetime(1, 1, 1)}),  # noqa: DTZ001
        ("ts AT TIME ZONE 'Asia/Tokyo'", {"ts": datetime(1, 1, 1)}),  # noqa: DTZ001
        ("tz AT TIME ZONE 'Asia/Tokyo'", {"tz": datetime(9999, 12, 31, 23, tzinfo=UTC)}),
    ],
)
def test_dates_end_with_the_years_1_and_9999(text: str, given: dict[str, object]) -> None:
    with pytest.raises(ValueProblem, match=r"value\.date_out_of_range"):
        value(text, **given)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-03-31 02:30", "2024-03-31 01:30"),
        ("2024-10-27 02:30", "2024-10-27 01:30"),
        ("2024-07-01 12:00", "2024-07-01 10:00"),
    ],
)
def test_in_a_gap_and_in_a_repeated_hour_the_smaller_offset_counts(local: str, utc: str) -> None:
    """What PostgreSQL answers to `timestamp '...' AT TIME ZONE 'Europe/Berlin'`."""
    given = {"ts": datetime.fromisoformat(local)}
    assert value("ts AT TIME ZONE 'Europe/Berlin'", **given) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_an_instant_becomes_the_wall_clock_of_its_zone() -> None:
    instant = datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    there = value("tz AT TIME ZONE 'Europe/Berlin'", tz=instant)
    assert there == instant.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)


@pytest.mark.parametrize("operator", ["AND", "OR"])
@pytest.mark.parametrize("a", [True, False, None])
@pytest.mark.parametrize("b", [True, False, None])
def test_conditions_are_three_valued(operator: str, a: bool | None, b: bool | None) -> None:
    decisive = operator == "OR"
    wanted = decisive if decisive in (a, b) else None if None in (a, b) else not decisive
    rows = {True: TRUE, False: FALSE, None: NULL}
    assert truths(f"a {operator} b", a=a, b=b) == rows[wanted]
    assert truths(f"NOT (a {operator} b)", a=a, b=b) == rows[None if wanted is None else not wanted]
    assert truths(f"(a {operator} b) IS NOT TRUE", a=a, b=b) == rows[wanted is not True]
    assert truths("a = b", a=a, b=b) == rows[None if None in (a, b) else a == b]
    assert truths("a IS NOT DISTINCT FROM b", a=a, b=b) == rows[a is b]
    assert truths("CASE WHEN a THEN b END", a=a, b=b) == rows[b if a else None]
    assert truths("COALESCE(a, b)", a=a, b=b) == rows[b if a is None else a]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("n BETWEEN 1 AND 3", NULL),
        ("3 BETWEEN n AND 2", FALSE),
        ("3 NOT BETWEEN n AND 2", TRUE),
        ("3 BETWEEN n AND 4", NULL),
        ("m + 1 BETWEEN 2 AND m + 1", TRUE),
        ("m + 1 NOT BETWEEN 2 AND m + 1", FALSE),
        ("n IN (1, 2)", NULL),
        ("m IN (1.00, 2)", TRUE),
        ("m NOT IN (1, 2)", FALSE),
        ("TRIM(s) IN ('x')", NULL),
        ("TRIM(t) NOT IN ('y')", TRUE),
        ("t = s", NULL),
        ("n = m", NULL),
        ("m <> 1.00", FALSE),
        ("m >= n", NULL),
        ("n IS NULL AND m IS NOT NULL", TRUE),
        ("(n > 1) IS TRUE OR (n > 1) IS FALSE", FALSE),
        ("t LIKE 'x%' AND STARTS_WITH(t, 'x')", TRUE),
        ("CASE m WHEN n THEN TRUE WHEN 1 THEN FALSE END", FALSE),
        ("NULLIF(m, 1) = 1", NULL),
        ("GREATEST(n, m) = 1", TRUE),
        ("LEAST(n, n) = 1", NULL),
        ("'x' IS NULL", FALSE),
        ("COALESCE('x', s) IS NULL", FALSE),
        ("TRUE", TRUE),
        ("CAST(NULL AS BOOLEAN)", NULL),
    ],
)
def test_null_means_unknown(text: str, wanted: object) -> None:
    """n and s are NULL, m is 1, t is 'x'."""
    assert truths(text, m=1, t="x") == wanted


def test_a_part_with_a_value_out_of_range_is_refused() -> None:
    for flagged, code in ((OutOfRange("infinity"), "value.out_of_range"), (Unavailable("toast"), "value.unavailable")):
        with pytest.raises(ValueProblem, match=code.replace(".", r"\.")):
            value("MAX(part.day)", part=[{"day": date(2024, 1, 1)}, {"day": flagged}])
        for column, good in (("n", 1), ("d", D("1.00"))):
            with pytest.raises(ValueProblem, match=code.replace(".", r"\.")):
                value(f"SUM(part.{column})", part=[{column: good}, {column: flagged}])
            with pytest.raises(ValueProblem, match=code.replace(".", r"\.")):
                value(f"SUM(part.{column})", part=[{column: flagged}])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("n", "integer"),
        ("d + n", "decimal(22,2)"),
        ("d * e", "decimal(27,6)"),
        ("n / 100", "decimal(21,2)"),
        ("COALESCE(d, e)", "decimal(18,4)"),
        ("COALESCE(d, 0)", "decimal(9,2)"),
        ("ROUND(e, 2)", "decimal(17,2)"),
        ("SUM(part.d)", "decimal(38,2)"),
        ("SUM(part.n)", "integer"),
        ("CODE('status', s)", "varchar(9)"),
        ("LEFT(s, 3) || 'ab'", "varchar(5)"),
        ("LEFT(s, 3) || t", "text"),
        ("day - INTERVAL '1 day'", "date"),
        ("0.05", "decimal(2,2)"),
        ("9223372036854775808", "decimal(19,0)"),
        ("d * 12345678901234567890123456789012.0", "decimal(38,3)"),
    ],
)
def test_types_are_static(text: str, kind: str) -> None:
    assert str(typed(text).type) == kind
