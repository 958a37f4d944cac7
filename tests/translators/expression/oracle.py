"""A second meaning of the language, to judge the first by: it walks trees of tuples and computes with fractions.

A tree is (operator, parts...) with columns as ('column', name) and constants as ('constant', value, sql). NULL is `None`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]
Row = Mapping[str, object]


class Failure(Exception):
    """This row cannot be computed."""


def sql(tree: Tree) -> str:
    """The text of a tree, fully bracketed."""
    operator, *parts = tree
    if operator == "column":
        return str(parts[0])
    if operator == "constant":
        return str(parts[1])
    texts = [sql(part) if isinstance(part, tuple) else str(part) for part in parts]
    if "{" in operator:
        return f"({operator.format(*texts)})"
    if operator in ("AND", "OR", "||"):
        return f"({f' {operator} '.join(texts)})"
    if operator == "CASE":
        whens = "".join(f" WHEN {when} THEN {then}" for when, then in zip(texts[:-1:2], texts[1::2], strict=True))
        return f"CASE{whens} ELSE {texts[-1]} END"
    return f"{operator}({', '.join(texts)})"


def judge(tree: Tree, row: Row) -> Any:
    """The value of a tree over a row. Raises `Failure`."""
    operator, *parts = tree
    if operator == "column":
        return exact(row[parts[0]])
    if operator == "constant":
        return exact(parts[0])
    if operator in LAZY:
        return LAZY[operator](parts, row)
    outcomes = [attempt(part, row) if isinstance(part, tuple) else part for part in parts]
    if None in outcomes:
        return None
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            raise outcome
    return STRICT[operator](*outcomes)


def exact(value: object) -> object:
    """Decimals as fractions."""
    return Fraction(value) if isinstance(value, Decimal) else value


def attempt(tree: Tree, row: Row) -> Any:
    """The value, or the failure as a value."""
    try:
        return judge(tree, row)
    except Failure as failure:
        return failure


def in_three(parts: list[Tree], row: Row, decisive: bool) -> bool | None:
    """AND (decisive: False) and OR (decisive: True)."""
    values = [judge(part, row) for part in parts]
    return decisive if decisive in values else None if None in values else not decisive


def coalesce(parts: list[Tree], row: Row) -> Any:
    """The first that is not NULL."""
    for part in parts:
        value = judge(part, row)
        if value is not None:
            return value
    return None


def case(parts: list[Tree], row: Row) -> Any:
    """The result of the first condition that is TRUE."""
    for when, then in zip(parts[:-1:2], parts[1::2], strict=True):
        if judge(when, row) is True:
            return judge(then, row)
    return judge(parts[-1], row)


def simple_case(parts: list[Tree], row: Row) -> Any:
    """CASE a WHEN b THEN c ELSE d END: a is computed first, needed or not."""
    operand, when, then, otherwise = parts
    judge(operand, row)
    equal = judge(("{} = {}", operand, when), row)
    return judge(then if equal is True else otherwise, row)


def nullif(parts: list[Tree], row: Row) -> Any:
    """NULL if both are equal."""
    left = judge(parts[0], row)
    return None if left is None or left == judge(parts[1], row) else left


def extreme(parts: list[Tree], row: Row, pick: Any) -> Any:
    """GREATEST and LEAST."""
    values = [value for part in parts if (value := judge(part, row)) is not None]
    return pick(values) if values else None


def between(parts: list[Tree], row: Row) -> bool | None:
    """x >= low AND x <= high."""
    x, low, high = parts
    return in_three([("{} >= {}", x, low), ("{} <= {}", x, high)], row, False)


LAZY: dict[str, Any] = {
    "AND": lambda parts, row: in_three(parts, row, False),
    "OR": lambda parts, row: in_three(parts, row, True),
    "COALESCE": coalesce,
    "CASE": case,
    "CASE {} WHEN {} THEN {} ELSE {} END": simple_case,
    "NULLIF": nullif,
    "GREATEST": lambda parts, row: extreme(parts, row, max),
    "LEAST": lambda parts, row: extreme(parts, row, min),
    "{} BETWEEN {} AND {}": between,
    "{} IS NULL": lambda parts, row: judge(parts[0], row) is None,
    "{} IS NOT NULL": lambda parts, row: judge(parts[0], row) is not None,
    "{} IS TRUE": lambda parts, row: judge(parts[0], row) is True,
    "{} IS NOT FALSE": lambda parts, row: judge(parts[0], row) is not False,
    "{} IS DISTINCT FROM {}": lambda parts, row: judge(parts[0], row) != judge(parts[1], row),
    "TRY_CAST({} AS INTEGER)": lambda parts, row: tried(("CAST({} AS INTEGER)", parts[0]), row),
    "CODE('status', {}, 'other')": lambda parts, row: coded(judge(parts[0], row), "other"),
    "CODE('status', {}, NULL)": lambda parts, row: coded(judge(parts[0], row), None),
}


def tried(tree: Tree, row: Row) -> Any:
    """NULL instead of the failure of the operation itself; a failure below it stays one."""
    judge(tree[1], row)
    value = attempt(tree, row)
    return None if isinstance(value, Failure) else value


def coded(value: str | None, otherwise: str | None) -> str | None:
    """A code of the table, or the default; NULL stays NULL."""
    return None if value is None else {"A": "active", "C": "cancelled"}.get(value, otherwise)


def strictly_coded(value: str) -> str:
    """A code of the table."""
    found = coded(value, None)
    if found is None:
        raise Failure
    return found


def half_away(number: Fraction, places: int) -> Fraction:
    """The nearest number with so many places; of two equally near ones the farther from zero."""
    scaled = abs(number) * 10**places + Fraction(1, 2)
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole if number > 0 else -whole, 10**places)


def whole(text: str) -> int:
    """A text as an integer."""
    digits = text.strip(" ")
    unsigned = digits[1:] if digits[:1] in ("-", "+") else digits
    if not unsigned.isdecimal() or len(unsigned) > 18:
        raise Failure
    return int(digits)


def rest(a: Any, b: Any) -> Any:
    """The remainder with the sign of a."""
    if b == 0:
        raise Failure
    size = abs(a) - abs(b) * (abs(a) // abs(b))
    return size if a >= 0 else -size


def quotient(a: Any, b: Any, places: int) -> Fraction:
    """ROUND(a / b, places)."""
    if b == 0:
        raise Failure
    return half_away(Fraction(a) / Fraction(b), places)


def a_date(text: str) -> date:
    """YYYYMMDD."""
    if len(text) != 8 or not text.isdecimal():
        raise Failure
    try:
        return date.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:]}")
    except ValueError:
        raise Failure from None


def months_later(day: date, months: int) -> date:
    """The same day of a later month, or the last that it has."""
    first = day.replace(day=1)
    for _ in range(months):
        first = (first + timedelta(31)).replace(day=1)
    last = (first + timedelta(31)).replace(day=1) - timedelta(1)
    return first.replace(day=min(day.day, last.day))


STRICT: dict[str, Any] = {
    "{} + {}": lambda a, b: a + b,
    "{} - {}": lambda a, b: a - b,
    "{} * {}": lambda a, b: a * b,
    "{} % {}": rest,
    "{} / 100": lambda a: Fraction(a) / 100,
    "{} / 0.25": lambda a: Fraction(a) * 4,
    "- {}": lambda a: -a,
    "ABS": abs,
    "SIGN": lambda a: (a > 0) - (a < 0),
    "FLOOR": lambda a: Fraction(a.__floor__()),
    "ROUND({}, {})": lambda a, places: half_away(Fraction(a), int(places)),
    "ROUND({} / {}, {})": lambda a, b, places: quotient(a, b, int(places)),
    "CAST({} AS DECIMAL(30, 1))": lambda a: half_away(Fraction(a), 1),
    "CAST({} AS INTEGER)": lambda a: whole(a) if isinstance(a, str) else int(half_away(Fraction(a), 0)),
    "CAST({} AS TEXT)": str,
    "LENGTH": len,
    "TRIM": lambda a: a.strip(" "),
    "UPPER": lambda a: a.upper(),
    "LEFT({}, 2)": lambda a: a[0:2],
    "RIGHT({}, 2)": lambda a: a if len(a) < 2 else a[len(a) - 2 :],
    "SUBSTRING({}, 2, 3)": lambda a: a[1:4],
    "LPAD({}, 4, '0')": lambda a: "0" * (4 - len(a)) + a[:4],
    "REPLACE({}, 'a', 'bb')": lambda a: "bb".join(a.split("a")),
    "SPLIT_PART({}, 'a', 2)": lambda a: [*a.split("a"), ""][1],
    "||": lambda *parts: "".join(parts),
    "CODE('status', {})": strictly_coded,
    "{} = {}": lambda a, b: a == b,
    "{} <> {}": lambda a, b: a != b,
    "{} < {}": lambda a, b: a < b,
    "{} <= {}": lambda a, b: a <= b,
    "{} > {}": lambda a, b: a > b,
    "{} >= {}": lambda a, b: a >= b,
    "NOT {}": lambda a: not a,
    "{} IN (1, 2)": lambda a: a in (1, 2),
    "{} NOT IN ('A', 'aa')": lambda a: a not in ("A", "aa"),
    "{} LIKE 'a%'": lambda a: a[:1] == "a",
    "{} NOT LIKE '%_a'": lambda a: not (len(a) > 1 and a[-1] == "a"),
    "STARTS_WITH": lambda a, b: a[: len(b)] == b,
    "EXTRACT(MONTH FROM {})": lambda a: a.month,
    "DATE_TRUNC('month', {})": lambda a: date(a.year, a.month, 1),
    "{} + INTERVAL '3 months'": lambda a: months_later(a, 3),
    "DAYS": lambda a, b: (a - b).days,
    "TO_DATE({}, 'YYYYMMDD')": a_date,
}
STRICT["({}) - ({})"] = STRICT.pop("DAYS")
