"""A worker killed in the middle of its saves: each save is there wholly or not at all, each acknowledged one is."""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing
from pathlib import Path

from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.processes import start

KEYS = 1_000
SAVES = """
import sys
from pathlib import Path
from pipeline.state.port import Save, Stored
from pipeline.state.sqlite import SqliteState
from tests.pipeline.state.test_contract import step
store = SqliteState(Path(sys.argv[1]), "policy")
n = store.counts().get(("t", "saves"), 0)
while True:
    print(n, flush=True)
    n += 1
    store.save(Save(partition=0, counts={("t", "saves"): 1}, waiting=[step("P1", n)], settled=[("P1", n - 1)],
        aggregates={f"P{key}": Stored(partition=0, version=n) for key in range(%d)}))
"""


def test_a_killed_worker_leaves_whole_saves(tmp_path: Path) -> None:
    path, chance = tmp_path / "state.db", random.Random(7)
    for _ in range(8):
        acknowledged = _killed(path, chance.uniform(0.02, 0.08))
        with closing(SqliteState(path, "policy")) as store:
            kept = store.counts()["t", "saves"]
            assert acknowledged <= kept <= acknowledged + 1
            found = [stored.version for _, stored in store.scan()]
            assert (len(found), set(found)) == (KEYS, {kept})
            assert [(one.key, one.version) for one in store.waiting()] == [("P1", kept)]


def _killed(path: Path, after: float) -> int:
    """Let a worker save for some seconds from its second save on, kill it, and return what it acknowledged last."""
    worker = start(SAVES % KEYS, path)
    assert worker.stdout is not None
    for _ in range(3):
        last = worker.stdout.readline()
    time.sleep(after)
    worker.send_signal(signal.SIGKILL)
    output, errors = worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL, errors
    return int([last, *output.splitlines()][-1])
