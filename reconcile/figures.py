"""Answers of two queries, group by group: values made alike, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from reconcile.declared import Query
from reconcile.errors import ReconcileError
from translators.values import key_text

MOST = 100_000
"""Rows of one answer: these queries are for figures, and rows are compared by a check of the view."""

Value = Decimal | str | None
Groups = dict[str, dict[str, Value]]
"""By the text of a group its other columns, in the order of the query."""


class Answer(NamedTuple):
    """The columns of a query, and its rows."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class QueryUnusable(ReconcileError):
    """The query for the {side} cannot be used: {reason}."""

    code: ClassVar[str] = "check.query"
    hint: ClassVar[str] = "Correct the SQL in the check, and try it in the database's own client first."


def unusable(query: Query, reason: object) -> QueryUnusable:
    """The error for a query, at its place."""
    return QueryUnusable(side=query.side, reason=str(reason).splitlines()[0].rstrip("."), where=query.where)


def bounded(query: Query, columns: tuple[str, ...], fetch: Callable[[int], Sequence[Sequence[Any]]]) -> Answer:
    """The answer that `fetch` brings; `QueryUnusable` if it is too long, or has columns that cannot be told apart."""
    rows = list(fetch(MOST + 1))
    if len(rows) > MOST:
        raise unusable(query, f"it answers more than {MOST:,} rows: a check without a query compares a view row by row")
    if len(set(columns)) != len(columns):
        raise unusable(query, f"it answers columns of the same name: {', '.join(columns)}")
    return Answer(columns, rows)


def groups_of(query: Query, answer: Answer, by: Sequence[str]) -> Groups:
    """The rows by what is in the columns `by`; `QueryUnusable` if one of these is missing or a group is there twice."""
    missing = [name for name in by if name not in answer.columns]
    if missing:
        raise unusable(query, f"it answers no column {', '.join(missing)}, but {', '.join(answer.columns)}")
    found: Groups = {}
    for row in answer.rows:
        values = {name: alike(value) for name, value in zip(answer.columns, row, strict=True)}
        group = key_text(tuple("" if values[name] is None else said(values[name]) for name in by))
        if group in found:
            raise unusable(query, f"it answers {group} twice")
        found[group] = {name: value for name, value in values.items() if name not in by}
    return found


def check_columns(expected: Query, left: Answer, shown: Query, right: Answer) -> None:
    """`QueryUnusable` unless both queries answer columns of the same names."""
    if set(left.columns) != set(right.columns):
        other = f"{', '.join(left.columns)} in the query for the {expected.side}"
        raise unusable(shown, f"it answers the columns {', '.join(right.columns)}, and they are {other}")


def alike(value: Any) -> Value:
    """A value as every database has it: numbers as decimals, all else as a text.

    Times are in UTC with a blank between day and hour and no more digits than they need; booleans are 0 and 1.
    """
    match value:
        case None | str():
            return value
        case bool() | int():
            return Decimal(int(value))
        case Decimal():
            return value
        case float():
            return Decimal(repr(value))
        case datetime():
            plain = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            text = plain.isoformat(" ")
            return text.rstrip("0") if "." in text else text
        case date():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
    return str(value)


def said(value: Value) -> str:
    """A value as a report shows it."""
    if value is None:
        return "null"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value.is_finite() else str(value)
    return value


def differing(
    expected: Mapping[str, Value], shown: Mapping[str, Value], allowed: Mapping[str, Decimal]
) -> tuple[str, ...]:
    """The columns in which two rows of one group differ by more than is `allowed`."""
    return tuple(name for name, value in expected.items() if _differ(value, shown[name], allowed.get(name, Decimal())))


def _differ(one: Value, other: Value, allowed: Decimal) -> bool:
    if isinstance(one, Decimal) and isinstance(other, Decimal) and one.is_finite() and other.is_finite():
        return abs(one - other) > allowed
    return one != other
