"""Partitions that change hands: workers of one group, in one process, over a log and a state that all of them see."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.engine.kafka import GroupRunner
from pipeline.engine.membership import MemberLog
from pipeline.log.kafka.errors import MembershipLost
from pipeline.log.kafka.groups import Standing
from pipeline.log.kafka.hand_over import Assignment
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Outgoing, TopicPartition
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import by_key, create_topics, published, version_of, worker
from tests.pipeline.world import (
    FEED,
    PARTITIONS,
    TRANSACTIONS,
    World,
    completed,
    expected,
    feed,
    partition,
    snapshot_record,
)

GROUP = "dragoman.order"


class Group:
    """A consumer group: a rebalance waits until all members have let go, then each gets partitions by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.generation = 0
        self.members: list[Member] = []
        self.offsets: dict[int, Standing] = {}
        self.given: list[set[int]] | None = None
        """What each member gets next, where that is not left to chance."""

    def rebalance(self) -> None:
        for member in self.members:
            member.asked, member.news = True, None

    def settle(self) -> None:
        if self.members and all(m.asked and m.let for m in self.members):
            self.generation += 1
            shares: list[set[int]] = self.given or [set() for _ in self.members]
            if self.given is None:
                for partition in range(PARTITIONS):
                    self.chance.choice(shares).add(partition)
            for member, share in zip(self.members, shares, strict=True):
                member.asked = member.let = False
                member.generation = self.generation
                member.news = Assignment(self.generation, frozenset(share))


class Member:
    """One member, and its offsets."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.news: Assignment | None = None
        self.asked = self.let = True
        self.generation = -1
        self.takeovers = 0

    @property
    def must_let_go(self) -> bool:
        return self.asked and not self.let

    def let_go(self) -> None:
        self.let = True
        self.group.settle()

    def assigned(self) -> Assignment | None:
        news, self.news = self.news, None
        return news

    def standing(self) -> Mapping[int, Standing]:
        self.takeovers += 1
        return dict(self.group.offsets)

    def commit(self, offsets: Mapping[int, int], beside: Mapping[TopicPartition, int]) -> None:
        if self.generation != self.group.generation:
            raise MembershipLost(path="memory", group=GROUP)
        self.group.offsets.update({p: Standing(offset, dict(beside)) for p, offset in offsets.items()})

    def close(self) -> None:
        self.group.members.remove(self)


class Workers:
    """Runners of one group over one log and state. `batches` says after how many batches a turn is stopped."""

    def __init__(self, seed: int, **how: Any) -> None:
        self.chance = random.Random(seed)
        self.log, self.store = MemoryLog(), MemoryState()
        create_topics(self.log)
        self.group = Group(self.chance)
        self.how = how
        self.left = 0
        self.now = 0.0
        self.runners: list[GroupRunner] = []

    def _worker(self, log: Log) -> TranslatorWorker:
        return worker(log, self.store, begin=False, **self.how)

    def _stop(self) -> bool:
        self.left -= 1
        return self.left < 0

    def join(self) -> None:
        member = Member(self.group)
        log = MemberLog(self.log, GROUP, FEED, member, lambda: self.now)
        runner = GroupRunner(log, member, self._worker, self._stop)
        self.group.members.append(member)
        self.runners.append(runner)
        self.group.rebalance()

    def leave(self, runner: GroupRunner) -> None:
        """It ends as it stands, in whatever it had in its hands."""
        self.runners.remove(runner)
        runner.close()
        self.group.rebalance()

    def turn(self, batches: int) -> int:
        self.left = batches
        self.group.settle()
        return self.chance.choice(self.runners).turn()

    def finish(self) -> None:
        for _ in range(20):
            self.group.settle()
            for runner in self.runners:
                self.left = 1_000_000
                runner.turn()


def given(log: MemoryLog, records: list[Outgoing]) -> None:
    """Append in the connector's order: rows first, then the END of their transaction."""
    for record in records:
        log.append([record])


@pytest.mark.parametrize("seed", range(12))
def test_whoever_has_a_partition_every_event_comes_once_and_the_last_state_is_right(seed: int) -> None:
    world = World(seed)
    world.run(60)
    want = expected(world.commits)
    workers = Workers(seed, batch_size=7)
    records = list(feed(world.commits))
    workers.join()
    workers.join()
    chance = workers.chance
    while records:
        some = chance.randrange(1, 40)
        given(workers.log, records[:some])
        records = records[some:]
        for _ in range(chance.randrange(6)):
            workers.turn(chance.randrange(1, 9))
        match chance.randrange(8):
            case 0:
                workers.group.rebalance()
            case 1 if len(workers.runners) < 4:
                workers.join()
            case 2 if len(workers.runners) > 1:
                workers.leave(chance.choice(workers.runners))
            case _:
                pass
    workers.finish()
    found = published(workers.log, "order.events")
    assert sorted((int(e.subject), version_of(e), e.name) for e in found) == sorted(want.events)
    assert len({e.id for e in found}) == len(found)
    for key, events in by_key(found).items():
        assert [version_of(e) for e in events] == sorted(version_of(e) for e in events), key
    last = {key: states[-1].data for key, states in by_key(published(workers.log, "order.state")).items()}
    assert {int(key): state for key, state in last.items() if state is not None} == want.final


def test_a_partition_brings_the_ends_along_that_were_not_acted_upon_in_it() -> None:
    world = World(3)
    world.run(1)
    workers = Workers(1, batch_size=5)
    home = partition(1)
    workers.group.given = [set(range(PARTITIONS)) - {home}, {home}]
    workers.join()
    workers.join()
    given(workers.log, [r for r in feed(world.commits) if r.topic == FEED])
    workers.finish()
    assert published(workers.log, "order.events") == []
    given(workers.log, [r for r in feed(world.commits) if r.topic == TRANSACTIONS])
    other, owner = workers.runners
    workers.left, workers.now = 100, 60.0
    other.turn()
    assert {one.beside[TRANSACTIONS, 0] for one in workers.group.offsets.values()} == {2}
    # It reads the END, is asked to let go before it has come to act upon it, and is gone: the other had acted long ago.
    workers.left = 0
    owner.turn()
    workers.group.given = [set(range(PARTITIONS))]
    workers.leave(owner)
    workers.finish()
    assert len(published(workers.log, "order.events")) == len(expected(world.commits).events) > 0


def test_who_is_no_member_any_more_gives_everything_back_and_joins_again() -> None:
    world = World(5)
    world.run(20)
    workers = Workers(2, batch_size=5)
    given(workers.log, list(feed(world.commits)))
    workers.join()
    workers.turn(3)
    workers.turn(3)
    # The group goes on without it: another generation, which it learns from the commit that is refused.
    workers.group.generation += 1
    assert workers.turn(50) == 0
    assert workers.runners[0].worker.partitions == frozenset()
    workers.group.rebalance()
    workers.finish()
    found = published(workers.log, "order.events")
    assert {(int(e.subject), version_of(e), e.name) for e in found} == set(expected(world.commits).events)


def test_loading_goes_on_where_another_worker_was_stopped_in_it() -> None:
    world = World(7)
    world.run(30)
    loaded = World(7, orders=dict(world.orders), lines=dict(world.lines))
    workers = Workers(4, batch_size=3, begins="snapshot")
    rows = [snapshot_record("orders", row, order, "true") for order, row in world.orders.items()]
    rows += [snapshot_record("order_line", row, order, "true") for (order, _), row in world.lines.items()]
    given(workers.log, [*rows, completed()])
    workers.join()
    for _ in range(200):
        workers.turn(workers.chance.randrange(1, 5))
        if workers.chance.random() < 0.2:
            workers.group.rebalance()
    workers.finish()
    states = by_key(published(workers.log, "order.state"))
    assert {int(key): [s.data for s in found] for key, found in states.items()} == {
        order: [state] for order, state in expected([], loaded).final.items()
    }
    assert workers.runners[0].worker.loading == []


def test_who_was_away_while_another_had_its_partitions_takes_them_anew() -> None:
    world = World(3)
    world.run(1)
    workers = Workers(1, batch_size=5)
    given(workers.log, [r for r in feed(world.commits) if r.topic == FEED])
    workers.join()
    workers.finish()
    sleeper = workers.group.members.pop()
    asleep = workers.runners.pop()
    workers.join()
    given(workers.log, [r for r in feed(world.commits) if r.topic == TRANSACTIONS])
    workers.finish()
    workers.leave(workers.runners[0])
    workers.group.members.append(sleeper)
    workers.runners.append(asleep)
    workers.group.rebalance()
    workers.finish()
    found = published(workers.log, "order.events")
    assert len(found) == len(expected(world.commits).events) == 1
    assert sleeper.takeovers == 2 * PARTITIONS
