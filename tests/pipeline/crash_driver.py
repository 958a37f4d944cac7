"""One life of a worker, as a process that can be killed: `python -m tests.pipeline.crash_driver FOLDER [name:n [STORE]]`.

The world in FOLDER/seed is fed into a log, snapshot first; a parked key is released by a command. FOLDER/kafka says where a
broker is and what the names there begin with; without it the log is embedded. Where FOLDER/changelog exists, state is in
RocksDB in FOLDER/STORE and told to a changelog, else it is in SQLite. `pause:name:n` stops the process there, for others to
let it go on.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import msgspec

from pipeline import control
from pipeline import failpoint as places
from pipeline.control import Command
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.kafka.naming import kind_of
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.state.port import StateStore
from pipeline.state.rocks import RocksState
from pipeline.state.sqlite import SqliteState
from tests.pipeline.harness import Orders, append, create_topics, worker
from tests.pipeline.log.kafka.apart import Apart
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


class Project(Apart):
    """The topics of a whole project behind a name of its own; their kinds are read off the rest of their names."""

    def create(self, topic: TopicSpec) -> None:
        super().create(msgspec.structs.replace(topic, kind=kind_of(self._before + topic.name)))

    def topics(self) -> Mapping[str, TopicSpec]:
        found = super().topics()
        return {name: msgspec.structs.replace(spec, kind=kind_of(name)) for name, spec in found.items()}


def log_of(folder: Path, *, worker: bool = False) -> Log:
    """The log that the folder names."""
    if (folder / "kafka").exists():
        at, name = (folder / "kafka").read_text().split()
        return Project(KafkaLog(at, patience=60), name)
    return EmbeddedLog(folder / "log.db", worker=worker)


def store_of(folder: Path, name: str = "state") -> StateStore:
    """The store that the folder names."""
    return RocksState(folder / name) if (folder / "changelog").exists() else SqliteState(folder / "state.db", "order")


def fill(log: Log, seed: int) -> None:
    """Everything that the source sent, and then the command."""
    start, world = world_of(seed)
    create_topics(log)
    rows: list[Outgoing] = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
    rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
    append(log, [*rows, *feed(world.commits[len(start.commits) :]), completed()])


def main() -> None:
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        if sys.argv[2].startswith("pause:"):
            setattr(places, "signal", SimpleNamespace(SIGKILL=signal.SIGSTOP))  # noqa: B010
        places.arm(sys.argv[2].removeprefix("pause:"))
    seed = int((folder / "seed").read_text())
    log = log_of(folder, worker=True)
    if not log.topics():
        fill(log, seed)
    changelog = (folder / "changelog").exists()
    store = store_of(folder, *sys.argv[3:])
    if not (folder / "sent").exists():
        run(log, store, Orders(), changelog)
        (folder / "sent").write_text("yes")
        for key in sorted(store.waiting_keys()):
            control.send(log, Command(action="release", translator="order", key=key, partition=_at(store, key)), 0)
    run(log, store, Orders(X="strange"), changelog)
    print("done", flush=True)


def _at(store: StateStore, key: str) -> int:
    return store.waiting(key)[0].partition


def run(log: Log, store: StateStore, translator: Orders, changelog: bool) -> None:
    made = worker(log, store, begins="snapshot", batch_size=8, translator=translator, changelog=changelog)
    while made.turn():
        pass


if __name__ == "__main__":
    main()
