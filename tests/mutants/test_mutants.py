"""The suite can fail: each mutant, in a copy of the code, must be noticed by the tests named for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.capabilities import require
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("translators", "connectors", "pipeline", "reconcile", "dragoman", "tests", "examples")


def copy(to: Path) -> None:
    skip = shutil.ignore_patterns("__pycache__", "*.pyc", "var")
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", to)


def run(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--hypothesis-profile=first-failure", *tests]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1_200, check=False
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_suite_notices(mutant: Mutant, tmp_path: Path) -> None:
    if mutant.needs is not None:
        require(mutant.needs)
    copy(tmp_path)
    file = tmp_path / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, "the code has moved on: bring the mutant along"
    file.write_text(text.replace(mutant.old, mutant.new))
    done = run(tmp_path, mutant.tests)
    assert done.returncode == 1, done.stdout[-2000:]


def test_without_a_mutation_the_same_tests_pass(tmp_path: Path) -> None:
    copy(tmp_path)
    done = run(tmp_path, tuple(dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests)))
    assert done.returncode == 0, done.stdout[-2000:]
