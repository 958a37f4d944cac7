"""A worker under Faust on a real Kafka: where it reads, how far it commits, and that a failure commits nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as Place
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from dragoman.stack.server import Server
from pipeline.engine.faust.runner import join
from pipeline.engine.kafka import GroupRunner
from pipeline.feed import group_of
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import LogError, OffsetBeyondEnd, OffsetExpired, Outgoing, TopicSpec
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import published, worker
from tests.pipeline.runner_child import topics_of, translator_of
from tests.pipeline.world import FEED, PARTITIONS, World, feed

SECONDS = 30


class Scene:
    """Topics of one translator, fed by transactions as an exactly-once connector does, and its worker in this process."""

    def __init__(self, at: str, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.log = KafkaLog(at)
        self.topics = topics_of(name)
        self.log.create(TopicSpec(name=self.topics["topic"], kind="feed", partitions=PARTITIONS))
        self.log.create(TopicSpec(name=self.topics["transactions"], kind="transaction", partitions=1))
        self.log.create(TopicSpec(name=self.topics["notifications"], kind="notification", partitions=1))
        self.connector = self.log.writer(f"{name}.connector")

    def give(self, records: Sequence[Outgoing]) -> None:
        """One transaction of the rows, then the ENDs."""
        for rows in (True, False):
            of = self.topics["topic" if rows else "transactions"]
            found = [msgspec.structs.replace(r, topic=of) for r in records if (r.topic == FEED) == rows]
            if found:
                self.connector.append(found)

    def join(self) -> GroupRunner:
        return join(
            self.log,
            self.name,
            self.topics["topic"],
            lambda of: worker(
                of, MemoryState(), begin=False, changelog=True, translator=translator_of(self.name), **self.topics
            ),
            self.folder,
        )

    def committed(self) -> list[int]:
        found = self.log.committed(group_of(self.name))
        return [found.get((self.topics["topic"], partition), 0) for partition in range(PARTITIONS)]

    def ends(self) -> list[int]:
        return [self.log.end(self.topics["topic"], partition) for partition in range(PARTITIONS)]


@pytest.fixture
def scene(kafka: Server, unused_name: str, tmp_path: Path) -> Iterator[Scene]:
    """No worker yet."""
    made = Scene(kafka.at, unused_name, tmp_path / "faust")
    with closing(made.log):
        yield made


def turned(runner: GroupRunner, holds: Callable[[], bool]) -> None:
    """Turn the worker until it holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        runner.turn()


def test_marks_at_the_end_are_no_lag_and_an_open_step_holds_the_offset(scene: Scene, kafka: Server) -> None:
    """Of a transaction that was aborted nothing is seen but that its offsets are passed."""
    world = World(3)
    world.run(60)
    records = list(feed(world.commits))
    last = max(i for i, r in enumerate(records) if r.topic == FEED)
    scene.give(records[:last])
    asyncio.run(_abort(kafka.at, scene.topics["topic"]))
    with closing(scene.join()) as runner:
        turned(runner, lambda: runner.has_joined and scene.committed() == scene.ends())
        assert min(scene.ends()) > 0
        row = records[last].partition
        assert row is not None
        before, first = scene.committed(), scene.ends()[row]
        scene.give([records[last]])
        turned(runner, lambda: bool(runner.worker.in_flight))
        for _ in range(5):
            runner.turn()
        assert scene.committed() == before and before[row] == first < scene.ends()[row]
        scene.give(records[last + 1 :])
        turned(runner, lambda: scene.committed() == scene.ends())
    assert not runner.worker.in_flight


def test_an_empty_turn_says_that_nothing_was_left(scene: Scene) -> None:
    world = World(5)
    world.run(40)
    scene.give(list(feed(world.commits)))
    with closing(scene.join()) as runner:
        turned(runner, lambda: runner.has_joined)
        while runner.turn():
            pass
        assert scene.committed() == scene.ends()


def test_after_a_failure_nothing_is_committed(scene: Scene) -> None:
    world = World(7)
    world.run(20)
    with closing(scene.join()) as runner:
        turned(runner, lambda: runner.has_joined)
        scene.give(list(feed(world.commits)))
        runner._member.failed(KafkaError("a batch was refused"))  # type: ignore[attr-defined]
        with pytest.raises(LogError):
            runner.turn()
        with pytest.raises(LogError):
            runner._member.commit({0: 1}, "[]")  # type: ignore[attr-defined]
    assert scene.committed() == [0] * PARTITIONS
    assert not published(scene.log, f"{scene.name}.events")


def test_an_offset_that_the_feed_never_had_stops_the_worker(scene: Scene) -> None:
    place = (scene.topics["topic"], 0)
    scene.log.commit(group_of(scene.name), {place: 7})
    with closing(scene.join()) as runner, pytest.raises(OffsetBeyondEnd) as caught:
        turned(runner, lambda: False)
    assert "--from-start" in caught.value.hint
    assert scene.log.committed(group_of(scene.name))[place] == 7


def test_an_offset_that_is_not_kept_any_more_stops_the_worker(scene: Scene, kafka: Server) -> None:
    world = World(9)
    world.run(60)
    scene.give(list(feed(world.commits)))
    asyncio.run(_forget(kafka.at, scene.topics["topic"], 5))
    with closing(scene.join()) as runner, pytest.raises(OffsetExpired) as caught:
        turned(runner, lambda: False)
    assert caught.value.fields["first"] == 5
    assert scene.committed()[0] == 0


async def _abort(at: str, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=at, transactional_id=f"{topic}.aborted")
    await producer.start()
    await producer.begin_transaction()
    for partition in range(PARTITIONS):
        await producer.send_and_wait(topic, b"no change at all", partition=partition)
    await producer.abort_transaction()
    await producer.stop()


async def _forget(at: str, topic: str, first: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=at)
    await admin.start()
    await admin.delete_records({Place(topic, 0): RecordsToDelete(before_offset=first)})
    await admin.close()
