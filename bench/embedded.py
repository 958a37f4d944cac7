"""The embedded run of the demo's feed: changes a second, peak memory, and how it compares with moving the same bytes."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

from bench.corpus import insurer, live
from dragoman.wiring import works
from pipeline.engine.embedded import Turning
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.log.reading import read_through

TRANSACTIONS = 8_000


@dataclass
class Result:
    """`changes` are row changes times the translators that read them; the floor copies every feed record once for each.

    `seconds` is wall time for translators and projection; `times` ours as a multiple of the floor. The action consumer
    commits each event by itself, so its time is mostly the disk's: `letters_per_second` stands apart.
    """

    changes: int
    seconds: float
    letters_per_second: float
    floor_seconds: float
    times: float
    peak_mb: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"embedded run       {self.changes / self.seconds:>10,.0f} changes/s, {self.times:.1f} x copying the same records, "
            f"peak {self.peak_mb:.0f} MB ({self.changes:,} changes; {self.letters_per_second:,.0f} letters/s)"
        )


def run() -> Result:
    """Capture first, then time everything behind the feed, then the floor on the same log."""
    with insurer(TRANSACTIONS) as (project, connection), works(project) as running:
        running.engine.run()
        live(connection, TRANSACTIONS)
        while running.source.turn():
            pass
        seconds = _timed(*running.workers, *running.projections)[1]
        letters, letters_seconds = _timed(*running.actions)
        counts = [worker.store.counts() for worker in running.workers]
        changes = sum(n for c in counts for (_, label), n in c.items() if label == "read")
        loaded = sum(n for c in counts for (_, label), n in c.items() if label == "loaded")
        floor = copy_feeds(running.log, len(running.workers))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(changes - loaded, seconds, letters / letters_seconds, floor, seconds / floor, peak)


def _timed(*parts: Turning) -> tuple[int, float]:
    """Turn each part until nothing is left; records handled and wall seconds."""
    begun, handled = time.perf_counter(), 0
    for part in parts:
        while count := part.turn():
            handled += count
    return handled, time.perf_counter() - begun


def copy_feeds(log: EmbeddedLog, readers: int) -> float:
    """The floor: read every feed record as often as it has readers, append its bytes once for each, commit offsets."""
    feeds = [spec for spec in log.topics().values() if spec.kind == "feed"]
    log.create(TopicSpec(name="floor", kind="feed", partitions=1))
    begun = time.perf_counter()
    for spec in feeds:
        times = readers - 1 if spec.name.endswith("claim") else 1
        for _ in range(times):
            for partition in range(spec.partitions):
                for records in read_through(log, spec.name, partition, 1_000):
                    log.append(
                        [Outgoing(topic="floor", timestamp=r.timestamp, key=r.key, value=r.value) for r in records]
                    )
                    log.commit("floor", {(spec.name, partition): records[-1].offset + 1})
    return time.perf_counter() - begun
