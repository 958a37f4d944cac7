"""The SQL of what the rows of a part come to: one column of a grouped query, and how the joined column is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from translators.expression import types
from translators.expression.bound import Aggregate

if TYPE_CHECKING:
    from translators.expression.dialect import Dialect


def grouped(d: Dialect, aggregate: Aggregate, order: Sequence[str] = ()) -> str:
    """What a part comes to, for the grouped query of its rows, whose columns the names spell.

    `order` are the texts that sort the rows, for FIRST and LAST. ANY and ALL are numbers there: 2 for TRUE, 1 for NULL.
    """
    if aggregate.value is None and aggregate.where is None:
        return "count(*)"
    value = "1" if aggregate.value is None else d.text(aggregate.value)
    if aggregate.function in ("ANY", "ALL"):
        value = f"(CASE WHEN {value} THEN 2 WHEN {value} IS NULL THEN 1 ELSE 0 END)"
    if aggregate.where is not None:
        where = d.text(aggregate.where)
        value = d.collated(f"(CASE WHEN {where} THEN {value} END)", aggregate.type)
        kept, other = (1, 0) if aggregate.function == "LAST" else (0, 1)
        order = (f"(CASE WHEN {where} THEN {kept} ELSE {other} END)", *order)
    if aggregate.function in ("FIRST", "LAST"):
        last = aggregate.function == "LAST"
        return d.first(value, ", ".join([d.sorted_by(text, last) for text in order]), aggregate.type)
    name = {"ANY": "max", "ALL": "min"}.get(aggregate.function, aggregate.function.lower())
    return f"{name}({value})"


def added(d: Dialect, text: str, aggregate: Aggregate) -> str:
    """The joined column as the language sees it: a sum of too many digits raises where it is read, not for its group."""
    if aggregate.function == "COUNT":
        return f"COALESCE({text}, 0)"
    if aggregate.function in ("ANY", "ALL"):
        decided, otherwise = ("2 THEN TRUE", "FALSE") if aggregate.function == "ANY" else ("0 THEN FALSE", "TRUE")
        return f"(CASE {text} WHEN {decided} WHEN 1 THEN {d.literal(None, types.BOOLEAN)} ELSE {otherwise} END)"
    return d.cast(text, aggregate.type) if aggregate.function == "SUM" else text
