"""Quix Streams as it comes, run by an interpreter of an environment that has it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from bench.kafka.rung import Job, Meter
from bench.kafka.small import transform


def quix(job: Job, meter: Meter) -> None:
    """A dataframe that applies the transform and writes to a topic."""
    streams: Any = import_module("quixstreams")
    app = streams.Application(
        broker_address=job.at,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        use_changelog_topics=False,
        commit_interval=0.5,
        producer_extra_config={"compression.type": "zstd", "linger.ms": 20, "acks": "all", "enable.idempotence": True},
        state_dir=job.folder,
        loglevel="ERROR",
    )
    source = app.topic(job.source, key_deserializer="bytes", value_deserializer="bytes")
    target = app.topic(job.target, key_serializer="bytes", value_serializer="bytes")

    def each(value: bytes) -> bytes:
        meter.handled(1)
        return transform(value)

    app.dataframe(source).apply(each).to_topic(target)
    app.run(count=job.total)
    meter.end()
