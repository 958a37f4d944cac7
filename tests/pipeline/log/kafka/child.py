"""What the tests run as a process of its own: `python -m tests.pipeline.log.kafka.child <what> <broker> <name> <label>`."""

from __future__ import annotations

import sys
from contextlib import closing

from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing
from tests.pipeline.log.kafka.apart import Apart
from translators.errors import DragomanError

BATCH = 10


def batch(topic: str, label: str, number: int) -> list[Outgoing]:
    """A batch that can be told to be whole: its records name it and their place; all on one partition."""
    return [
        Outgoing(
            topic=topic, timestamp=number, key=b"%d" % place, value=f"{label} {number} {place}".encode(), partition=0
        )
        for place in range(BATCH)
    ]


def write(log: Apart, label: str) -> None:
    """Be the writer `one` until fenced; each number is printed once its batch was acknowledged."""
    writer = log.writer("one")
    number = 0
    while True:
        writer.append(batch("state", label, number))
        print(number, flush=True)
        number += 1


def append(log: Apart, label: str) -> None:
    """Append 50 batches."""
    for number in range(50):
        log.append(batch("feed", label, number))


if __name__ == "__main__":
    what, at, name, label = sys.argv[1:]
    try:
        with closing(Apart(KafkaLog(at, patience=30), name)) as log:
            {"write": write, "append": append}[what](log, label)
    except DragomanError as error:
        print(error.code, flush=True)
        sys.exit(3)
