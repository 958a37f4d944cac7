"""The values of columns that look like codes: of the first rows of a table, by one query each, never of personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, column, select, table
from sqlalchemy.exc import SQLAlchemyError

from connectors.legacy.names import words_of
from connectors.legacy.reflect import LegacyTable, Reflection
from translators.lint.promises import is_personal
from translators.schema import Type, column_type, members, source_type

ROWS = 10_000
"""Rows of a table that are looked at."""
MOST = 16
_LONGEST = 24
_SHORT = 4
_CODE_WORDS = frozenset(("code", "status", "state", "type", "flag", "indicator", "reason", "method", "kind", "category",
                         "class", "frequency", "cause", "priority", "channel"))  # fmt: skip
_STANDARDS = frozenset(("currency", "country", "language", "postal", "locale"))
"""Codes that others made: everybody reads them as they are."""
_CLASSIFIED = frozenset((
    "name", "address", "phone", "birth", "mail", "email", "gender", "sex", "password", "passwd", "pwd", "secret", "token",
    "pin", "iban", "salary", "religion", "health", "diagnosis", "nationality", "marital", "ssn", "tax", "user", "person",
))  # fmt: skip
_SECRET = frozenset(("password", "passwd", "pwd", "secret", "token", "pin", "health", "diagnosis", "religion"))
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]*")


def is_classified(name: str) -> bool:
    """Whether a column looks as if its values were nobody's business: they are neither read nor copied."""
    return is_personal(name) or not _CLASSIFIED.isdisjoint(words_of(name))


def is_secret(name: str) -> bool:
    """Whether they should not even be logged."""
    return not _SECRET.isdisjoint(words_of(name))


def type_of(column_type_: str, connector: str) -> Type:
    """The language type of a column's declaration."""
    return column_type(source_type(column_type_, connector))  # type: ignore[arg-type]  # one of the connectors


def codes(connection: Connection, reflection: Reflection, legacy: LegacyTable) -> Mapping[str, tuple[str, ...]]:
    """The codes of each column that looks like one; none where there are too many, where they are long, or none at all.

    An enum's are its members; else those of the first `ROWS` rows. A query that takes too long gives none.
    """
    found: dict[str, tuple[str, ...]] = {}
    asked: list[str] = []
    for one in legacy.columns:
        if one.name in legacy.key or is_classified(one.name):
            continue
        listed = members(source_type(one.type, reflection.connector))
        if listed and not one.type.lower().startswith("set"):
            found[one.name] = listed
        elif _looks_like_a_code(one.name, type_of(one.type, reflection.connector)):
            asked.append(one.name)
    found.update(_sampled(connection, reflection, legacy, asked))
    return {name: values for name, values in found.items() if _is_a_table(values)}


def _looks_like_a_code(name: str, type_: Type) -> bool:
    if type_.kind != "text" or not _STANDARDS.isdisjoint(words_of(name)):
        return False
    return 0 < type_.length <= _SHORT or not _CODE_WORDS.isdisjoint(words_of(name))


def _sampled(
    connection: Connection, reflection: Reflection, legacy: LegacyTable, asked: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    if not asked:
        return {}
    source = table(legacy.name, schema=None if reflection.connector == "sqlite" else reflection.namespace)
    try:
        rows: Sequence[Any] = connection.execute(
            select(*(column(name) for name in asked)).select_from(source).limit(ROWS)
        ).all()
    except SQLAlchemyError:
        # Too slow, or not allowed: nothing is known of the values, and the columns are passed on as they are.
        return {}
    values = {name: {row[at] for row in rows} - {None} for at, name in enumerate(asked)}
    return {
        name: tuple(sorted({value.strip(" ") for value in seen} - {""}))
        for name, seen in values.items()
        if all(isinstance(value, str) for value in seen)
    }


def _is_a_table(values: Sequence[str]) -> bool:
    return 0 < len(values) <= MOST and all(len(v) <= _LONGEST and _PRINTABLE.fullmatch(v) for v in values)
