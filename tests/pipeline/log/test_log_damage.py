"""The embedded log on files that are not what it wrote: one clear error each, never another answer."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import sqlite as sqlite_files
from pipeline.log.embedded import QUICK_CHECK_LIMIT, EmbeddedLog
from pipeline.log.file import LogBusy, LogFormatUnknown
from pipeline.log.port import LogCorrupt, LogError, Outgoing, Record, TopicSpec

RECORDS = 400


def write_log(path: Path) -> None:
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(TopicSpec(name="feed", kind="feed", partitions=2))
        log.append(
            [
                Outgoing(
                    topic="feed",
                    timestamp=number,
                    key=b"%d" % number,
                    value=b"value %d;" % number * 12,
                    headers=(("h", b"%d" % number),),
                    partition=number % 2,
                )
                for number in range(RECORDS)
            ]
        )


def read_all(path: Path, *, worker: bool) -> list[Record]:
    with closing(EmbeddedLog(path, worker=worker)) as log:
        return [record for partition in range(2) for record in log.read("feed", partition, 0, 10 * RECORDS).records]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_log(tmp_path / "log.db")
    return tmp_path / "log.db"


@pytest.mark.parametrize("worker", [True, False])
@pytest.mark.parametrize("length", [0, 1, 15, 99, 100, 4096, 8192, 20_000])
def test_a_file_that_is_cut(path: Path, length: int, worker: bool) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    with pytest.raises(LogCorrupt):
        read_all(path, worker=worker)
    assert path.read_bytes() == whole[:length], "nothing was written"


@pytest.mark.parametrize("length", [0, 99])
def test_a_header_that_is_half_written(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(LogCorrupt, match=f"it ends after {length} bytes, in the middle of its header"):
        EmbeddedLog(path)


def test_a_worker_proves_the_structure_of_a_small_file_before_it_begins(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 2)
        stream.write(b"\xaa" * 9000)
    with pytest.raises(LogCorrupt):
        EmbeddedLog(path, worker=True)
    EmbeddedLog(path).close()


@pytest.mark.parametrize("worker", [True, False])
def test_a_file_that_is_no_database(tmp_path: Path, worker: bool) -> None:
    path = tmp_path / "log.db"
    path.write_text("topic,partition,offset\n" * 500)
    with pytest.raises(LogCorrupt, match="not a database"):
        EmbeddedLog(path, worker=worker)


def test_a_database_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE records (id INTEGER)")
    with pytest.raises(LogCorrupt, match="not a log"):
        EmbeddedLog(path)


def test_a_log_of_another_format(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(LogFormatUnknown, match=r"file format 2; this version of Dragoman knows 1"):
        EmbeddedLog(path)


def test_a_log_without_one_of_its_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE records")
    with closing(EmbeddedLog(path)) as log, pytest.raises(LogCorrupt, match="records"):
        log.read("feed", 0, 0, 1)


def test_a_record_where_the_next_one_belongs(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE partitions SET ends = ends - 1")
    with closing(EmbeddedLog(path)) as log, pytest.raises(LogCorrupt):
        log.append([Outgoing(topic="feed", timestamp=0, key=None, value=None)])


def test_a_value_with_one_bit_changed_is_not_given_out(path: Path) -> None:
    whole = path.read_bytes()
    at = whole.index(b"value 123;")
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with closing(EmbeddedLog(path, worker=True)) as log:
        with pytest.raises(LogCorrupt, match="the record feed 1 61 is not what was written"):
            log.read("feed", 1, 0, RECORDS)
        assert len(log.read("feed", 1, 0, 61).records) == 61


@pytest.mark.parametrize(
    "damage",
    [
        "timestamp = timestamp + 1",
        "key = NULL",
        "key = X'00'",
        "key = 'text'",
        "headers = NULL",
        "headers = X'9192a16bc0'",
        "headers = X'ff'",
        "value = NULL",
        "value = X''",
        "value = 7",
        "checksum = checksum + 1",
        "id = id + 1000",
    ],
)
def test_no_part_of_a_record_can_be_changed_unseen(path: Path, damage: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"UPDATE records SET {damage} WHERE id = (SELECT MAX(id) FROM records)")
    with closing(EmbeddedLog(path)) as log, pytest.raises(LogCorrupt, match="is not what was written"):
        log.read("feed", 1, 0, RECORDS)


@pytest.mark.parametrize(("was", "becomes"), [(None, b""), (b"", None)])
def test_null_does_not_become_empty_unseen(path: Path, was: bytes | None, becomes: bytes | None) -> None:
    with closing(EmbeddedLog(path)) as log:
        log.append([Outgoing(topic="feed", timestamp=0, key=was, value=was, partition=0)])
    for column in ("key", "value"):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"UPDATE records SET {column} = ? WHERE {column} IS ?", (becomes, was))
        with closing(EmbeddedLog(path)) as log, pytest.raises(LogCorrupt, match="is not what was written"):
            log.read("feed", 0, RECORDS // 2, 1)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"UPDATE records SET {column} = ? WHERE {column} IS ?", (was, becomes))
    with closing(EmbeddedLog(path)) as log:
        assert [(r.key, r.value) for r in log.read("feed", 0, RECORDS // 2, 1).records] == [(was, was)]


def test_a_write_ahead_file_without_its_log(path: Path) -> None:
    path.rename(path.with_name("away.db"))
    path.with_name("log.db-wal").write_bytes(b"what is not yet in the log")
    with pytest.raises(LogCorrupt, match="missing"):
        EmbeddedLog(path, worker=True)
    assert path.with_name("log.db-wal").read_bytes() == b"what is not yet in the log"


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="it is not a file") as caught:
        EmbeddedLog(tmp_path)
    assert caught.value.code == "log.failed"


@pytest.mark.parametrize("worker", [True, False])
def test_a_folder_that_does_not_exist(tmp_path: Path, worker: bool) -> None:
    with pytest.raises(LogError, match="No such file or directory"):
        EmbeddedLog(tmp_path / "nowhere" / "log.db", worker=worker)


def test_a_failed_opening_gives_the_worker_lock_back(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(LogCorrupt):
        EmbeddedLog(path, worker=True)
    path.write_bytes(whole)
    assert len(read_all(path, worker=True)) == RECORDS


def test_a_closed_log_says_so(path: Path) -> None:
    log = EmbeddedLog(path)
    log.close()
    with pytest.raises(LogError, match="closed database") as caught:
        log.topics()
    assert caught.value.code == "log.failed"


def test_a_file_that_somebody_else_keeps_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(EmbeddedLog(path)) as log:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogBusy):
            log.commit("group", {("feed", 0): 1})
        assert len(log.read("feed", 0, 0, 5).records) == 5
        other.execute("ROLLBACK")
        log.commit("group", {("feed", 0): 1})


def test_opening_a_big_file_does_not_read_it(tmp_path: Path) -> None:
    """Damage far inside a big file is found where it is read, not by reading all of it at the start."""
    path = tmp_path / "log.db"
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(TopicSpec(name="feed", kind="feed", partitions=1))
        for _ in range(QUICK_CHECK_LIMIT // 1_000_000 + 1):
            log.append([Outgoing(topic="feed", timestamp=0, key=None, value=b"x" * 1000) for _ in range(1000)])
    with path.open("r+b") as stream:
        stream.seek(QUICK_CHECK_LIMIT // 2)
        stream.write(b"\xaa" * 20_000)
    with closing(EmbeddedLog(path, worker=True)) as log:
        assert len(log.read("feed", 0, 0, 1000).records) == 1000
        with pytest.raises(LogCorrupt):
            log.read("feed", 0, 0, 20_000)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    path = tmp_path_factory.mktemp("pristine") / "log.db"
    write_log(path)
    return path, read_all(path, worker=False)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_damaged_byte_anywhere_is_an_error_or_changes_nothing(
    pristine: tuple[Path, list[Record]], data: st.DataObject
) -> None:
    source, expected = pristine
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        shutil.copyfile(source, path)
        at = data.draw(st.integers(0, path.stat().st_size - 1) | st.integers(0, 8191 * 4))
        with path.open("r+b") as stream:
            stream.seek(at)
            (old,) = stream.read(1)
            stream.seek(at)
            stream.write(bytes([data.draw(st.integers(0, 255).filter(lambda new: new != old))]))
        try:
            found = read_all(path, worker=True)
        except LogError:
            return
        assert found == expected
