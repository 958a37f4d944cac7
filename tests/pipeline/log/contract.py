"""What every log must do, as one suite: a backend's test class inherits it and gives a `log` fixture."""

from __future__ import annotations

import time
from typing import Protocol

import pytest

from pipeline.log.memory import RecordRefused
from pipeline.log.port import (
    Log,
    LogFenced,
    OffsetExpired,
    Outgoing,
    Record,
    TopicConflict,
    TopicSpec,
    TopicUnknown,
)


class KeepingLog(Log, Protocol):
    """A log that also compacts and expires by itself; a broker does so on its own."""

    def compact(self, topic: str) -> int: ...

    def expire(self, topic: str, partition: int, before: int) -> int: ...


FEED = TopicSpec(name="feed", kind="feed", partitions=3)
STATE = TopicSpec(name="state", kind="state", partitions=2, compacted=True)


def outgoing(
    topic: str = "feed",
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    *,
    partition: int | None = None,
    offset: int | None = None,
    timestamp: int = 0,
) -> Outgoing:
    return Outgoing(topic=topic, timestamp=timestamp, key=key, value=value, partition=partition, offset=offset)


def offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


def settled(log: Log, topic: str, partition: int, limit: int = 1_000) -> list[Record]:
    """All records below the watermark. A broker may still be writing the mark of a transaction that was committed."""
    found: list[Record] = []
    position, high = 0, log.end(topic, partition)
    give_up = time.monotonic() + 20
    while position < high:
        page = log.read(topic, partition, position, limit)
        assert page.next > position or time.monotonic() < give_up, "no way is made below the watermark"
        found += page.records
        position = page.next
    return found


class LogContract:
    """The promises of the port."""

    def test_a_record_is_read_as_it_was_appended(self, log: Log) -> None:
        log.create(FEED)
        headers = (("ce_id", b"1"), ("none", None), ("ce_id", b""), ("é", b"\x00\xff"))
        sent = Outgoing(
            topic="feed", timestamp=1795166837212, key=b"\x00k", value=b"\xff", headers=headers, partition=2
        )
        assert log.append([sent]) == [("feed", 2)]
        assert log.read("feed", 2, 0, 10).records == [
            Record(
                topic="feed",
                partition=2,
                offset=0,
                timestamp=1795166837212,
                key=b"\x00k",
                value=b"\xff",
                headers=headers,
            )
        ]

    def test_null_and_empty_are_two_things(self, log: Log) -> None:
        log.create(FEED)
        pairs: list[tuple[bytes | None, bytes | None]] = [(None, None), (None, b""), (b"", None), (b"", b"")]
        log.append([outgoing(key=key, value=value, partition=0) for key, value in pairs])
        assert [(record.key, record.value) for record in log.read("feed", 0, 0, 10).records] == pairs

    def test_an_empty_partition_ends_at_0_and_reads_nothing(self, log: Log) -> None:
        log.create(FEED)
        assert log.end("feed", 1) == 0
        assert log.read("feed", 1, 0, 10).records == []

    def test_offsets_count_each_partition_from_0(self, log: Log) -> None:
        log.create(FEED)
        log.append([outgoing(partition=number) for number in (0, 1, 0)])
        log.append([outgoing(partition=0)])
        assert offsets(log.read("feed", 0, 0, 10).records) == [0, 1, 2]
        assert offsets(log.read("feed", 1, 0, 10).records) == [0]
        assert [log.end("feed", number) for number in range(3)] == [3, 1, 0]
        log.create(STATE)
        places = [("feed", 2), ("state", 1), ("feed", 0)]
        assert log.ends(places) == dict(zip(places, (0, 0, 3), strict=True))
        assert log.ends([]) == {}

    def test_reading_starts_at_the_offset_and_stops_at_the_limit(self, log: Log) -> None:
        log.create(FEED)
        log.append([outgoing(partition=1) for _ in range(5)])
        log.append([outgoing(partition=2)])
        assert offsets(log.read("feed", 1, 1, 2).records) == [1, 2]
        assert offsets(log.read("feed", 1, 4, 2).records) == [4]
        assert log.read("feed", 1, 5, 2).records == []
        assert log.read("feed", 1, 1 << 80, 2).records == []
        assert log.read("feed", 1, 0, 0).records == []

    def test_a_page_says_where_to_read_next(self, log: Log) -> None:
        log.create(FEED)
        log.append([outgoing(partition=1) for _ in range(3)])
        assert [log.read("feed", 1, 0, limit).next for limit in (0, 1, 2, 3, 4)] == [0, 1, 2, 3, 3]
        assert [log.read("feed", 1, offset, 2).next for offset in (2, 3, 9)] == [3, 3, 9]
        assert log.read("feed", 0, 0, 5).next == 0

    def test_one_key_is_on_one_partition_and_many_keys_are_on_all(self, log: Log) -> None:
        log.create(FEED)
        keys = [b"%d" % number for number in range(60)]
        first = log.append([outgoing(key=key) for key in keys])
        assert log.append([outgoing(key=key) for key in reversed(keys)]) == first[::-1]
        assert {partition for _, partition in first} == {0, 1, 2}

    def test_nothing_is_appended_when_one_record_cannot_be(self, log: Log) -> None:
        log.create(FEED)
        log.create(STATE)
        bad = [
            (outgoing("other"), TopicUnknown),
            (outgoing(partition=3), TopicUnknown),
            (outgoing(partition=-1), TopicUnknown),
            (outgoing("state", None), RecordRefused),
            (outgoing(offset=-1), RecordRefused),
            (outgoing(offset=1 << 50), RecordRefused),
            (outgoing(timestamp=1 << 63), RecordRefused),
        ]
        for record, error in bad:
            with pytest.raises(error):
                log.append([outgoing(partition=0), record])
        assert log.end("feed", 0) == 0
        assert log.read("feed", 0, 0, 10).records == []

    def test_appending_nothing_is_nothing(self, log: Log) -> None:
        assert log.append([]) == []

    def test_what_does_not_exist_is_told(self, log: Log) -> None:
        log.create(FEED)
        for topic, partition in (("other", 0), ("feed", 3), ("feed", -1)):
            with pytest.raises(TopicUnknown):
                log.read(topic, partition, 0, 1)
            with pytest.raises(TopicUnknown):
                log.end(topic, partition)
            with pytest.raises(TopicUnknown):
                log.ends([("feed", 0), (topic, partition)])
            with pytest.raises(TopicUnknown):
                log.commit("group", {(topic, partition): 1})

    def test_a_topic_is_made_once(self, log: Log) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0)])
        log.create(FEED)
        log.create(STATE)
        assert dict(log.topics()) == {"feed": FEED, "state": STATE}
        assert log.end("feed", 0) == 1

    @pytest.mark.parametrize(
        "other",
        [
            TopicSpec(name="feed", kind="feed", partitions=4),
            TopicSpec(name="feed", kind="events", partitions=3),
            TopicSpec(name="feed", kind="feed", partitions=3, compacted=True),
        ],
    )
    def test_another_shape_is_a_conflict(self, log: Log, other: TopicSpec) -> None:
        log.create(FEED)
        with pytest.raises(TopicConflict):
            log.create(other)
        assert dict(log.topics()) == {"feed": FEED}

    def test_a_topic_has_partitions(self, log: Log) -> None:
        with pytest.raises(ValueError, match="1 to 10000 partitions"):
            log.create(TopicSpec(name="none", kind="feed", partitions=0))
        assert dict(log.topics()) == {}

    def test_groups_commit_apart(self, log: Log) -> None:
        log.create(FEED)
        log.commit("b", {("feed", 0): 4, ("feed", 1): 2})
        log.commit("a", {("feed", 0): 1})
        log.commit("b", {("feed", 1): 9})
        assert dict(log.committed("b")) == {("feed", 0): 4, ("feed", 1): 9}
        assert dict(log.committed("a")) == {("feed", 0): 1}
        assert dict(log.committed("new")) == {}
        assert log.groups() == ["a", "b"]

    def test_an_offset_may_be_set_back(self, log: Log) -> None:
        log.create(FEED)
        log.commit("group", {("feed", 0): 4})
        log.commit("group", {("feed", 0): 0})
        assert dict(log.committed("group")) == {("feed", 0): 0}

    def test_a_commit_is_whole_or_not_at_all(self, log: Log) -> None:
        log.create(FEED)
        with pytest.raises(TopicUnknown):
            log.commit("group", {("feed", 0): 4, ("other", 0): 1})
        with pytest.raises(ValueError, match="-1"):
            log.commit("group", {("feed", 0): 4, ("feed", 1): -1})
        assert dict(log.committed("group")) == {}
        assert log.groups() == []

    def test_close_may_be_repeated(self, log: Log) -> None:
        log.close()
        log.close()

    def test_a_writer_appends_as_the_log_does(self, log: Log) -> None:
        log.create(FEED)
        log.create(STATE)
        writer = log.writer("one")
        sent = [outgoing("state", b"a", partition=1), outgoing(key=b"x"), outgoing("state", b"b", None, partition=1)]
        places = writer.append(sent)
        assert places == [("state", 1), *log.append([outgoing(key=b"x")]), ("state", 1)]
        assert [(r.key, r.value) for r in settled(log, "state", 1)] == [(b"a", b"v"), (b"b", None)]
        assert len(settled(log, *places[1])) == 2
        assert writer.append([]) == []
        writer.append(sent[:1])
        assert len(settled(log, "state", 1)) == 3

    def test_a_newer_writer_of_the_name_fences_the_older(self, log: Log) -> None:
        log.create(STATE)
        old, other = log.writer("one"), log.writer("other")
        old.append([outgoing("state", b"a", b"old", partition=0)])
        new = log.writer("one")
        for _ in range(2):
            with pytest.raises(LogFenced) as caught:
                old.append([outgoing("state", b"a", b"too late", partition=0)])
            assert (str(caught.value.fields["name"])[-3:], caught.value.transient) == ("one", False)
        new.append([outgoing("state", b"a", b"new", partition=0)])
        other.append([outgoing("state", b"a", b"other", partition=0)])
        assert [r.value for r in settled(log, "state", 0)] == [b"old", b"new", b"other"]
        for writer in (old, new, other, new):
            writer.close()

    def test_several_writers_append_at_once(self, log: Log) -> None:
        log.create(STATE)
        writers = [log.writer(name) for name in ("one", "two")]
        log.append_each([(writer, [outgoing("state", b"%d" % n, partition=n)] * 2) for n, writer in enumerate(writers)])
        assert [[r.key for r in settled(log, "state", n)] for n in (0, 1)] == [[b"0"] * 2, [b"1"] * 2]
        log.append_each([])
        log.append_each([(writers[0], [])])
        log.writer("two")
        for _ in range(2):
            with pytest.raises(LogFenced):
                log.append_each([(writers[1], [outgoing("state", partition=1)])])
        assert len(settled(log, "state", 1)) == 2

    def test_nothing_of_a_refused_batch_is_written(self, log: Log) -> None:
        log.create(STATE)
        for bad, error in ((outgoing("other"), TopicUnknown), (outgoing("state", None), RecordRefused)):
            with pytest.raises(error):
                log.writer("one").append([outgoing("state", partition=0), bad])
        assert settled(log, "state", 0) == []


class KeepingLogContract(LogContract):
    """Of a log that keeps its own files: it also takes offsets as they were recorded, compacts and expires by itself."""

    def test_the_partition_of_a_key_is_its_crc_32(self, log: KeepingLog) -> None:
        """Known answers (the check value of CRC-32 is 0xCBF43926): the layout of existing logs hangs on them."""
        log.create(TopicSpec(name="wide", kind="feed", partitions=1000))
        keys = [b"123456789", b"", None]
        assert log.append([outgoing("wide", key) for key in keys]) == [
            ("wide", 0xCBF43926 % 1000),
            ("wide", 0),
            ("wide", 0),
        ]

    def test_a_page_goes_on_behind_a_gap(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=1, offset=offset) for offset in (3, 7, 8)])
        assert [log.read("feed", 1, 0, limit).next for limit in (0, 1, 2, 3, 4)] == [0, 4, 8, 9, 9]
        assert [log.read("feed", 1, offset, 5).next for offset in (4, 8, 9, 12)] == [9, 9, 9, 12]
        assert log.read("feed", 0, 0, 5).next == 0

    def test_a_given_offset_is_kept_and_gaps_stay(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0, offset=offset) for offset in (3, 7)])
        log.append([outgoing(partition=0)])
        assert offsets(log.read("feed", 0, 0, 10).records) == [3, 7, 8]
        assert offsets(log.read("feed", 0, 4, 10).records) == [7, 8]
        assert log.end("feed", 0) == 9

    def test_a_given_offset_at_or_below_the_last_is_skipped(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0, offset=5, value=b"first")])
        again = [outgoing(partition=0, offset=offset, value=b"again") for offset in (4, 5, 6, 6)]
        assert log.append(again) == [("feed", 0)] * 4
        assert [(r.offset, r.value) for r in log.read("feed", 0, 0, 10).records] == [(5, b"first"), (6, b"again")]

    def test_compaction_keeps_the_last_record_of_each_key_and_partition(self, log: KeepingLog) -> None:
        log.create(STATE)
        sent = [(0, b"a", b"1"), (0, b"b", b"1"), (1, b"a", b"1"), (0, b"a", b"2"), (0, b"c", b"1"), (0, b"b", b"2")]
        log.append([outgoing("state", key, value, partition=partition) for partition, key, value in sent])
        assert log.compact("state") == 2
        kept = [(r.offset, r.key, r.value) for r in log.read("state", 0, 0, 10).records]
        assert kept == [(2, b"a", b"2"), (3, b"c", b"1"), (4, b"b", b"2")]
        assert [(r.offset, r.key) for r in log.read("state", 1, 0, 10).records] == [(0, b"a")]

    def test_a_tombstone_outlives_one_compaction_and_the_end_stays(self, log: KeepingLog) -> None:
        log.create(STATE)
        log.append([outgoing("state", b"a", value, partition=0) for value in (b"1", None)])
        assert log.compact("state") == 1
        assert [(r.offset, r.value) for r in log.read("state", 0, 0, 10).records] == [(1, None)]
        log.append([outgoing("state", b"b", None, partition=0)])
        assert log.compact("state") == 1
        assert [(r.key, r.value) for r in log.read("state", 0, 0, 10).records] == [(b"b", None)]
        assert log.compact("state") == 1
        assert log.read("state", 0, 0, 10).records == []
        assert (log.end("state", 0), log.read("state", 0, 0, 10).next) == (3, 3)
        log.append([outgoing("state", b"c", partition=0)])
        assert offsets(log.read("state", 0, 0, 10).records) == [3]

    def test_a_compacted_topic_never_says_expired(self, log: KeepingLog) -> None:
        log.create(STATE)
        log.append([outgoing("state", b"a", b"%d" % number, partition=0) for number in range(9)])
        log.compact("state")
        assert offsets(log.read("state", 0, 0, 10).records) == [8]
        with pytest.raises(ValueError, match="compacted"):
            log.expire("state", 0, 4)

    def test_a_topic_that_is_not_compacted_keeps_all(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0), outgoing(partition=0)])
        assert log.compact("feed") == 0
        assert offsets(log.read("feed", 0, 0, 10).records) == [0, 1]

    def test_what_has_expired_is_told_and_never_jumped_over(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=number % 2) for number in range(10)])
        assert log.expire("feed", 0, 3) == 3
        with pytest.raises(OffsetExpired) as caught:
            log.read("feed", 0, 2, 10)
        assert caught.value.fields == {"offset": 2, "topic": "feed", "partition": 0, "first": 3}
        assert offsets(log.read("feed", 0, 3, 10).records) == [3, 4]
        assert offsets(log.read("feed", 1, 0, 10).records) == [0, 1, 2, 3, 4]

    def test_retention_never_goes_back_nor_past_the_end(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0) for _ in range(4)])
        assert log.expire("feed", 0, 99) == 4
        assert log.expire("feed", 0, 1) == 0
        assert log.read("feed", 0, 4, 10).records == []
        with pytest.raises(OffsetExpired):
            log.read("feed", 0, 3, 10)
        log.append([outgoing(partition=0)])
        assert offsets(log.read("feed", 0, 4, 10).records) == [4]

    def test_records_before_the_first_one_of_a_recording_have_not_expired(self, log: KeepingLog) -> None:
        log.create(FEED)
        log.append([outgoing(partition=0, offset=500)])
        assert offsets(log.read("feed", 0, 0, 10).records) == [500]
