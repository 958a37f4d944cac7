"""Projects for the command's tests: made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.dragoman.support import application, make_insurer, make_legacy, succeeds


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An insurer with its legacy, before the first run."""
    project = make_insurer(tmp_path_factory.mktemp("made") / "insurer")
    make_legacy(project)
    return project


@pytest.fixture(scope="session")
def ran(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The insurer after a working day: loaded, 60 transactions, two policies with a code that nobody knows."""
    project = tmp_path_factory.mktemp("ran") / "insurer"
    shutil.copytree(made, project)
    succeeds("run", cwd=project)
    with application(project) as programs:
        programs.run(60)
        programs.unmapped_code(2)
        programs.run(40)
    succeeds("run", cwd=project)
    return project


@pytest.fixture
def insurer(made: Path, tmp_path: Path) -> Path:
    """A project of the test's own, before the first run."""
    return Path(shutil.copytree(made, tmp_path / "insurer"))


@pytest.fixture
def worked(ran: Path, tmp_path: Path) -> Path:
    """A project of the test's own, after a working day."""
    return Path(shutil.copytree(ran, tmp_path / "insurer"))
