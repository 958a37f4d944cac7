"""Failpoints: legal names only, nothing when not armed, SIGKILL at the passage that was asked for."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.failpoint import NAMES, FailpointMalformed, FailpointUnknown, arm, failpoint

ROOT = Path(__file__).resolve().parents[3]

PASSES = """
import sys
from pipeline.failpoint import arm, failpoint
arm(sys.argv[1])
for number in range(1, 6):
    failpoint("batch.middle")
    failpoint("state.after-commit")
    print(number, flush=True)
"""


def run(armed: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", PASSES, armed], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_the_process_is_killed_at_the_nth_passage_of_the_name() -> None:
    assert run("state.after-commit:3") == (-signal.SIGKILL, "1\n2\n")
    assert run("batch.middle:1") == (-signal.SIGKILL, "")


def test_another_name_or_a_later_passage_does_nothing() -> None:
    assert run("state.after-commit:6") == (0, "1\n2\n3\n4\n5\n")
    assert run("capture.after-append:1") == (0, "1\n2\n3\n4\n5\n")


def test_every_legal_name_may_be_passed_when_nothing_is_armed() -> None:
    for name in NAMES:
        failpoint(name)


def test_an_unknown_name_is_refused_when_armed_and_when_passed() -> None:
    with pytest.raises(FailpointUnknown, match=r"'state\.after-comit'"):
        arm("state.after-comit:1")
    with pytest.raises(FailpointUnknown) as caught:
        failpoint("state.after-comit")
    assert "state.after-commit" in caught.value.advice


@pytest.mark.parametrize(
    "text", ["", "batch.middle", "batch.middle:", "batch.middle:0", "batch.middle:-1", "batch.middle:x", ":1x"]
)
def test_what_says_no_passage_is_malformed(text: str) -> None:
    with pytest.raises(FailpointMalformed) as caught:
        arm(text)
    assert repr(text) in caught.value.message
