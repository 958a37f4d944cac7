"""Repair goes through the pipeline: a state is published once more, as a new version that says what it is for."""

from __future__ import annotations

import msgspec

from pipeline.batch import Batch
from pipeline.cloudevents import StepFacts
from pipeline.control import Command
from pipeline.state.port import Stored
from translators.translator import Refused, Translation


def repair_facts(command: Command, stored: Stored, version: int) -> StepFacts:
    """What a repaired state is known by: its command, and the record that it repeats or corrects.

    The id is another than the original's, and the same in every repeat of the command.
    """
    kept = (position for rows in stored.positions.values() for position in rows.values())
    return StepFacts(
        key=command.key,
        version=version,
        transaction=f"repair.{command.id}.{command.corrects}",
        lowest=command.id,
        position=max(0, 0, *kept),
        first_row="command",
        time=None,
        feed_partition=stored.partition,
        arrived=command.at,
        corrects=command.corrects or None,
        finding=command.finding or None,
    )


def next_version(command: Command, stored: Stored) -> int:
    """The version of what a repair publishes: above that of the state, and of what it corrects."""
    return max(stored.version, command.above) + 1


def republish(batch: Batch, command: Command) -> str:
    """Publish the current state of a key as a new version, class repair; says what came of it.

    Not beside waiting steps: their versions were given before, and would stand below it for ever.
    """
    stored = batch.stored(command.key)
    if not batch.translator.keeps_rows:
        return "its translator keeps no rows (`store: none`): reload it"
    if not batch.live:
        return "its partition is still loading"
    if batch.waits(command.key):
        return "its steps wait: release or discard them, that publishes its state"
    if stored.version == 0:
        return "nothing is known of this key"
    if stored.partial:
        return "not all of its rows are known: reload it"
    facts = repair_facts(command, stored, next_version(command, stored))
    after = msgspec.structs.replace(stored, version=facts.version, loading=False, unmapped=None)
    try:
        state = batch.translator.state(stored.rows)
        batch.publish(facts, after, Translation(state=state, changed=True), "repair")
    except Refused as refused:
        batch.keep(command.key, msgspec.structs.replace(stored, unmapped=refused.problem))
        return f"its state cannot be published: {refused.problem.code}: {refused.problem.message}"
    return f"{'a tombstone' if state is None else 'its state'} published as version {facts.version}"
