"""Recorded feeds into a log: whole or not at all, in any interleaving, killed and repeated."""

from __future__ import annotations

import gzip
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicConflict, TopicPartition, TopicSpec
from pipeline.log.recording import (
    Recording,
    RecordingCut,
    RecordingDamaged,
    RecordingError,
    ingest,
    read_recording,
)
from tests.pipeline.log.recordings import DEBEZIUM, MINIMAL, ORDERS, contents, file_of, raw_lines


class Witness(MemoryLog):
    """A log that remembers its appends, and is killed in place of one of them."""

    def __init__(self, dies_at: int = -1) -> None:
        super().__init__()
        self.appends: list[list[Outgoing]] = []
        self.dies_at = dies_at

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        if len(self.appends) == self.dies_at:
            self.dies_at = -1
            raise KeyboardInterrupt
        self.appends.append(list(records))
        return super().append(records)


def test_a_recording_is_in_the_log_as_it_stands_in_the_file(tmp_path: Path) -> None:
    with closing(EmbeddedLog(tmp_path / "log.db", worker=True)) as log:
        counts = ingest(read_recording(ORDERS, "text"), log, batch=100)
        found = contents(log)
    expected: dict[TopicPartition, list[tuple[int, str | None]]] = defaultdict(list)
    for line in raw_lines(ORDERS):
        expected[line["topic"], line["partition"]].append((line["offset"], line["value"]))
    assert {
        p: [(r.offset, None if r.value is None else r.value.decode()) for r in rs] for p, rs in found.items()
    } == expected
    assert counts.total == len(raw_lines(ORDERS)) == sum(counts.appended.values())
    assert not counts.skipped


def test_the_topics_get_their_kinds_and_partitions() -> None:
    log = MemoryLog()
    ingest(read_recording(ORDERS, "text"), log)
    assert {spec.name: (spec.kind, spec.partitions, spec.compacted) for spec in log.topics().values()} == {
        "legacy.order": ("feed", 4, False),
        "legacy.public.customer": ("feed", 4, False),
        "legacy.public.item": ("feed", 4, False),
        "legacy.transaction": ("transaction", 4, False),
    }
    log = MemoryLog()
    ingest(read_recording(DEBEZIUM, "base64"), log, notification="srv-notif")
    kinds = {spec.name: spec.kind for spec in log.topics().values()}
    assert kinds["srv-notif"] == "notification"
    assert kinds["__debezium-heartbeat.srv"] == "heartbeat"
    assert kinds["srv.transaction"] == "transaction"
    assert kinds["srv.public.k"] == "feed"


def test_what_completes_is_appended_after_what_it_completes() -> None:
    log = Witness()
    recording = sorted(read_recording(DEBEZIUM, "base64"), key=lambda record: record.topic != "srv.transaction")
    assert recording[0].topic == "srv.transaction"
    ingest(recording, log, batch=7, notification="srv-notif")
    stages = [{"srv-notif": 1, "srv.transaction": 2}.get(r.topic, 0) for batch in log.appends for r in batch]
    assert stages == sorted(stages)
    assert set(stages) == {0, 1, 2}
    assert all(
        len({stage for stage in map(lambda r: r.topic == "srv.transaction", batch)}) == 1 for batch in log.appends
    )
    assert max(len(batch) for batch in log.appends) == 7


def test_repeated_it_appends_nothing() -> None:
    log = MemoryLog()
    first = ingest(read_recording(ORDERS, "text"), log)
    before = contents(log)
    again = ingest(read_recording(ORDERS, "text"), log)
    assert contents(log) == before
    assert again.skipped == first.appended
    assert not again.appended


def test_killed_at_any_append_and_repeated_it_ends_the_same() -> None:
    recording = list(read_recording(ORDERS, "text"))
    whole = Witness()
    ingest(recording, whole, batch=100)
    for dies_at in range(len(whole.appends)):
        log = Witness(dies_at)
        with pytest.raises(KeyboardInterrupt):
            ingest(recording, log, batch=100)
        counts = ingest(recording, log, batch=100)
        assert contents(log) == contents(whole)
        assert counts.appended.total() == len(recording) - dies_at * 100 or dies_at > 1
        assert counts.total == len(recording)


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_of_the_partitions_ends_the_same(seed: int) -> None:
    recording = list(read_recording(ORDERS, "text"))
    partitions: dict[tuple[str, int | None], list[Outgoing]] = defaultdict(list)
    for record in recording:
        partitions[record.topic, record.partition].append(record)
    lottery = random.Random(seed)
    turns = [place for place, records in partitions.items() for _ in records]
    lottery.shuffle(turns)
    heads = {place: iter(records) for place, records in partitions.items()}
    log, expected = MemoryLog(), MemoryLog()
    ingest([next(heads[place]) for place in turns], log, batch=lottery.randrange(1, 300))
    ingest(recording, expected)
    assert contents(log) == contents(expected)


@pytest.mark.parametrize("error", [RecordingCut, RecordingDamaged])
def test_of_a_cut_file_nothing_is_appended_and_the_whole_one_then_is(
    tmp_path: Path, error: type[RecordingError]
) -> None:
    log = MemoryLog()
    path = tmp_path / ("feed.jsonl.gz" if error is RecordingDamaged else "feed.jsonl")
    whole = ORDERS.read_bytes() if error is RecordingDamaged else gzip.decompress(ORDERS.read_bytes())
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(error):
        ingest(Recording(path, "text"), log)
    assert dict(log.topics()) == {}
    path.write_bytes(whole)
    ingest(Recording(path, "text"), log)
    expected = MemoryLog()
    ingest(Recording(ORDERS, "text"), expected)
    assert contents(log) == contents(expected)


def test_a_file_that_grows_meanwhile_adds_no_end_before_its_rows(tmp_path: Path) -> None:
    row, end = MINIMAL | {"topic": "s.row"}, MINIMAL | {"topic": "s.transaction"}
    path = file_of(tmp_path, row, end)

    class Growing(Witness):
        def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
            if not self.appends:
                file_of(tmp_path, row, end, row, end)
            return super().append(records)

    log = Growing()
    ingest(Recording(path, "text"), log)
    assert (log.end("s.row", 0), log.end("s.transaction", 0)) == (1, 1)
    ingest(Recording(path, "text"), log)
    assert (log.end("s.row", 0), log.end("s.transaction", 0)) == (2, 2)


def test_a_topic_may_have_more_partitions_than_the_recording_shows_but_not_fewer(tmp_path: Path) -> None:
    recording = Recording(file_of(tmp_path, MINIMAL, MINIMAL | {"partition": 2}), "text")
    wide, narrow, other = MemoryLog(), MemoryLog(), MemoryLog()
    wide.create(TopicSpec(name="t", kind="feed", partitions=5))
    ingest(recording, wide)
    assert [wide.end("t", number) for number in range(5)] == [1, 0, 1, 0, 0]
    narrow.create(TopicSpec(name="t", kind="feed", partitions=2))
    other.create(TopicSpec(name="t", kind="events", partitions=3))
    for log in (narrow, other):
        with pytest.raises(TopicConflict):
            ingest(recording, log)
        assert log.end("t", 0) == 0


def test_records_without_a_place_of_their_own_are_appended_each_time() -> None:
    log = MemoryLog()
    records = [Outgoing(topic="t", timestamp=0, key=b"%d" % number, value=b"v") for number in range(3)]
    assert ingest(records, log).appended == {"t": 3}
    assert ingest(records, log).appended == {"t": 3}
    assert log.end("t", 0) == 6


def test_an_iterator_is_refused_as_it_can_be_read_only_once() -> None:
    log = MemoryLog()
    with pytest.raises(TypeError, match="not an iterator"):
        ingest(iter(read_recording(ORDERS, "text")), log)
    assert dict(log.topics()) == {}
