"""One batch of one feed partition for one translator: what it read, what it will publish, what it will keep.

A batch is built in memory by `pipeline.step` and written by `pipeline.publish`; until then nothing has happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pipeline.cloudevents import (
    EventClass,
    Producer,
    Records,
    StepFacts,
    step_id,
)
from pipeline.dead_letter import dead_letter_record
from pipeline.log.port import Outgoing
from pipeline.moves import Link
from pipeline.size import check_sizes
from pipeline.state.port import Save, StateStore, Stored, Waiting
from pipeline.step_facts import facts_of, facts_of_waiting
from translators.aggregate import apply, fresh, seen, touches_unseen
from translators.change import Change
from translators.facts import facts_of as transaction_facts
from translators.outcome import Ignored, Loaded, Outcome, Parked, Rejected, Translated
from translators.problem import Problem
from translators.translator import Refused, Translation, Translator, translate

DISCARDED = Ignored("discarded by a command")


class Batch:
    """The unit of work. `waiting` are the keys that have waiting steps, kept up to date by the batch."""

    def __init__(
        self,
        translator: Translator,
        producer: Producer,
        store: StateStore,
        partition: int,
        waiting: set[str],
        dead_letters_topic: str,
        live: bool,
    ) -> None:
        self.translator = translator
        self.producer = producer
        self.letters_topic = dead_letters_topic
        self.events: list[Outgoing] = []
        self.states: list[Outgoing] = []
        self.dead_letters: list[Outgoing] = []
        self.save = Save(partition=partition)
        self._store = store
        self._waiting = waiting
        self.live = live
        self._stored: dict[str, Stored | None] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self.save == Save(partition=self.save.partition) and not (self.events or self.states)

    def prefetch(self, keys: Iterable[str]) -> None:
        """Read what is kept of these keys in one go."""
        missing = [key for key in set(keys) if key not in self._stored]
        if missing:
            self._stored.update(dict.fromkeys(missing))
            self._stored.update(self._store.load(missing, self.save.partition))

    def stored(self, key: str) -> Stored:
        """What is kept of a key, with what this batch made of it."""
        if key not in self._stored:
            self.prefetch([key])
        epoch = self.producer.source_epoch
        stored = self._stored[key] or Stored(partition=self.save.partition, epoch=epoch)
        return stored if stored.epoch == epoch else msgspec.structs.replace(stored, positions={}, epoch=epoch)

    def standing(self, key: str) -> Stored:
        """What is kept of a key, with its rows as they will be once every step of it that waits is applied."""
        stored = self.stored(key)
        if not self.waits(key):
            return stored
        rows = stored.rows
        for step in self.waiting_of(key):
            rows = apply(rows, step.changes)
        return msgspec.structs.replace(stored, rows=rows)

    def waiting_of(self, key: str) -> list[Waiting]:
        """The steps of a key that wait, with those of this batch."""
        return [*self._store.waiting(key), *(step for step in self.save.waiting if step.key == key)]

    def before(self, key: str, changes: Sequence[Change]) -> Stored:
        """What is known of a key before these changes of it, where nothing waits before them."""
        return self.stored(key)

    def behind(self, step: Waiting) -> Stored:
        """What is known of a key once the rows of a discarded step of it are in the state."""
        return self.stored(step.key)

    def keep(self, key: str, stored: Stored) -> None:
        """Set what is kept of a key."""
        self._stored[key] = stored
        self.save.aggregates[key] = stored

    def count(self, table: str, label: str, by: int = 1) -> None:
        """Add to a count."""
        counts, place = self.save.counts, (table, label)
        counts[place] = counts.get(place, 0) + by

    def counted(self, table: str, label: str) -> int:
        """A count with what this batch adds to it."""
        return self._store.counts().get((table, label), 0) + self.save.counts.get((table, label), 0)

    def load(self, key: str, change: Change) -> None:
        """A snapshot row: it enters the state and is no news; its key is published when the partition is loaded."""
        stored = self.stored(key)
        if not fresh(stored.positions, [change]):
            self.count(change.table, "repeat")
            return
        self.keep(
            key,
            msgspec.structs.replace(
                stored,
                rows=apply(stored.rows, [change]),
                positions=seen(stored.positions, [change]),
                loading=True,
            ),
        )
        self.count(change.table, "loaded")

    def step(
        self, key: str, changes: Sequence[Change], arrived: int, *, late: bool = False, link: Link | None = None
    ) -> None:
        """What one source transaction did to one aggregate: OLD, NEW, and what follows.

        `link`: the key was renumbered, or is one that another was renumbered to.
        """
        stored = self.stored(key)
        news = fresh(stored.positions, changes)
        if len(news) < len(changes):
            self.count_repeats(changes, news)
        if not news:
            return
        if late:
            self._count(news, "late")
        facts = facts_of(key, stored.version + 1, news, self.save.partition, arrived)
        parked = self.waits(key)
        self.count_outcome(news, self._park(facts, stored, news) if parked else self._take(facts, stored, news, link))

    def waits(self, key: str) -> bool:
        """Whether a step of this key waits, so that all later ones do."""
        return key in self._waiting

    def park(self, key: str, rows: Sequence[Change], arrived: int) -> None:
        """Rows that a snapshot read again of a key that waits: they wait as a step of their own."""
        stored = self.stored(key)
        facts = facts_of(key, stored.version + 1, rows, self.save.partition, arrived)
        self.count_outcome(rows, self._park(facts, stored, rows))

    def _take(self, facts: StepFacts, stored: Stored, news: Sequence[Change], link: Link | None) -> Outcome:
        """A step that nothing waits before."""
        rows = apply(stored.rows, news)
        after = msgspec.structs.replace(
            stored, rows=rows, positions=seen(stored.positions, news), version=facts.version, unmapped=None
        )
        try:
            if link is not None:
                return self.renumber(facts, stored, after, link, news)
            if self.is_unknown(stored, news):
                return self.enter(facts, stored, after)
            translation = translate(self.translator, stored.rows, rows, transaction_facts(news))
            after = msgspec.structs.replace(after, partial=False, loading=stored.loading and not translation.changed)
            self.publish(facts, after, translation, "live")
        except Refused as refused:
            return self._reject(facts, stored, news, refused.problem)
        return Ignored(translation.ignored) if translation.ignored else Translated()

    def is_unknown(self, stored: Stored, news: Sequence[Change]) -> bool:
        """Whether the rows before this step are not known, so that nothing can be said of what happened."""
        if stored.partial:
            return bool(stored.rows.get(self.translator.root)) or not any(
                c.table == self.translator.root and c.op == "c" for c in news
            )
        return stored.unmapped is not None or touches_unseen(stored.rows, news)

    def enter(self, facts: StepFacts, stored: Stored, after: Stored) -> Outcome:
        """OLD is unknown: the rows enter the state, no event is evaluated.

        The state is published only where all rows of the key are known: an aggregate without parts is its root row.
        """
        if self.translator.has_parts and stored.unmapped is None:
            self.keep(facts.key, msgspec.structs.replace(after, partial=True))
        else:
            state = self.translator.state(after.rows)
            self.publish(facts, after, Translation(state=state, changed=True), "snapshot")
        return Loaded()

    def renumber(self, facts: StepFacts, stored: Stored, after: Stored, link: Link, news: Sequence[Change]) -> Outcome:
        """A key that was renumbered is told by its tombstone, the new one by its state; events need the rows before."""
        facts = msgspec.structs.replace(facts, renumbered_from=link.renumbered_from, renumbered_to=link.renumbered_to)
        if link.old is not None:
            translation = translate(self.translator, link.old, after.rows, transaction_facts(news))
            translation = msgspec.structs.replace(translation, changed=True, ignored=None)
        else:
            state = self.translator.state(after.rows)
            passed_by = link.renumbered_from is not None and link.renumbered_to is not None
            translation = Translation(state=state, changed=state is not None or stored.published or passed_by)
        self.publish(facts, msgspec.structs.replace(after, partial=False), translation, "live")
        return Translated()

    def publish(self, facts: StepFacts, after: Stored, translation: Translation, event_class: EventClass) -> None:
        """Put a translated step's records and rows into the batch."""
        if translation.correlation is not None:
            facts = msgspec.structs.replace(facts, correlation=translation.correlation)
        try:
            events, states = self._records(facts, translation, event_class)
        except (TypeError, ValueError) as error:
            raise Refused(_unencodable(error)) from error
        check_sizes([*events, *states])
        if translation.changed:
            after = msgspec.structs.replace(after, published=translation.state is not None)
        self.events += events
        self.states += states
        for event in translation.events:
            self.count("", f"event: {event.type}")
        self.keep(facts.key, after)

    def _records(
        self, facts: StepFacts, translation: Translation, event_class: EventClass
    ) -> tuple[list[Outgoing], list[Outgoing]]:
        """Events, and the state if it changed."""
        if not (translation.events or translation.changed):
            return [], []
        records = Records(self.producer, facts)
        events = records.events(translation.events)
        if not translation.changed:
            return events, []
        return events, [records.state(self.translator.state_type, translation.state, event_class)]

    def _reject(self, facts: StepFacts, stored: Stored, news: Sequence[Change], problem: Problem) -> Outcome:
        letter = self._letter(facts)
        self._wait(facts, stored, news, letter, problem)
        self.dead_letters.append(self._dead_letter(facts, news, letter, problem))
        return Rejected(problem)

    def _dead_letter(self, facts: StepFacts, news: Sequence[Change], letter: str, problem: Problem) -> Outgoing:
        return dead_letter_record(self.translator, self.producer, self.letters_topic, facts, news, letter, problem)

    def _letter(self, facts: StepFacts) -> str:
        """The id of a step's dead letter, the same in every repeat."""
        return "dl-" + step_id(self.producer, facts, "dead-letter")[:12]

    def _park(self, facts: StepFacts, stored: Stored, news: Sequence[Change]) -> Outcome:
        letter = next((w.dead_letter for w in self.save.waiting if w.key == facts.key), None)
        if letter is None:
            letter = self._store.waiting(facts.key, self.save.partition)[0].dead_letter
        self._wait(facts, stored, news, letter, None)
        return Parked(letter)

    def _wait(
        self, facts: StepFacts, stored: Stored, news: Sequence[Change], letter: str, problem: Problem | None
    ) -> None:
        """The step waits: its positions are kept (a repeat is a repeat), its rows are not applied."""
        self.keep(
            facts.key,
            msgspec.structs.replace(stored, positions=seen(stored.positions, news), version=facts.version),
        )
        self.save.waiting.append(
            Waiting(
                key=facts.key,
                partition=facts.feed_partition,
                version=facts.version,
                changes=tuple(news),
                dead_letter=letter,
                problem=problem,
                first_seen=facts.arrived,
                mapping_version=self.producer.mapping_version,
            )
        )
        self._waiting.add(facts.key)

    def reject_loaded(self, facts: StepFacts, stored: Stored, rows: Sequence[Change], problem: Problem) -> None:
        """A loaded key whose state cannot be mapped: its snapshot rows wait like a rejected step."""
        self.count_outcome(rows, Loaded(), -1)
        emptied = msgspec.structs.replace(stored, rows={}, loading=False)
        self.count_outcome(rows, self._reject(facts, emptied, rows, problem))

    def still_waits(self, step: Waiting, problem: Problem, discarded: bool = False) -> None:
        """A step could not be released: it is the key's dead letter now, with the problem of today.

        `discarded`: its rows are in the state, and all that is missing is a state that can be published.
        """
        letter = step.dead_letter
        if step.problem is None:
            facts = facts_of_waiting(step)
            letter = self._letter(facts)
            self.dead_letters.append(self._dead_letter(facts, step.changes, letter, problem))
        self.recount(step, DISCARDED if discarded else Rejected(problem))
        self.save.waiting.append(
            msgspec.structs.replace(
                step,
                dead_letter=letter,
                problem=problem,
                mapping_version=self.producer.mapping_version,
                discarded=discarded,
            )
        )

    def settle_waiting(self, step: Waiting, outcome: Outcome) -> None:
        """A waiting step was applied: it waits no longer, and its changes are counted as what became of them."""
        self.recount(step, outcome)
        self.save.settled.append((step.key, step.version))

    def keep_parked(self, step: Waiting, problem: Problem) -> None:
        """A step that was settled goes on waiting as a discarded one: all that is missing is a state to publish."""
        self.save.settled.remove((step.key, step.version))
        version = self.producer.mapping_version
        self.save.waiting.append(
            msgspec.structs.replace(step, problem=problem, mapping_version=version, discarded=True)
        )
        self._waiting.add(step.key)

    def shorten(self, step: Waiting, changes: Sequence[Change], outcome: Outcome) -> Waiting:
        """Only these changes of a step wait on; the others are counted as what became of them."""
        left = msgspec.structs.replace(step, changes=tuple(changes))
        kept = {id(change) for change in changes}
        gone = tuple(change for change in step.changes if id(change) not in kept)
        self.recount(msgspec.structs.replace(step, changes=gone), outcome)
        self.save.waiting.append(left)
        return left

    def recount(self, step: Waiting, outcome: Outcome) -> None:
        """The changes of a waiting step are counted as this, and no longer as waiting; a discarded one's were before."""
        if step.discarded:
            return
        was = Parked(step.dead_letter) if step.problem is None else Rejected(step.problem)
        self.count_outcome(step.changes, was, -1)
        self.count_outcome(step.changes, outcome)

    def overtake(self, key: str) -> None:
        """A snapshot read the rows of this key anew: steps of it that still wait are given up, their rows are in it."""
        if key in self._waiting:
            for step in self._store.waiting(key):
                self.settle_waiting(step, Loaded())
            self.unpark(key)

    def unpark(self, key: str) -> None:
        """No step of this key waits any longer."""
        self._waiting.discard(key)

    def count_repeats(self, changes: Sequence[Change], news: Sequence[Change]) -> None:
        """Count the changes that are not among the news."""
        kept = {id(change) for change in news}
        self._count([change for change in changes if id(change) not in kept], "repeat")

    def count_outcome(self, changes: Sequence[Change], outcome: Outcome, by: int = 1) -> None:
        """Count what became of these changes (`by` -1 takes back what they were counted as)."""
        self._count(changes, label_of(outcome), by)

    def _count(self, changes: Iterable[Change], label: str, by: int = 1) -> None:
        for change in changes:
            if change.counted:
                self.count(change.table, label, by)


def label_of(outcome: Outcome) -> str:
    """The name under which an outcome is counted."""
    match outcome:
        case Ignored(reason):
            return f"ignored: {reason}"
        case Translated() | Loaded() | Rejected() | Parked():
            return type(outcome).__name__.lower()


def _unencodable(error: Exception) -> Problem:
    return Problem(
        code="value.not-json",
        cause="semantic",
        message=f"the data cannot be written as JSON: {error}",
        hint="Look at the texts of this key: a lone surrogate or a number beyond 64 bits cannot be published.",
    )
