"""The oracle: what must be published for a journal of transactions, told without the product's code.

A journal says what the source did. When each step was read, under which mapping, and when a command fell between two of
them, is told by `Moment`s: the only thing about which the product is believed. From both follow all events and states with
their versions, the rejected steps, the keys that wait, and what became of every change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from tests.model.journal import Row, Transaction
from tests.model.meaning import IGNORED, State, Unmapped, events_of, state_of, text_of
from tests.model.steps import ROOT, Effect, Keys, Plan, RowKey, Step

Rows = dict[str, dict[RowKey, Row]]


@dataclass(frozen=True, slots=True)
class Moment:
    """The next step of a key was read, or a command for it was executed, under a mapping that knows `codes`.

    Moments of one `batch` were told together: their order is that of the transactions. A snapshot of what is streamed has
    moments of its own: `rows` of it were compared with what is known of a key (`reread`) or put behind what waits (`waits`),
    and all of it was `complete`.
    """

    key: str
    what: Literal["read", "release", "discard", "reread", "waits", "complete"]
    codes: Mapping[str, str]
    batch: int = 0
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """One record that must be published: of an event type, or `Order.v1` for a state (`data` `None`: a tombstone)."""

    version: int
    ordinal: int
    type: str
    data: dict[str, Any] | None
    event_class: str
    time: int | None
    came_from: str | None = None
    went_to: str | None = None


@dataclass(slots=True)
class Order:
    """What is known of one key. `given_up`: steps that were discarded; their rows are in it, also where one still waits."""

    rows: Rows = field(default_factory=dict)
    version: int = 0
    waiting: list[tuple[int, Step]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    partial: bool = False
    unmapped: bool = False
    done: int = 0
    last: dict[tuple[str, RowKey], int] = field(default_factory=dict)
    events: list[Said] = field(default_factory=list)
    states: list[Said] = field(default_factory=list)

    @property
    def published(self) -> bool:
        """Whether the state stream holds a state."""
        return bool(self.states) and self.states[-1].data is not None


Label = tuple[str, str]


class Oracle:
    """Replays moments over the steps of a journal."""

    def __init__(
        self,
        transactions: Iterable[Transaction],
        keys: Keys,
        loaded: Iterable[tuple[str, Row]] = (),
        *,
        unseen: Iterable[tuple[str, Row]] = (),
        reread: Iterable[tuple[int, str, Row]] = (),
        failed: bool = False,
        alone: bool = False,
    ) -> None:
        """`alone`: the feed has one partition. `unseen` are rows that were there before the feed began.

        `reread` are the rows of a snapshot of what is streamed, each as it was after so many transactions; `failed`: one of
        its tables was not read to its end.
        """
        self._plan = plan = Plan(keys, loaded, unseen, alone=alone)
        self._reread = {
            (table, text_of(row[column] for column in keys[table])): (at, tuple(row[c] for c in keys[table]), row)
            for at, table, row in reread
        }
        for transaction in transactions:
            plan.add(transaction)
        self._failed = failed
        self.shown_again = {table for table, _ in self._reread}
        self.orders: dict[str, Order] = {}
        self.counts = Counter(plan.counts)
        self.truncated = {table for table, _ in plan.counts}
        self.letters: set[tuple[str, int]] = set()
        self._next = {key: iter(steps) for key, steps in plan.steps.items()}
        self._before: dict[tuple[str, str | None], tuple[Rows, bool]] = {}

    def replay(self, moments: Iterable[Moment]) -> None:
        """Everything that follows from these moments, in order."""
        for (_, what), together in groupby(moments, lambda moment: (moment.batch, moment.what)):
            if what == "read":
                steps = [(self._step(moment.key), moment) for moment in together]
                for step, moment in sorted(steps, key=lambda one: one[0].number):
                    self._read(moment, self._order(moment.key), step)
            else:
                for moment in together:
                    self._also(moment, self._order(moment.key))

    def _also(self, moment: Moment, order: Order) -> None:
        match moment.what:
            case "reread":
                self._compared(moment, order)
            case "waits":
                order.version += 1
                step = Step(0, tuple(self._shown(order, moment)), None, None)
                order.waiting.append((order.version, step))
                self._count(step, "parked")
            case "complete":
                self._completed(moment, order)
            case _:
                self._released(moment, order)

    def _shown(self, order: Order, moment: Moment) -> list[Effect]:
        """Rows of a snapshot; those that are older than a change that is known count for nothing."""
        shown = [(table, *self._reread[table, text]) for table, text in moment.rows]
        return [Effect(table, pk, row) for table, at, pk, row in shown if order.last.get((table, pk), 0) <= at]

    def _compared(self, moment: Moment, order: Order) -> None:
        step = Step(0, tuple(self._shown(order, moment)), None, None)
        order.partial = order.partial or not order.rows.get(ROOT)
        order.rows = _applied(order.rows, step)

    def _completed(self, moment: Moment, order: Order) -> None:
        """Everything was read again: what is known is what there is. Else what was not known before is not known now."""
        if order.partial and self._failed:
            return
        order.partial = False
        if order.waiting or not any(order.rows.values()):
            return
        assert _filled(order.rows) == self.truth(moment.key, order.done), f"{moment.key}: not what the source has"
        try:
            state = state_of(order.rows, moment.codes)
        except Unmapped:
            order.unmapped = True
            return
        order.version += 1
        if state is not None or order.published:
            order.states.append(Said(order.version, 0, "Order.v1", state, "snapshot", None))

    def assert_complete(self) -> None:
        """After a snapshot of everything all keys that there are are known, as the source has them."""
        if self._failed:
            return
        for key in {*self._plan.unseen, *self._plan.steps}:
            order = self._order(key)
            if not order.waiting:
                assert not order.partial or not _filled(order.rows), f"{key} is not known"
                assert _filled(order.rows) == self.truth(key, order.done), f"{key}: not what the source has"

    def truth(self, key: str, steps: int) -> Rows:
        """The rows of a key as the source had them after so many of its steps."""
        rows = _applied({}, Step(0, tuple(self._plan.unseen.get(key, ())), None, None))
        for step in self._plan.steps.get(key, [])[:steps]:
            rows = _applied(rows, step)
        return _filled(rows)

    def _order(self, key: str) -> Order:
        return self.orders.setdefault(key, Order())

    def _step(self, key: str) -> Step:
        step = next(self._next.get(key, iter(())), None)
        assert step is not None, f"{key}: a step more than the source made"
        return step

    @property
    def unread(self) -> dict[str, list[Step]]:
        """The steps that no moment has read; to be asked once."""
        return {key: rest for key, steps in self._next.items() if (rest := list(steps))}

    def _read(self, moment: Moment, order: Order, step: Step) -> None:
        order.version += 1
        order.done += 1
        order.last.update(((effect.table, effect.row_key), step.number) for effect in step.effects)
        self._before[moment.key, step.transaction] = order.rows, bool(order.waiting or order.partial)
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
        told = step.renumbering is not None or not _is_unknown(order, step)
        new = state_of(rows, moment.codes) if told else None
        if step.is_snapshot:
            if new is not None or order.published:
                order.states.append(_state(version, step, new, "snapshot"))
            label = "loaded"
        elif order.unmapped:
            order.states.append(_state(version, step, new, "snapshot"))
            order.unmapped, label = False, "loaded"
        elif step.renumbering is not None:
            self._renumbered(moment, order, version, step, new)
            order.partial, label = False, "translated"
        elif _is_unknown(order, step):
            order.partial, label = True, "loaded"
        else:
            label = _told(order, version, step, state_of(order.rows, moment.codes), new)
            order.partial = False
        order.rows = rows
        self._count(step, label)

    def _renumbered(self, moment: Moment, order: Order, version: int, step: Step, new: State | None) -> None:
        """Events are evaluated where OLD is known under the other key: seen whole, and when it is read."""
        how = step.renumbering
        assert how is not None
        old: State | None = None
        known = how.made
        if how.came_from is not None and how.whole and moment.what == "read":
            origin = self.orders.get(how.came_from, Order())
            now = origin.rows, bool(origin.waiting or origin.partial)
            rows, unknown = self._before.get((how.came_from, step.transaction), now)
            old = None if unknown else state_of(rows, moment.codes)
            known = old is not None
        if known:
            _told(order, version, step, old, new, anyway=True)
        elif new is not None or order.published or (how.came_from and how.went_to):
            order.states.append(_state(version, step, new, "live"))

    def _refuse(self, key: str, order: Order, version: int) -> None:
        order.refused.add(version)
        self.letters.add((key, version))

    def _released(self, moment: Moment, order: Order) -> None:
        """Waiting steps in order, as far as they can be translated; a discard gives up the events of the first.

        What was given up and still waits for a state counts no more, and is passed when one behind it is given up, too.
        """
        undecided = [version for version, _ in order.waiting if version not in order.given_up]
        through = undecided[0] if moment.what == "discard" and undecided else 0
        if moment.what == "discard" and not through:
            return
        while order.waiting:
            version, step = order.waiting[0]
            step = replace(step, renumbering=step.told)
            try:
                if version <= through or version in order.given_up:
                    self._give_up(moment, order, version, step, through)
                else:
                    self._take(moment, order, version, step)
                    self._count(step, "rejected" if version in order.refused else "parked", -1)
            except Unmapped:
                if version not in order.given_up and version not in order.refused:
                    self._count(step, "parked", -1)
                    self._count(step, "rejected")
                self._refuse(moment.key, order, version)
                return
            order.waiting.pop(0)

    def _give_up(self, moment: Moment, order: Order, version: int, step: Step, through: int) -> None:
        if version not in order.given_up:
            self._count(step, "rejected" if version in order.refused else "parked", -1)
            self._count(step, "ignored: discarded by a command")
            order.given_up.add(version)
            order.partial = _is_unknown(order, step)
            order.rows = _applied(order.rows, step)
        if version >= through and not order.partial:
            order.states.append(_state(version, step, state_of(order.rows, moment.codes), "live"))

    def _count(self, step: Step, label: str, by: int = 1) -> None:
        for effect in step.effects:
            self.counts[effect.table, label] += by * effect.counted


def _is_unknown(order: Order, step: Step) -> bool:
    """Whether rows were there before the step that nobody has seen; an order that is inserted anew is known from then on."""
    if step.is_snapshot:
        return False
    if order.partial:
        return bool(order.rows.get(ROOT)) or not any(
            effect.table == ROOT and effect.inserted and effect.after is not None for effect in step.effects
        )
    seen = {(table, row_key) for table, rows in order.rows.items() for row_key in rows}
    for effect in step.effects:
        place = (effect.table, effect.row_key)
        if effect.inserted and effect.after is not None:
            seen.add(place)
        elif place not in seen:
            return True
    return False


def _filled(rows: Rows) -> Rows:
    return {table: found for table, found in rows.items() if found}


def _applied(rows: Rows, step: Step) -> Rows:
    after = {table: dict(found) for table, found in rows.items()}
    for effect in step.effects:
        found = after.setdefault(effect.table, {})
        if effect.after is None:
            found.pop(effect.row_key, None)
        else:
            found[effect.row_key] = effect.after
    return after


def _told(order: Order, version: int, step: Step, old: State | None, new: State | None, *, anyway: bool = False) -> str:
    """Events and state of a step whose OLD is known; what its changes are counted as. `anyway`: a state is published."""
    said = list(events_of(old, new))
    for ordinal, (kind, data) in enumerate(said, 1):
        order.events.append(_said(version, step, ordinal, kind, data, "live"))
    if old != new or anyway:
        order.states.append(_state(version, step, new, "live"))
    reason = "no root row yet" if old is None and new is None else IGNORED
    return "translated" if said or old != new else f"ignored: {reason}"


def _state(version: int, step: Step, state: State | None, event_class: str) -> Said:
    return _said(version, step, 0, "Order.v1", state, event_class)


def _said(version: int, step: Step, ordinal: int, kind: str, data: dict[str, Any] | None, event_class: str) -> Said:
    how = step.renumbering
    came, went = (None, None) if how is None else (how.came_from, how.went_to)
    return Said(version, ordinal, kind, data, event_class, step.time, came, went)
