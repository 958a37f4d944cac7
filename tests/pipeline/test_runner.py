"""Workers of one group on a real Kafka, as processes that join, are ended, killed, stopped and woken."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.console import FAILED
from dragoman.stack.server import Server
from pipeline.cloudevents import CloudEvent
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, Record, TopicSpec
from pipeline.log.reading import read_through
from tests.pipeline.harness import by_key, published, version_of
from tests.pipeline.runner_child import topics_of
from tests.pipeline.world import (
    FEED,
    MEANINGS,
    NOTIFICATIONS,
    PARTITIONS,
    TRANSACTIONS,
    World,
    expected,
    feed,
    told_alone,
)

SECONDS = 90
# A session of the group lasts 10 s: so long do partitions of a killed member rest.
BOUNDED = 10


class Workers:
    """The processes of one translator, over topics of its own."""

    def __init__(self, engine: str, at: str, name: str, folder: Path) -> None:
        self.engine, self.at, self.name, self.folder = engine, at, name, folder
        self.log = KafkaLog(at)
        self.running: list[subprocess.Popen[str]] = []
        self.topics = topics_of(name)
        for kind, topic, partitions in (
            ("feed", "topic", PARTITIONS),
            ("transaction", "transactions", 1),
            ("notification", "notifications", 1),
        ):
            self.log.create(TopicSpec(name=self.topics[topic], kind=kind, partitions=partitions))  # type: ignore[arg-type]

    def start(self, *failpoint: str) -> subprocess.Popen[str]:
        own = self.folder / f"worker-{len(list(self.folder.iterdir()))}"
        own.mkdir()
        command = [
            sys.executable,
            "-m",
            "tests.pipeline.runner_child",
            self.engine,
            self.at,
            self.name,
            str(own),
            *failpoint,
        ]
        with (own / "out").open("w") as out:
            made = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True)
        made.said = lambda: (own / "out").read_text().splitlines()  # type: ignore[attr-defined]
        made.fails = bool(failpoint)  # type: ignore[attr-defined]
        self.running.append(made)
        return made

    def give(self, records: Sequence[Outgoing]) -> None:
        """Append what a connector sends: rows, and ENDs behind them."""
        names = {
            FEED: self.topics["topic"],
            TRANSACTIONS: self.topics["transactions"],
            NOTIFICATIONS: self.topics["notifications"],
        }
        renamed = [msgspec.structs.replace(r, topic=names[r.topic]) for r in records]
        self.log.append([r for r in renamed if r.topic == names[FEED]])
        self.log.append([r for r in renamed if r.topic != names[FEED]])

    def found(self, kind: str) -> list[CloudEvent]:
        return published(self.log, f"{self.name}.{kind}")

    def written(self, kind: str) -> list[list[Record]]:
        """All that is committed of a topic, by partition."""
        pages = (read_through(self.log, f"{self.name}.{kind}", partition) for partition in range(PARTITIONS))
        return [[record for records in of for record in records] for of in pages]

    def holding(self, *processes: subprocess.Popen[str]) -> list[set[int]]:
        told = [[line for line in said(p) if line.startswith("holds")] for p in processes]
        return [set(map(int, lines[-1].split()[1:])) if lines else set() for lines in told]

    def share(self, *processes: subprocess.Popen[str]) -> None:
        """Wait until these hold all partitions, each of them some; failpoints count from now on."""
        until(
            lambda: all(self.holding(*processes)) and sum(map(len, self.holding(*processes))) == PARTITIONS,
            lambda: [(process.poll(), said(process)) for process in processes],
        )
        for process in processes:
            if process.fails:  # type: ignore[attr-defined]
                process.send_signal(signal.SIGUSR1)
                until(partial(_is_armed, process))

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
        self.log.close()


def said(process: subprocess.Popen[str]) -> list[str]:
    lines: list[str] = process.said()  # type: ignore[attr-defined]
    return lines


def until(holds: Callable[[], Any], told: Callable[[], Any] = lambda: None) -> None:
    """Wait for it; what is `told` stands in the failure where it does not come."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


def _is_armed(process: subprocess.Popen[str]) -> bool:
    return "armed" in said(process)


def end(process: subprocess.Popen[str]) -> float:
    """SIGTERM; how long it took to end well."""
    begun = time.monotonic()
    process.terminate()
    assert process.wait(SECONDS) == 0, said(process)
    return time.monotonic() - begun


@pytest.fixture
def engine() -> str:
    """What keeps the membership; a test's own parameter stands before it."""
    return "aiokafka"


@pytest.fixture
def workers(engine: str, kafka: Server, unused_name: str, tmp_path: Path) -> Iterator[Workers]:
    """No worker yet; topics of its own."""
    folder = tmp_path / "workers"
    folder.mkdir()
    with closing(Workers(engine, kafka.at, unused_name, folder)) as made:
        yield made


def judge(workers: Workers, world: World, *, repeats: bool) -> None:
    """Wait until all that has to come is there; then nothing more, nothing else, and in order."""
    want = expected(world.commits)
    names = {(order, version, kind) for order, version, kind in want.events}
    until(lambda: {_name(e) for e in workers.found("events")} >= names)
    events = workers.found("events")
    assert {_name(e) for e in events} == names
    bytes_by_id = {(e.id, repr(e.data)) for e in events}
    assert len(bytes_by_id) == len(names)
    assert repeats or len(events) == len(names)
    for key, found in by_key(events).items():
        first = list(dict.fromkeys(e.id for e in found))
        in_order = [e.id for e in sorted(found, key=lambda e: [int(part) for part in e.sequence.split(".")])]
        assert first == list(dict.fromkeys(in_order)), key

    def last() -> dict[int, Any]:
        return {
            int(key): found[-1].data
            for key, found in by_key(workers.found("state")).items()
            if found[-1].data is not None
        }

    until(lambda: last() == want.final)
    assert last() == want.final
    for key, found in by_key(workers.found("state")).items():
        versions = [version_of(state) for state in found]
        assert versions == sorted(versions), key


def _name(event: CloudEvent) -> tuple[int, int, str]:
    return int(event.subject), version_of(event), event.name


def played(world: World, parts: int) -> list[list[Outgoing]]:
    """The records of a world's transactions, in as many parts; the cuts are inside transactions."""
    records = list(feed(world.commits))
    size = len(records) // parts + 1
    return [records[start : start + size] for start in range(0, len(records), size)]


@pytest.mark.parametrize("engine", ["aiokafka", "faust"])
def test_workers_that_join_and_are_ended_repeat_nothing(workers: Workers) -> None:
    world = World(11)
    world.run(400)
    parts = iter(played(world, 6))
    first = workers.start()
    workers.give(next(parts))
    workers.share(first)
    workers.give(next(parts))
    second = workers.start()
    workers.give(next(parts))
    workers.share(first, second)
    workers.give(next(parts))
    took = end(first)
    workers.give(next(parts))
    third = workers.start()
    workers.share(second, third)
    workers.give(next(parts))
    judge(workers, world, repeats=False)
    assert max(took, end(second), end(third)) < BOUNDED


@pytest.mark.parametrize(
    ("engine", "failpoint"),
    [
        ("aiokafka", "batch.middle:5"),
        ("aiokafka", "publish.after-events:3"),
        ("aiokafka", "publish.after-state-stream:3"),
        ("aiokafka", "state.after-commit:3"),
        ("aiokafka", "offsets.after-commit:2"),
        ("faust", "publish.after-events:3"),
    ],
)
def test_after_a_kill_another_goes_on_and_nothing_is_missing_and_nothing_new(workers: Workers, failpoint: str) -> None:
    world = World(random.Random(failpoint).randrange(100))
    world.run(300)
    first, *rest = played(world, 3)
    other, killed = workers.start(), workers.start(failpoint)
    workers.share(other, killed)
    workers.give(first)
    for part in rest:
        workers.give(part)
    assert killed.wait(SECONDS) == -signal.SIGKILL
    judge(workers, world, repeats=True)
    workers.share(other)
    end(other)


@pytest.mark.parametrize(
    ("engine", "failpoint"),
    [
        ("aiokafka", "batch.middle:5:stop"),
        ("aiokafka", "publish.after-events:3:stop"),
        ("faust", "batch.middle:5:stop"),
    ],
)
def test_who_was_stopped_and_is_woken_is_fenced_and_nothing_old_wins(workers: Workers, failpoint: str) -> None:
    world = World(23)
    world.run(300)
    other, stopped = workers.start(), workers.start(failpoint)
    workers.share(other, stopped)
    workers.give(list(feed(world.commits)))
    until(lambda: "stops" in said(stopped))
    workers.share(other)
    judge(workers, world, repeats=True)
    before = workers.written("state"), workers.written("changelog")
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(SECONDS) == 3
    assert said(stopped)[-1] == "log.fenced"
    judge(workers, world, repeats=True)
    assert (workers.written("state"), workers.written("changelog")) == before
    end(other)


@pytest.mark.parametrize("engine", ["faust"])
def test_who_hangs_is_ended_by_its_watchdog_and_another_goes_on(workers: Workers) -> None:
    world = World(41)
    world.run(100)
    other, stuck = workers.start(), workers.start("publish.after-events:2:hang")
    workers.share(other, stuck)
    workers.give(list(feed(world.commits)))
    until(lambda: "hangs" in said(stuck))
    assert stuck.wait(SECONDS) == FAILED
    assert any("worker.stuck" in line for line in said(stuck))
    workers.share(other)
    judge(workers, world, repeats=True)
    end(other)


@pytest.mark.parametrize("engine", ["faust"])
def test_a_transaction_that_is_still_open_is_taken_over_whole(workers: Workers) -> None:
    world = World(31)
    world.run(40)
    records = list(feed(world.commits))
    cut = next(i for i in range(len(records) - 1, 0, -1) if records[i].topic == FEED)
    first = workers.start()
    workers.share(first)
    workers.give(records[: cut - 1])
    until(lambda: workers.found("events"))
    second = workers.start()
    workers.share(first, second)
    first.kill()
    first.wait()
    workers.share(second)
    workers.give(records[cut - 1 :])
    judge(workers, world, repeats=True)
    end(second)


@pytest.mark.parametrize("engine", ["faust:plain"])
def test_who_keeps_no_rows_is_fenced_as_well_and_says_the_same_again(workers: Workers) -> None:
    world = World(37)
    world.run(300)
    first, second = played(world, 2)
    other, stopped = workers.start(), workers.start("publish.after-events:3:stop")
    workers.share(other, stopped)
    workers.give(first)
    until(lambda: "stops" in said(stopped))
    workers.share(other)
    workers.give(second)
    want = told_alone(world.commits)
    final = {key: MEANINGS.get(row["status"], "strange") for key, row in world.orders.items()}

    def states() -> dict[int, Any]:
        found = {int(key): of[-1].data for key, of in by_key(workers.found("state")).items()}
        return {key: data["status"] for key, data in found.items() if data is not None}

    until(lambda: states() == final)
    before = len(workers.found("state"))
    stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(SECONDS) == 3
    assert said(stopped)[-1] == "log.fenced"
    events = {e.id: e for e in workers.found("events")}
    told = Counter((e.subject, e.attributes["correlationid"].split(":")[-1], e.name) for e in events.values())
    assert (told, states(), len(workers.found("state"))) == (want, final, before)
    assert len({(e.id, e.sequence, repr(e.data)) for e in workers.found("events")}) == len(events)
    for key, found in by_key(workers.found("state")).items():
        assert [e.sequence for e in found] == sorted({e.sequence for e in found}), key
    end(other)
