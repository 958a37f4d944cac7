"""The identity check, in real processes: what Python would import there, with other folders in the way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.identity import HOME, PACKAGES, foreign_packages

CHECK = "from dragoman.identity import check_or_exit; check_or_exit(); print('ours')"


def run_check(cwd: Path, *, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the check in `cwd`, which `-c` puts first on the path; with `home`, in an installation that is only there."""
    isolation = [] if home is None else ["-S"]
    environment = {} if home is None else {"PYTHONPATH": str(home)}
    return subprocess.run(
        [sys.executable, *isolation, "-c", CHECK],
        cwd=cwd,
        env={"PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A folder like site-packages, with copies of our five packages."""
    home = tmp_path / "site"
    for package in PACKAGES:
        shutil.copytree(HOME / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    return home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An adopter's folder, empty."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def test_all_five_are_ours_here() -> None:
    assert foreign_packages() == {}


def test_an_innocent_folder_passes(project: Path) -> None:
    (project / "mappings").mkdir()
    outcome = run_check(project)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "ours\n", "")


def test_a_folder_without_init_shadows_nothing(project: Path) -> None:
    (project / "connectors").mkdir()
    assert run_check(project).returncode == 0


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "dragoman"])
def test_a_folder_of_the_adopter_that_shadows_is_named_and_never_run(project: Path, package: str) -> None:
    intruder = project / package / "__init__.py"
    intruder.parent.mkdir()
    intruder.write_text("raise RuntimeError('the intruder was run')\n", encoding="utf-8")
    outcome = run_check(project)
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error install.package-shadowed\n")
    assert f"Package {package} is not Dragoman's: Python finds it at {intruder}," in outcome.stderr
    assert "  next   If " in outcome.stderr
    assert "the intruder was run" not in outcome.stderr


def test_a_copy_of_our_own_from_elsewhere_shadows_too(project: Path) -> None:
    shutil.copytree(HOME / "reconcile", project / "reconcile")
    outcome = run_check(project)
    assert (outcome.returncode, f"finds it at {project}" in outcome.stderr) == (2, True)


def test_a_single_file_shadows_too(project: Path) -> None:
    (project / "reconcile.py").write_text("", encoding="utf-8")
    outcome = run_check(project)
    assert (outcome.returncode, str(project / "reconcile.py") in outcome.stderr) == (2, True)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_another_distribution_overwrote_in_place(
    installation: Path, project: Path, package: str
) -> None:
    assert run_check(project, home=installation).stdout == "ours\n"
    (installation / package / "__init__.py").write_text('__version__ = "5.9.1"\n', encoding="utf-8")
    outcome = run_check(project, home=installation)
    assert outcome.returncode == 2
    assert f"Package {package} is not Dragoman's" in outcome.stderr


def test_a_package_whose_init_was_uninstalled_with_the_other_distribution(installation: Path, project: Path) -> None:
    (installation / "translators" / "__init__.py").unlink()
    outcome = run_check(project, home=installation)
    assert outcome.returncode == 2
    assert f"finds it at {installation / 'translators'}," in outcome.stderr


def test_a_package_that_is_gone(installation: Path, project: Path) -> None:
    shutil.rmtree(installation / "pipeline")
    outcome = run_check(project, home=installation)
    assert (outcome.returncode, "Package pipeline" in outcome.stderr, "nowhere" in outcome.stderr) == (2, True, True)
