"""A world, what a worker made of its feed, and what the oracle says that a history of one of its keys has to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from connectors.debezium.decode import Decoder
from pipeline.history import History, Step, Streams, history
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import ORDER_FEED, SCHEMA, Orders, append, create_topics, worker
from tests.pipeline.world import (
    MEANINGS,
    NOTIFICATIONS,
    Commit,
    World,
    business,
    feed,
)

DECODER = Decoder(SCHEMA, NOTIFICATIONS)


class Scene:
    """A world, what a worker made of its feed, and the histories that can be read from there."""

    def __init__(
        self, seed: int, transactions: int = 120, records: list[Outgoing] | None = None, **feed_is: Any
    ) -> None:
        self.world = World(seed)
        self.world.run(transactions)
        self.log, self.store = MemoryLog(), MemoryState()
        self.feed = msgspec.structs.replace(ORDER_FEED, **feed_is)
        self.decoder = DECODER
        create_topics(self.log)
        append(self.log, list(feed(self.world.commits)) if records is None else records)
        self.turn()

    def turn(self, translator: Any = None) -> None:
        made = worker(self.log, self.store, translator=translator, batch_size=9, begins=self.feed.begins)
        while made.turn():
            pass

    def life(self, order: int | str, translator: Any = None) -> History:
        found = self.maybe(order, translator)
        assert found is not None
        return found

    def maybe(self, order: int | str, translator: Any = None, store: MemoryState | None = None) -> History | None:
        streams = Streams(
            log=self.log,
            store=store or self.store,
            translator=translator or Orders(),
            decoder=self.decoder,
            feed=self.feed,
        )
        return history(streams, str(order))

    @property
    def orders(self) -> list[int]:
        return sorted({change.order for commit in self.world.commits for change in commit.changes})


def time_of(commit: Commit) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=commit.time)


def mine(commits: list[Commit], order: int) -> list[Commit]:
    return [commit for commit in commits if any(change.order == order for change in commit.changes)]


def states(commits: list[Commit], order: int, meanings: dict[str, str] = MEANINGS) -> list[Any]:
    """The order after each of its transactions, as its rows say it: its business state, or `?` for an unknown status."""
    orders: dict[int, Any] = {}
    lines: dict[tuple[int, int], Any] = {}
    found: list[Any] = []
    for commit in mine(commits, order):
        for change in (c for c in commit.changes if c.order == order):
            rows: Any = orders if change.table == "orders" else lines
            row = change.after or change.before or {}
            key = row["o_id"] if change.table == "orders" else (row["ol_o_id"], row["ol_number"])
            rows.pop(key, None)
            if change.after is not None:
                rows[key] = change.after
        try:
            found.append(business(orders, lines, order, meanings))
        except KeyError:
            found.append("?")
    return found


def pictures(steps: list[Step]) -> list[Any]:
    return ["?" if step.after.problem else step.after.state if step.after.is_known else "unknown" for step in steps]


def moves(commit: Commit, order: int) -> list[tuple[str, str, int]]:
    return [(change.table, change.op, change.lsn) for change in commit.changes if change.order == order]


def mine_ids(scene: Scene, order: int) -> list[str]:
    return [str(commit.txid) for commit in mine(scene.world.commits, order)]
