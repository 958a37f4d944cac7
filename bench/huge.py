"""One transaction of a million rows, on a real Kafka: memory stays bounded, other partitions go on, no heartbeat is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, TopicSpec
from tests.pipeline.runner_child import topics_of
from tests.pipeline.world import BASE_TIME, FEED, PARTITIONS, Commit, RowChange, marker, partition, record

AGGREGATES, LINES = 200_000, 4
PARTS = 10_000
"""The parts of one aggregate in the same transaction."""
NAME = "huge"
QUIET = 2
"""The partition on which small transactions go on meanwhile."""
_CHUNK = 20_000
_HUGE, _SMALL = 700, 100_000_000


@dataclass(frozen=True)
class Huge:
    """What was measured. Seconds are of the clock, memory is the process' peak in MB."""

    rows: int
    aggregates: int
    parts_of_one: int
    seconds: float
    peak_mb: float
    rebalances: int
    small_transactions: int
    small_median_seconds: float
    small_longest_seconds: float

    def said(self) -> str:
        """One line."""
        return (
            f"huge: {self.rows:,} rows in one transaction, {self.aggregates:,} aggregates, in {self.seconds:.0f} s, "
            f"peak {self.peak_mb:.0f} MB, {self.rebalances} rebalances; beside it {self.small_transactions} small ones in "
            f"{self.small_median_seconds:.2f} s (longest {self.small_longest_seconds:.2f} s)"
        )


def rows() -> Iterator[RowChange]:
    """The rows of the huge transaction: orders with their lines on all partitions but one, one of them with very many."""
    lsn, found, number = 1_000, 0, 0
    while found < AGGREGATES:
        number += 1
        if partition(number) == QUIET:
            continue
        found += 1
        count = PARTS if found == 1 else LINES
        lsn += 8
        yield RowChange("orders", "c", number, None, {"o_id": number, "status": "N", "touched": 0}, lsn)
        for line in range(1, count + 1):
            lsn += 8
            row = {"ol_o_id": number, "ol_number": line, "qty": 1}
            yield RowChange("order_line", "c", number, None, row, lsn)


class Scene:
    """The topics, the feed and the worker."""

    def __init__(self, at: str, folder: Path) -> None:
        self.log = KafkaLog(at)
        self.names = topics_of(NAME)
        for kind, topic, count in (
            ("feed", "topic", PARTITIONS),
            ("transaction", "transactions", 1),
            ("notification", "notifications", 1),
        ):
            self.log.create(TopicSpec(name=self.names[topic], kind=kind, partitions=count))  # type: ignore[arg-type]
        self._at = at
        self._out = folder / "out"
        self.folder = folder

    def fill(self) -> Commit:
        """Append the rows of the huge transaction; its END is still to come."""
        commit = Commit(_HUGE, 900, [], 0, BASE_TIME)
        chunk: list[Outgoing] = []
        count = last = 0
        for change in rows():
            count, last = count + 1, change.lsn
            chunk.append(self._renamed(record(commit, change, count)))
            if len(chunk) == _CHUNK:
                self.log.append(chunk)
                chunk = []
        self.log.append(chunk)
        self.rows = count
        commit.changes.append(RowChange("orders", "c", 0, None, None, last))
        commit.end = last + 40
        return commit

    def small(self, number: int) -> float:
        """A small transaction on the quiet partition; the seconds until its event is published."""
        order = number * PARTITIONS + 2
        assert partition(order) == QUIET
        lsn = _SMALL + number * 100
        change = RowChange("orders", "c", order, None, {"o_id": order, "status": "N", "touched": 0}, lsn)
        commit = Commit(10_000 + number, lsn - 50, [change], lsn + 8, BASE_TIME)
        before = (
            self.log.end(f"{NAME}.events", _events_partition(order)) if f"{NAME}.events" in self.log.topics() else 0
        )
        self.log.append([self._renamed(record(commit, change, 1))])
        self.log.append([self._renamed(marker(commit, "END"))])
        begun = time.monotonic()
        while self.log.end(f"{NAME}.events", _events_partition(order)) <= before:
            time.sleep(0.02)
        return time.monotonic() - begun

    def end(self, commit: Commit) -> None:
        """Append the END of the huge transaction."""
        self.log.append([self._renamed(marker(commit, "END"))])

    def start(self) -> subprocess.Popen[bytes]:
        """A worker, with batches of the usual size."""
        command = [sys.executable, "-m", "tests.pipeline.runner_child", "aiokafka", self._at, NAME, str(self.folder)]
        with self._out.open("w") as out:
            return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "BATCH": "1000"})

    @property
    def said(self) -> list[str]:
        """What the worker said."""
        return self._out.read_text().splitlines()

    @property
    def events(self) -> int:
        """How many events are published."""
        topics = self.log.topics()
        topic = topics.get(f"{NAME}.events")
        return 0 if topic is None else sum(self.log.end(topic.name, n) for n in range(topic.partitions))

    def _renamed(self, outgoing: Outgoing) -> Outgoing:
        name = self.names["topic"] if outgoing.topic == FEED else self.names["transactions"]
        return msgspec.structs.replace(outgoing, topic=name)


def _events_partition(order: int) -> int:
    """The partition of an order's events."""
    from pipeline.log.kafka.placing import partition_of

    return partition_of(str(order).encode(), PARTITIONS)


def run() -> Huge:
    """One transaction, by one worker."""
    with (
        tempfile.TemporaryDirectory() as name,
        shared(parts.kafka(fetch(cache_folder(os.environ))), Path(name) / "kafka") as server,
    ):
        folder = Path(name) / "worker"
        folder.mkdir()
        scene = Scene(server.at, folder)
        with closing(scene.log):
            return _measured(scene)


def _measured(scene: Scene) -> Huge:
    commit = scene.fill()
    worker = scene.start()
    try:
        while not any(line.startswith("holds") for line in scene.said):
            time.sleep(0.1)
        begun = time.monotonic()
        scene.end(commit)
        small: list[float] = []
        while scene.events < AGGREGATES + len(small):
            small.append(scene.small(len(small) + 1))
            time.sleep(0.5)
        seconds = time.monotonic() - begun
        peak = next(
            int(line.split()[1]) / 1024
            for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
        held = [line for line in scene.said if line.startswith("holds")]
    finally:
        worker.terminate()
        worker.wait(60)
    return Huge(
        rows=scene.rows,
        aggregates=AGGREGATES,
        parts_of_one=PARTS,
        seconds=round(seconds, 1),
        peak_mb=round(peak, 1),
        rebalances=len(held) - 1,
        small_transactions=len(small),
        small_median_seconds=round(median(small), 3),
        small_longest_seconds=round(max(small), 3),
    )
