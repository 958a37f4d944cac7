"""How long `dragoman lint` takes over 50 mappings of the insurer's size, and how long until a worker has them all."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from statistics import median

from dragoman.linting import Lint
from dragoman.project import Project
from dragoman.settings import read_settings

MAPPINGS = 50
ROUNDS = 5
INSURER = Path(__file__).parents[1] / "examples" / "insurer"
# fmt: off
LINES = (
    "Aviation", "Bicycle", "Boat", "Cargo", "Crop", "Cyber", "Dental", "Farm", "Flood", "Health", "Home", "Life",
    "Marine", "Motor", "Pet", "Travel", "Yacht",
)
# fmt: on
_LINT = ("-m", "dragoman", "lint")
_PROJECT = (
    "from pathlib import Path; from dragoman.project import Project; from dragoman.settings import read_settings; "
    "project = Project(read_settings(Path().resolve(), {}))"
)
_START = ("-c", f"import dragoman.cli; {_PROJECT}; assert len(project.translators) == {MAPPINGS}")
_FLOOR = (
    "-c",
    "from pathlib import Path; from dragoman.python_files import contracts_of; contracts_of(Path().resolve())",
)
_CONTRACT = re.compile(r"^class (\w+)\((?:\w+, )?Contract\):", re.MULTILINE)


@dataclass
class Result:
    """CPU seconds, medians: the rules alone, everything in one process, and the command from start to end.

    `floor` is a Python that does no more than define the project's contracts, with Python's caches warm as they are where
    a package is installed; `times` is the command as a multiple of it. `start_up` is a process that has all translators
    ready to work, and `start_up_times` the same for it.
    """

    rules: float
    whole: float
    lint: float
    floor: float
    times: float
    start_up: float
    start_up_times: float
    mappings: int
    findings: int

    def said(self) -> str:
        """One line of the report."""
        return (
            f"dragoman lint      {self.lint:>10.2f} s of CPU for {self.mappings} mappings, start-up included "
            f"({self.whole:.2f} s without it, the rules {self.rules:.2f} s), {self.times:.2f} x defining their contracts; "
            f"all translators ready in {self.start_up:.2f} s, {self.start_up_times:.2f} x"
        )


def run() -> Result:
    """Write a project, and lint it again and again."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as made:
        folder = Path(made).resolve()
        _write(folder)
        timed = [_timed(folder) for _ in range(ROUNDS)]
        turns = [[_command(folder, *words) for words in (_LINT, _START, _FLOOR)] for _ in range(ROUNDS + 1)][1:]
    rules, whole, findings = (list(column) for column in zip(*timed, strict=True))
    command, start, floor = (median(column) for column in zip(*turns, strict=True))
    times = median(one / other for one, _, other in turns)
    start_times = median(one / other for _, one, other in turns)
    return Result(median(rules), median(whole), command, floor, times, start, start_times, MAPPINGS, int(findings[0]))


def _write(folder: Path) -> None:
    """The insurer's three mappings and their contracts, once for each line of business, until there are enough."""
    names = []
    for line, name in list(product(LINES, ("policy", "claim", "payment")))[:MAPPINGS]:
        contracts = (INSURER / "contracts" / f"{name}.py").read_text(encoding="utf-8")
        mapping = (INSURER / "mappings" / f"{name}.yaml").read_text(encoding="utf-8")
        for contract in _CONTRACT.findall(contracts):
            contracts = re.sub(rf'\b{contract}\b(?=\(|")', f"{line}{contract}", contracts)
            mapping = mapping.replace(f": {contract}.v1", f": {line}{contract}.v1")
        names.append(f"{line.lower()}_{name}")
        mapping = mapping.replace(f"translator: {name}", f"translator: {names[-1]}")
        _put(folder / "contracts" / f"{names[-1]}.py", contracts)
        _put(folder / "mappings" / f"{names[-1]}.yaml", mapping)
    for file in ("schema.yaml", "sources/legacy.yaml"):
        _put(folder / file, (INSURER / file).read_text(encoding="utf-8"))
    settings = (INSURER / "dragoman.yaml").read_text(encoding="utf-8")
    listed = "".join(f"  - {name}\n" for name in names)
    _put(folder / "dragoman.yaml", re.sub(r"(?m)^(translators:.*\n)(?:  - .*\n)+", rf"\g<1>{listed}", settings))


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _timed(folder: Path) -> tuple[float, float, int]:
    """CPU seconds of the rules alone and of everything, and how many findings there are; no error among them."""
    begun = time.process_time()
    lint = Lint(Project(read_settings(folder, {})), date(2026, 11, 20))
    lint.run()
    whole, findings = time.process_time() - begun, len(lint.findings)
    assert lint.errors == 0, next(f for f in lint.findings if f.severity == "error")
    begun = time.process_time()
    lint.rules()
    return time.process_time() - begun, whole, findings


def _command(folder: Path, *words: str) -> float:
    """CPU seconds of a Python in a process of its own, its compiled modules kept from the turn before."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(folder / "cache")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
