"""`dragoman reconcile run --resume`: a run that was killed, in real processes, is gone on with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.dragoman.support import dragoman, environment, replace

SMALL_RANGES = """
from reconcile import cutting
cutting.RANGE, cutting.SMALL = 5, 1
from dragoman.cli import main
if __name__ == "__main__":
    main()
"""


def test_a_run_that_was_killed_is_gone_on_with(worked: Path, tmp_path: Path) -> None:
    """By SIGKILL, behind its second range: the next one looks at the rest, in two processes, and comes to the same."""
    replace(worked / "checks" / "policy.yaml", "slices: product", "processes: 2 #")
    script = tmp_path / "small_ranges.py"
    script.write_text(SMALL_RANGES)

    def run(*words: str, **variables: str) -> tuple[int, Any]:
        command = [sys.executable, str(script), "reconcile", "run", "policy_view", "--json", *words]
        told = subprocess.run(
            command, cwd=worked, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60
        )
        return told.returncode, json.loads(told.stdout) if told.stdout else told.stderr.partition("\n")[0]

    (alone,) = dragoman("reconcile", "run", "policy_view", "--json", cwd=worked).lines
    assert (alone["exit_code"], alone["confirmed"]) == (1, 2)
    assert run("--processes", "1", DRAGOMAN_FAILPOINT="reconcile.after-range:2")[0] == -9
    assert run("--resume", "--gate") == (2, "error reconcile.gate-resumed")
    code, again = run("--resume")
    resumed = again["cutting"].pop("resumed")
    assert (code, resumed["ranges"]) == (1, 2)
    assert again["cutting"] == {"ranges": again["cutting"]["ranges"], "processes": 2, "together": False}
    assert again["cutting"]["ranges"] > 3
    assert {name: again[name] for name in alone if name not in _OTHER} == {
        n: alone[n] for n in alone if n not in _OTHER
    }
    assert "This run went on where r-" in " ".join(dragoman("report", cwd=worked).out.split())


_OTHER = ("run", "report", "cutting", "seconds")
