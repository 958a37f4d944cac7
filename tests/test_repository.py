"""What holds for every file of the repository: it names no machine, and stays small enough to be read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.capabilities import require

ROOT = Path(__file__).parents[1]
PRODUCT = ("translators", "connectors", "pipeline", "reconcile", "dragoman")

MAX_MODULE_LINES = 400
P95_BODY_LINES = 30

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/[\w.]")
REGISTRY_HOST = re.compile(
    # `docker.io` alone is a package of Debian.
    r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|docker\.io(?=/)|ghcr\.io|quay\.io|proxy\.golang\.org)\b"
)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """All files that are tracked, or would be: what git does not ignore."""
    require("a git checkout")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = {ROOT / name for name in listing.stdout.decode().split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def modules(files: list[Path], *folders: str) -> Iterator[tuple[Path, str]]:
    """The Python files below `folders` (all of them if none is given), with their text."""
    for path in files:
        if path.suffix == ".py" and (not folders or path.relative_to(ROOT).parts[0] in folders):
            yield path, path.read_text(encoding="utf-8")


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return 0 if not body else (function.end_lineno or 0) - body[0].lineno + 1


def test_no_file_names_a_machine_or_a_registry(files: list[Path]) -> None:
    found = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_modules_are_short(files: list[Path]) -> None:
    lengths = {path.relative_to(ROOT): len(text.splitlines()) for path, text in modules(files)}
    assert {str(path): length for path, length in lengths.items() if length > MAX_MODULE_LINES} == {}


@pytest.mark.parametrize("folders", [PRODUCT, ("tests", "examples", "bench")], ids=["product", "beside it"])
def test_functions_are_short(files: list[Path], folders: tuple[str, ...]) -> None:
    nodes = chain.from_iterable(
        ((path, node) for node in ast.walk(ast.parse(text))) for path, text in modules(files, *folders)
    )
    lengths = sorted(
        (body_lines(node), f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
        for path, node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    p95 = lengths[int(0.95 * (len(lengths) - 1))][0]
    offenders = [f"{where}: {length}" for length, where in lengths if length > P95_BODY_LINES]
    assert p95 <= P95_BODY_LINES, "\n".join(offenders)


BIND_CONTRACTS = {
    "contract",
    "contracts",
    "promises",
    "invariants",
    "binding",
    "binding_python",
    "bound_mapping",
    "checks",
    "codes",
    "expressions",
    "functions",
    "generate",
    "generate_lenient",
    "generate_python",
    "generating",
    "compiled",
    "lineage",
    "duckdb_state",
    "python_asking",
    "python_class",
    "shared",
    "report",
}


def test_the_core_imports_nothing_slow(files: list[Path]) -> None:
    """All of `translators` but what binds contracts (pydantic models), in a fresh process: start-up depends on it."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path, _ in modules(files, "translators")
        if path.stem not in BIND_CONTRACTS
    ]
    program = (
        f"import sys, {', '.join(names)}; print({{'pydantic', 'ruamel', 'sqlalchemy', 'yaml'}} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("set()\n", "")
