"""What the generated code of a Python translator calls: rows as its class may see them, and looks at what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from translators.aggregate import Rows
from translators.bound_mapping import BoundMapping
from translators.checks import unusable
from translators.expression.bound import Bound, Column, walk
from translators.expression.runtime import ValueProblem
from translators.facts import UNKNOWN, Facts
from translators.functions import guarded
from translators.ordering import ordering
from translators.parts import key_columns
from translators.python_class import LegacyRows, PythonTranslator
from translators.translator import Event
from translators.values import OutOfRange, Row, Unavailable

_SENTINELS = frozenset({Unavailable, OutOfRange})


class Asking:
    """One instance of an adopter's class, and the columns that it declared."""

    def __init__(self, bound: BoundMapping, computed: Iterable[Bound]) -> None:
        rules = bound.mapping.python
        assert rules is not None  # noqa: S101 - generated for Python translators only
        made: PythonTranslator = rules.kind(bound.mapping.codes)
        self._made = made
        self._mapping = bound.mapping
        self._types = frozenset(event.type for event in bound.events)
        self._columns = {
            table: [*columns] for table, columns in key_columns(bound.mapping, bound.schema.tables).items()
        }
        for table, part in bound.mapping.parts.items():
            self._columns[table] += [*part.parent, *part.order]
        for one in computed:
            for part_ in walk(one):
                if isinstance(part_, Column):
                    self._columns[part_.table].append(part_.column)
        self._columns = {table: list(dict.fromkeys(columns)) for table, columns in self._columns.items()}
        self._ordered = {table: ordering(part.order) for table, part in bound.mapping.parts.items()}
        self._state = guarded(f"{rules.kind.__name__}.state", made.state)
        self._ignored = guarded(f"{rules.kind.__name__}.ignored", made.ignored)
        self._events: Callable[..., Any] = guarded(
            f"{rules.kind.__name__}.events", lambda *given: list(made.events(*given))
        )

    def state(self, rows: Rows) -> object:
        """What the class says of rows that hold the root's."""
        return self._state(*self._legacy(rows))

    def events(
        self,
        old: Mapping[str, Any] | None,
        new: Mapping[str, Any] | None,
        old_rows: Rows,
        new_rows: Rows,
        facts: Facts = UNKNOWN,
    ) -> tuple[list[Event], str | None]:
        """What the class says that happened, and why if it says nothing. It is given copies, so it can change nothing."""
        self._made.facts = facts
        try:
            return self._said(old, new, old_rows, new_rows)
        finally:
            # A state is the same whatever transaction made it.
            self._made.facts = UNKNOWN

    def _said(
        self, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, old_rows: Rows, new_rows: Rows
    ) -> tuple[list[Event], str | None]:
        states = copied(old), copied(new)
        ignored = self._ignored(*states)
        if ignored is not None:
            if not isinstance(ignored, str) or not ignored:
                raise ValueProblem("py.type", {"said": "ignored() gives no reason in words"})
            return [], ignored
        before = None if old is None else self._legacy(old_rows)
        after = None if new is None else self._legacy(new_rows)
        found = self._events(*states, before, after)
        for event in found:
            if not isinstance(event, Event):
                raise ValueProblem("py.type", {"said": f"events() gives {type(event).__name__}, not an Event"})
            if event.type not in self._types:
                raise ValueProblem("py.event-unknown", {"said": f"{event.type} is not listed under `publishes`"})
        return found, None

    def _legacy(self, rows: Rows) -> LegacyRows:
        (root,) = rows[self._mapping.root].values()
        parts = {
            table: [self._seen(table, row) for row in ordered(rows.get(table))]
            for table, ordered in self._ordered.items()
        }
        return LegacyRows(self._seen(self._mapping.root, root), parts)

    def _seen(self, table: str, row: Row) -> Row:
        """The declared columns of a row."""
        seen: Row = {}
        for column in self._columns[table]:
            value = row[column]
            if value.__class__ in _SENTINELS:
                raise unusable(f"{table}.{column}", value)
            seen[column] = value
        return seen


def copied(value: Any) -> Any:
    """A state with dicts and lists of its own."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def members(value: object, what: str, required: frozenset[str], known: frozenset[str]) -> Mapping[str, Any]:
    """An object with all of its required members and no unknown one; `ValueProblem` if it is none."""
    if not isinstance(value, Mapping):
        raise ValueProblem("py.type", {"said": f"{what} is {type(value).__name__}, not a dict of fields"})
    for name in value:
        if name not in known:
            raise ValueProblem("py.field-unknown", {"said": f"{what} has {name!r}, which its contract does not name"})
    missing = required - value.keys()
    if missing:
        raise ValueProblem("py.field-missing", {"said": f"{what} lacks {', '.join(sorted(missing))}"})
    return value


def elements(value: object, what: str) -> list[object] | tuple[object, ...]:
    """A list; `ValueProblem` if it is none."""
    if not isinstance(value, list | tuple):
        raise ValueProblem("py.type", {"said": f"{what} is {type(value).__name__}, not a list"})
    return value


def cut(value: Any, names: Mapping[str, Any]) -> Any:
    """A state value with the members that an event's contract names; `names` holds those of each member."""
    if isinstance(value, list):
        return [cut(one, names) for one in value]
    if isinstance(value, dict) and names:
        return {name: cut(value[name], inner) for name, inner in names.items() if name in value}
    return value
