"""Random histories with releases, discards, reloads and republications: nothing is left behind, nothing newer overwritten.

The oracle is the world itself: what its rows are in the end.
"""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import control
from pipeline.control import Action, Command
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from pipeline.state.port import Save
from tests.pipeline.harness import Orders, append, balance, by_key, create_topics, published, worker
from tests.pipeline.world import BASE_TIME, NOTIFICATIONS, World, business, feed, partition, snapshot_record

FIXED = {"N": "new", "S": "shipped", "X": "strange"}
ACTIONS: tuple[Action, ...] = ("release", "discard", "reload", "republish")


class Life:
    """A world, what the worker made of it so far, and an operator who gives orders at random."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World(seed)
        self.log, self.store = MemoryLog(), MemoryState()
        create_topics(self.log)
        self.told = 0

    def work(self, transactions: int) -> None:
        self.world.run(transactions)
        append(self.log, feed(self.world.commits[self.told :]))
        self.told = len(self.world.commits)

    def turn(self, translator: Orders | None = None) -> None:
        made = worker(
            self.log, self.store, batch_size=self.dice.choice((2, 7, 50)), translator=translator, reread=self.ask
        )
        for _ in range(self.dice.choice((1, 2, 50))):
            if not made.turn():
                break

    def order(self, action: Action, spoiled: bool = False) -> None:
        waiting = sorted(self.store.waiting_keys())
        keys = waiting if waiting and self.dice.random() < 0.7 else [key for key, _ in self.store.scan()]
        if not keys:
            return
        key = self.dice.choice(keys)
        if action == "reload" and spoiled:
            self.spoil(key)
        steps = self.store.waiting(key)
        through = self.dice.choice(steps).version if steps and action == "discard" else 0
        one = Command(action=action, translator="order", key=key, partition=partition(int(key)), through=through)
        control.send(self.log, one, 1)

    def spoil(self, key: str) -> None:
        """Rows of a key are lost from the state."""
        stored = self.store.load([key])[key]
        lines = dict(list(stored.rows.get("order_line", {}).items())[1:])
        wrong = msgspec.structs.replace(stored, rows={**stored.rows, "order_line": lines})
        self.store.save(Save(partition=stored.partition, aggregates={key: wrong}))

    def ask(self, run: str, key: str) -> None:
        """The source shows the key's rows as they are now; sometimes it goes on working before it says that this is all."""
        number = int(key)
        found = [("orders", self.world.orders[number])] if number in self.world.orders else []
        found += [("order_line", row) for (order, _), row in sorted(self.world.lines.items()) if order == number]
        self.log.append([self.incremental(table, row, number) for table, row in found])
        if self.dice.random() < 0.5:
            self.work(self.dice.randrange(4))
        for table in ("orders", "order_line"):
            self.note(run, "TABLE_SCAN_COMPLETED", scanned_collection=f"public.{table}", status="SUCCEEDED")
        self.note(run, "COMPLETED")

    def incremental(self, table: str, row: dict[str, Any], order: int) -> Outgoing:
        told = snapshot_record(table, row, order, "incremental")
        value = json.loads(told.value or b"")
        at = str(self.world.last_commit)
        value["source"] |= {"lsn": None, "txId": None, "sequence": json.dumps([at, at])}
        return msgspec.structs.replace(told, value=json.dumps(value).encode())

    def note(self, run: str, type_: str, **data: str) -> None:
        value = {"id": run, "aggregate_type": "Incremental Snapshot", "type": type_, "additional_data": data}
        body = json.dumps({**value, "timestamp": BASE_TIME}).encode()
        self.log.append([Outgoing(topic=NOTIFICATIONS, partition=0, timestamp=1, key=b"{}", value=body)])

    def end(self) -> None:
        """The mapping is mended, and all that waits is released."""
        for _ in range(2):
            for key in sorted(self.store.waiting_keys()):
                one = Command(action="release", translator="order", key=key, partition=partition(int(key)))
                control.send(self.log, one, 1)
            for key in [key for key, stored in self.store.scan() if stored.unmapped is not None]:
                one = Command(action="republish", translator="order", key=key, partition=partition(int(key)))
                control.send(self.log, one, 1)
            made = worker(self.log, self.store, translator=Orders(X="strange"), reread=self.ask)
            while made.turn():
                pass


def assert_balanced(store: MemoryState) -> None:
    for table, (read, outcomes) in balance(store.counts()).items():
        assert read == outcomes, table


@given(st.integers(0, 10**6), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=12))
def test_nothing_is_left_behind_and_nothing_newer_is_overwritten(seed: int, orders: list[Action]) -> None:
    life = Life(seed)
    life.work(10)
    life.turn()
    for action in orders:
        life.work(life.dice.randrange(8))
        if life.dice.random() < 0.6:
            life.turn(Orders(X="strange") if life.dice.random() < 0.2 else None)
        life.order(action, spoiled=False)
        if life.dice.random() < 0.6:
            life.turn()
            assert_balanced(life.store)
    life.end()
    assert not life.store.waiting()
    assert all(pin.result for pin in life.store.pins())
    assert_balanced(life.store)
    assert_as_the_world(life)


@given(st.integers(0, 10**6))
@example(13)  # a lost line is deleted, by a step that waits, before it is read again
@example(6221)
def test_a_reload_mends_what_was_lost_at_any_time(seed: int) -> None:
    life = Life(seed)
    life.work(30)
    life.turn()
    spoiled = [key for key, stored in life.store.scan() if stored.rows.get("order_line")]
    for key in spoiled:
        life.spoil(key)
        life.work(life.dice.randrange(3))
        control.send(life.log, Command(action="reload", translator="order", key=key, partition=partition(int(key))), 1)
        life.turn()
    life.end()
    assert_as_the_world(life)


def assert_as_the_world(life: Life) -> None:
    states = by_key(published(life.log, "order.state"))
    for key, stored in life.store.scan():
        number = int(key)
        assert list(stored.rows.get("orders", {}).values()) == [
            r for o, r in life.world.orders.items() if o == number
        ], key
        lines = {int(str(row["ol_number"])): row for row in stored.rows.get("order_line", {}).values()}
        assert lines == {n: row for (o, n), row in life.world.lines.items() if o == number}, key
        want = business(life.world.orders, life.world.lines, number, FIXED)
        said = states.get(key, [])
        assert (said[-1].data if said else None) == want, key
        sequences = [event.sequence for event in said]
        assert sequences == sorted(sequences), key
        assert not stored.loading
        assert not stored.partial
        assert len({event.id for event in said}) == len(set(sequences)), key
