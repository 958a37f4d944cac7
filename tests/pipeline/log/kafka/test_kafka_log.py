"""The contract on a real Kafka, and what only a broker brings with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import pytest

from dragoman.stack.server import Server
from pipeline.log.kafka.errors import GroupInUse
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.kafka.naming import kind_of
from pipeline.log.memory import RecordRefused
from pipeline.log.port import (
    Kind,
    Log,
    LogError,
    OffsetExpired,
    Outgoing,
    Page,
    TopicConflict,
    TopicSpec,
    TopicUnknown,
)
from tests.pipeline.log.contract import FEED, STATE, LogContract, offsets, outgoing, settled
from tests.pipeline.log.kafka.apart import Apart
from tests.pipeline.log.kafka.bare import Bare


class TestKafkaLog(LogContract):
    """The whole contract, with the broker's own partitioner."""


def test_it_is_a_log(kafka: Server) -> None:
    log: Log = KafkaLog(kafka.at)
    with closing(log):
        assert log.topics() is not None
    with pytest.raises(LogError, match="closed"):
        log.topics()
    with pytest.raises(LogError, match="closed"):
        log.read("feed", 0, 0, 1)


def test_the_partition_of_a_key_is_its_murmur_2(log: Apart) -> None:
    """Known answers of Kafka's own test of the hash: whatever else writes to these topics puts a key where we do."""
    log.create(TopicSpec(name="feed", kind="feed", partitions=50))
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    places = log.append([outgoing(key=key) for key in hashes])
    assert places == [("feed", (number & 0x7FFFFFFF) % 50) for number in hashes.values()]
    assert log.append([outgoing(key=None)]) == [("feed", 0)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("policy.state", "state"),
        ("policy.changelog", "changelog"),
        ("policy.events", "events"),
        ("policy.dead-letters", "dead-letters"),
        ("dragoman.control", "control"),
        ("legacy.transaction", "transaction"),
        ("legacy.notifications", "notification"),
        ("__debezium-heartbeat.legacy", "heartbeat"),
        ("legacy.public.polmst", "feed"),
        ("legacy.public.events", "feed"),
        ("legacy.feed", "feed"),
        ("feed", "feed"),
    ],
)
def test_the_kind_of_a_topic_is_read_off_its_name(name: str, kind: Kind) -> None:
    assert kind_of(name) == kind


def test_a_name_that_says_another_kind_is_refused(log: Apart) -> None:
    with pytest.raises(TopicConflict, match="kind feed"):
        log.create(TopicSpec(name="policies", kind="events", partitions=1))
    assert dict(log.topics()) == {}


def test_topics_keep_what_they_are_given(log: Apart, bare: Bare, unused_name: str) -> None:
    log.create(FEED)
    log.create(STATE)
    feed, state = bare.settings(f"{unused_name}.feed"), bare.settings(f"{unused_name}.state")
    assert (feed["cleanup.policy"], feed["retention.ms"]) == ("delete", "-1")
    assert state["cleanup.policy"] == "compact"
    assert {s["message.timestamp.type"] for s in (feed, state)} == {"CreateTime"}


def test_timestamps_of_any_time_are_kept(log: Apart) -> None:
    log.create(FEED)
    times = [0, 1, 1_000_000_000_000, 32_503_680_000_000]
    log.append([outgoing(partition=0, timestamp=at) for at in times])
    assert [record.timestamp for record in log.read("feed", 0, 0, 9).records] == times


def test_a_topic_is_never_made_by_naming_it(log: Apart) -> None:
    calls: list[Callable[[], object]] = [
        lambda: log.append([outgoing("nobody")]),
        lambda: log.read("nobody", 0, 0, 1),
        lambda: log.end("nobody", 0),
        lambda: log.commit("group", {("nobody", 0): 1}),
    ]
    for call in calls:
        with pytest.raises(TopicUnknown):
            call()
    assert dict(log.topics()) == {}


def test_a_topic_of_another_is_seen(log: Apart, kafka: Server, unused_name: str) -> None:
    assert dict(log.topics()) == {}
    with closing(Apart(KafkaLog(kafka.at), unused_name)) as other:
        other.create(FEED)
        other.append([outgoing(partition=2)])
    assert log.end("feed", 2) == 1


@pytest.mark.parametrize(
    "record", [outgoing(timestamp=-1), outgoing(offset=5), outgoing(value=bytes(range(256)) * 40_000)]
)
def test_what_no_broker_takes_is_refused_and_the_log_goes_on(log: Apart, record: Outgoing) -> None:
    log.create(TopicSpec(name="feed", kind="feed", partitions=1))
    if record.value == b"v":
        with pytest.raises(RecordRefused):
            log.append([record])
    else:
        big = outgoing(value=incompressible(3_000_000))
        with pytest.raises(RecordRefused, match=r"feed"):
            log.append([big])
        with pytest.raises(RecordRefused):
            log.writer("one").append([big])
    log.append([outgoing(value=b"next")])
    assert [r.value for r in log.read("feed", 0, 0, 9).records] == [b"next"]


def incompressible(size: int) -> bytes:
    state, out = 1, bytearray()
    while len(out) < size:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        out += (state >> 16).to_bytes(6, "big")
    return bytes(out)


def test_large_appends_are_read_as_the_brokers_own_consumer_reads_them(
    log: Apart, bare: Bare, unused_name: str
) -> None:
    log.create(FEED)
    body = b"%06d" + b" text " * 100
    records = [
        Outgoing(
            topic="feed",
            timestamp=number,
            key=None if number % 7 == 0 else f"żółć-{number % 50}".encode(),
            value=None if number % 11 == 0 else body % number,
            headers=(("ce_id", b"%d" % number), ("größe", None)) if number % 3 else (),
        )
        for number in range(30_000)
    ]
    places = log.append(records)
    for partition in range(3):
        sent = [r for r, place in zip(records, places, strict=True) if place == ("feed", partition)]
        found = settled(log, "feed", partition, 777)
        rows = [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in found]
        assert rows == [(at, r.timestamp, r.key, r.value, r.headers) for at, r in enumerate(sent)]
        assert rows == bare.committed_rows(f"{unused_name}.feed", partition, log.end("feed", partition))


def test_many_partitions_in_turns(log: Apart) -> None:
    log.create(TopicSpec(name="feed", kind="feed", partitions=100))
    for turn in range(3):
        log.append([outgoing(partition=n % 100, value=b"%d" % n) for n in range(turn * 1_000, (turn + 1) * 1_000)])
        for partition in range(100):
            page = log.read("feed", partition, turn * 10, 1_000)
            assert [r.value for r in page.records] == [
                b"%d" % n for n in range(turn * 1_000 + partition, (turn + 1) * 1_000, 100)
            ]
            assert page.next == log.end("feed", partition) == (turn + 1) * 10


def test_a_page_read_to_the_end_sees_what_comes_after(log: Apart) -> None:
    log.create(FEED)
    for number in range(30):
        assert log.read("feed", 0, number, 5) == Page([], number)
        log.append([outgoing(partition=0)])
        assert offsets(log.read("feed", 0, number, 5).records) == [number]


def test_reading_back_and_forth(log: Apart) -> None:
    log.create(FEED)
    log.append([outgoing(partition=0, value=b"%d" % n) for n in range(5_000)])
    for offset, limit in ((0, 10), (10, 10), (5, 3), (4_990, 100), (8, 2_000), (2_008, 1), (0, 5_000), (6_000, 1)):
        page = log.read("feed", 0, offset, limit)
        assert offsets(page.records) == list(range(offset, min(offset + limit, 5_000)))
        assert page.next == max(offset, min(offset + limit, 5_000))


def test_what_has_expired_is_told_and_never_jumped_over(log: Apart, bare: Bare, unused_name: str) -> None:
    log.create(FEED)
    log.append([outgoing(partition=0) for _ in range(9)])
    assert offsets(log.read("feed", 0, 0, 2).records) == [0, 1]
    bare.delete_below(f"{unused_name}.feed", 0, 6)
    with pytest.raises(OffsetExpired) as caught:
        log.read("feed", 0, 1, 10)
    assert caught.value.fields == {"offset": 1, "topic": f"{unused_name}.feed", "partition": 0, "first": 6}
    assert offsets(log.read("feed", 0, 6, 10).records) == [6, 7, 8]
    assert log.end("feed", 0) == 9


def test_what_compaction_took_away_is_passed(log: Apart, bare: Bare, unused_name: str) -> None:
    often = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    bare.make_topic(f"{unused_name}.state", often)
    writer = log.writer("one")
    for number in range(20):
        writer.append([outgoing("state", b"%d" % (number % 3), b"%d" % number)])
    give_up = time.monotonic() + 60
    while len(found := settled(log, "state", 0, 4)) > 10:
        assert time.monotonic() < give_up, "the broker does not compact"
        log.append([outgoing("state", b"0", b"again", timestamp=int(time.time() * 1000))])
        time.sleep(0.3)
    assert {r.key for r in found} == {b"0", b"1", b"2"}
    assert log.read("state", 0, 0, 1).records == found[:1]


def test_offsets_of_a_group_at_work_are_not_set(log: Apart, bare: Bare, unused_name: str) -> None:
    log.create(FEED)
    log.append([outgoing(partition=0)])
    with bare.member(f"{unused_name}.group", f"{unused_name}.feed"), pytest.raises(GroupInUse):
        log.commit("group", {("feed", 0): 1})
    log.commit("group", {("feed", 0): 1})
    assert dict(log.committed("group"))["feed", 0] == 1
