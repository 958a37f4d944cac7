"""Projections and consumers in a process that is killed at the named points, and run again."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import TopicSpec
from tests.pipeline.projection.support import TOPICS, coverage, edit, record, rows, sequence, state, view

ROOT = Path(__file__).resolve().parents[3]
AUDIT = """
CREATE TRIGGER audit_{0} AFTER {0} ON policy_view BEGIN INSERT INTO history (key, version) VALUES (new._key, new._version); END
"""


def child(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.pipeline.projection.child", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty keys in three versions each, every fourth deleted at last; one event per state."""
    with closing(EmbeddedLog(tmp_path / "log.db")) as log:
        log.create(TOPICS)
        log.create(TopicSpec(name="policy.events", kind="events", partitions=2))
        for version in (1, 2, 3):
            for number in range(40):
                key = f"P{number}"
                gone = version == 3 and number % 4 == 0
                data = None if gone else state(key, holder=version, coverages=[coverage("fire")] * version)
                log.append([record(key, version, data)])
                log.append([record(key, version, state(key), topic="policy.events")])
    return tmp_path


EXPECTED = {f"P{n}": (sequence(3), 3, "412.50", ("fire",) * 3) for n in range(40) if n % 4}


@pytest.mark.parametrize("point", ["projection.before-commit", "projection.after-commit"])
@pytest.mark.parametrize("passage", [1, 3, 11])
def test_a_killed_projection_goes_on_where_its_rows_are(folder: Path, point: str, passage: int) -> None:
    killed = child("project", folder, f"{point}:{passage}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    committed = passage - (point == "projection.before-commit")
    # Batches of at most ten, so the offsets say how many were committed; the rows must say the same.
    done = rows(folder, "SELECT coalesce(sum(offset), 0) FROM _dragoman_checkpoint")[0][0]
    assert 10 * committed >= done > 10 * (committed - 1)
    assert bool(view(folder)) == bool(committed)
    finished = child("project", folder)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert view(folder) == EXPECTED
    assert rows(folder, "SELECT sum(offset) FROM _dragoman_checkpoint") == [(120,)]
    assert rows(folder, "SELECT count(*) FROM coverage_view") == [(90,)]


@pytest.mark.parametrize("passage", [1, 2, 60])
def test_a_killed_consumer_handles_each_event_once(folder: Path, passage: int) -> None:
    killed = child("consume", folder, f"consumer.after-apply:{passage}")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert child("consume", folder).returncode == 0
    written = [event for (event,) in rows(folder, "SELECT event_id FROM letter")]
    assert sorted(written) == sorted(f"P{n}-{version}" for n in range(40) for version in (1, 2, 3))
    assert rows(folder, "SELECT sum(offset) FROM _dragoman_consumer_checkpoint") == [(120,)]


def test_a_file_that_may_not_grow_is_a_full_disk(folder: Path) -> None:
    told = child("project-with-limit", folder)
    assert (told.stdout, told.stderr) == ("disk.full\n", "")
    assert child("project", folder).returncode == 0
    assert view(folder) == EXPECTED


def test_reading_the_stream_again_from_its_beginning_never_takes_a_row_back(folder: Path) -> None:
    assert child("project", folder).returncode == 0
    edit(
        folder,
        "CREATE TABLE history (at INTEGER PRIMARY KEY, key TEXT, version TEXT)",
        AUDIT.format("INSERT"),
        AUDIT.format("UPDATE"),
        "UPDATE _dragoman_checkpoint SET offset = 0",
    )
    assert child("project", folder).returncode == 0
    assert view(folder) == EXPECTED
    assert rows(folder, "SELECT key FROM history") == []
