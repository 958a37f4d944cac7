"""`dragoman reconcile watch` in a process of its own: what it finds, how it ends, and how it goes on."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.dragoman.support import SECONDS, dragoman, environment, succeeds
from tests.openmetrics import samples


def watch_until(
    project: Path, what: set[str], *more: str, then: Callable[[], object] = lambda: None
) -> tuple[list[dict[str, Any]], int]:
    """Watch until all of this was said, then end it as a service manager does; all that was said, and the exit code."""
    words = ("reconcile", "watch", "policy_view", "--within", "10s", "--every", "1s", "--json", *more)
    watch = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *words], cwd=project, env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    said = []
    with watch.stdout as out:
        for line in out:
            said.append(json.loads(line))
            if what <= {one["what"] for one in said}:
                then()
                watch.send_signal(signal.SIGTERM)
                out.read()
                break
        else:
            raise AssertionError(f"it ended without {what}")
    return said, watch.wait(SECONDS)


def test_a_watch_finds_ends_when_it_is_asked_and_goes_on_where_it_was(worked: Path) -> None:
    with closing(sqlite3.connect(worked / "var" / "views.db")) as view, view:
        view.execute("UPDATE policy_view SET status = 'quoted' WHERE policy_number = 'P00000001'")
    said, code = watch_until(worked, {"turn"})
    assert code == 0
    found = {one["finding"]["key"]: one["finding"]["causes"] for one in said if one["what"] == "found"}
    assert found["P00000001"] == ["edited-in-view"]
    assert [causes for key, causes in found.items() if key != "P00000001"] == [["parked"]] * 2
    assert said[-1]["turn"]["turn"] == 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        at = f"127.0.0.1:{free.getsockname()[1]}"
    scraped: list[tuple[str, dict[str, str], float]] = []

    def scrape() -> None:
        with urlopen(f"http://{at}/metrics") as answer, urlopen(f"http://{at}/readyz") as ready:
            scraped.extend(samples(answer.read().decode()))
            assert json.loads(ready.read()) == {"ok": True, "ready": {"policy_view": True}}

    again, code = watch_until(worked, {"turn", "gate"}, "--gate", "24h", "--health", at, then=scrape)
    assert code == 0
    turns = [one["turn"]["turn"] for one in again if one["what"] == "turn"]
    assert turns[0] == 2, "the second turn, which the first process had begun"
    assert not [one for one in again if one["what"] == "found"], "the ledger knows them already"
    (gate,) = [one for one in again if one["what"] == "gate"]
    assert gate["exit_code"] == 1
    checked = {labels["reason"]: value for name, labels, value in scraped if name.endswith("checked_keys_total")}
    assert checked["rolling"] > said[-1]["turn"]["compared"] > 0, "those of the first process are counted too"
    assert [value for name, _, value in scraped if name.endswith("full_run_exit_code")] == [1]
    read = {labels["database"] for name, labels, value in scraped if name.endswith("database_keys_total") and value}
    assert read == {"legacy", "policy_view"}
    may = dragoman("reconcile", "gate", "policy_view", "--json", cwd=worked)
    assert (may.code, may.lines[0]["refusal"], may.lines[0]["run"]) == (1, "drift", gate["run"])
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
