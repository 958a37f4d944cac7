"""A connector is asked for the rows of one key by a record of its signal topic."""

from __future__ import annotations

import json

from pipeline.engine.signals import SignalTopic
from pipeline.log.memory import MemoryLog
from pipeline.log.port import TopicSpec
from tests.pipeline.harness import SCHEMA


def test_the_signal_goes_into_the_connectors_topic() -> None:
    log = MemoryLog()
    log.create(TopicSpec(name="signals", kind="control", partitions=1))
    SignalTopic(log, "signals", "legacy", SCHEMA, lambda: 77).reread({"orders": ("o_id",)}, "r-2", "4")
    (sent,) = log.read("signals", 0, 0, 10).records
    assert (sent.key, sent.timestamp, json.loads(sent.value or b"")["id"]) == (b"legacy", 77, "r-2")
