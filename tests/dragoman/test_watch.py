"""`dragoman map --watch`: run again on save, whatever is wrong for a moment, until somebody ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest

from dragoman.watching import look, watch
from tests.dragoman.support import SECONDS, dragoman, environment, replace
from tests.dragoman.test_look import a_record


@contextmanager
def watching(project: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], str]]]:
    """The command while the block runs, and a function that waits until a line with a word is printed."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "dragoman", "map", *words, "--watch"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    stream, lines = process.stdout, Queue[str]()

    def pump() -> None:
        for line in stream:
            lines.put(line)

    reader = threading.Thread(target=pump, daemon=True)
    reader.start()

    def until(word: str) -> str:
        seen, end = "", time.monotonic() + SECONDS
        while word not in seen:
            try:
                seen += lines.get(timeout=max(0.1, end - time.monotonic()))
            except Empty:
                pytest.fail(f"{word!r} was not printed:\n{seen}")
        return seen

    try:
        yield process, until
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        reader.join(SECONDS)
        stream.close()


def test_it_runs_again_on_save_and_survives_a_mistake(insurer: Path) -> None:
    (insurer / "change.json").write_text(json.dumps(a_record(insurer, pol_sts="SU")), encoding="utf-8")
    mapping = insurer / "mappings" / "policy.yaml"
    with watching(insurer, "change.json") as (process, until):
        assert "code.unmapped" in until("watching")
        replace(mapping, "    L: lapsed\n", "    L: lapsed\n    SU lapsed\n")
        assert "error yaml." in until("watching")
        replace(mapping, "    SU lapsed\n", "    SU: lapsed\n")
        assert "Translated" in until("watching")
        (insurer / "change.json").write_text(json.dumps(a_record(insurer, pol_sts="ZZ")), encoding="utf-8")
        assert "'ZZ' is not in the code table" in until("watching")
        replace(insurer / "contracts" / "policy.py", "class Policy(", "raise ValueError\n\n\nclass Policy(")
        assert "project.python-failed" in until("watching")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_standard_input_cannot_be_watched(insurer: Path) -> None:
    assert dragoman("map", "-", "--watch", cwd=insurer).code == 2


def test_what_runs_leave_is_not_watched(tmp_path: Path) -> None:
    for name in ("var/log.yaml", ".hidden/x.yaml", "__pycache__/x.py", "mappings/x.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    outside = tmp_path / "notes.txt"
    assert {path.name for path in look(tmp_path, ())} == {"x.yaml"}
    assert set(look(tmp_path, (outside,))) == {tmp_path / "mappings" / "x.yaml", outside}
    assert set(look(tmp_path, (tmp_path / "gone.json",))) == {tmp_path / "mappings" / "x.yaml"}


def test_a_change_during_the_action_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("1", encoding="utf-8")
    acted: list[str] = []

    def act() -> None:
        acted.append((tmp_path / "a.yaml").read_text("utf-8"))
        if len(acted) == 1:
            (tmp_path / "a.yaml").write_text("22", encoding="utf-8")

    def sleep(seconds: float) -> None:
        raise KeyboardInterrupt

    watch(tmp_path, (), act, sleep)
    assert acted == ["1", "22"]
