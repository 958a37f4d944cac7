"""What happens to steps that wait: a release applies them in order, a discard gives up the first one's events.

Both leave nothing behind and never overwrite newer rows: the waiting steps of a key are exactly those that came after
the rows in its state, in the source's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pipeline.batch import Batch, facts_of_waiting
from pipeline.moves import link_of
from pipeline.state.port import Stored, Waiting
from translators.aggregate import apply
from translators.facts import facts_of as transaction_facts
from translators.outcome import Ignored, Loaded, Outcome, Translated
from translators.problem import Problem
from translators.translator import Refused, Translation, translate


@dataclass(slots=True)
class Released:
    """How far a command came: steps applied, events published, steps that still wait and why."""

    steps: int = 0
    events: int = 0
    left: int = 0
    problem: Problem | None = None

    def __str__(self) -> str:
        steps = f"{self.steps} {'step' if self.steps == 1 else 'steps'} applied, {self.events} events published"
        if self.problem is None:
            return f"{steps}; the key is free"
        waiting = f"; {self.left} still wait" if self.left else "; its state cannot be published yet"
        return f"{steps}{waiting}: {self.problem.code}: {self.problem.message}"


def release(batch: Batch, waiting: Sequence[Waiting], discard_first: bool) -> Released:
    """Apply the waiting steps of one key, in order, as far as they can be translated."""
    done = Released()
    for index, step in enumerate(waiting):
        try:
            if discard_first and index == 0:
                outcome, problem = _discard(batch, step)
                done.problem = problem
            else:
                outcome = _apply(batch, step)
                done.problem = None
        except Refused as refused:
            done.problem, done.left = refused.problem, len(waiting) - index
            batch.still_waits(step, refused.problem)
            break
        batch.settle_waiting(step, outcome)
        done.steps += 1
    else:
        batch.unpark(waiting[0].key)
    done.events = len(batch.events)
    return done


def _apply(batch: Batch, step: Waiting) -> Outcome:
    stored = batch.stored(step.key)
    facts = facts_of_waiting(step)
    rows = apply(stored.rows, step.changes)
    after = msgspec.structs.replace(stored, rows=rows, unmapped=None)
    if step.changes[0].is_snapshot or stored.unmapped is not None:
        state = batch.translator.state(rows)
        batch.publish(facts, after, Translation(state=state, changed=True), "snapshot")
        return Loaded()
    link = link_of(batch.translator, step.key, step.changes)
    if link is not None:
        return batch.renumber(facts, stored, after, link, step.changes)
    if batch.is_unknown(stored, step.changes):
        return batch.enter(facts, stored, after)
    after = msgspec.structs.replace(after, partial=False)
    translation = translate(batch.translator, stored.rows, rows, transaction_facts(step.changes))
    batch.publish(facts, after, translation, "live")
    return Ignored(translation.ignored) if translation.ignored else Translated()


def _discard(batch: Batch, step: Waiting) -> tuple[Outcome, Problem | None]:
    """The step's rows enter the state and its events are given up; the state is published if it can be mapped."""
    stored: Stored = batch.stored(step.key)
    rows = apply(stored.rows, step.changes)
    facts = facts_of_waiting(step)
    known = not batch.is_unknown(msgspec.structs.replace(stored, unmapped=None), step.changes)
    after = msgspec.structs.replace(stored, rows=rows, unmapped=None, partial=stored.partial and not known)
    try:
        state = batch.translator.state(rows)
    except Refused as refused:
        batch.keep(step.key, msgspec.structs.replace(after, unmapped=refused.problem))
        return Loaded(), refused.problem
    batch.publish(facts, after, Translation(state=state, changed=True), "live")
    return Loaded(), None
