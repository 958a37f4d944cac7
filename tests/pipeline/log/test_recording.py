"""Recorded feeds: real ones, cut ones, damaged ones; read, ingested in any interleaving, and written again."""

from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Record, TopicConflict, TopicPartition, TopicSpec
from pipeline.log.recording import (
    Recording,
    RecordingCut,
    RecordingDamaged,
    RecordingDisordered,
    RecordingError,
    RecordingInvalid,
    RecordingNotText,
    RecordingUnreadable,
    RecordingUnwritable,
    ingest,
    read_recording,
    write_recording,
)

DATA = Path(__file__).parents[2] / "data"
ORDERS = DATA / "orders-excerpt.jsonl.gz"
DEBEZIUM = DATA / "debezium" / "pg1.jsonl.gz"
MINIMAL: dict[str, Any] = {"topic": "t", "key": None, "value": None}


def raw_lines(path: Path) -> list[dict[str, Any]]:
    """The file as the standard library reads it."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def file_of(folder: Path, *lines: dict[str, Any] | str, name: str = "feed.jsonl") -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) + "\n" for line in lines]
    content = "".join(texts).encode()
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def contents(log: MemoryLog | EmbeddedLog) -> dict[TopicPartition, list[Record]]:
    return {
        (name, number): log.read(name, number, 0, 1_000_000)
        for name, spec in log.topics().items()
        for number in range(spec.partitions)
    }


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


# Reading


def test_a_recording_of_text_is_read_as_it_stands() -> None:
    raw = raw_lines(ORDERS)
    records = list(read_recording(ORDERS, "text"))
    assert len(records) == len(raw) > 1000
    for line, record in zip(raw, records, strict=True):
        assert (line["topic"], line["partition"], line["offset"]) == (record.topic, record.partition, record.offset)
        assert record.timestamp == line["timestamp"]
        assert record.key == (None if line["key"] is None else line["key"].encode())
        assert record.value == (None if line["value"] is None else line["value"].encode())
        assert record.headers == tuple((name, None if v is None else v.encode()) for name, v in line["headers"])


def test_a_recording_of_base64_without_offsets_is_numbered_by_partition() -> None:
    raw = raw_lines(DEBEZIUM)
    records = list(read_recording(DEBEZIUM, "base64"))
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for line, record in zip(raw, records, strict=True):
        place = (line["topic"], line["partition"] or 0)
        assert (record.topic, record.partition, record.offset) == (*place, counts[place])
        counts[place] += 1
        assert record.timestamp == 0
        assert record.key == (None if line["key"] is None else base64.b64decode(line["key"]))
        assert record.value == (None if line["value"] is None else base64.b64decode(line["value"]))
        assert record.headers == tuple(
            (n, None if v is None else base64.b64decode(v)) for n, v in line["headers"].items()
        )
    assert len(counts) > 5


def test_what_is_absent_and_what_is_null(tmp_path: Path) -> None:
    null = MINIMAL | {"partition": None, "offset": None, "timestamp": None, "headers": None, "more": [1]}
    numbered = MINIMAL | {"offset": 7, "key": "", "headers": {"a": None, "b": "é"}}
    path = file_of(tmp_path, MINIMAL, null, numbered, MINIMAL | {"headers": [["a", "1"], ["a", None]]})
    assert list(read_recording(path, "text")) == [
        Outgoing(topic="t", partition=0, offset=0, timestamp=0, key=None, value=None),
        Outgoing(topic="t", partition=0, offset=1, timestamp=0, key=None, value=None),
        Outgoing(
            topic="t",
            partition=0,
            offset=7,
            timestamp=0,
            key=b"",
            value=None,
            headers=(("a", None), ("b", "é".encode())),
        ),
        Outgoing(
            topic="t", partition=0, offset=8, timestamp=0, key=None, value=None, headers=(("a", b"1"), ("a", None))
        ),
    ]


def test_an_empty_recording_has_no_records(tmp_path: Path) -> None:
    assert list(read_recording(file_of(tmp_path), "text")) == []
    assert list(read_recording(file_of(tmp_path, name="feed.jsonl.gz"), "text")) == []


def test_a_last_line_that_is_whole_but_has_no_end_is_read(tmp_path: Path) -> None:
    assert len(list(read_recording(file_of(tmp_path, MINIMAL, json.dumps(MINIMAL)), "text"))) == 2


def test_reading_holds_one_line_and_not_the_file(tmp_path: Path) -> None:
    line = json.dumps(MINIMAL | {"value": "x" * 10_000}) + "\n"
    path = file_of(tmp_path, line * 2000)
    assert sum(1 for _ in read_recording(path, "text")) == 2000
    tracemalloc.start()
    try:
        for _ in read_recording(path, "text"):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000 < path.stat().st_size


@given(cut=st.integers(1, 400), name=st.sampled_from(["t", "té€𝄞"]))
@settings(max_examples=60, deadline=None)
def test_a_line_cut_anywhere_is_told_and_what_is_before_is_read(
    tmp_path_factory: pytest.TempPathFactory, cut: int, name: str
) -> None:
    line = json.dumps(
        {
            "topic": name,
            "partition": 12,
            "timestamp": -1500,
            "key": "\u2028\\",
            "value": "ü",
            "headers": {name: None},
            "x": {},
        },
        ensure_ascii=cut % 2 == 0,
    ).encode()
    path = tmp_path_factory.mktemp("cut") / "feed.jsonl"
    path.write_bytes(line + b"\n" + line[: cut % (len(line) - 1) + 1 if cut % len(line) else 1])
    found = []
    with pytest.raises(RecordingCut) as caught:
        for record in read_recording(path, "text"):
            found.append(record.topic)
    assert found == [name]
    assert caught.value.where == f"{path}:2"


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.3, 0.6, 0.9999])
def test_a_gzip_stream_that_is_cut(tmp_path: Path, share: float) -> None:
    whole = ORDERS.read_bytes()
    path = tmp_path / "feed.jsonl.gz"
    path.write_bytes(whole[: int(len(whole) * share)])
    found = []
    with pytest.raises(RecordingDamaged) as caught:
        for record in read_recording(path, "text"):
            found.append(record)
    assert found == list(read_recording(ORDERS, "text"))[: len(found)]
    assert caught.value.where == f"{path}:{len(found)}"
    assert share < 0.1 or len(found) > 100


def test_a_gzip_stream_with_a_damaged_byte(tmp_path: Path) -> None:
    whole = bytearray(ORDERS.read_bytes())
    path = tmp_path / "feed.jsonl.gz"
    for at in (0, len(whole) // 2, len(whole) - 6):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises((RecordingDamaged, RecordingInvalid)):
            list(read_recording(path, "text"))


def test_a_file_that_is_named_gzip_and_is_not(tmp_path: Path) -> None:
    path = file_of(tmp_path, MINIMAL).rename(tmp_path / "feed.jsonl.gz")
    with pytest.raises(RecordingDamaged, match="Not a gzipped file"):
        list(read_recording(path, "text"))


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("{'topic': 1}", 2, "JSON is malformed"),
        ('{"topic":"é","key":null,"value":x}', 33, "JSON is malformed"),
        ('{"topic":"é","key":null', 24, "truncated"),
        ("", 1, "truncated"),
        ('{"key":null,"value":null}', 1, "missing required field `topic`"),
        ('{"topic":"t","value":null}', 1, "missing required field `key`"),
        ('{"topic":"t","key":null}', 1, "missing required field `value`"),
        ('{"topic":"","key":null,"value":null}', 2, "length >= 1"),
        ('{"topic":"é","key":null,"value":null,"partition":"1"}', 38, "Expected `int | null`, got `str`"),
        ('{"topic":"t","key":null,"value":null,"partition":-1}', 38, ">= 0"),
        ('{"topic":"t","key":null,"value":null,"partition":10000}', 38, "<= 9999"),
        ('{"topic":"t","key":null,"value":null,"offset":-1}', 38, ">= 0"),
        ('{"topic":"t","key":null,"value":null,"offset":1.5}', 38, "Expected `int | null`, got `float`"),
        ('{"topic":"t","key":null,"value":null,"timestamp":9223372036854775808}', 38, "<="),
        ('{"topic":"t","key":null,"value":{}}', 25, "Expected `str | null`, got `object`"),
        ('{"topic":"t","key":null,"value":null,"headers":[["a"]]}', 38, "Expected `array` of length 2"),
        ("[]", 1, "Expected `object`, got `array`"),
    ],
)
def test_a_line_that_is_no_record_is_told_with_its_place(tmp_path: Path, line: str, column: int, reason: str) -> None:
    path = file_of(tmp_path, MINIMAL, line + "\n", MINIMAL)
    with pytest.raises(RecordingInvalid) as caught:
        list(read_recording(path, "text"))
    assert caught.value.where == f"{path}:2:{column}"
    assert reason in caught.value.message


def test_a_line_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "feed.jsonl"
    path.write_bytes('{"topic":"é","key":"'.encode() + b'\xff","value":null}\n')
    with pytest.raises(RecordingInvalid, match="not UTF-8") as caught:
        list(read_recording(path, "text"))
    assert caught.value.where == f"{path}:1:21"


def test_text_read_as_base64_is_refused() -> None:
    with pytest.raises(RecordingInvalid, match="base64"):
        list(read_recording(ORDERS, "base64"))


def test_no_error_repeats_what_the_line_holds(tmp_path: Path) -> None:
    path = file_of(tmp_path, '{"topic":"t","key":"secret","value":["secret"],"secret":1}\n')
    with pytest.raises(RecordingInvalid) as caught:
        list(read_recording(path, "text"))
    assert "secret" not in caught.value.message


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.log.recording.MAX_LINE", 1000)
    with pytest.raises(RecordingInvalid, match="longer than 1000 bytes"):
        list(read_recording(file_of(tmp_path, MINIMAL | {"value": "x" * 1000}), "text"))


@pytest.mark.parametrize("second", [5, 4])
def test_offsets_that_do_not_rise_are_refused(tmp_path: Path, second: int) -> None:
    lines = [MINIMAL | {"offset": 5}, MINIMAL | {"offset": 1, "partition": 1}, MINIMAL | {"offset": second}]
    path = file_of(tmp_path, *lines)
    with pytest.raises(RecordingDisordered, match=f"t 0 has offset {second} after 5") as caught:
        list(read_recording(path, "text"))
    assert caught.value.where == f"{path}:3"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(RecordingUnreadable):
            list(read_recording(path, "text"))


# Ingesting


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


# Writing


@pytest.mark.parametrize("name", ["again.jsonl", "again.jsonl.gz"])
@pytest.mark.parametrize(("source", "encoding"), [(ORDERS, "text"), (DEBEZIUM, "base64")])
def test_what_was_written_is_read_again(tmp_path: Path, name: str, source: Path, encoding: Any) -> None:
    records = list(read_recording(source, encoding))
    path, twice = tmp_path / name, tmp_path / f"twice-{name}"
    assert write_recording(path, records, encoding) == len(records)
    assert list(read_recording(path, encoding)) == records
    write_recording(twice, read_recording(path, encoding), encoding)
    assert twice.read_bytes() == path.read_bytes()


def test_records_of_a_log_are_a_recording(tmp_path: Path) -> None:
    log, again = MemoryLog(), MemoryLog()
    ingest(read_recording(ORDERS, "text"), log)
    write_recording(tmp_path / "feed.jsonl.gz", [record for records in contents(log).values() for record in records])
    ingest(read_recording(tmp_path / "feed.jsonl.gz", "text"), again)
    assert contents(again) == contents(log)


def test_bytes_that_are_no_text_are_refused_and_the_earlier_file_stays(tmp_path: Path) -> None:
    path = file_of(tmp_path, MINIMAL)
    before = path.read_bytes()
    records = [Outgoing(topic="t", timestamp=0, key=None, value=value) for value in (b"fine", b"\xff")]
    with pytest.raises(RecordingNotText):
        write_recording(path, records)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    assert write_recording(path, records, "base64") == 2
    assert [record.value for record in read_recording(path, "base64")] == [b"fine", b"\xff"]


def test_a_folder_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingUnwritable, match="No such file"):
        write_recording(tmp_path / "nowhere" / "feed.jsonl", [])
