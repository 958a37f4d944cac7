"""`dragoman reconcile watch` in a process of its own: what it finds, how it ends, and how it goes on."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.dragoman.support import SECONDS, dragoman, environment, succeeds


def watch_until(project: Path, what: str) -> tuple[list[dict[str, Any]], int]:
    """Watch until something is said, then end it as a service manager does; all that was said, and the exit code."""
    words = ("reconcile", "watch", "policy_view", "--within", "10s", "--every", "1s", "--json")
    watch = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *words], cwd=project, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    said = []
    with watch.stdout as out:
        for line in out:
            said.append(json.loads(line))
            if said[-1]["what"] == what:
                watch.send_signal(signal.SIGTERM)
                break
        else:
            raise AssertionError(f"it ended without {what}")
    return said, watch.wait(SECONDS)


def test_a_watch_finds_ends_when_it_is_asked_and_goes_on_where_it_was(worked: Path) -> None:
    with closing(sqlite3.connect(worked / "var" / "views.db")) as view, view:
        view.execute("UPDATE policy_view SET status = 'quoted' WHERE policy_number = 'P00000001'")
    said, code = watch_until(worked, "turn")
    assert code == 0
    found = {one["finding"]["key"]: one["finding"]["causes"] for one in said if one["what"] == "found"}
    assert found["P00000001"] == ["edited-in-view"]
    assert [causes for key, causes in found.items() if key != "P00000001"] == [["parked"]] * 2
    assert said[-1]["turn"]["turn"] == 1
    again, code = watch_until(worked, "turn")
    assert code == 0
    assert again[-1]["turn"]["turn"] == 2, "the second turn, which the first process had begun"
    assert not [one for one in again if one["what"] == "found"], "the ledger knows them already"
    told = " ".join(succeeds("reconcile", "runs", cwd=worked).out.split())
    assert "policy_view never clean and complete" in told
    assert "watched, within 10 s: the last look" in told
    assert "turn 2 complete" in told
    (state,) = [
        one for one in succeeds("reconcile", "findings", "--json", cwd=worked).lines if one["key"] == "P00000001"
    ]
    assert state["last_run"].startswith("w-")


def test_a_duration_that_is_none(worked: Path) -> None:
    told = dragoman("reconcile", "watch", "--within", "soon", cwd=worked)
    assert (told.code, told.err.splitlines()[0]) == (2, "error watch.duration")
