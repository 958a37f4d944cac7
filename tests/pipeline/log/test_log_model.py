"""Random work on the embedded log and the log in memory, against a plain model that shares no code with them."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import OffsetExpired, Outgoing, TopicSpec

PARTITIONS = 3
TOPICS = {"feed": False, "state": True}
Headers = tuple[tuple[str, bytes | None], ...]
Stored = tuple[int, int, bytes | None, bytes | None, Headers]

keys = st.sampled_from([b"", b"a", b"b", b"c", b"\xff\x00", b"a longer key"])
values = st.none() | st.binary(max_size=20)
headers = st.lists(st.tuples(st.text(max_size=4), st.none() | st.binary(max_size=4)), max_size=2).map(tuple)


def crc_32(data: bytes) -> int:
    """Bit by bit, as the definition has it: reflected polynomial 0xEDB88320, start and final xor all ones."""
    total = 0xFFFFFFFF
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = total >> 1 ^ (0xEDB88320 if total & 1 else 0)
    return total ^ 0xFFFFFFFF


@st.composite
def batches(draw: st.DrawFn) -> list[Outgoing]:
    records = []
    for _ in range(draw(st.integers(0, 6))):
        topic = draw(st.sampled_from(sorted(TOPICS)))
        records.append(
            Outgoing(
                topic=topic,
                timestamp=draw(st.integers(-(2**62), 2**62)),
                key=draw(keys if TOPICS[topic] else st.none() | keys),
                value=draw(values),
                headers=draw(headers),
                partition=draw(st.none() | st.integers(0, PARTITIONS - 1)),
                offset=draw(st.none() | st.integers(0, 40)),
            )
        )
    return records


class Model:
    """Per partition all that was ever appended and is still there, and the three numbers that say what may be read."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], list[Stored]] = defaultdict(list)
        self.end: dict[tuple[str, int], int] = defaultdict(int)
        self.first: dict[tuple[str, int], int] = defaultdict(int)
        self.seen: dict[tuple[str, int], int] = defaultdict(int)
        self.commits: dict[str, dict[tuple[str, int], int]] = {}

    def append(self, record: Outgoing) -> tuple[str, int]:
        partition = record.partition
        if partition is None:
            partition = 0 if record.key is None else crc_32(record.key) % PARTITIONS
        place = (record.topic, partition)
        offset = self.end[place] if record.offset is None else record.offset
        if offset >= self.end[place]:
            self.stored[place].append((offset, record.timestamp, record.key, record.value, record.headers))
            self.end[place] = offset + 1
        return place

    def compact(self, topic: str) -> None:
        for partition in range(PARTITIONS):
            place = (topic, partition)
            latest: dict[bytes | None, Stored] = {}
            for stored in self.stored[place]:
                latest[stored[2]] = stored
            alive = [s for s in latest.values() if s[3] is not None or s[0] >= self.seen[place]]
            self.stored[place] = sorted(alive)
            self.seen[place] = self.end[place]


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "log.db"
        self.model = Model()
        self.memory = MemoryLog()
        self.embedded = EmbeddedLog(self.path, worker=True)
        for name, compacted in TOPICS.items():
            spec = TopicSpec(name=name, kind="feed", partitions=PARTITIONS, compacted=compacted)
            self.memory.create(spec)
            self.embedded.create(spec)

    def teardown(self) -> None:
        self.embedded.close()
        self.folder.cleanup()

    @rule(records=batches())
    def append(self, records: list[Outgoing]) -> None:
        places = [self.model.append(record) for record in records]
        assert self.embedded.append(records) == places
        assert self.memory.append(records) == places

    @rule(group=st.sampled_from("ab"), topic=st.sampled_from(sorted(TOPICS)), offset=st.integers(0, 50))
    def commit(self, group: str, topic: str, offset: int) -> None:
        moved = {(topic, offset % PARTITIONS): offset}
        self.model.commits.setdefault(group, {}).update(moved)
        self.embedded.commit(group, moved)
        self.memory.commit(group, moved)

    @rule()
    def compact(self) -> None:
        self.model.compact("state")
        assert self.embedded.compact("state") == self.memory.compact("state")

    @rule(partition=st.integers(0, PARTITIONS - 1), before=st.integers(0, 60))
    def expire(self, partition: int, before: int) -> None:
        place = ("feed", partition)
        self.model.first[place] = max(self.model.first[place], min(before, self.model.end[place]))
        self.model.stored[place] = [s for s in self.model.stored[place] if s[0] >= self.model.first[place]]
        assert self.embedded.expire("feed", partition, before) == self.memory.expire("feed", partition, before)

    @rule()
    def reopen(self) -> None:
        self.embedded.close()
        self.embedded = EmbeddedLog(self.path, worker=True)

    @rule(topic=st.sampled_from(sorted(TOPICS)), number=st.integers(0, PARTITIONS - 1), offset=st.integers(0, 50))
    def read(self, topic: str, number: int, offset: int) -> None:
        for log in (self.embedded, self.memory):
            if offset < self.model.first[topic, number]:
                with pytest.raises(OffsetExpired):
                    log.read(topic, number, offset, 3)
            else:
                found = log.read(topic, number, offset, 3).records
                expected = [s for s in self.model.stored[topic, number] if s[0] >= offset][:3]
                assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in found] == expected

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        for log in (self.embedded, self.memory):
            for topic in TOPICS:
                for number in range(PARTITIONS):
                    place = (topic, number)
                    found = log.read(topic, number, self.model.first[place], 1000).records
                    assert [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in found] == self.model.stored[
                        place
                    ]
                    assert log.end(topic, number) == self.model.end[place]
            assert {group: dict(log.committed(group)) for group in log.groups()} == self.model.commits


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
