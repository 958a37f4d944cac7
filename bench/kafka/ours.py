"""Our worker under Faust: its engine with no more than the small transform in it, and the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

from bench.kafka.rung import Job, Meter
from bench.kafka.small import transform
from pipeline.engine.faust.runner import join
from pipeline.feed import group_of
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log, Outgoing

_BATCH = 1_000


class Plain:
    """As much of a worker as the engine asks for: batch by batch, output acknowledged, then the offset."""

    def __init__(self, log: Log, job: Job, meter: Meter) -> None:
        self._log = log
        self._job = job
        self._meter = meter
        self._places: dict[int, int] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """See `TranslatorWorker`."""
        return frozenset(self._places)

    def prepare(self) -> None:
        """See `TranslatorWorker`."""

    def take(self, partitions: Iterable[int]) -> None:
        """See `TranslatorWorker`."""
        committed = self._log.committed(group_of(self._job.group))
        self._places.update({p: committed.get((self._job.source, p), 0) for p in partitions})

    def give_back(self, partitions: Iterable[int]) -> None:
        """See `TranslatorWorker`."""
        for partition in partitions:
            del self._places[partition]

    def turn(self, stop: Callable[[], bool]) -> int:
        """See `TranslatorWorker`."""
        return sum(self._batch(partition) for partition in self._places if not stop())

    def _batch(self, partition: int) -> int:
        job, log = self._job, self._log
        page = log.read(job.source, partition, self._places[partition], _BATCH)
        if page.records:
            log.append(
                [
                    Outgoing(
                        topic=job.target,
                        timestamp=record.timestamp,
                        key=record.key,
                        value=transform(record.value or b""),
                        partition=partition,
                    )
                    for record in page.records
                ]
            )
            log.commit(group_of(job.group), {(job.source, partition): page.next})
            self._places[partition] = page.next
            self._meter.handled(len(page.records))
        return len(page.records)


def engine(job: Job, meter: Meter) -> None:
    """Faust's group and our polls; nothing of the pipeline."""
    _turned(job, meter, lambda log: Plain(log, job, meter))


def _turned(job: Job, meter: Meter, worker: Callable[[Log], Any]) -> None:
    wake = Event()
    with closing(KafkaLog(job.at)) as log:
        runner = join(log, job.group, job.source, worker, Path(job.folder), wake=wake.set)
        while meter.count < job.total:
            if not runner.turn():
                wake.wait(0.2)
                wake.clear()
        meter.end()
