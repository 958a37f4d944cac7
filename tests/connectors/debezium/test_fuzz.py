"""The coverage-guided fuzzer runs for a while; what it finds is a failure."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.capabilities import REASON

ROOT = Path(__file__).parents[3]
SECONDS = 10
OPTIONS = (f"-max_total_time={SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=30000", "-seed=4")


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason=f"{REASON}atheris")
def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.connectors.debezium.fuzz", str(tmp_path), *OPTIONS]
    prefix = f"-artifact_prefix={tmp_path}/found-"
    done = subprocess.run([*command, prefix], cwd=ROOT, capture_output=True, check=False, timeout=SECONDS * 20)
    told = done.stderr.decode(errors="replace")
    assert done.returncode == 0, told[told.find("=== Uncaught") :][:6000]
    assert "Done " in told
