"""What a check may ask beside the rows of a view, as values: queries that agree, rows that may not be, how old the newest is.

The queries are the project's own, in the SQL of the database that they are for. They say what a mapping cannot: a check whose
expected side is the mapping itself proves nothing about the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from reconcile.terms_text import read_tolerance
from translators.yaml_form import Form
from translators.yaml_text import YamlNode

Side = Literal["legacy", "view", "extract"]


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A SELECT for one side; of an `extract` it reads the table `extract`, which is the file (CSV or Parquet)."""

    side: Side
    sql: str
    where: str
    file: str = ""


class Compare(msgspec.Struct, frozen=True, kw_only=True, tag="compare"):
    """Two queries with the same columns: rows that agree in the columns `by` have to agree in all others.

    The first one says what is right. `tolerance` is by column how far apart two numbers may be.
    """

    by: tuple[str, ...]
    expected: Query
    shown: Query
    tolerance: Mapping[str, Decimal] = {}


class Invariant(msgspec.Struct, frozen=True, kw_only=True, tag="invariant"):
    """What always holds, `says` in words: the query answers the rows that break it, each named by its first column."""

    says: str
    broken: Query


class Freshness(msgspec.Struct, frozen=True, kw_only=True, tag="freshness"):
    """How old what is shown may be: what is written now passes the fence `within` that time.

    With a query, which answers one time in UTC: that time is no longer ago.
    """

    within: timedelta
    newest: Query | None = None


Statement = Compare | Invariant | Freshness

KINDS = frozenset({"compare", "invariant", "freshness"})
_SIDES: tuple[Side, ...] = ("legacy", "extract", "view")
_ONES: tuple[Side, ...] = ("legacy", "view")
_SPAN = re.compile(r"([1-9][0-9]{0,5})\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_statement(form: Form, kind: str, node: YamlNode) -> Statement:
    """What a check asks in a key of `KINDS`; the form's error, at its place, if it is not said rightly."""
    match kind:
        case "compare":
            return _compare(form, node)
        case "invariant":
            return _invariant(form, node)
        case _:
            return _freshness(form, node)


def _compare(form: Form, node: YamlNode) -> Compare:
    part = form.members(node, "compare", {"by"}, {*_SIDES, "tolerance"})
    sides = [_query(form, side, part.items[side]) for side in _SIDES if side in part.items]
    if len(sides) != 2:
        fix = "Say two of legacy, extract and view: the first of these says what is right."
        raise form.wrong(f"compare has {len(sides)} of the sides", part.mark, fix)
    return Compare(
        by=form.texts(part.items["by"], "by"),
        expected=sides[0],
        shown=sides[1],
        tolerance=read_tolerance(form, part.items["tolerance"]) if "tolerance" in part.items else {},
    )


def _invariant(form: Form, node: YamlNode) -> Invariant:
    part = form.members(node, "invariant", {"says"}, {*_ONES})
    sides = [_query(form, side, part.items[side]) for side in _ONES if side in part.items]
    if len(sides) != 1:
        fix = "Say `legacy:` or `view:` with a query for the rows that break it; a query across both is a `compare`."
        raise form.wrong(f"invariant has {len(sides)} queries", part.mark, fix)
    return Invariant(says=form.text(part.items["says"], "says"), broken=sides[0])


def _freshness(form: Form, node: YamlNode) -> Freshness:
    part = form.members(node, "freshness", {"within"}, {"legacy", "view"})
    text = form.text(part.items["within"], "within")
    found = _SPAN.fullmatch(text)
    if found is None:
        raise form.wrong(
            f"within is {text!r}", part.items["within"].mark, "Write a duration such as 90s, 15m, 4h or 1d."
        )
    sides = [_query(form, side, part.items[side]) for side in _ONES if side in part.items]
    if len(sides) > 1:
        raise form.wrong("freshness has two queries", part.mark, "Keep one of legacy and view, or write two checks.")
    return Freshness(within=timedelta(**{_UNITS[found[2]]: int(found[1])}), newest=sides[0] if sides else None)


def _query(form: Form, side: Side, node: YamlNode) -> Query:
    if side != "extract":
        said = form.scalar(node, side)
        return Query(side=side, sql=said.text, where=form.where(said.mark))
    part = form.members(node, "extract", {"file", "sql"})
    said, file = form.scalar(part.items["sql"], "sql"), form.scalar(part.items["file"], "file")
    if not file.text.lower().endswith((".csv", ".parquet")):
        raise form.wrong(
            f"the extract {file.text!r} is of no known kind", file.mark, "A file .csv or .parquet is read."
        )
    return Query(side=side, sql=said.text, where=form.where(said.mark), file=file.text)
