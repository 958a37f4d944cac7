"""The fence between real processes: an old owner is never the last to write, and leaves nothing half behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from dragoman.stack.server import Server
from pipeline.log.kafka.produce import Places
from pipeline.log.kafka.writer import KafkaWriter
from pipeline.log.port import LogFenced, TopicSpec
from tests.pipeline.log.contract import STATE, outgoing, settled
from tests.pipeline.log.kafka.apart import Apart
from tests.pipeline.log.kafka.bare import Bare
from tests.pipeline.log.kafka.child import BATCH, batch

Child = subprocess.Popen[str]


@contextmanager
def child(what: str, kafka: Server, name: str, label: str) -> Iterator[Child]:
    command = [sys.executable, "-m", "tests.pipeline.log.kafka.child", what, kafka.at, name, label]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: Child, count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def rest(process: Child) -> list[str]:
    assert process.stdout is not None
    return process.stdout.read().split()


def test_a_worker_that_was_paused_cannot_write_last(log: Apart, kafka: Server, unused_name: str) -> None:
    log.create(STATE)
    with child("write", kafka, unused_name, "old") as old:
        told = lines(old, 5)
        old.send_signal(signal.SIGSTOP)
        new = log.writer("one")
        new.append(batch("state", "new", 0))
        old.send_signal(signal.SIGCONT)
        told += rest(old)
        assert old.wait(30) == 3
    *numbers, code = told
    assert code == "log.fenced"
    found = [(record.value or b"").decode() for record in settled(log, "state", 0)]
    assert found[-BATCH:] == [f"new 0 {place}" for place in range(BATCH)]
    # One batch more than was told may have been committed when it was stopped; each of them is whole.
    whole = [f"old {number} {place}" for number in range(len(found) // BATCH - 1) for place in range(BATCH)]
    assert found[:-BATCH] == whole
    assert len(numbers) <= len(whole) // BATCH <= len(numbers) + 1


def test_two_processes_that_take_the_name_from_each_other(log: Apart, kafka: Server, unused_name: str) -> None:
    log.create(STATE)
    with child("write", kafka, unused_name, "a") as first:
        lines(first, 3)
        with child("write", kafka, unused_name, "b") as second:
            lines(second, 3)
            assert rest(first)[-1] == "log.fenced"
            log.writer("one").append(batch("state", "c", 0))
            assert rest(second)[-1] == "log.fenced"
    labels = [(record.value or b"").decode()[0] for record in settled(log, "state", 0)]
    assert "".join(labels).rstrip("c").rstrip("b").rstrip("a") == ""
    assert labels[-BATCH:] == ["c"] * BATCH


def test_what_a_killed_writer_left_open_is_gone_when_the_name_is_taken_over(
    log: Apart, bare: Bare, unused_name: str
) -> None:
    """And the watermark asked for after that can be read up to: nothing of the old owner holds it."""
    log.create(STATE)
    dead = bare.producer(f"{unused_name}.one")
    dead.begin()
    dead.send(f"{unused_name}.state", 0, b"half")
    assert log.read("state", 0, 0, 10).next == 0
    writer = log.writer("one")
    high = log.end("state", 0)
    page = log.read("state", 0, 0, 10)
    assert (page.records, page.next) == ([], high)
    writer.append([outgoing("state", b"k", b"new", partition=0)])
    assert [record.value for record in settled(log, "state", 0)] == [b"new"]
    with pytest.raises(KafkaError):
        dead.send(f"{unused_name}.state", 0, b"other half")
        dead.commit()
    dead.close()


def test_a_batch_is_one_transaction_over_topics_and_partitions(log: Apart, bare: Bare, unused_name: str) -> None:
    """State stream and changelog of a batch: a large one, in several requests, refused at its end, leaves nothing."""
    log.create(STATE)
    log.create(TopicSpec(name="changelog", kind="changelog", partitions=4, compacted=True))
    big = [
        outgoing(topic, b"%d" % number, bytes(500), partition=partition)
        for number in range(2_000)
        for topic, partition in (("state", number % 2), ("changelog", 3))
    ]
    log.writer("one").append(big)
    assert len(settled(log, "changelog", 3)) == 2_000
    assert sum(len(settled(log, "state", partition)) for partition in (0, 1)) == 2_000
    ends = [log.end("changelog", 3), log.end("state", 0)]
    fenced = log.writer("one")
    log.writer("one")
    with pytest.raises(Exception, match="taken over"):
        fenced.append(big)
    assert len(settled(log, "changelog", 3)) == 2_000
    assert [log.end("changelog", 3), log.end("state", 0)] == ends


def test_transactions_of_several_writers_are_under_way_at_once(log: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    """None begins to send before the other has; and one that is fenced takes nothing from the other."""
    log.create(STATE)
    writers = [log.writer("one"), log.writer("two")]
    both, send = asyncio.Barrier(2), KafkaWriter.send

    async def waiting(writer: KafkaWriter, places: Places) -> None:
        await asyncio.wait_for(both.wait(), 20)
        await send(writer, places)

    monkeypatch.setattr(KafkaWriter, "send", waiting)

    def turn(first: int) -> list[Any]:
        # Keys of their own: compaction would forget all but the last record of one.
        keys = [b"%d" % key for key in range(first, first + BATCH)]
        return [(writer, [outgoing("state", key, partition=n) for key in keys]) for n, writer in enumerate(writers)]

    log.append_each(turn(0))
    log.writer("one")
    with pytest.raises(LogFenced):
        log.append_each(turn(BATCH))
    assert [len(settled(log, "state", n)) for n in (0, 1)] == [BATCH, 2 * BATCH]


def test_appends_of_several_processes_are_all_there(log: Apart, kafka: Server, unused_name: str) -> None:
    log.create(TopicSpec(name="feed", kind="feed", partitions=2))
    with child("append", kafka, unused_name, "a") as first, child("append", kafka, unused_name, "b") as second:
        assert [process.wait(60) for process in (first, second)] == [0, 0]
    found = [(record.value or b"").decode() for record in settled(log, "feed", 0)]
    for label in "ab":
        mine = [value for value in found if value.startswith(label)]
        assert mine == [f"{label} {number} {place}" for number in range(50) for place in range(BATCH)]
    assert len(found) == 2 * 50 * BATCH
