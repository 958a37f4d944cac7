"""The wheel: what is in it, what is not, that it runs where the checkout is not; and that the locks fit the project."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dragoman

ROOT = Path(__file__).parents[2]
PACKAGES = {"translators", "connectors", "pipeline", "reconcile", "dragoman"}
NOT_SHIPPED = {"__pycache__", "var"}
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;\\]+)", re.MULTILINE)


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that has to succeed."""
    outcome = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the installed backend: no network, no isolation."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """The wheel's files, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        listed = archive.namelist()
    assert len(listed) == len(set(listed))
    return {name for name in listed if ".dist-info/" not in name}


def shipped(folder: Path, below: str) -> set[str]:
    """The files of a folder of the checkout as they are named in the wheel."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {f"{below}/{path.as_posix()}" for path in paths if not NOT_SHIPPED & set(path.parts)}


def test_the_wheel_holds_the_packages_and_the_example_and_nothing_else(names: set[str]) -> None:
    expected = shipped(ROOT / "examples" / "insurer", "dragoman/example_insurer")
    for package in PACKAGES:
        expected |= shipped(ROOT / package, package)
    assert names == expected
    assert {name.split("/")[0] for name in names} == PACKAGES


def test_each_package_is_typed_and_marked_as_ours(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    for package in PACKAGES:
        assert "__dragoman__ = True" in (ROOT / package / "__init__.py").read_text(encoding="utf-8").splitlines()


def test_the_wheel_says_version_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = f"dragoman-{dragoman.__version__}.dist-info"
        metadata = archive.read(f"{folder}/METADATA").decode()
        assert f"\nVersion: {dragoman.__version__}\n" in metadata
        assert "\nLicense-Expression: Apache-2.0\n" in metadata
        assert "\nRequires-Python: >=3.11\n" in metadata
        assert "dragoman = dragoman.cli:main" in archive.read(f"{folder}/entry_points.txt").decode()
        assert b"Apache License" in archive.read(f"{folder}/licenses/LICENSE")


def test_installed_elsewhere_it_runs(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows only the dependencies from this one (never the checkout)."""
    venv.create(tmp_path / "env", symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", python, *install, wheel, cwd=tmp_path)
    paths = sysconfig.get_paths(vars={"base": str(tmp_path / "env"), "platbase": str(tmp_path / "env")})
    site = Path(paths["purelib"])
    (site / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")

    where = run(python, "-c", f"import {', '.join(sorted(PACKAGES))}; print(dragoman.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(site)
    version = run(tmp_path / "env" / "bin" / "dragoman", "--version", cwd=tmp_path)
    assert dragoman.__version__ in version


def pins(lock: str) -> dict[str, str]:
    """Name to version of each requirement of a lock file."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    return {match["name"]: match["version"] for match in PIN.finditer(text)}


def test_the_locks_satisfy_the_project_and_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    core = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    image = [*core, *extras["connect"], *extras["kafka"], *extras["postgres"], *extras["reconcile"]]
    dev = [*image, *extras["test"], *extras["dev"]]
    for lock, wanted in (("core.txt", core), ("dev.txt", dev), ("image.txt", image), ("mysql.txt", extras["mysql"])):
        locked = pins(lock)
        for requirement in map(Requirement, wanted):
            if requirement.name != "dragoman":
                assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement
    assert pins("core.txt").items() <= pins("image.txt").items() <= pins("dev.txt").items()


@pytest.mark.parametrize("lock", ["core.txt", "dev.txt", "image.txt", "mysql.txt"])
def test_every_pin_has_hashes_and_no_lock_names_an_index(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(lock))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert re.findall(r"^\s*-", text, flags=re.MULTILINE) == re.findall(r"^\s*-(?=-hash=)", text, flags=re.MULTILINE)
