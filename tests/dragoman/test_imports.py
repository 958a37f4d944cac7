"""What a command imports before it needs it: start-up is paid by everybody, every time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.dragoman.support import environment, make_insurer, make_shop

HEAVY = {"alembic", "duckdb", "jinja2", "ruamel", "sqlalchemy", "yaml"}
PROGRAM = f"""
import atexit, sys
atexit.register(lambda: print("heavy:", *sorted({HEAVY!r} & sys.modules.keys())))
from dragoman.cli import main
main()
"""


def heavy(folder: Path, *words: str) -> list[str]:
    """Which of the heavy packages a command has imported when it ends."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    last = run.stdout.splitlines()[-1]
    assert last.startswith("heavy:"), run.stdout + run.stderr
    return last.split()[1:]


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help"), ("reconcile", "run", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    assert heavy(tmp_path, *words) == []


@pytest.mark.parametrize("words", [("lint",), ("lineage",), ("functions",), ("schema", "mapping"), ("dlq", "list")])
def test_what_only_looks_at_mappings_imports_no_database(words: tuple[str, ...], tmp_path: Path) -> None:
    assert heavy(make_shop(tmp_path), *words) == []


def test_what_needs_them_imports_them(tmp_path: Path) -> None:
    """So that the tests above can fail: a project with a view has a database, an anchor needs the full YAML parser."""
    project = make_insurer(tmp_path / "insurer")
    view = project / "consumers" / "policy_view.yaml"
    view.write_text(view.read_text(encoding="utf-8").replace("reads: policy", "reads: &it policy"), encoding="utf-8")
    assert heavy(project, "lint") == ["ruamel", "sqlalchemy"]


def test_the_core_needs_no_extra() -> None:
    """What the demo runs is imported where only the core is installed, and a check of an extract says what is missing."""
    program = """
import sys
sys.modules.update(dict.fromkeys(["duckdb", "aiokafka", "faust", "mode", "rocksdict", "httpx", "psycopg", "pymysql"]))
import dragoman.demo, dragoman.app
from pathlib import Path
from reconcile.answers import ExtractsMissing, SideAnswers
from reconcile.declared import Query
try:
    SideAnswers(None, None, None, Path()).extract(Query(side="extract", sql="SELECT 1", where="c.yaml:1:1", file="a.csv"))
except ExtractsMissing as error:
    print(error.message)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout == "The extract a.csv cannot be asked: the package duckdb is not installed.\n", run.stderr


def test_a_command_that_needs_an_extra_names_it(tmp_path: Path) -> None:
    program = "import sys\nsys.modules['aiokafka'] = None\nfrom dragoman.cli import main\nmain()"
    run = subprocess.run(
        [sys.executable, "-c", program, "connectors", "plan"],
        cwd=make_shop(tmp_path / "shop"),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "install.extra-missing" in run.stderr and "pip install 'dragoman[kafka]'" in " ".join(run.stderr.split())
