"""A run again, in any interleaving of its partitions, with the product on a log in memory."""

from __future__ import annotations

import random
from collections import deque

from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicPartition, TopicSpec
from tests.killed.product import Product
from tests.killed.run import Run


class Replay:
    """Records arrive partition by partition as chance has it; what was told of the offset holds once they are there."""

    def __init__(self, run: Run, seed: int) -> None:
        self._run = run
        self._chance = random.Random(seed)
        self._log = MemoryLog()
        feed = run.names.feed
        for name, kind, partitions in (
            (feed.topic, "feed", run.names.partitions),
            (feed.transactions, "transaction", 1),
            (feed.notifications, "notification", 1),
        ):
            self._log.create(TopicSpec(name=name or "", kind=kind, partitions=partitions))  # type: ignore[arg-type]
        self._lanes: dict[TopicPartition, deque[Outgoing]] = {}
        for record in run.records:
            self._lanes.setdefault((record.topic, record.partition or 0), deque()).append(record)
        self._offsets = deque(run.passed)
        self._passed: int | None = None
        self.product = Product(run.names, self._log, self._ask)

    def go(self) -> Product:
        """Let everything arrive, with workers that come and go."""
        worker = self.product.worker(self._chance.choice((1000, 100, 7)))
        while self._lanes:
            for lane in self._chance.sample(sorted(self._lanes), self._chance.randint(1, len(self._lanes))):
                self._arrive(lane, self._chance.choice((1, 10, 100, 1000, 3000)))
            worker.turn()
            if self._chance.random() < 0.1:
                worker = self.product.worker(self._chance.choice((1000, 100, 7)))
        while worker.turn():
            pass
        assert not worker.in_flight
        return self.product

    def _arrive(self, lane: TopicPartition, records: int) -> None:
        waiting = self._lanes[lane]
        self._log.append([waiting.popleft() for _ in range(min(records, len(waiting)))])
        if not waiting:
            del self._lanes[lane]

    def _ask(self) -> int | None:
        """The newest that was told of the offset before watermarks that are reached now."""
        while self._offsets and all(self._log.end(*place) >= high for place, high in self._offsets[0].highs.items()):
            self._passed = self._offsets.popleft().position
        return self._passed
