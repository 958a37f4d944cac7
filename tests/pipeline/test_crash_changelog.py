"""A worker with a changelog is killed, robbed of its store, and paused: on an embedded log, and on a real Kafka.

What it says must be what a worker says that nothing ever happened to, byte for byte, whatever the log.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.stack.server import Server
from pipeline.state.changelog import recover
from pipeline.state.memory import MemoryState
from pipeline.state.port import StateStore
from tests.pipeline.crash_driver import log_of, store_of
from tests.pipeline.test_crash import ROOT, assert_same_state, folder_of, life, once, streams, undisturbed

SEAMS = ("publish.after-events", "publish.after-state-stream", "state.after-commit", "offsets.after-commit")
TOPIC = "order.changelog"


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    """The folder of lives over an embedded log, with RocksDB and a changelog."""
    folder = folder_of(tmp_path / "life")
    (folder / "changelog").touch()
    return folder


@pytest.fixture(params=["embedded", "kafka"])
def folder(request: pytest.FixtureRequest, embedded: Path, unused_name: str) -> Path:
    """The same, and over a real Kafka."""
    if request.param == "kafka":
        kafka: Server = request.getfixturevalue("kafka")
        (embedded / "kafka").write_text(f"{kafka.at} {unused_name}")
    return embedded


def assert_as_if_nothing_had_happened(folder: Path) -> None:
    want, got = streams(undisturbed()), streams(folder)
    assert {t: {k: once(c) for k, c in keys.items()} for t, keys in got.items()} == want
    assert_same_state(folder)
    assert_changelog_says_the_state(folder)


def assert_changelog_says_the_state(folder: Path) -> None:
    with closing(log_of(folder)) as log, closing(store_of(folder)) as store:
        told = MemoryState()
        for partition in range(log.topics()[TOPIC].partitions):
            recover(told, log, TOPIC, partition)
        assert everything(told) == everything(store)


def everything(store: StateStore) -> list[object]:
    return [store.lives(), list(store.scan()), store.waiting(), store.counts(), store.pins()]


def cases() -> Iterator[str]:
    for number, seam in enumerate(SEAMS):
        yield f"{seam}:1"
        yield f"{seam}:{number + 4}"
    yield "loading.after-publish:1"
    yield "control.after-pin:1"


@pytest.mark.parametrize("failpoint", list(cases()))
def test_killed_at_each_seam_and_run_again(failpoint: str, folder: Path) -> None:
    assert life(folder, failpoint) == -signal.SIGKILL, "the point was not passed: the test would prove nothing"
    assert life(folder) == 0
    assert_as_if_nothing_had_happened(folder)


def test_killed_and_robbed_of_its_store_again_and_again(folder: Path) -> None:
    deaths = 0
    for seam in SEAMS:
        deaths += life(folder, f"{seam}:3") == -signal.SIGKILL
        shutil.rmtree(folder / "state")
    assert deaths == len(SEAMS)
    assert life(folder) == 0
    assert_as_if_nothing_had_happened(folder)


def test_a_store_that_lost_its_last_saves_is_brought_up_to_date(embedded: Path) -> None:
    assert life(embedded, "state.after-commit:3") == -signal.SIGKILL
    shutil.copytree(embedded / "state", embedded / "earlier")
    assert life(embedded, "state.after-commit:6") == -signal.SIGKILL
    shutil.rmtree(embedded / "state")
    (embedded / "earlier").rename(embedded / "state")
    assert life(embedded) == 0
    assert_as_if_nothing_had_happened(embedded)


@pytest.mark.parametrize("seam", SEAMS)
def test_a_worker_that_was_paused_is_fenced_and_ends(
    seam: str, kafka: Server, unused_name: str, embedded: Path
) -> None:
    (embedded / "kafka").write_text(f"{kafka.at} {unused_name}")
    command = [sys.executable, "-m", "tests.pipeline.crash_driver", str(embedded), f"pause:{seam}:3", "paused"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as paused:
        _, status = os.waitpid(paused.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it was to stop there"
        assert life(embedded) == 0
        before = streams(embedded)
        paused.send_signal(signal.SIGCONT)
        _, errors = paused.communicate(timeout=120)
    assert paused.returncode == 1
    assert f"LogFenced: The writer {unused_name}.dragoman.order." in errors, errors
    assert streams(embedded)["order.state"] == before["order.state"]
    assert_as_if_nothing_had_happened(embedded)
