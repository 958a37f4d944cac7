"""The rows of parts, in an order that every repeat gives again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingType

from translators.values import OutOfRange, Row, Unavailable


def ordering(columns: tuple[str, ...]) -> Callable[[MappingType[str, Row] | None], list[Row]]:
    """Sorts the rows of a part by these columns, nulls last, then by row key: a repeat gives the same list."""

    def by_order(item: tuple[str, Row]) -> tuple[object, ...]:
        key, row = item
        return (*[(row[column] is None, row[column]) for column in columns], key)

    def ordered(rows: MappingType[str, Row] | None) -> list[Row]:
        if not rows:
            return []
        try:
            return [row for _, row in sorted(rows.items(), key=by_order)] if len(rows) > 1 else list(rows.values())
        except TypeError:
            from translators.checks import unusable

            for column, value in ((column, row[column]) for row in rows.values() for column in columns):
                if isinstance(value, Unavailable | OutOfRange):
                    raise unusable(column, value) from None
            raise

    return ordered


def grouping(columns: tuple[str, ...]) -> Callable[[Iterable[Row]], dict[tuple[object, ...], list[Row]]]:
    """Groups rows, in their order, by the values of these columns."""

    def grouped(rows: Iterable[Row]) -> dict[tuple[object, ...], list[Row]]:
        found: dict[tuple[object, ...], list[Row]] = {}
        for row in rows:
            found.setdefault(tuple([row[column] for column in columns]), []).append(row)
        return found

    return grouped
