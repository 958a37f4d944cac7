"""Letters written from an event stream by a plain Faust agent: python -m examples.consumers.with_faust BROKERS TOPIC DATABASE

An event stream is not written in transactions, so stock Faust may read it. What else stock Faust needs is said where it is set.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import faust

from examples.consumers.curated import fact_of
from examples.consumers.policies import opened, write_letter


def app_of(brokers: str, topic: str, path: str) -> faust.App:
    """The app with its one agent."""
    app = faust.App(
        f"letters.{topic}",
        broker=f"kafka://{brokers}",
        store="memory://",
        datadir=str(Path(path).with_suffix(".faust")),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.5,
    )
    database = opened(path)
    # Raw, so that a record that cannot be decoded is ours to see: Faust's own codecs drop it without a word.
    events = app.topic(topic, key_serializer="raw", value_serializer="raw")

    @app.agent(events)
    async def letters(stream: Any) -> None:
        # Without noack() an event is acknowledged when the agent raises, and is lost.
        async for event in stream.noack().events():
            try:
                with database:
                    write_letter(database, fact_of(event.value, event.message.headers))
            except Exception as error:  # noqa: BLE001 - the agent would be started anew, and go on past this one
                print(f"{topic} {event.message.partition}:{event.message.offset}: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            event.ack()

    return app


if __name__ == "__main__":
    # The level is said, since Faust's default sets the root logger to DEBUG.
    faust.Worker(app_of(*sys.argv[1:4]), loglevel="info").execute_from_commandline()
