"""The whole pipeline is killed with SIGKILL at every named point and run again: nothing lost, nothing doubled.

Capture, translators, projection and action consumer run in one real process, started by the real command.
"""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from pipeline.failpoint import NAMES
from tests.e2e.insurer import dragoman, letters, make, streams, view, work

TRANSACTIONS = 60
PASSAGES = {"capture.after-append": (1,)}
ORDERED = ("control.", "reload.", "reread.", "reconcile.")
"""The beginnings of points that are passed only by order of an operator, or by a check."""
CASES = [
    (name, passage) for name in sorted(NAMES) if not name.startswith(ORDERED) for passage in PASSAGES.get(name, (1, 3))
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has not run yet."""
    return make(tmp_path_factory.mktemp("insurer") / "project")


@pytest.fixture(scope="module")
def undisturbed(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project, run to the end."""
    folder = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(template, folder)
    for transactions in (TRANSACTIONS, 0):
        done = dragoman(folder, "run")
        assert done.returncode == 0, done.stderr
        work(folder, transactions)
    return folder


@pytest.mark.parametrize(("name", "passage"), CASES)
def test_killed_at_a_named_point_and_run_again(
    name: str, passage: int, template: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    shutil.copytree(template, folder)
    deaths = 0
    for transactions in (TRANSACTIONS, 0):
        killed = dragoman(folder, "run", failpoint=f"{name}:{passage}")
        assert killed.returncode in (0, -signal.SIGKILL), killed.stderr
        deaths += killed.returncode != 0
        again = dragoman(folder, "run")
        assert again.returncode == 0, again.stderr
        work(folder, transactions)
    assert deaths, "the point was not passed: the test would prove nothing"
    assert_as(folder, undisturbed)


def assert_as(folder: Path, undisturbed: Path) -> None:
    want, got = streams(undisturbed), streams(folder)
    for topic, keys in want.items():
        assert {key: list(dict.fromkeys(records)) for key, records in got[topic].items()} == keys, topic
    assert view(folder) == view(undisturbed)
    assert letters(folder) == letters(undisturbed)


def test_run_twice_appends_nothing(undisturbed: Path) -> None:
    before = streams(undisturbed)
    done = dragoman(undisturbed, "run", "--json")
    assert done.returncode == 0, done.stderr
    assert streams(undisturbed) == before


def test_read_again_from_the_start_appends_nothing_and_sends_no_letter(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(undisturbed, folder)
    before, sent = streams(folder), letters(folder)
    done = dragoman(folder, "run", "--from-start", "--json")
    assert done.returncode == 0, done.stderr
    assert streams(folder) == before
    assert letters(folder) == sent
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(table["repeats"] for about in said for table in about.get("tables", [])) > 0
