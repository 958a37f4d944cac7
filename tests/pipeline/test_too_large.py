"""An aggregate that has grown over what may be published is a dead letter; it does not hold up anything else."""

from __future__ import annotations

import json
import random
from contextlib import closing
from typing import Any

from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.log.reading import read_through
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import Orders, append, balance, create_topics, published, worker
from tests.pipeline.world import BASE_TIME, FEED, NOTIFICATIONS, PARTITIONS, TRANSACTIONS, Commit, RowChange, feed
from translators.aggregate import Rows
from translators.translator import State

LETTERS = 1_300_000


class Wordy(Orders):
    """Orders whose state has a long text of noise, which nobody can compress, for each order with a mark."""

    def state(self, rows: Rows) -> State | None:
        state = super().state(rows)
        if state is None or {line["number"] for line in state["lines"]} != {9}:
            return state
        noise = random.Random(1)
        return {**state, "text": "".join(chr(noise.randrange(32, 127)) for _ in range(LETTERS))}


def commits() -> list[Commit]:
    """Order 1 is small, grows over the limit, is changed again; order 4 goes on."""

    def order(number: int, status: str, lsn: int, op: str = "c") -> RowChange:
        before = {"o_id": number, "status": "N", "touched": 0} if op == "u" else None
        return RowChange("orders", op, number, before, {"o_id": number, "status": status, "touched": 0}, lsn)

    line = RowChange("order_line", "c", 1, None, {"ol_o_id": 1, "ol_number": 9, "qty": 1}, 120)
    steps: list[list[RowChange]] = [
        [order(1, "N", 100)],
        [line],
        [order(4, "N", 140)],
        [order(1, "S", 160, "u")],
        [order(4, "S", 180, "u")],
    ]
    return [Commit(700 + i, 90 + 20 * i, changes, 105 + 20 * i, BASE_TIME) for i, changes in enumerate(steps)]


def judge(log: Log, store: MemoryState, name: str) -> None:
    assert sorted((e.subject, e.name) for e in published(log, f"{name}.events")) == [
        ("1", "OrderPlaced.v1"),
        ("4", "OrderPlaced.v1"),
        ("4", "OrderShipped.v1"),
    ]
    assert [(w.key, len(w.changes), w.problem and w.problem.code) for w in store.waiting()] == [
        ("1", 1, "aggregate.too-large"),
        ("1", 1, None),
    ]
    (letter,) = [json.loads(r.value or b"") for page in read_through(log, f"{name}.dead-letters", 0) for r in page]
    assert letter["problem"]["code"] == "aggregate.too-large"
    assert "text" not in letter["problem"]["message"]
    assert all(read == outcomes for read, outcomes in balance(store.counts()).values())


def test_it_is_rejected_and_its_later_steps_wait() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    append(log, feed(commits()))
    worker(log, store, translator=Wordy()).turn()
    judge(log, store, "order")


def test_the_records_of_what_waits_may_be_larger_than_what_is_published(kafka: Server, unused_name: str) -> None:
    """A row of more than a megabyte waits in changelog and dead letters, which take it."""
    names = {FEED: f"{unused_name}.order", TRANSACTIONS: f"{unused_name}.transaction"}
    found: list[Outgoing] = []
    noise = random.Random(2)
    for record in feed(commits()):
        value: Any = json.loads(record.value or b"")
        if (value.get("after") or {}).get("ol_number") == 9:
            value["after"]["note"] = "".join(chr(noise.randrange(35, 92)) for _ in range(1_500_000))
        found.append(
            Outgoing(
                topic=names[record.topic],
                partition=record.partition,
                timestamp=record.timestamp,
                key=record.key,
                value=json.dumps(value).encode(),
            )
        )
    translator, store = Wordy(), MemoryState()
    translator.name = unused_name
    with closing(KafkaLog(kafka.at)) as log:
        log.create(TopicSpec(name=names[FEED], kind="feed", partitions=PARTITIONS))
        log.create(TopicSpec(name=names[TRANSACTIONS], kind="transaction", partitions=1))
        _enlarge(kafka.at, names[FEED])
        for record in sorted(found, key=lambda r: r.topic != names[FEED]):
            log.append([record])
        made = worker(
            log,
            store,
            translator=translator,
            changelog=True,
            topic=names[FEED],
            transactions=names[TRANSACTIONS],
            notifications=NOTIFICATIONS,
        )
        while made.turn():
            pass
        judge(log, store, unused_name)


def _enlarge(at: str, topic: str) -> None:
    """The feed of a legacy with long texts takes larger records; its connector says so."""
    import asyncio

    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    async def alter() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=at)
        await admin.start()
        try:
            wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "8000000"})
            await admin.alter_configs([wanted])
        finally:
            await admin.close()

    asyncio.run(alter())
