"""What cannot be taken for granted stops the partition before it, with its place; nothing is lost."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pipeline.feed import group_of
from pipeline.life import FeedMissing, SourceEpochChanged, SourceIdentityChanged, next_life
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from pipeline.step import RecordUnreadable
from tests.pipeline.harness import append, balance, create_topics, published, worker
from tests.pipeline.world import FEED, TRANSACTIONS, World, feed


@pytest.mark.parametrize("topic", [FEED, TRANSACTIONS])
def test_a_record_that_cannot_be_read(topic: str) -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    log.append([Outgoing(topic=topic, partition=0, timestamp=1, key=b"{}", value=b"{cut")])
    with pytest.raises(RecordUnreadable) as caught:
        worker(log, store).turn()
    assert caught.value.where == f"{topic} 0:0"
    assert log.committed(group_of("order")).get((topic, 0), 0) == 0


def test_what_stands_before_a_bad_record_is_settled_and_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.partition.HELD", 4)
    world = World(5)
    world.run(40)
    log, store = MemoryLog(), MemoryState()
    create_topics(log, 1)
    records = [replace(one, partition=0) for one in feed(world.commits)]
    append(log, records)
    log.append([Outgoing(topic=FEED, partition=0, timestamp=1, key=b"{}", value=b"{cut")])
    append(log, records)
    for _ in range(3):
        with pytest.raises(RecordUnreadable) as caught:
            worker(log, store, batch_size=30).turn()
    whole, good = MemoryLog(), MemoryState()
    create_topics(whole, 1)
    append(
        whole,
        records[: max(n for n, one in enumerate(records) if one.topic != FEED and b"BEGIN" in (one.value or b""))],
    )
    worker(whole, good).turn()
    assert [(e.id, e.data) for e in published(log, "order.events")] == [
        (e.id, e.data) for e in published(whole, "order.events")
    ]
    bad = sum(one.topic == FEED for one in records)
    assert caught.value.where == f"{FEED} 0:{bad}"
    last = len(world.commits[-1].changes)
    assert log.committed(group_of("order"))[FEED, 0] == bad - last
    assert len({read - outcomes for read, outcomes in balance(store.counts()).values()} - {0}) == 0


def test_rows_that_only_repeat_an_older_transaction_are_not_late() -> None:
    world = World(9)
    world.run(12)
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(world.commits))
    made = worker(log, store)
    made.turn()
    append(log, feed(world.commits))
    while made.turn():
        pass
    assert not [label for _, label in store.counts() if label == "late"]


def test_a_feed_that_is_not_there() -> None:
    with pytest.raises(FeedMissing):
        worker(MemoryLog(), MemoryState())


def test_a_lower_source_epoch_is_refused() -> None:
    life = next_life(None, "m1", 2)
    assert next_life(life, "m1", 2) == life
    assert next_life(life, "m2", 2).generation == 2
    with pytest.raises(SourceEpochChanged):
        next_life(life, "m1", 1)


def test_another_lineage_of_the_source_stops_the_translator_until_the_epoch_is_raised() -> None:
    life = next_life(None, "m1", 1, "7301")
    assert next_life(life, "m1", 1, None) == life
    with pytest.raises(SourceIdentityChanged) as caught:
        next_life(life, "m1", 1, "7302")
    assert "7302" in str(caught.value)
    raised = next_life(life, "m1", 2, "7302")
    assert (raised.source, raised.source_epoch, raised.generation) == ("7302", 2, 1)
