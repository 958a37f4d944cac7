"""A key's fields side by side: legacy says now, last published, view shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconcile.compare import Comparison
from reconcile.content import ABSENT, MASK, MAX_SHOWN, NOTHING, Content, ViewShape, alike, counted, plain, shown
from reconcile.finding import FieldRow, LegacyRow
from translators.aggregate import Rows
from translators.problem import Problem

UNKNOWN = "not known"
"""What legacy says of a field where the mapping refuses the whole."""

MOST_ROWS = 20
"""Rows of one table that are shown of a key."""

_NONE: Mapping[str, Any] = {}


def field_rows(comparison: Comparison, published: Content | None, shape: ViewShape) -> tuple[FieldRow, ...]:
    """Every field that the view shows, those of list elements only where they differ."""
    actual = None if comparison.row is None else comparison.row.content
    problem = comparison.expected.problem
    if problem is None:
        return tuple(_rows(comparison.expected.content, published, actual, shape))
    return tuple(_refused(problem, published, actual, shape))


def legacy_rows(rows: Rows, visible: frozenset[str]) -> tuple[LegacyRow, ...]:
    """The rows of a key as texts, at most `MOST_ROWS` of each table; columns that are not `visible` are masked."""
    return tuple(
        LegacyRow(
            table=table,
            columns=tuple((name, _cell(value, f"{table}.{name}" in visible)) for name, value in row.items()),
        )
        for table, of_table in rows.items()
        for row in list(of_table.values())[:MOST_ROWS]
    )


def changed_columns(known: Rows, now: Rows) -> tuple[str, ...]:
    """The columns, as `table.column`, in which rows differ from what is known of them; `table` where one is there or not."""
    found: dict[str, None] = {}
    for table in dict.fromkeys((*known, *now)):
        before, after = known.get(table, {}), now.get(table, {})
        if before.keys() != after.keys():
            found[table] = None
        for key in before.keys() & after.keys():
            for column in before[key].keys() & after[key].keys():
                if before[key][column] != after[key][column]:
                    found[f"{table}.{column}"] = None
    return tuple(sorted(found))


def _cell(value: object, visible: bool) -> str:
    if not visible:
        return MASK
    if value is None:
        return NOTHING
    text = plain(value)
    cut = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"
    return f'"{cut}"' if text != text.strip() or not text else cut


def _rows(
    expected: Content | None, published: Content | None, actual: Content | None, shape: ViewShape
) -> Iterator[FieldRow]:
    sides = (expected, published, actual)
    for path in shape.fields:
        values = [None if side is None else side.fields[path] for side in sides]
        texts = [ABSENT if side is None else shown(side.fields[path], path, shape) for side in sides]
        yield _row(path, None, texts, not _all_alike(values, path, shape))
    for path in shape.lists:
        lists = [None if side is None else side.lists[path] for side in sides]
        lengths = [ABSENT if elements is None else counted(len(elements)) for elements in lists]
        yield _row(path, None, lengths, len(set(lengths)) > 1)
        for number in range(max(len(elements or ()) for elements in lists)):
            elements = [elements[number] if elements and number < len(elements) else _NONE for elements in lists]
            yield from _element_rows(path, number + 1, elements, shape)


def _element_rows(path: str, number: int, elements: list[Mapping[str, Any]], shape: ViewShape) -> Iterator[FieldRow]:
    for inner in shape.lists[path]:
        full = f"{path}.{inner}"
        texts = [shown(element[inner], full, shape) if element else ABSENT for element in elements]
        present = [bool(element) for element in elements]
        if len(set(present)) > 1 or not _all_alike([element.get(inner) for element in elements], full, shape):
            yield _row(full, number, texts, True)


def _refused(
    problem: Problem, published: Content | None, actual: Content | None, shape: ViewShape
) -> Iterator[FieldRow]:
    """The mapping cannot say what legacy means: one field is to blame, the others are not known."""
    blamed = problem.field or "(all)"
    said = f"refused: {problem.message.removeprefix(f'{blamed}: ')}"
    rows = list(_rows(published, published, actual, shape))
    if blamed not in {row.field for row in rows}:
        yield _row(blamed, None, [said, "", ""], True)
    for row in rows:
        legacy = said if row.field == blamed else UNKNOWN
        yield _row(row.field, row.element, [legacy, row.published, row.view], row.differs or row.field == blamed)


def _row(field: str, element: int | None, texts: list[str], differs: bool) -> FieldRow:
    legacy, published, view = texts
    return FieldRow(field=field, element=element, legacy=legacy, published=published, view=view, differs=differs)


def _all_alike(values: list[Any], path: str, shape: ViewShape) -> bool:
    return all(alike(values[0], value, path, shape) for value in values[1:])
