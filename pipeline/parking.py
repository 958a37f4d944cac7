"""What happens to steps that wait: a release applies them in order, a discard gives up events of those that were seen.

Both leave nothing behind and never overwrite newer rows: the waiting steps of a key are exactly those that came after
the rows in its state, in the source's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pipeline.batch import DISCARDED, Batch
from pipeline.cloudevents import StepFacts
from pipeline.loading import publish_reread
from pipeline.moves import Link, link_of
from pipeline.state.port import Stored, Waiting
from pipeline.step_facts import facts_of_waiting
from translators.aggregate import apply
from translators.facts import facts_of as transaction_facts
from translators.outcome import Ignored, Loaded, Outcome, Translated
from translators.problem import Problem
from translators.translator import Refused, Translation, translate


@dataclass(slots=True)
class Released:
    """How far a command came: steps applied and given up, events published, steps that still wait and why."""

    steps: int = 0
    given_up: int = 0
    events: int = 0
    left: int = 0
    problem: Problem | None = None

    def __str__(self) -> str:
        said = [f"{_steps(self.steps)} applied, {self.events} events published"]
        if self.given_up:
            said.insert(0, f"events of {_steps(self.given_up)} given up")
        done = ", ".join(said)
        if self.problem is None:
            return f"{done}; the key is free"
        return f"{done}; {self.left} still wait: {self.problem.code}: {self.problem.message}"


def _steps(number: int) -> str:
    return f"{number} {'step' if number == 1 else 'steps'}"


def release(batch: Batch, waiting: Sequence[Waiting], through: int = 0) -> Released:
    """Apply the waiting steps of one key, in order, as far as they can be translated.

    The events of those up to version `through` are given up. Where then no state can be published, the last of them goes
    on waiting for that alone, and all behind it: what they mean is known once it can.
    """
    done, before = Released(), len(batch.events)
    for index, step in enumerate(waiting):
        given_up = step.version <= through
        try:
            if given_up:
                last = index + 1 == len(waiting) or waiting[index + 1].version > through
                outcome = _give_up(batch, step, last)
            elif step.discarded:
                outcome = _catch_up(batch, step)
            else:
                outcome = _apply(batch, step)
        except Refused as refused:
            done.problem, done.left = refused.problem, len(waiting) - index
            batch.still_waits(step, refused.problem, step.discarded or given_up)
            done.given_up += given_up and not step.discarded
            break
        batch.settle_waiting(step, outcome)
        done.given_up += given_up and not step.discarded
        done.steps += not given_up and not step.discarded
    else:
        _free(batch, waiting[0].key)
    done.events = len(batch.events) - before
    return done


def _free(batch: Batch, key: str) -> None:
    """No step waits any longer: what was found while they did is published now."""
    batch.unpark(key)
    stored = batch.stored(key)
    if stored.loading and batch.live:
        publish_reread(batch, key, stored)


def _apply(batch: Batch, step: Waiting) -> Outcome:
    stored = batch.before(step.key, step.changes)
    link = link_of(batch.translator, step.key, step.changes)
    facts = _facts(step, link)
    rows = apply(stored.rows, step.changes)
    after = msgspec.structs.replace(stored, rows=rows, unmapped=None)
    if step.changes[0].is_snapshot or stored.unmapped is not None:
        state = batch.translator.state(rows)
        after = msgspec.structs.replace(after, loading=False)
        changed = state is not None or stored.published
        batch.publish(facts, after, Translation(state=state, changed=changed), "snapshot")
        return Loaded()
    if link is not None:
        return batch.renumber(facts, stored, after, link, step.changes)
    if batch.is_unknown(stored, step.changes):
        return batch.enter(facts, stored, after)
    translation = translate(batch.translator, stored.rows, rows, transaction_facts(step.changes))
    after = msgspec.structs.replace(after, partial=False, loading=stored.loading and not translation.changed)
    batch.publish(facts, after, translation, "live")
    return Ignored(translation.ignored) if translation.ignored else Translated()


def _give_up(batch: Batch, step: Waiting, last: bool) -> Outcome:
    """The step's rows enter the state and its events are given up; behind the last such step the state is published."""
    stored: Stored = batch.before(step.key, step.changes)
    if not step.discarded:
        unknown = batch.is_unknown(msgspec.structs.replace(stored, unmapped=None), step.changes)
        partial = batch.translator.has_parts and unknown
        rows = apply(stored.rows, step.changes)
        stored = msgspec.structs.replace(stored, rows=rows, unmapped=None, partial=partial)
        batch.keep(step.key, stored)
    return _catch_up(batch, step) if last and not stored.partial else DISCARDED


def _catch_up(batch: Batch, step: Waiting) -> Outcome:
    """The rows of a discarded step are in the state: publish what they make of it. `Refused` if it cannot be mapped."""
    stored = batch.behind(step)
    state = batch.translator.state(stored.rows)
    after = msgspec.structs.replace(stored, unmapped=None, loading=False)
    facts = _facts(step, link_of(batch.translator, step.key, step.changes))
    batch.publish(facts, after, Translation(state=state, changed=True), "live")
    return DISCARDED


def _facts(step: Waiting, link: Link | None) -> StepFacts:
    """As when the step was read; whatever becomes of it, a renumbering is told."""
    facts = facts_of_waiting(step)
    if link is None:
        return facts
    return msgspec.structs.replace(facts, renumbered_from=link.renumbered_from, renumbered_to=link.renumbered_to)
