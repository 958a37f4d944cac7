"""The embedded log between processes: killed, refused, beside each other, and without room or rights."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import LogInUse, Outgoing, TopicSpec
from tests.pipeline.log.child import FEED

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def child(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.pipeline.log.child", *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def answers(*arguments: object) -> list[str]:
    with child(*arguments) as process:
        return process.communicate(timeout=60)[0].split()


def batches(path: Path) -> tuple[dict[int, set[int]], int]:
    """By batch, the places of its records that are in the log, each at most once; and the newest batch that partition
    0, which is read first, showed."""
    found: dict[int, set[int]] = {}
    newest = -1
    with closing(EmbeddedLog(path)) as log:
        for partition in range(2):
            newest = max(found, default=-1) if partition == 1 else newest
            for record in log.read("feed", partition, 0, 1_000_000).records:
                number, place, _ = map(int, (record.value or b"").rstrip(b".").split())
                assert place not in found.setdefault(number, set())
                found[number].add(place)
    return found, newest


def assert_whole(found: dict[int, set[int]]) -> None:
    for number, places in found.items():
        assert places == set(range(number * 7 % 40 + 1)), f"batch {number} is not whole"


def test_a_killed_appender_loses_nothing_acknowledged_and_leaves_no_half_of_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    lottery = random.Random(3)
    following = 0
    for _ in range(6):
        with child("append", path, following) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(lottery.randrange(5, 40))]
            time.sleep(lottery.random() / 100)
            process.kill()
            # A last line may have been cut by the kill; it was acknowledged only if it ends.
            said += process.stdout.readlines()
        acknowledged = max(int(line) for line in said if line.endswith("\n"))
        found, _ = batches(path)
        assert_whole(found)
        assert set(range(acknowledged + 1)) <= set(found)
        assert max(found) <= acknowledged + 1
        following = max(found) + 1


def test_a_second_worker_is_refused_and_the_first_unharmed(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with child("hold", path) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "holding\n"
        with pytest.raises(LogInUse) as caught:
            EmbeddedLog(path, worker=True)
        assert caught.value.fields["pid"] == str(first.pid)
        assert str(first.pid) in caught.value.message
        assert first.poll() is None
    # Killed, not closed: the lock went with the process.
    EmbeddedLog(path, worker=True).close()


def test_a_second_worker_is_refused_under_another_name_and_in_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    link = tmp_path / "link.db"
    with closing(EmbeddedLog(path, worker=True)) as log:
        link.symlink_to(path)
        for name in (path, link):
            with pytest.raises(LogInUse):
                EmbeddedLog(name, worker=True)
        log.create(FEED)
    with closing(EmbeddedLog(link, worker=True)) as log:
        assert dict(log.topics()) == {"feed": FEED}


def test_readers_and_control_commands_work_beside_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    control = TopicSpec(name="control", kind="control", partitions=1)
    with closing(EmbeddedLog(path)) as beside:
        beside.create(control)
        beside.create(FEED)
        with child("append-when-asked", path) as worker:
            assert worker.stdin is not None
            assert worker.stdout is not None
            for number in range(20):
                worker.stdin.write("\n" * 5)
                worker.stdin.flush()
                beside.append([Outgoing(topic="control", timestamp=number, key=None, value=b"%d" % number)])
                # Each read is one moment, two reads are two: above what the first showed, batches may be halves.
                found, newest = batches(path)
                assert_whole({number: places for number, places in found.items() if number <= newest})
                assert [int(worker.stdout.readline()) for _ in range(5)] == list(range(number * 5, number * 5 + 5))
        found, newest = batches(path)
        assert_whole(found)
        assert newest == 99
        assert [record.value for record in beside.read("control", 0, 0, 99).records] == [b"%d" % n for n in range(20)]


def test_a_reader_that_closes_leaves_the_locks_of_its_process_alone(tmp_path: Path) -> None:
    """POSIX locks go when *any* descriptor of the file is closed; another process would then remove the log's files."""
    path = tmp_path / "log.db"
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(FEED)
        EmbeddedLog(path).close()
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sqlite3; sqlite3.connect({str(path)!r}).execute('SELECT * FROM topics').close()",
            ],
            check=True,
        )
        assert Path(f"{path}-wal").exists()
        log.append([Outgoing(topic="feed", timestamp=0, key=None, value=b"v")])
    with closing(EmbeddedLog(path)) as log:
        assert log.end("feed", 0) == 1


def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    *said, code = answers("append-with-limit", path)
    assert code == "disk.full"
    acknowledged = [int(number) for number in said]
    assert len(acknowledged) > 5
    found, _ = batches(path)
    assert_whole(found)
    assert sorted(found) == acknowledged
    assert [file.name for file in tmp_path.iterdir() if "probe" in file.name] == []
    # Room again: it goes on where it ended.
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.append([Outgoing(topic="feed", timestamp=0, key=None, value=b"x" * 1_000_000)])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="dragoman-log-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_without_the_right_to_write_the_folder_or_the_file(open_folder: Path) -> None:
    path = open_folder / "log.db"
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(FEED)
    path.chmod(0o444)
    open_folder.chmod(0o555)
    assert answers("open-as-nobody", path) == ["log.read-only", "log.read-only"]
    assert answers("open-as-nobody", open_folder / "new.db") == ["log.read-only", "log.read-only"]
    open_folder.chmod(0o755)
    with closing(EmbeddedLog(path)) as log:
        assert log.end("feed", 0) == 0


def test_a_file_that_may_only_be_read_in_a_folder_that_may_be_written(open_folder: Path) -> None:
    path = open_folder / "log.db"
    with closing(EmbeddedLog(path, worker=True)) as log:
        log.create(FEED)
    path.chmod(0o444)
    Path(f"{path}.lock").chmod(0o666)
    open_folder.chmod(0o777)
    # A worker is told at once; who only reads may read.
    assert answers("open-as-nobody", path) == ["log.read-only", "opened", "log.read-only"]
