"""The changelog: what any store says after it was built again from the records, wholly or from where it stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pipeline.log.memory import MemoryLog
from pipeline.log.port import LogFenced, Page, Record, TopicSpec
from pipeline.state.changelog import ChangelogStuck, StateAhead, records_of, recover, restore
from pipeline.state.entries import entries_of, lifecycle_entry
from pipeline.state.memory import MemoryState
from pipeline.state.port import Lifecycle, Save, StateCorrupt, StateFormat, StateStore, Stored
from pipeline.state.rocks import RocksState
from pipeline.state.sqlite import SqliteState
from tests.pipeline.harness import append, by_key, create_topics, published, worker
from tests.pipeline.state.test_kept_format import DATA, LIFE, SAVE
from tests.pipeline.world import FEED, PARTITIONS, World, feed

TOPIC = "order.changelog"
FIRST = Lifecycle(mapping_version="m", generation=1, source_epoch=1, state_epoch=1)


@pytest.fixture(params=["memory", "sqlite", "rocks"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StateStore]:
    """A store that knows nothing."""
    stores: dict[str, Callable[[], StateStore]] = {
        "memory": MemoryState,
        "sqlite": lambda: SqliteState(tmp_path / "new.db", "order"),
        "rocks": lambda: RocksState(tmp_path / "new"),
    }
    with closing(stores[request.param]()) as store:
        yield store


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    create_topics(log)
    return log


def world_of(seed: int) -> World:
    world = World(seed)
    world.run(80)
    return world


def said(store: StateStore) -> list[object]:
    """Everything that a store says, but how far it was read from."""
    return [
        store.lives(),
        list(store.scan()),
        store.waiting(),
        [store.counts(partition) for partition in range(PARTITIONS)],
        store.pins(),
        [store.is_live(partition) for partition in range(PARTITIONS)],
    ]


def recovered(store: StateStore, log: MemoryLog) -> int:
    return sum(recover(store, log, TOPIC, partition) for partition in range(PARTITIONS))


def test_a_wiped_store_is_built_again(log: MemoryLog, fresh: StateStore) -> None:
    store = MemoryState()
    append(log, feed(world_of(3).commits))
    made = worker(log, store, changelog=True, batch_size=10)
    while made.turn():
        pass
    assert store.waiting_keys(), "nothing is parked: the test would say little"
    recovered(fresh, log)
    assert said(fresh) == said(store)
    assert recovered(fresh, log) == 0


def test_a_compacted_changelog_says_the_same(log: MemoryLog, fresh: StateStore) -> None:
    store = MemoryState()
    append(log, feed(world_of(4).commits))
    worker(log, store, changelog=True, batch_size=5).turn()
    all_records = sum(log.end(TOPIC, partition) for partition in range(PARTITIONS))
    log.compact(TOPIC)
    log.compact(TOPIC)
    assert recovered(fresh, log) < all_records / 2
    assert said(fresh) == said(store)


def test_a_store_that_was_away_goes_on_from_where_it_stood(log: MemoryLog, fresh: StateStore) -> None:
    store, commits = MemoryState(), world_of(5).commits
    append(log, feed(commits[:40]))
    made = worker(log, store, changelog=True, batch_size=10)
    made.turn()
    first = recovered(fresh, log)
    append(log, feed(commits[40:]))
    made.turn()
    log.compact(TOPIC)
    log.compact(TOPIC)
    assert 0 < recovered(fresh, log) < first + sum(log.end(TOPIC, p) for p in range(PARTITIONS))
    assert said(fresh) == said(store)


def test_a_worker_goes_on_with_a_new_store_as_if_nothing_had_happened(fresh: StateStore) -> None:
    commits = world_of(6).commits
    logs = [MemoryLog(), MemoryLog()]
    for number, log in enumerate(logs):
        create_topics(log)
        first = MemoryState()
        append(log, feed(commits[:50]))
        worker(log, first, changelog=True).turn()
        append(log, feed(commits[50:]))
        worker(log, fresh if number else first, changelog=True).turn()
    for topic in ("order.events", "order.state"):
        want, got = (by_key(published(log, topic)) for log in logs)
        assert {k: [e.record.value for e in v] for k, v in got.items()} == {
            k: [e.record.value for e in v] for k, v in want.items()
        }


def test_a_worker_that_was_taken_over_is_fenced_and_writes_nothing_more(log: MemoryLog) -> None:
    append(log, feed(world_of(7).commits))
    old = worker(log, MemoryState(), changelog=True)
    new_store = MemoryState()
    new = worker(log, new_store, changelog=True)
    before = [log.end(topic, p) for topic in (TOPIC, "order.state") for p in range(PARTITIONS)]
    with pytest.raises(LogFenced):
        old.turn()
    assert [log.end(topic, p) for topic in (TOPIC, "order.state") for p in range(PARTITIONS)] == before
    new.turn()
    assert list(new_store.scan())


def told(*epochs: tuple[int, dict[str, int]], partition: int = 0) -> list[Record]:
    """The records of state epochs, each with some keys and their versions."""
    found = []
    for epoch, versions in epochs:
        life = msgspec.structs.replace(FIRST, state_epoch=epoch)
        aggregates = {key: Stored(partition=partition, version=version) for key, version in versions.items()}
        entries = [lifecycle_entry(life), *entries_of(Save(partition=partition, aggregates=aggregates), {})]
        found += records_of(TOPIC, partition, epoch, entries)
    return [
        Record(topic=TOPIC, partition=partition, offset=at, timestamp=0, key=record.key, value=record.value)
        for at, record in enumerate(found)
    ]


def test_what_an_earlier_state_epoch_said_is_gone(fresh: StateStore) -> None:
    restore(fresh, 0, told((1, {"a": 1, "b": 1})), 3)
    restore(fresh, 0, told((1, {"a": 2, "c": 2}), (2, {"b": 7})), 6)
    assert {key: stored.version for key, stored in fresh.scan()} == {"b": 7}
    assert fresh.lives() == {0: msgspec.structs.replace(FIRST, state_epoch=2)}
    restore(fresh, 0, told((1, {"a": 9})), 9)
    assert {key: stored.version for key, stored in fresh.scan()} == {"b": 7}
    assert fresh.logged(0) == 6


def test_a_new_epoch_is_known_before_its_lifecycle_is_read(fresh: StateStore) -> None:
    restore(fresh, 0, told((1, {"a": 1})), 2)
    lifecycle, aggregate = told((2, {"b": 1}))
    restore(
        fresh, 0, [*told((1, {"a": 1})), aggregate, lifecycle], 6
    )  # it was written again, and compacted away before
    assert [key for key, _ in fresh.scan()] == ["b"]
    assert fresh.lives() == {0: msgspec.structs.replace(FIRST, state_epoch=2)}


def test_a_store_that_is_ahead_of_its_changelog_is_refused(log: MemoryLog) -> None:
    log.create(TopicSpec(name=TOPIC, kind="changelog", partitions=PARTITIONS, compacted=True))
    store = MemoryState()
    store.save(Save(partition=0, logged=5))
    with pytest.raises(StateAhead, match=r"behind offset 5 of order\.changelog, which ends at 0"):
        recover(store, log, TOPIC, 0)


def test_a_transaction_that_never_ends_is_told(log: MemoryLog, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(log, "end", lambda topic, partition: 9)
    monkeypatch.setattr(log, "read", lambda topic, partition, offset, limit: Page([], offset))
    with pytest.raises(ChangelogStuck, match="to 0 only, not to its end at 9"):
        recover(MemoryState(), log, TOPIC, 0, slept.append)
    assert sum(slept) >= 59


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (b"\2\0\0\0\1x", StateFormat, "has format 2; this version reads up to 1"),
        (b"", StateCorrupt, "no header"),
        (b"\0\0\0\0\1x", StateCorrupt, "no header"),
    ],
)
def test_a_record_that_is_none_of_ours_stops(value: bytes, error: type[Exception], text: str) -> None:
    record = Record(topic=TOPIC, partition=0, offset=4, timestamp=0, key=b"a", value=value)
    with pytest.raises(error, match=text):
        restore(MemoryState(), 0, [record], 5)


KEPT = DATA / "changelog-format-1.txt"


def kept() -> list[tuple[bytes, bytes]]:
    """The kept records: key and value of each line, as hexadecimal digits."""
    lines = [line.split() for line in KEPT.read_text().splitlines()]
    return [(bytes.fromhex(key), bytes.fromhex(value)) for key, value in lines]


def test_records_of_format_1_stay_readable(fresh: StateStore) -> None:
    records = [
        Record(topic=TOPIC, partition=1, offset=at, timestamp=0, key=key, value=value)
        for at, (key, value) in enumerate(kept())
    ]
    restore(fresh, 1, records, len(records))
    assert fresh.lives() == {1: LIFE}
    assert repr(list(fresh.scan())) == repr(list(SAVE.aggregates.items()))
    assert repr(fresh.waiting()) == repr(SAVE.waiting)
    assert (fresh.counts(), fresh.pins(), fresh.is_live(1)) == (SAVE.counts, SAVE.pins, True)
    assert fresh.loading(1, 9) == [("P3", SAVE.aggregates["P3"])]


def test_what_is_written_today_is_the_same_to_the_byte() -> None:
    entries = [lifecycle_entry(LIFE), *entries_of(SAVE, {})]
    assert [(r.key, r.value) for r in records_of(TOPIC, 1, LIFE.state_epoch, entries)] == kept()


def test_the_feed_is_not_touched_by_recovery(log: MemoryLog) -> None:
    append(log, feed(world_of(8).commits))
    worker(log, MemoryState(), changelog=True).turn()
    before = [log.end(FEED, partition) for partition in range(PARTITIONS)]
    recovered(MemoryState(), log)
    assert [log.end(FEED, partition) for partition in range(PARTITIONS)] == before
