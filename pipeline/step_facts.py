"""What a step is known by, from its changes: the same in every repeat, and when it is released later."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from pipeline.cloudevents import StepFacts
from pipeline.state.port import Waiting
from translators.change import Change

_position = attrgetter("position")


def facts_of(key: str, version: int, news: Sequence[Change], partition: int, arrived: int) -> StepFacts:
    """What a step is known by. `news` is in the source's order and not empty."""
    first = news[0] if len(news) == 1 else min(news, key=_position)
    return StepFacts(
        key=key,
        version=version,
        transaction=first.transaction or ("snapshot" if version == 1 else f"snapshot.{version}"),
        lowest=first.position,
        position=news[-1].position,
        first_row=f"{first.table}/{first.row_key}",
        time=first.time,
        feed_partition=partition,
        arrived=arrived,
    )


def facts_of_waiting(step: Waiting) -> StepFacts:
    """What a waiting step is known by: as when it was read."""
    return facts_of(step.key, step.version, step.changes, step.partition, step.first_seen)
