"""What only a file has: other readers, other writers, damage, a full disk."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline import sqlite as files
from pipeline.log.port import DiskFull
from pipeline.state.port import (
    Lifecycle,
    Pin,
    Save,
    StateBusy,
    StateCorrupt,
    StateError,
    StateFormat,
    StateReadOnly,
    Stored,
)
from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.processes import run, start

KEPT = {
    f"P{number:04}": Stored(partition=0, version=number, rows={"t": {"1": {"c": "x" * 90}}}) for number in range(900)
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def kept(path: Path) -> Path:
    """A file with 900 keys of one translator, closed."""
    with closing(SqliteState(path, "policy")) as store:
        store.save(Save(partition=0, aggregates=KEPT))
    return path


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that any user can reach; those of pytest are closed to others."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def refused(reason: str, kind: type[StateError] = StateError) -> Iterator[None]:
    """A `StateError` of exactly this kind: none that speaks of damage."""
    with pytest.raises(StateError, match=reason) as caught:
        yield
    assert type(caught.value) is kind


def test_translators_in_one_file_do_not_see_each_other(path: Path) -> None:
    life = Lifecycle(mapping_version="m", generation=1, source_epoch=1, state_epoch=1)
    with closing(SqliteState(path, "policy")) as policy, closing(SqliteState(path, "claim")) as claim:
        policy.begin(0, life)
        policy.save(
            Save(
                partition=0,
                aggregates={"P1": Stored(partition=0, loading=True)},
                counts={("t", "read"): 1},
                pins=[Pin(command=1, partition=0, at=1)],
                live=True,
            )
        )
        assert (claim.lifecycle(0), claim.load(["P1"]), list(claim.scan()), claim.loading(0, 9)) == (None, {}, [], [])
        assert (claim.counts(), claim.pins(), claim.is_live(0)) == ({}, [], False)
        claim.begin(0, life)
        claim.begin(0, Lifecycle(mapping_version="m", generation=1, source_epoch=1, state_epoch=2))
        assert (len(policy.load(["P1"])), policy.counts(), policy.is_live(0)) == (1, {("t", "read"): 1}, True)


def test_a_reader_looks_beside_the_writer_and_sees_whole_saves_only(kept: Path) -> None:
    with closing(SqliteState(kept, "policy")) as writer, closing(sqlite3.connect(kept, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM aggregate")
        with closing(SqliteState(kept, "policy", read_only=True)) as reader:
            assert reader.load(["P0007"]) == {"P0007": KEPT["P0007"]}
            other.execute("ROLLBACK")
            writer.save(Save(partition=0, aggregates={"P0007": Stored(partition=0, version=8)}))
            assert reader.load(["P0007"]) == {"P0007": Stored(partition=0, version=8)}


def test_a_reader_writes_nothing(kept: Path, tmp_path: Path) -> None:
    with closing(SqliteState(kept, "policy", read_only=True)) as reader, refused("readonly", StateReadOnly):
        reader.save(Save(partition=0, live=True))
    with refused("unable to open", StateReadOnly):
        SqliteState(tmp_path / "missing.db", "policy", read_only=True)
    assert not (tmp_path / "missing.db").exists()


def test_a_second_writer_waits_and_then_says_so(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.05)
    with closing(SqliteState(kept, "policy")) as writer, closing(sqlite3.connect(kept, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with refused("locked", StateBusy):
            writer.save(Save(partition=0, live=True))
        other.execute("ROLLBACK")
        writer.save(Save(partition=0, live=True))
        assert writer.is_live(0)


CREATE = """
import sys, time
from pathlib import Path
from pipeline.state.port import Save
from pipeline.state.sqlite import SqliteState
sys.stdin.readline()
SqliteState(Path(sys.argv[1]), "t").save(Save(partition=0, counts={("t", "read"): 1}))
"""


def test_workers_that_start_together_make_one_file(path: Path) -> None:
    run("from pipeline.state import sqlite")  # byte code is there, so that all begin at about the same time
    workers = [start(CREATE, path) for _ in range(6)]
    assert [worker.wait(60) for worker in workers] == [0] * 6, [w.stderr and w.stderr.read() for w in workers]
    with closing(SqliteState(path, "t")) as store:
        assert store.counts() == {("t", "read"): 6}
    for worker in workers:
        worker.communicate()


OPEN = """
import sys
from pathlib import Path
from pipeline.state.sqlite import SqliteState
print("ready", flush=True)
SqliteState(Path(sys.argv[1]), "t").close()
"""


def test_a_worker_that_comes_second_takes_the_file_that_the_first_one_made(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        second = start(OPEN, path)
        assert second.stdout is not None
        assert second.stdout.readline() == "ready\n"
        time.sleep(0.2)  # it has found an empty file by now and waits for the lock
        first.execute("CREATE TABLE pin (id)")
        first.execute(f"PRAGMA application_id = {0x44525354}")
        first.execute("PRAGMA user_version = 2")
        first.execute("COMMIT")
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors


def test_a_newer_file_is_refused(kept: Path) -> None:
    with closing(sqlite3.connect(kept)) as other:
        other.execute("PRAGMA user_version = 3")
    for read_only in (True, False):
        with pytest.raises(StateFormat, match=r"has format 3; this version reads up to 2"):
            SqliteState(kept, "policy", read_only=read_only)


def test_another_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (id)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(StateCorrupt, match="not a state"):
        SqliteState(path, "policy")
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [1, 60, 99, 100, 2_000, 4_096, 5_000, 40_960, -4_096])
def test_a_cut_file_is_damaged_and_never_empty(kept: Path, size: int) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[:size])
    with pytest.raises(StateCorrupt):
        SqliteState(kept, "policy")
    assert kept.read_bytes() == whole[:size]


def test_a_flipped_bit_never_makes_another_state(kept: Path) -> None:
    whole, chance, refused = kept.read_bytes(), random.Random(3), 0
    for _ in range(100):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        kept.write_bytes(data)
        try:
            with closing(SqliteState(kept, "policy")) as store:
                assert store.load(list(KEPT)) == KEPT == dict(store.scan())
        except StateError:
            refused += 1
    assert refused > 50


def test_a_page_of_noise_is_found_at_open(kept: Path) -> None:
    data = bytearray(kept.read_bytes())
    data[8 * 4_096 : 9 * 4_096] = bytes(range(256)) * 16
    kept.write_bytes(data)
    with pytest.raises(StateCorrupt):
        SqliteState(kept, "policy")


def test_a_schema_that_is_no_text_is_damage(kept: Path) -> None:
    data = kept.read_bytes()
    assert b"tablepinpin" in data
    kept.write_bytes(data.replace(b"tablepinpin", b"tablep\xecnpin").replace(b"CREATE TABLE pin", b"CREATE TABLE ,,,"))
    with pytest.raises(StateCorrupt):
        SqliteState(kept, "policy")


def test_a_table_that_is_missing_is_damage(kept: Path) -> None:
    with closing(sqlite3.connect(kept)) as other:
        other.execute("DROP TABLE pin")
    with closing(SqliteState(kept, "policy")) as store, pytest.raises(StateCorrupt, match="no such table"):
        store.pins()


def test_a_big_file_is_checked_where_it_is_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHECK_LIMIT", 0)
    with closing(sqlite3.connect(kept)) as other:
        other.execute(
            "UPDATE aggregate SET body = (SELECT body FROM aggregate WHERE key = 'P0002') WHERE key = 'P0001'"
        )
        other.execute("UPDATE aggregate SET body = 7 WHERE key = 'P0003'")
        other.execute("INSERT INTO waiting VALUES ('policy', 0, CAST(x'50ff' AS TEXT), 1, 1, x'01')")
        other.commit()
    with closing(SqliteState(kept, "policy")) as store:
        for key in ("P0001", "P0003"):
            with pytest.raises(StateCorrupt):
                store.load([key])
        with pytest.raises(StateCorrupt, match="UTF-8"):
            store.waiting_keys()
        assert store.load(["P0002"]) == {"P0002": KEPT["P0002"]}


def test_a_closed_store_refuses(kept: Path) -> None:
    store = SqliteState(kept, "policy")
    store.close()
    with refused("closed"):
        store.counts()
    with refused("closed"):
        store.save(Save(partition=0))


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with refused("unable to open", StateReadOnly):
        SqliteState(tmp_path / "missing" / "state.db", "policy")


STARVED = """
import resource, sys
from pathlib import Path
from pipeline.log.port import DiskFull
from pipeline.state.port import Save, Stored
from pipeline.state.sqlite import SqliteState
store = SqliteState(Path(sys.argv[1]), "policy")
def save(n):
    rows = {"t": {"1": {"c": "x" * 500}}}
    store.save(Save(partition=0, counts={("t", "read"): 1},
        aggregates={f"P{k}": Stored(partition=0, version=n, rows=rows) for k in range(20)}))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
n = 0
try:
    while True:
        save(n + 1)
        n += 1
except DiskFull as full:
    message = full.message
kept = store.counts()[("t", "read")], {stored.version for _, stored in store.scan()}
assert kept == (n, {n}), (n, kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
save(n + 1)
print(n + 1, message)
"""


def test_a_full_disk_leaves_what_was_saved_and_goes_on_when_there_is_room(path: Path) -> None:
    saves, _, message = run(STARVED, path).partition(" ")
    assert message.strip() == DiskFull(path=path).message
    with closing(SqliteState(path, "policy")) as store:
        assert store.counts() == {("t", "read"): int(saves)}
        assert {kept.version for _, kept in store.scan()} == {int(saves)}
    assert int(saves) > 2


UNPRIVILEGED = """
import os, sys
from pathlib import Path
from pipeline.state.port import Save, StateError
from pipeline.state.sqlite import SqliteState
if os.geteuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    store = SqliteState(Path(sys.argv[1]), "policy")
    store.save(Save(partition=0, live=True))
except StateError as error:
    print(type(error).__name__, error.message)
"""


def test_a_file_without_permission_to_write_is_said(elsewhere: Path) -> None:
    path = elsewhere / "state.db"
    SqliteState(path, "policy").close()
    path.chmod(0o444)
    elsewhere.chmod(0o555)
    said = run(UNPRIVILEGED, path)
    elsewhere.chmod(0o755)
    assert said.startswith(f"StateReadOnly The state {path} cannot be written: attempt to write a readonly database")
    assert os.listdir(elsewhere) == ["state.db"]


def test_a_folder_that_may_not_be_entered_is_said(elsewhere: Path) -> None:
    elsewhere.chmod(0o000)
    said = run(UNPRIVILEGED, elsewhere / "state.db")
    elsewhere.chmod(0o755)
    assert said == f"StateReadOnly The state {elsewhere / 'state.db'} cannot be written: Permission denied.\n"


@pytest.mark.parametrize(
    ("query", "parameters", "index"),
    [
        ("load", ("policy", 0, "P1"), "sqlite_autoindex_aggregate_1"),
        ("loading", ("policy", 0, 9), "aggregate_loading"),
        ("scan_next", ("policy", 0, "P1", 9), "sqlite_autoindex_aggregate_1"),
        ("waiting_of_key", ("policy", 0, "P1"), "sqlite_autoindex_waiting_1"),
        ("waiting_keys", ("policy", 0), "sqlite_autoindex_waiting_1"),
    ],
)
def test_nothing_is_searched_or_sorted_without_an_index(
    kept: Path, query: str, parameters: tuple[object, ...], index: str
) -> None:
    statement = files.named_queries(Path(files.__file__).parent / "state" / "sql" / "queries.sql")[query]
    with closing(sqlite3.connect(kept)) as other:
        plan = other.execute(f"EXPLAIN QUERY PLAN {statement.format(keys='?')}", parameters).fetchall()
    assert [index in step[3] and step[3].startswith("SEARCH") for step in plan] == [True], plan
