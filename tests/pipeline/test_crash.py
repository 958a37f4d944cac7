"""A worker is killed with SIGKILL at every named point, at several passages of it, and run again.

Nothing may be lost, nothing new may come; what is repeated is repeated byte for byte.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.pipeline.crash_driver import log_of, store_of
from tests.pipeline.harness import balance, by_key, published

POINTS = (
    "batch.middle",
    "publish.after-events",
    "publish.after-state-stream",
    "state.after-commit",
    "offsets.after-commit",
    "loading.after-publish",
    "control.after-pin",
)
PASSAGES = (1, 2, 5)
ROOT = Path(__file__).parents[2]
Content = tuple[str, bytes | None, tuple[tuple[str, bytes | None], ...]]


def life(folder: Path, failpoint: str | None = None) -> int:
    command = [sys.executable, "-m", "tests.pipeline.crash_driver", str(folder), *([failpoint] if failpoint else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def folder_of(path: Path, seed: int = 11) -> Path:
    path.mkdir(exist_ok=True)
    (path / "seed").write_text(str(seed))
    return path


def streams(folder: Path) -> dict[str, dict[str, list[Content]]]:
    log = log_of(folder)
    found = {
        topic: {
            key: [(e.id, e.record.value, e.record.headers) for e in events]
            for key, events in by_key(published(log, topic)).items()
        }
        for topic in ("order.events", "order.state")
    }
    log.close()
    return found


def once(contents: list[Content]) -> list[Content]:
    return list(dict.fromkeys(contents))


@cache
def undisturbed() -> Path:
    folder = folder_of(Path(mkdtemp()))
    assert life(folder) == 0
    return folder


def killed_and_finished(folder: Path, failpoint: str) -> int:
    deaths = 1 if life(folder, failpoint) == -signal.SIGKILL else 0
    assert life(folder) == 0
    return deaths


def cases() -> Iterator[tuple[str, int]]:
    for point in POINTS:
        for passage in PASSAGES if point not in ("loading.after-publish", "control.after-pin") else (1, 2):
            yield point, passage


@pytest.mark.parametrize(("point", "passage"), list(cases()))
def test_killed_at_a_named_point_and_run_again(point: str, passage: int, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "life")
    deaths = killed_and_finished(folder, f"{point}:{passage}")
    assert deaths == 1, "the point was not passed: the test would prove nothing"
    want, got = streams(undisturbed()), streams(folder)
    for topic in want:
        assert got[topic].keys() == want[topic].keys()
        for key, contents in want[topic].items():
            assert once(got[topic][key]) == contents, (topic, key)
    assert_same_state(folder)


def assert_same_state(folder: Path) -> None:
    want, got = (store_of(f) for f in (undisturbed(), folder))
    assert list(got.scan()) == list(want.scan())
    assert got.waiting() == want.waiting() == []
    for table, (read, outcomes) in balance(got.counts()).items():
        assert read == outcomes, table
    said = {label: n for (_, label), n in got.counts().items() if label.startswith("event: ")}
    assert said == {label: n for (_, label), n in want.counts().items() if label.startswith("event: ")}
    want.close()
    got.close()


def test_killed_again_and_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "life")
    deaths = [life(folder, f"{point}:{n}") for n in (2, 3) for point in POINTS[:5]]
    assert deaths.count(-signal.SIGKILL) >= 8
    assert life(folder) == 0
    want, got = streams(undisturbed()), streams(folder)
    assert {t: {k: once(c) for k, c in keys.items()} for t, keys in got.items()} == want
    assert_same_state(folder)
