"""The dead letter of a step: whole, with its problem, so that somebody can mend what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from pipeline.cloudevents import Producer, StepFacts
from pipeline.log.port import Outgoing
from translators.change import Change
from translators.problem import Problem
from translators.translator import Translator


def dead_letter_record(
    translator: Translator,
    producer: Producer,
    topic: str,
    facts: StepFacts,
    news: Sequence[Change],
    letter: str,
    problem: Problem,
) -> Outgoing:
    """The rejected step, whole, with its problem. Headers hold coordinates and codes, never values of rows."""
    body = {
        "id": letter,
        "translator": translator.name,
        "owner": translator.owner,
        "key": facts.key,
        "version": facts.version,
        "transaction": facts.transaction,
        "first_seen": facts.arrived,
        "mapping_version": producer.mapping_version,
        "problem": msgspec.to_builtins(problem),
        "changes": [_shown(change) for change in news],
    }
    at = news[0].at
    headers = {
        "dragoman_error_id": letter,
        "dragoman_error_code": problem.code,
        "dragoman_error_cause": problem.cause,
        "dragoman_error_field": problem.field or "",
        "dragoman_error_owner": translator.owner,
        "dragoman_error_first_seen": str(facts.arrived),
        "dragoman_error_topic": at.topic,
        "dragoman_error_partition": str(at.partition),
        "dragoman_error_offset": str(at.offset),
        "dragoman_mapping_version": producer.mapping_version,
        "dragoman_feed_partition": str(facts.feed_partition),
    }
    return Outgoing(
        topic=topic,
        timestamp=facts.arrived,
        key=facts.key.encode(),
        value=orjson.dumps(body, default=str),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )


def _shown(change: Change) -> dict[str, object]:
    return {
        "table": change.table,
        "op": change.op,
        "row_key": change.row_key,
        "position": change.position,
        "at": {"topic": change.at.topic, "partition": change.at.partition, "offset": change.at.offset},
        "before": change.before,
        "after": change.after,
    }
