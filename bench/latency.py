"""How long a step of an idle feed stays open: from what proves that it is over to its publication, on the real stack.

A worker polls; the feed is a routed connector's. With exactly-once the proof is the END on the transaction topic; without it,
the offset that the connector commits, which Connect writes once a second.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from connectors.connect import ConnectClient, connector_config
from connectors.debezium.sources import committed_position
from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from tests.connectors.connect.world import PostgresLegacy, declared, order, secret_of
from tests.pipeline.routed import Worker, until, worker_of

TIMES = 10


@dataclass(frozen=True)
class Latency:
    """Seconds until the step's event is readable, median and longest."""

    after_end: tuple[float, float]
    after_offset: tuple[float, float]
    after_commit_exactly_once: tuple[float, float]
    after_commit_otherwise: tuple[float, float]
    times: int

    def said(self) -> str:
        """One line."""
        return (
            f"latency on an idle feed, median (longest) of {self.times}: {_pair(self.after_end)} s after END is readable, "
            f"{_pair(self.after_offset)} s after the connector's offset commit; after the source's commit "
            f"{_pair(self.after_commit_exactly_once)} s with exactly-once, {_pair(self.after_commit_otherwise)} s without"
        )


def run() -> Latency:
    """Both kinds of proof, each over a connector of its own."""
    end, commit_end = _measured(exactly_once=True)
    offset, commit_offset = _measured(exactly_once=False)
    return Latency(
        after_end=_of(end),
        after_offset=_of(offset),
        after_commit_exactly_once=_of(commit_end),
        after_commit_otherwise=_of(commit_offset),
        times=TIMES,
    )


def _measured(*, exactly_once: bool) -> tuple[list[float], list[float]]:
    name = "latency_once" if exactly_once else "latency_least"
    jars = fetch(cache_folder(os.environ))
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        kafka = held.enter_context(shared(parts.kafka(jars), folder / "kafka"))
        postgres = held.enter_context(shared(parts.postgres(), folder / "postgres"))
        connect = held.enter_context(
            shared(parts.connect(jars, kafka.at, exactly_once=exactly_once), folder / "connect")
        )
        legacy = PostgresLegacy(postgres, name, secret_of(folder))
        legacy.commit(*order(0, 3))
        spec = replace(legacy.spec, exactly_once=exactly_once)
        client = held.enter_context(ConnectClient(f"http://{connect.at}"))
        held.enter_context(declared(client, name, connector_config(spec), legacy))
        worker = held.enter_context(worker_of(kafka.at, f"{name}_t", spec, client, folder / "state"))
        events = Events(worker, f"{name}_t.events")
        until(lambda: worker.published("state"))

        def passed() -> int:
            return max((committed_position(one.offset) or 0 for one in client.offsets(name)), default=0)

        readable = 0

        def ends() -> int:
            """How far the transaction topic can be read: what its connector has not committed is not there yet."""
            nonlocal readable
            if readable or spec.transactions in worker.log.topics():
                readable = worker.log.read(spec.transactions, 0, readable, 1_000).next
            return readable

        proof = ends if exactly_once else passed
        found = [_once(legacy, events, number, proof) for number in range(1, TIMES + 1)]
    return [shown for shown, _ in found], [after for _, after in found]


class Events:
    """What was published so far. Only what is new is read, or looking would take as long as what is measured."""

    def __init__(self, worker: Worker, topic: str) -> None:
        self._worker = worker
        self._topic = topic
        self._read: dict[int, int] = {}
        self._found = 0

    def count(self) -> int:
        """How many events can be read."""
        self._worker.check()
        log = self._worker.log
        partitions = len(self._read) or log.topics()[self._topic].partitions
        for partition in range(partitions):
            page = log.read(self._topic, partition, self._read.get(partition, 0), 1_000)
            self._read[partition] = page.next
            self._found += len(page.records)
        return self._found


def _once(legacy: PostgresLegacy, events: Events, number: int, proof: Callable[[], int]) -> tuple[float, float]:
    """The seconds from the proof, and from the commit, to the event."""
    time.sleep(1 + number * 0.17 % 1)
    before = proof()
    legacy.commit(*order(number, 4))
    begun = time.monotonic()
    shown = 0.0
    while events.count() < number:
        if not shown and proof() > before:
            shown = time.monotonic()
        time.sleep(0.01)
    done = time.monotonic()
    return (done - shown if shown else 0.0), done - begun


def _of(found: list[float]) -> tuple[float, float]:
    return round(median(found), 3), round(max(found), 3)


def _pair(found: tuple[float, float]) -> str:
    return f"{found[0]:.2f} ({found[1]:.2f})"
