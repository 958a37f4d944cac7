"""Legacy rows that changed behind the triggers' back: the key is reloaded by the real command, killed in its midst or not."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connectors.capture import install, uninstall
from dragoman.project import Project
from dragoman.settings import read_settings
from tests.e2e.insurer import CAPTURED, dragoman, make, rows, streams, view

PRICE = 4_711


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run, and whose legacy was then changed while the triggers were away."""
    folder = make(tmp_path_factory.mktemp("insurer") / "project", 8)
    assert dragoman(folder, "run").returncode == 0
    schema = Project(read_settings(folder, {})).schema
    with closing(sqlite3.connect(folder / "var" / "legacy.db", isolation_level=None)) as db:
        uninstall(db)
        key = db.execute("SELECT pol_no FROM polmst ORDER BY pol_no").fetchone()[0]
        db.execute("UPDATE polmst SET prem_amt = ? WHERE pol_no = ?", (PRICE * 100, key))
        db.execute("DELETE FROM covdtl WHERE pol_no = ? AND cov_seq > 1", (key,))
        install(db, [schema.tables[name] for name in CAPTURED], schema.tables["txlog"])
    (folder / "key").write_text(key.strip())
    return folder


def reloaded(folder: Path) -> str | None:
    said = dragoman(folder, "parked", "list", "--json")
    return next(
        (one["result"] for line in said.stdout.splitlines() if (one := json.loads(line)).get("command") == 0), None
    )


@pytest.mark.parametrize("point", [None, "reload.after-ask:1", "reload.after-pin:1", "publish.after-state-stream:1"])
def test_a_reload_brings_state_and_view_to_what_the_legacy_holds(ran: Path, point: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(ran, folder)
    key = (folder / "key").read_text()
    before = streams(folder)["policy.state"][key]
    assert str(PRICE) not in json.loads(before[-1][2] or b"")["premium"]["amount"]
    sent = dragoman(folder, "reload", key, "--finding", "f-1", "-t", "policy")
    assert sent.returncode == 0, sent.stderr
    if point is not None:
        assert dragoman(folder, "run", failpoint=point).returncode == -signal.SIGKILL
    done = dragoman(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its state is published" in (reloaded(folder) or "")
    last = streams(folder)["policy.state"][key][-1]
    state, headers = json.loads(last[2] or b""), dict(last[3])
    assert state["premium"]["amount"] == f"{PRICE}.00"
    assert len(state["coverages"]) <= 1
    assert (headers["ce_eventclass"], headers["dragoman_finding"], headers["ce_corrects"]) == (
        b"repair",
        b"f-1",
        before[-1][0].encode(),
    )
    assert any(str(PRICE) in repr(row) for row in view(folder)["policy_view"])
    assert streams(folder)["policy.events"] == streams(ran)["policy.events"]
    assert rows(folder / "var" / "letters.db", "letter") == rows(ran / "var" / "letters.db", "letter")


def test_a_key_that_no_translator_knows_is_said_with_the_nearest(ran: Path) -> None:
    key = (ran / "key").read_text()
    told = dragoman(ran, "republish", key[:-1] + "Q", "-t", "policy")
    assert told.returncode == 2
    assert "key.unknown" in told.stderr
    assert "did you mean" in told.stderr
