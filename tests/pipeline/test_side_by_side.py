"""Partitions are worked on side by side: the log is asked as often for many of them as for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pytest
from msgspec.structs import replace

from pipeline.feed import group_of
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Fenced, Outgoing, TopicPartition
from pipeline.state.memory import MemoryState
from pipeline.step import RecordUnreadable
from tests.pipeline.harness import append, by_key, create_topics, published, worker
from tests.pipeline.world import FEED, PARTITIONS, TRANSACTIONS, World, feed


class Asked(MemoryLog):
    """Counts what a broker is asked for and has to acknowledge; the writers and the states of each append by writers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.writers: list[int] = []
        self.states: list[int] = []
        self._each = False

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        if not self._each:
            self.asked["append"] += 1
        return super().append(records)

    def append_each(self, batches: Collection[Fenced]) -> None:
        self.asked["append each"] += 1
        self.writers.append(len(batches))
        self.states.append(sum(one.topic == "order.state" for _, records in batches for one in records))
        self._each = True
        super().append_each(batches)
        self._each = False

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.asked["ends"] += 1
        return {place: MemoryLog.end(self, *place) for place in places}

    def end(self, topic: str, partition: int) -> int:
        self.asked["end"] += 1
        return super().end(topic, partition)

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self.asked["commit"] += any(topic == FEED for topic, _ in offsets)
        super().commit(group, offsets)


def world_of(steps: int) -> World:
    world = World(5)
    world.run(steps)
    return world


@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_many_partitions_take_as_many_round_trips_as_one(partitions: int) -> None:
    """Their events, their transactions and their offsets; and what ENDs prove goes out with what was read before them."""
    log = Asked()
    create_topics(log, partitions)
    made = worker(log, MemoryState(), changelog=True)
    records = list(feed(world_of(40).commits))
    append(log, records if partitions > 1 else [replace(record, partition=0) for record in records])
    log.asked.clear()
    log.writers.clear()
    assert made.turn() == sum(record.topic == FEED for record in records)
    assert log.asked == {"ends": 3, "append": 1, "append each": 1, "commit": 1}
    assert log.writers == [partitions]
    assert len(published(log, "order.events")) > 10


@pytest.mark.parametrize(("together", "most"), [(1, 1), (4, 2)])
def test_what_is_held_at_once_is_bounded(together: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.worker._TOGETHER", together)
    log, store = Asked(), MemoryState()
    create_topics(log)
    made = worker(log, store, changelog=True, batch_size=1)
    append(log, feed(world_of(60).commits))
    while made.turn():
        pass
    assert max(log.states) == most
    whole = MemoryLog()
    create_topics(whole)
    append(whole, feed(world_of(60).commits))
    worker(whole, MemoryState()).turn()
    assert _said(log) == _said(whole)


class Arriving(MemoryLog):
    """What is still to come arrives in the moment in which the ends of the marks are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.coming: list[Outgoing] = []

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        if any(topic == TRANSACTIONS for topic, _ in places):
            coming, self.coming = self.coming, []
            self.append(coming)
        return super().ends(places)


def test_a_watermark_that_was_asked_before_the_end_proves_nothing() -> None:
    log = Arriving()
    create_topics(log)
    commit = next(
        one for one in world_of(60).commits if len({change.order for change in one.changes}) < len(one.changes)
    )
    begin, *rows, end = feed([commit])
    log.append([begin, *rows[:-1]])
    made = worker(log, MemoryState())
    log.coming = [rows[-1], end]
    while made.turn():
        pass
    whole = MemoryLog()
    create_topics(whole)
    append(whole, feed([commit]))
    worker(whole, MemoryState()).turn()
    assert _said(log) == _said(whole)
    assert not made.in_flight


def test_what_stops_one_partition_keeps_back_nothing_of_the_others() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world_of(40).commits))
    bad = PARTITIONS - 1
    log.append([Outgoing(topic=FEED, partition=bad, timestamp=1, key=b"{}", value=b"{cut")])
    with pytest.raises(RecordUnreadable) as caught:
        worker(log, store).turn()
    assert str(caught.value.where).startswith(f"{FEED} {bad}:")
    committed = log.committed(group_of("order"))
    assert [committed.get((FEED, n), 0) for n in range(bad)] == [log.end(FEED, n) for n in range(bad)]
    assert published(log, "order.events")


def _said(log: MemoryLog) -> dict[str, list[str]]:
    return {key: [event.id for event in events] for key, events in by_key(published(log, "order.events")).items()}
