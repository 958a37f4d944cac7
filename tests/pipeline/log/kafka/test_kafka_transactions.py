"""Transactions of others in a partition: what is open is not shown and not passed, what was aborted is passed."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack

import pytest

from pipeline.log.port import Page, TopicSpec
from tests.pipeline.log.contract import outgoing, settled
from tests.pipeline.log.kafka.apart import Apart
from tests.pipeline.log.kafka.bare import Bare, Producer

ONE = TopicSpec(name="feed", kind="feed", partitions=1)


def until_end(log: Apart, end: int) -> None:
    """The marks of a transaction that was ended reach its partitions a moment later."""
    give_up = time.monotonic() + 20
    while log.end("feed", 0) < end:
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def producer(bare: Bare, unused_name: str) -> Producer:
    return bare.producer(f"{unused_name}.source")


def shown(log: Apart, offset: int, limit: int) -> tuple[list[bytes | None], int]:
    """The values of the next `limit` records, and the offset behind them, in as many pages as it takes."""
    found: list[bytes | None] = []
    while len(found) < limit:
        page = log.read("feed", 0, offset, limit - len(found))
        assert len(page.records) <= limit - len(found)
        if page.next == offset:
            break
        assert page.next > offset
        found += values(page)
        offset = page.next
    return found, offset


def values(page: Page) -> list[bytes | None]:
    return [record.value for record in page.records]


def test_the_end_is_the_high_watermark_and_what_is_open_is_neither_shown_nor_passed(
    log: Apart, producer: Producer, unused_name: str
) -> None:
    log.create(ONE)
    log.append([outgoing(value=b"a"), outgoing(value=b"b")])
    producer.begin()
    producer.send(f"{unused_name}.feed", 0, b"c", b"d")
    log.append([outgoing(value=b"e")])
    assert log.end("feed", 0) == 5
    page = log.read("feed", 0, 0, 10)
    assert (values(page), page.next) == ([b"a", b"b"], 2)
    assert log.read("feed", 0, 2, 10) == Page([], 2)
    assert log.read("feed", 0, 4, 10) == Page([], 4)
    producer.commit()
    until_end(log, 6)
    assert shown(log, 2, 10) == ([b"c", b"d", b"e"], 6)
    producer.close()


def test_what_was_aborted_is_passed_also_where_nothing_else_stands(
    log: Apart, producer: Producer, unused_name: str
) -> None:
    log.create(ONE)
    for _ in range(3):
        producer.begin()
        producer.send(f"{unused_name}.feed", 0, b"x", b"y")
        producer.abort()
    until_end(log, 9)
    assert log.read("feed", 0, 0, 10) == Page([], 9)
    assert log.read("feed", 0, 4, 10) == Page([], 9)
    log.append([outgoing(value=b"z")])
    page = log.read("feed", 0, 0, 1)
    assert (values(page), page.next) == ([b"z"], 10)
    producer.close()


def test_reading_up_to_a_watermark_ends_behind_the_mark_of_a_commit(
    log: Apart, producer: Producer, unused_name: str
) -> None:
    log.create(ONE)
    producer.begin()
    producer.send(f"{unused_name}.feed", 0, b"a")
    producer.commit()
    until_end(log, 2)
    assert shown(log, 0, 2) == ([b"a"], 2)
    assert log.read("feed", 0, 1, 1) == Page([], 2)
    producer.close()


@pytest.mark.parametrize("seed", range(3))
def test_any_interleaving_of_transactions(log: Apart, bare: Bare, unused_name: str, seed: int) -> None:
    """Against a model that counts offsets by hand, and at last against aiokafka's own consumer."""
    rng = random.Random(seed)
    log.create(ONE)
    topic = f"{unused_name}.feed"
    sources = [bare.producer(f"{unused_name}.{number}") for number in range(3)]
    open_since: dict[int, int | None] = {}
    fate: dict[int, tuple[bytes, int | None]] = {}
    visible: set[int] = set()
    end = 0
    with ExitStack() as held:
        for source in sources:
            held.callback(source.close)
        for turn in range(60):
            number = rng.randrange(4)
            if number == 3:
                log.append([outgoing(value=b"%d" % turn)])
                fate[end], end = (b"%d" % turn, None), end + 1
                visible.add(end - 1)
            elif number not in open_since:
                sources[number].begin()
                open_since[number] = None
            elif rng.random() < 0.6:
                several = [b"%d-%d" % (turn, place) for place in range(rng.randrange(1, 4))]
                sources[number].send(topic, 0, *several)
                open_since[number] = end if open_since[number] is None else open_since[number]
                for value in several:
                    fate[end], end = (value, number), end + 1
            else:
                committed = rng.random() < 0.5
                (sources[number].commit if committed else sources[number].abort)()
                begun = open_since.pop(number)
                if begun is not None:
                    mine = {at for at, (_, who) in fate.items() if who == number and at >= begun}
                    visible |= mine if committed else set()
                    end += 1
                    until_end(log, end)
            stable = min([end, *(since for since in open_since.values() if since is not None)])
            assert log.end("feed", 0) == end
            offset, limit = rng.randrange(end + 1), rng.randrange(1, 12)
            found, following = shown(log, offset, limit)
            expected = [fate[at][0] for at in sorted(visible) if offset <= at < stable]
            assert found == expected[:limit]
            assert following == max(offset, stable) if len(expected) < limit else following <= stable
        for number in open_since:
            sources[number].abort()
    rows = bare.committed_rows(topic, 0, log.end("feed", 0))
    assert [(r.offset, r.value) for r in settled(log, "feed", 0, 3)] == [(row[0], row[3]) for row in rows]
    assert sorted(visible) == [row[0] for row in rows]
