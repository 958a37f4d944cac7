"""One life of a worker, as a process that can be killed: `python -m tests.pipeline.crash_driver FOLDER [name:n]`.

The world in FOLDER/seed is fed into an embedded log, snapshot first; a parked key is released by a command.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline import control
from pipeline.control import Command
from pipeline.failpoint import arm
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Outgoing
from pipeline.state.sqlite import SqliteState
from tests.pipeline.harness import Orders, append, create_topics, worker
from tests.pipeline.world import World, completed, feed, snapshot_record

STEPS = 60
LOADED = 25


def world_of(seed: int) -> tuple[World, World]:
    """The world as loaded by the snapshot, and with all that happened after."""
    world = World(seed)
    world.run(LOADED)
    for row in world.orders.values():
        row["status"] = row["status"] if row["status"] in "NS" else "N"
    start = World(seed, orders=dict(world.orders), lines=dict(world.lines), commits=list(world.commits))
    world.run(STEPS)
    return start, world


def fill(log: EmbeddedLog, seed: int) -> None:
    """Everything that the source sent, and then the command."""
    start, world = world_of(seed)
    create_topics(log)
    rows: list[Outgoing] = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
    rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
    append(log, [*rows, *feed(world.commits[len(start.commits) :]), completed()])


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        arm(sys.argv[2])
    seed = int((folder / "seed").read_text())
    log = EmbeddedLog(folder / "log.db", worker=True)
    if not log.topics():
        fill(log, seed)
    store = SqliteState(folder / "state.db", "order")
    if not (folder / "sent").exists():
        run(log, store, Orders())
        (folder / "sent").write_text("yes")
        for key in sorted(store.waiting_keys()):
            control.send(log, Command(action="release", translator="order", key=key, partition=_at(store, key)), 0)
    run(log, store, Orders(X="strange"))
    print("done", flush=True)


def _at(store: SqliteState, key: str) -> int:
    return store.waiting(key)[0].partition


def run(log: EmbeddedLog, store: SqliteState, translator: Orders) -> None:
    made = worker(log, store, begins="snapshot", batch_size=8, translator=translator)
    while made.turn():
        pass


if __name__ == "__main__":
    main()
