"""A translator at work with nobody listening: the real steps over a state in memory, each remembered, none published."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from pipeline.batch import Batch
from pipeline.cloudevents import Producer
from pipeline.grouping import Grouping
from pipeline.loading import newest_pass, publish_loaded
from pipeline.log.port import Outgoing
from pipeline.moves import Link
from pipeline.state.memory import MemoryState
from pipeline.state.port import Save, StateStore, Stored
from pipeline.stateless import RowBatch, take_rows
from pipeline.step import Arrived, Settling, step
from translators.aggregate import apply
from translators.change import Change
from translators.outcome import Loaded, Outcome
from translators.translator import Translator, keys_of

_RECENT = 10_000
_LOADED = 10_000
"""How many loaded keys are published at once: finding them sorts all that are left."""


class Step(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step as it went: its changes that were no repeats, their outcome, and what would have been published.

    `state` is the state record, `None` where none would have been; a snapshot's key has no changes.
    """

    key: str
    transaction: str
    changes: Sequence[Change]
    outcome: Outcome
    events: Sequence[Outgoing]
    state: Outgoing | None


class ObservedBatch(Batch):
    """A batch that remembers its steps."""

    def __init__(
        self,
        translator: Translator,
        producer: Producer,
        store: StateStore,
        partition: int,
        waiting: set[str],
        live: bool,
    ) -> None:
        super().__init__(translator, producer, store, partition, waiting, "dead-letters", live)
        self.steps: list[Step] = []
        self._outcomes: list[tuple[Sequence[Change], Outcome]] = []

    def step(
        self, key: str, changes: Sequence[Change], arrived: int, *, late: bool = False, link: Link | None = None
    ) -> None:
        """See `Batch`; a step of nothing but repeats is no step."""
        self._outcomes.clear()
        events, states = len(self.events), len(self.states)
        super().step(key, changes, arrived, late=late, link=link)
        if self._outcomes:
            self._remember(key, *self._outcomes[-1], events, states)

    def loaded(self, feed: str, key: str, stored: Stored, newest: int) -> None:
        """Publish the state of a key that a snapshot brought."""
        self._outcomes.clear()
        events, states = len(self.events), len(self.states)
        publish_loaded(self, feed, key, stored, newest)
        changes, outcome = self._outcomes[-1] if self._outcomes else ((), Loaded())
        self._remember(key, changes, outcome, events, states)

    def count_outcome(self, changes: Sequence[Change], outcome: Outcome, by: int = 1) -> None:
        """See `Batch`."""
        self._outcomes.append((changes, outcome))
        super().count_outcome(changes, outcome, by)

    def _remember(self, key: str, changes: Sequence[Change], outcome: Outcome, events: int, states: int) -> None:
        self.steps.append(
            Step(
                key=key,
                transaction=(changes[0].transaction or "") if changes else "",
                changes=changes,
                outcome=outcome,
                events=self.events[events:],
                state=self.states[states] if len(self.states) > states else None,
            )
        )


class _ObservedRows(ObservedBatch, RowBatch):
    """The same for a translator that keeps no rows."""


class _Kept(MemoryState):
    """A state in memory that holds the keys used last in each partition as values, the others as bytes, a tenth of the size."""

    def __init__(self) -> None:
        super().__init__()
        self._recent: defaultdict[int, dict[str, Stored]] = defaultdict(dict)

    def load(self, keys: Sequence[str], partition: int | None = None) -> Mapping[str, Stored]:
        """See the port."""
        places = list(self._recent.values()) if partition is None else [self._recent[partition]]
        found = {key: recent[key] for recent in places for key in keys if key in recent}
        found.update(super().load([key for key in keys if key not in found], partition))
        return found

    def save(self, save: Save) -> None:
        """See the port. Rows that are loading go to the bytes at once, where they are looked for."""
        recent, loading = self._recent[save.partition], self.keys_loading(save.partition)
        for key, stored in list(save.aggregates.items()):
            recent.pop(key, None)
            if not stored.loading and key not in loading:
                recent[key] = save.aggregates.pop(key)
        if len(recent) > _RECENT:
            for key in list(islice(recent, len(recent) - _RECENT // 2)):
                save.aggregates[key] = recent.pop(key)
        super().save(save)


class Observed:
    """One translator over one feed. `begins_empty`: every change is news; else its partitions are loaded first.

    Bounded by the number of keys that have rows, never by that of changes: steps are handed out and forgotten.
    """

    def __init__(self, translator: Translator, producer: Producer, feed: str, begins_empty: bool) -> None:
        self.translator = translator
        self._producer = producer
        self._feed = feed
        self._begins_empty = begins_empty
        self._store = _Kept()
        self._waiting: set[str] = set()
        self._groupings: dict[int, Grouping] = {}
        self._live: set[int] = set()
        self._last: dict[str, Stored] = {}

    def take(self, partition: int, arrived: Sequence[Arrived]) -> list[Step]:
        """The next records of a partition, decoded: the steps that are over with them."""
        steps: list[Step] = []
        if not self._is_live(partition):
            cut = _first_streamed(arrived)
            if cut is None:
                return self._stepped(partition, arrived)
            steps += self._stepped(partition, arrived[:cut])
            steps += self._go_live(partition)
            arrived = arrived[cut:]
        return steps + self._stepped(partition, arrived)

    def now(self, changes: Sequence[Change]) -> Step:
        """Changes of one key that are a transaction of their own, closed at once. `ValueError` if all are repeats."""
        batch = self._batch(0)
        key = keys_of(self.translator, changes[0])[0]
        for some in [changes] if self.translator.keeps_rows else [[change] for change in changes]:
            batch.step(key, some, 0)
        steps = self._saved(batch)
        if not steps:
            raise ValueError("changes that were read before are no step")
        if not self.translator.keeps_rows:
            self._last[key] = Stored(partition=0, rows=apply({}, changes[-1:]))
        return _as_one(steps)

    def end(self, partition: int, ended: set[str], snapshot_completed: bool) -> list[Step]:
        """The partition was read to its end: what had ended is over, and a completed snapshot is loaded."""
        steps = self._go_live(partition) if snapshot_completed and not self._is_live(partition) else []
        self._grouping(partition).close_ended(ended)
        batch = self._batch(partition)
        self._settle(batch, partition)
        return steps + self._saved(batch)

    def again(self) -> int:
        """How many changes were repeats."""
        return sum(number for (_, label), number in self._store.counts().items() if label == "repeat")

    @property
    def open(self) -> set[str]:
        """The transactions that nothing has proven to be over."""
        return {transaction.id for grouping in self._groupings.values() for transaction in grouping.open}

    @property
    def partitions(self) -> list[int]:
        """The partitions that were read."""
        return sorted(self._groupings)

    @property
    def loading(self) -> list[int]:
        """The partitions whose snapshot is not known to be complete."""
        return [partition for partition in self.partitions if not self._is_live(partition)]

    def state_of(self, key: str) -> Stored | None:
        """What is kept of a key now."""
        return self._last.get(key) or self._store.load([key]).get(key)

    def _stepped(self, partition: int, arrived: Sequence[Arrived]) -> list[Step]:
        batch, grouping = self._batch(partition), self._grouping(partition)
        if isinstance(batch, RowBatch):
            take_rows(batch, arrived, grouping.told, alone=False)
        else:
            step(batch, grouping, arrived, alone=False)
        self._settle(batch, partition)
        return self._saved(batch)

    def _settle(self, batch: Batch, partition: int) -> None:
        grouping = self._grouping(partition)
        settling = Settling(grouping, self._store.scan, alone=False)
        while grouping.over:
            settling.fill(batch, _RECENT)

    def _go_live(self, partition: int) -> list[Step]:
        steps: list[Step] = []
        newest = newest_pass(stored for _, stored in self._store.scan() if stored.loading)
        while loaded := self._store.loading(partition, _LOADED):
            batch = self._batch(partition)
            for key, stored in loaded:
                batch.loaded(self._feed, key, stored, newest)
            steps += self._saved(batch)
        self._store.save(Save(partition=partition, live=True))
        self._live.add(partition)
        return steps

    def _is_live(self, partition: int) -> bool:
        return self._begins_empty or partition in self._live

    def _grouping(self, partition: int) -> Grouping:
        return self._groupings.setdefault(partition, Grouping())

    def _batch(self, partition: int) -> ObservedBatch:
        live = self._is_live(partition)
        kind = ObservedBatch if self.translator.keeps_rows else _ObservedRows
        return kind(self.translator, self._producer, self._store, partition, self._waiting, live)

    def _saved(self, batch: ObservedBatch) -> list[Step]:
        self._store.save(batch.save)
        return batch.steps


def _as_one(steps: Sequence[Step]) -> Step:
    """Steps of one key that are looked at together."""
    states = [step.state for step in steps if step.state is not None]
    events = [event for step in steps for event in step.events]
    changes = [change for step in steps for change in step.changes]
    return msgspec.structs.replace(steps[-1], changes=changes, events=events, state=states[-1] if states else None)


def _first_streamed(arrived: Sequence[Arrived]) -> int | None:
    streamed = (at for at, (d, _) in enumerate(arrived) if isinstance(d, Change) and not d.is_snapshot)
    return next(streamed, None)
