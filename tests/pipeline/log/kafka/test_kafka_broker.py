"""A broker that goes away: what waits for it, what gives up and says so, and what is there afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from pipeline.log.kafka.errors import LogUnreachable
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import append, create_topics, worker
from tests.pipeline.log.contract import outgoing, settled
from tests.pipeline.test_fold import assert_as_expected, assert_balanced
from tests.pipeline.test_runner import Workers, end, judge, played
from tests.pipeline.world import World, expected, feed
from tests.servers.shared import jars


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A broker of our own, that may be killed."""
    with shared(parts.kafka(jars()), tmp_path_factory.mktemp("own") / "kafka") as broker:
        yield broker


@contextmanager
def down(broker: Server, seconds: float) -> Iterator[None]:
    """The broker is killed, and up again after some time, while the body runs."""

    def up_again() -> None:
        time.sleep(seconds)
        broker.restart()

    broker.kill()
    with ThreadPoolExecutor(1) as others:
        again = others.submit(up_again)
        yield
        again.result()


def test_every_call_waits_for_a_broker_that_comes_back(broker: Server, unused_name: str) -> None:
    topic = f"{unused_name}.feed"
    with closing(KafkaLog(broker.at, patience=120)) as log:
        log.create(TopicSpec(name=topic, kind="feed", partitions=2))
        log.append([outgoing(topic, value=b"0", partition=0)])
        writer = log.writer(unused_name)
        with down(broker, 1.5):
            log.append([outgoing(topic, value=b"%d" % number, partition=0) for number in range(1, 2_000)])
        with down(broker, 0.5):
            assert log.end(topic, 0) == 2_000
            assert len(log.read(topic, 0, 0, 10).records) == 10
            log.commit("group", {(topic, 0): 7})
        with down(broker, 0.5):
            writer.append([outgoing(topic, value=b"%d" % number, partition=1) for number in range(100)])
            assert log.committed("group")[topic, 0] == 7
        written = settled(log, topic, 1)  # its mark too: see docs/decisions/0013
        assert [r.value for r in written] == [b"%d" % number for number in range(100)]
        with down(broker, 0.5):
            assert log.topics()[topic].partitions == 2
        assert [r.value for r in settled(log, topic, 0)] == [b"%d" % number for number in range(2_000)]
        assert settled(log, topic, 1) == written


def test_after_its_bound_a_call_gives_up_and_the_log_works_again_later(broker: Server, unused_name: str) -> None:
    topic = f"{unused_name}.feed"
    with closing(KafkaLog(broker.at, patience=2)) as log:
        log.create(TopicSpec(name=topic, kind="feed", partitions=1))
        log.append([outgoing(topic, value=b"before")])
        writer = log.writer(unused_name)
        at = broker.at
        broker.kill()
        calls: list[Callable[[], object]] = [
            lambda: log.append([outgoing(topic)]),
            lambda: log.read(topic, 0, 0, 1),
            lambda: log.end(topic, 0),
            lambda: log.commit("group", {(topic, 0): 1}),
            lambda: log.committed("group"),
            log.groups,
            log.topics,
            lambda: log.create(TopicSpec(name="more", kind="feed", partitions=1)),
            lambda: writer.append([outgoing(topic, value=b"lost")]),
            lambda: log.writer("another"),
            lambda: KafkaLog(at, patience=1),
        ]
        for call in calls:
            begun = time.monotonic()
            with pytest.raises(LogUnreachable) as caught:
                call()
            assert caught.value.transient
            assert time.monotonic() - begun < 12
        broker.restart()
        with pytest.raises(LogUnreachable):
            writer.append([outgoing(topic)])
        log.append([outgoing(topic, value=b"after")])
        values = [r.value for r in settled(log, topic, 0)]
        assert (values[0], values[-1]) == (b"before", b"after")
        assert b"lost" not in values


def test_threads_end_with_the_log(broker: Server) -> None:
    before = threading.active_count()
    with closing(KafkaLog(broker.at)) as log:
        log.writer("thread")
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_the_worker_runs_over_it_as_over_any_log(broker: Server, tmp_path: Path) -> None:
    """The same worker, feed and expectation as in memory; killed brokers and new workers in between."""
    world = World(11)
    world.run(60)
    store = MemoryState()
    with closing(KafkaLog(broker.at)) as log:
        create_topics(log)
        records = list(feed(world.commits))
        append(log, records)
        made = worker(log, store, batch_size=7)
        made.turn()
        for partition in range(log.topics()["order.state"].partitions):
            settled(log, "order.state", partition)  # the marks too: see docs/decisions/0013
    broker.kill()
    broker.restart()
    with closing(KafkaLog(broker.at)) as log:
        made = worker(log, store, batch_size=50)
        while made.turn():
            pass
        assert_as_expected(log, expected(world.commits), compacted=True)
        assert_balanced(store)


def test_workers_under_faust_go_on_when_their_broker_comes_back(
    broker: Server, unused_name: str, tmp_path: Path
) -> None:
    """Coordinator, transactions and fetches break off in both; nothing is lost, and nothing is in another order."""
    world = World(41)
    world.run(300)
    first, second = played(world, 2)
    folder = tmp_path / "workers"
    folder.mkdir()
    with closing(Workers("faust", broker.at, unused_name, folder)) as workers:
        one, other = workers.start(), workers.start()
        workers.share(one, other)
        workers.give(first)
        with down(broker, 1.5):
            pass
        workers.give(second)
        judge(workers, world, repeats=True)
        assert end(one) < 15
        assert end(other) < 15
