"""The contract on each log of the house: in memory, in a file, and in a file that is opened anew for every call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Fenced, FencedWriter, Log, Outgoing, Page, TopicPartition, TopicSpec
from tests.pipeline.log.contract import KeepingLog, KeepingLogContract

Answer = TypeVar("Answer")


class Reopened:
    """A log of which nothing but the file outlives a call."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: list[EmbeddedLog] = []

    def _ask(self, call: Callable[[EmbeddedLog], Answer]) -> Answer:
        with closing(EmbeddedLog(self._path, worker=True)) as log:
            return call(log)

    def create(self, topic: TopicSpec) -> None:
        self._ask(lambda log: log.create(topic))

    def topics(self) -> Mapping[str, TopicSpec]:
        return self._ask(lambda log: log.topics())

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        return self._ask(lambda log: log.append(records))

    def writer(self, name: str) -> FencedWriter:
        self._held.append(EmbeddedLog(self._path))
        return self._held[-1].writer(name)

    def append_each(self, batches: Collection[Fenced]) -> None:
        self._ask(lambda log: log.append_each(batches))

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        return self._ask(lambda log: log.read(topic, partition, offset, limit))

    def end(self, topic: str, partition: int) -> int:
        return self._ask(lambda log: log.end(topic, partition))

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return self._ask(lambda log: log.ends(places))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        return self._ask(lambda log: log.committed(group))

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self._ask(lambda log: log.commit(group, offsets))

    def groups(self) -> list[str]:
        return self._ask(lambda log: log.groups())

    def compact(self, topic: str) -> int:
        return self._ask(lambda log: log.compact(topic))

    def expire(self, topic: str, partition: int, before: int) -> int:
        return self._ask(lambda log: log.expire(topic, partition, before))

    def close(self) -> None:
        for log in self._held:
            log.close()


class TestMemoryLog(KeepingLogContract):
    @pytest.fixture
    def log(self) -> KeepingLog:
        return MemoryLog()

    def test_it_is_a_log(self) -> None:
        log: Log = MemoryLog()
        assert log.groups() == []

    def test_it_may_be_used_after_close_as_after_a_restart(self) -> None:
        log = MemoryLog()
        log.create(TopicSpec(name="feed", kind="feed", partitions=1))
        log.close()
        assert log.end("feed", 0) == 0


class TestEmbeddedLog(KeepingLogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[KeepingLog]:
        with closing(EmbeddedLog(tmp_path / "log.db", worker=True)) as log:
            yield log

    def test_it_is_a_log(self, tmp_path: Path) -> None:
        log: Log = EmbeddedLog(tmp_path / "other.db")
        with closing(log):
            assert log.groups() == []


class TestReopenedLog(KeepingLogContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[KeepingLog]:
        with closing(Reopened(tmp_path / "log.db")) as log:
            yield log
