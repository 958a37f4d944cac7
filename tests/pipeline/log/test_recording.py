"""Recorded feeds as files: real ones, cut ones, damaged ones; read, and written again."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.log.recording import (
    RecordingCut,
    RecordingDamaged,
    RecordingDisordered,
    RecordingInvalid,
    RecordingNotText,
    RecordingUnreadable,
    RecordingUnwritable,
    ingest,
    read_recording,
    write_recording,
)
from tests.pipeline.log.recordings import DEBEZIUM, MINIMAL, ORDERS, contents, file_of, raw_lines

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
    if name.endswith(".gz"):
        assert path.read_bytes()[3:8] == bytes(5), "neither a name nor a time (RFC 1952 section 2.3)"


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
