"""The oracle: what must be published for a journal of transactions, told without the product's code.

A journal says what the source did. When each step was read, under which mapping, and when a command fell between two of
them, is told by `Moment`s: the only thing about which the product is believed. From both follow all events and states with
their versions, the rejected steps, the keys that wait, and what became of every change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.model.journal import Row, RowChange, Transaction
from tests.model.meaning import IGNORED, State, Unmapped, events_of, key_of, state_of

Keys = Mapping[str, Sequence[str]]
"""table -> the columns of its primary key; the root is `orders`."""

ROOT = "orders"
RowKey = tuple[object, ...]
Rows = dict[str, dict[RowKey, Row]]


@dataclass(frozen=True, slots=True)
class Effect:
    """What one row change did to the rows of one order."""

    table: str
    row_key: RowKey
    after: Row | None


@dataclass(frozen=True, slots=True)
class Step:
    """What one transaction did to one order, or its rows as a snapshot showed them."""

    effects: tuple[Effect, ...]
    transaction: str | None
    time: int | None

    @property
    def is_snapshot(self) -> bool:
        """Whether this is no news."""
        return self.transaction is None


@dataclass(frozen=True, slots=True)
class Moment:
    """The next step of a key was read, or a command for it was executed, under a mapping that knows `codes`."""

    key: str
    what: Literal["read", "release", "discard"]
    codes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Said:
    """One record that must be published: of an event type, or `Order.v1` for a state (`data` `None`: a tombstone)."""

    version: int
    ordinal: int
    type: str
    data: dict[str, Any] | None
    event_class: str
    time: int | None


@dataclass(slots=True)
class Order:
    """What is known of one key. `unmapped`: its rows are known, but a discard left no state that could be published."""

    rows: Rows = field(default_factory=dict)
    version: int = 0
    waiting: list[tuple[int, Step]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    unmapped: bool = False
    events: list[Said] = field(default_factory=list)
    states: list[Said] = field(default_factory=list)


Label = tuple[str, str]


class Oracle:
    """Replays moments over the steps of a journal."""

    def __init__(self, transactions: Iterable[Transaction], keys: Keys, loaded: Iterable[tuple[str, Row]] = ()) -> None:
        self._keys = keys
        self.orders: dict[str, Order] = {}
        self.counts: Counter[Label] = Counter()
        self.letters: set[tuple[str, int]] = set()
        self.steps: dict[str, list[Step]] = {}
        self._plan(transactions, list(loaded))
        self._next = {key: iter(steps) for key, steps in self.steps.items()}

    # --- which steps there are ---

    def _plan(self, transactions: Iterable[Transaction], loaded: Sequence[tuple[str, Row]]) -> None:
        shown: dict[str, list[Effect]] = {}
        for table, row in loaded:
            shown.setdefault(key_of(table, row), []).append(Effect(table, self._row_key(table, row), row))
        for key, effects in shown.items():
            self.steps[key] = [Step(tuple(effects), None, None)]
        for transaction in transactions:
            touched: dict[str, list[Effect]] = {}
            for change in transaction.changes:
                for key, effect in self._effects(change):
                    touched.setdefault(key, []).append(effect)
            for key, effects in touched.items():
                self.steps.setdefault(key, []).append(Step(tuple(effects), transaction.name, transaction.time))

    def _effects(self, change: RowChange) -> Iterator[tuple[str, Effect]]:
        """A row that changed its primary key, or its order, is gone from one place and new in the other."""
        table, before, after = change.table, change.before, change.after
        old = None if before is None else (key_of(table, before), self._row_key(table, before))
        new = None if after is None else (key_of(table, after), self._row_key(table, after))
        if old is not None and old != new:
            yield old[0], Effect(table, old[1], None)
        if new is not None:
            yield new[0], Effect(table, new[1], after)

    def _row_key(self, table: str, row: Row) -> RowKey:
        return tuple(row[column] for column in self._keys[table])

    # --- what becomes of them ---

    def replay(self, moments: Iterable[Moment]) -> None:
        """Everything that follows from these moments, in order."""
        for moment in moments:
            order = self.orders.setdefault(moment.key, Order())
            if moment.what == "read":
                step = next(self._next.get(moment.key, iter(())), None)
                assert step is not None, f"{moment.key}: a step more than the source made"
                self._read(moment, order, step)
            elif order.waiting:
                self._released(moment, order)

    @property
    def unread(self) -> dict[str, list[Step]]:
        """The steps that no moment has read."""
        return {key: rest for key, steps in self._next.items() if (rest := list(steps))}

    def _read(self, moment: Moment, order: Order, step: Step) -> None:
        order.version += 1
        if order.waiting:
            order.waiting.append((order.version, step))
            self._count(step, "parked")
            return
        try:
            self._take(moment, order, order.version, step)
        except Unmapped:
            self._refuse(moment.key, order, order.version)
            order.waiting.append((order.version, step))
            self._count(step, "rejected")

    def _take(self, moment: Moment, order: Order, version: int, step: Step) -> None:
        """A step that nothing waits before. Nothing has changed if it raises `Unmapped`."""
        rows = _applied(order.rows, step)
        new = state_of(rows, moment.codes)
        if step.is_snapshot or order.unmapped:
            if new is not None or order.unmapped:
                order.states.append(_state(version, step, new, "snapshot"))
            order.rows, order.unmapped = rows, False
            self._count(step, "loaded")
            return
        old = state_of(order.rows, moment.codes)
        said = list(events_of(old, new))
        order.rows = rows
        for ordinal, (kind, data) in enumerate(said, 1):
            order.events.append(Said(version, ordinal, kind, data, "live", step.time))
        if old != new:
            order.states.append(_state(version, step, new, "live"))
        reason = "no root row yet" if old is None and new is None else IGNORED
        self._count(step, "translated" if said or old != new else f"ignored: {reason}")

    def _refuse(self, key: str, order: Order, version: int) -> None:
        order.refused.add(version)
        self.letters.add((key, version))

    def _released(self, moment: Moment, order: Order) -> None:
        """Waiting steps in order, as far as they can be translated; a discard gives up the events of the first."""
        give_up = moment.what == "discard"
        while order.waiting:
            version, step = order.waiting[0]
            was = "rejected" if version in order.refused else "parked"
            self._count(step, was, -1)
            try:
                if give_up:
                    self._give_up(moment, order, version, step)
                else:
                    self._take(moment, order, version, step)
            except Unmapped:
                self._refuse(moment.key, order, version)
                self._count(step, "rejected")
                return
            order.waiting.pop(0)
            give_up = False

    def _give_up(self, moment: Moment, order: Order, version: int, step: Step) -> None:
        order.rows = _applied(order.rows, step)
        self._count(step, "loaded")
        try:
            order.states.append(_state(version, step, state_of(order.rows, moment.codes), "live"))
        except Unmapped:
            order.unmapped = True
        else:
            order.unmapped = False

    def _count(self, step: Step, label: str, by: int = 1) -> None:
        for effect in step.effects:
            self.counts[effect.table, label] += by


def _applied(rows: Rows, step: Step) -> Rows:
    after = {table: dict(found) for table, found in rows.items()}
    for effect in step.effects:
        found = after.setdefault(effect.table, {})
        if effect.after is None:
            found.pop(effect.row_key, None)
        else:
            found[effect.row_key] = effect.after
    return after


def _state(version: int, step: Step, state: State | None, event_class: str) -> Said:
    return Said(version, 0, "Order.v1", state, event_class, step.time)
