"""Legacy rows as people read them, classified columns masked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dragoman.console import say
from dragoman.project import Project
from reconcile.terms import covers
from translators.binding import BoundField, BoundNode
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.expression.bind import sources

MASK = "•••"
CLASSIFIED = ("personal", "sensitive")
_VERBS = {"c": "inserted", "u": "updated", "d": "deleted", "r": "read by a snapshot"}


def leaves(nodes: Iterable[BoundNode]) -> Iterator[BoundField]:
    """The fields that expressions compute, nested ones and those of list elements included."""
    for node in nodes:
        if isinstance(node, BoundField):
            yield node
        else:
            yield from leaves(node.fields.values())


def classified(project: Project, translator: str) -> frozenset[str] | None:
    """The `table.column` names behind personal and sensitive fields; `None` (all of them) where that cannot be told."""
    try:
        bound = project.translator(translator).bound
    except DragomanError:
        return None
    fields = [*leaves(bound.fields.values()), *(f for event in bound.events for f in event.fields.values())]
    return frozenset(column for f in fields if f.shape.data_class in CLASSIFIED for column in sources(f.bound))


def shown_columns(translator: CompiledTranslator, hidden: Sequence[str] = ()) -> frozenset[str]:
    """The `table.column` names that a report may show: behind a field of the state, and behind none that is classified.

    `hidden` are paths of fields that a check does not show.
    """
    behind: dict[bool, set[str]] = {False: set(), True: set()}
    for path, one in _paths(translator.bound.fields):
        behind[one.shape.data_class in CLASSIFIED or covers(hidden, path)] |= set(sources(one.bound))
    return frozenset(behind[False] - behind[True])


def _paths(nodes: Mapping[str, BoundNode], prefix: str = "") -> Iterator[tuple[str, BoundField]]:
    """The fields that expressions compute, with their paths."""
    for name, node in nodes.items():
        if isinstance(node, BoundField):
            yield f"{prefix}{name}", node
        else:
            yield from _paths(node.fields, f"{prefix}{name}.")


def shown_row(table: str, row: Mapping[str, Any] | None, hidden: frozenset[str] | None) -> dict[str, str] | None:
    """A row as texts, its `hidden` columns masked."""
    if row is None:
        return None
    return {
        column: MASK if hidden is None or f"{table}.{column}" in hidden else "null" if value is None else str(value)
        for column, value in row.items()
    }


def say_change(change: Mapping[str, Any], place: str) -> None:
    """One row change: what was done to which row, then each column, what changed as `old → new`.

    `change` has table, op, row_key and the images `before` and `after` as `shown_row` makes them.
    """
    before, after = change["before"] or {}, change["after"] or {}
    say(
        (f"  {change['table']} {change['row_key']} {_VERBS[change['op']]}", "bold"),
        (f"   {place}" if place else "", "dim"),
    )
    width = max((len(column) for column in {**before, **after}), default=0)
    for column in {**before, **after}:
        old, new = before.get(column), after.get(column)
        if change["op"] == "u" and column in before and old != new:
            say(f"    {column:<{width}}   ", (f"{old} → {new}", "bold"))
        else:
            say((f"    {column:<{width}}   {old if new is None else new}", "dim" if change["op"] == "u" else ""))
