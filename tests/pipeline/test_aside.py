"""`unreadable: dead-letter`: a record that cannot be read is set aside whole, counted once, and its partition goes on."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from connectors.debezium.decode import Decoder
from pipeline.accounting import account
from pipeline.aside import NO_TABLE, Aside, aside
from pipeline.feed import group_of, read_again
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Record
from pipeline.moves import RowWithoutKey
from pipeline.state.memory import MemoryState
from pipeline.step import RecordUnreadable
from tests.pipeline.harness import ORDER_FEED, SCHEMA, Orders, append, create_topics, published, worker
from tests.pipeline.world import FEED, TRANSACTIONS, World, feed
from translators.change import Change
from translators.problem import Problem
from translators.translator import Refused
from translators.values import Row

GARBAGE = b"{cut \xff"
LINE = b'{"ol_o_id": 1, "ol_number": 1}'


def put(log: MemoryLog, value: bytes, topic: str = FEED, key: bytes = b"k") -> None:
    headers = (("h", b"\x00"), ("none", None))
    log.append([Outgoing(topic=topic, partition=0, timestamp=7, key=key, value=value, headers=headers)])


def letters(log: MemoryLog) -> list[Record]:
    """Those of records; the steps that a world refuses have letters with a key."""
    return [letter for letter in log.read("order.dead-letters", 0, 0, 1_000).records if letter.key is None]


def change(table: str, row: dict[str, Any], **source: Any) -> bytes:
    """A change by hand, in the last transaction of all."""
    where = {"connector": "postgresql", "name": "legacy", "ts_ms": 1, "db": "d", "schema": "public", "table": table}
    last = {"txId": 10**6, "lsn": 10**12, "sequence": f'["{10**12 - 1}","{10**12}"]', "snapshot": "false"}
    return json.dumps({"before": None, "after": row, "op": "c", "source": where | last | source}).encode()


def filled() -> tuple[MemoryLog, MemoryState]:
    """A world's changes, a record that cannot be read, and more changes."""
    log, world = MemoryLog(), World(5)
    create_topics(log)
    world.run(20)
    half = len(world.commits) // 2
    append(log, feed(world.commits[:half]))
    put(log, GARBAGE)
    append(log, feed(world.commits[half:]))
    return log, MemoryState()


def run(log: MemoryLog, store: MemoryState, **more: Any) -> None:
    made = worker(log, store, unreadable="dead-letter", **more)
    while made.turn():
        pass


def test_without_the_choice_it_stops() -> None:
    log, store = filled()
    with pytest.raises(RecordUnreadable):
        while worker(log, store).turn():
            pass


def test_everything_else_is_as_without_it() -> None:
    log, store = filled()
    run(log, store)
    world, other = World(5), MemoryLog()
    create_topics(other)
    world.run(20)
    append(other, feed(world.commits))
    made = worker(other, MemoryState())
    while made.turn():
        pass
    for topic in ("order.events", "order.state"):
        assert {e.id for e in published(log, topic)} == {e.id for e in published(other, topic)}
    assert log.committed(group_of("order"))[FEED, 0] == log.end(FEED, 0)


def test_the_letter_has_the_record_as_it_was() -> None:
    log, store = filled()
    run(log, store)
    (letter,) = letters(log)
    body = json.loads(letter.value or b"")
    record = body["record"]
    assert base64.b64decode(record["value"]) == GARBAGE
    assert (base64.b64decode(record["key"]), record["headers"]) == (b"k", [["h", "AA=="], ["none", None]])
    found = log.read(FEED, record["partition"], record["offset"], 1).records[0]
    assert (found.value, record["topic"]) == (GARBAGE, FEED)
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    assert headers["dragoman_error_id"] == body["id"]
    assert headers["dragoman_error_code"] == body["problem"]["code"] == "record.bad-json"
    assert (headers["dragoman_error_topic"], headers["dragoman_error_offset"]) == (FEED, str(record["offset"]))
    assert letter.key is None


def test_it_is_counted_and_the_sums_fit() -> None:
    log, store = filled()
    run(log, store)
    found = account("order", store.counts(), {})
    assert found.fits
    (line,) = [line for line in found.lines if line.table == NO_TABLE]
    assert (line.read, line.rejected, line.repeats) == (1, 1, 0)


@pytest.mark.parametrize("batch_size", [1, 1_000])
def test_read_again_it_is_a_repeat_without_a_second_letter(batch_size: int) -> None:
    log, store = filled()
    put(log, GARBAGE)
    run(log, store, batch_size=batch_size)
    first = letters(log)
    assert len({record.value for record in first}) == len(first) == 2
    read_again(log, "order", ORDER_FEED)
    run(log, store, batch_size=batch_size)
    assert letters(log) == first
    found = account("order", store.counts(), {})
    (line,) = [line for line in found.lines if line.table == NO_TABLE]
    assert (line.read, line.rejected, line.repeats, found.fits) == (4, 2, 2, True)


def test_a_row_without_a_readable_key() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    put(log, change("order_line", {"ol_o_id": None, "ol_number": 1, "qty": 1}), key=LINE)
    with pytest.raises((RecordUnreadable, RowWithoutKey)):
        worker(log, store).turn()
    run(log, store)
    (letter,) = letters(log)
    assert json.loads(letter.value or b"")["table"] == "order_line"
    counts = account("order", store.counts(), {})
    assert [(line.table, line.rejected, line.fits) for line in counts.lines] == [("order_line", 1, True)]


def test_a_row_whose_thing_nobody_can_name() -> None:
    log, _ = filled()
    record = next(one for one in log.read(FEED, 0, 0, 1_000).records if b'"order_line"' in (one.value or b""))
    found = Decoder(SCHEMA).decode(FEED, 0, record.offset, record.key, record.value, record.headers)
    assert isinstance(found, Change)
    assert aside(found, record, Orders()) is found

    class Keyless(Orders):
        def key_of(self, table: str, row: Row) -> str:
            raise Refused(Problem(code="key.missing", cause="technical", message="no key"))

    assert aside(found, record, Keyless()) == Aside(
        record, Problem(code="key.missing", cause="technical", message="no key"), "order_line"
    )


def test_a_table_that_the_translator_does_not_read_is_not_its_business() -> None:
    log, store = MemoryLog(), MemoryState()
    create_topics(log)
    put(log, change("elsewhere", {"a": 1}))
    run(log, store)
    assert (letters(log), store.counts()) == ([], {})


def test_a_marker_stops_all_the_same() -> None:
    log = MemoryLog()
    create_topics(log)
    put(log, GARBAGE, TRANSACTIONS)
    with pytest.raises(RecordUnreadable):
        run(log, MemoryState())
