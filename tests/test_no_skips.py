"""`--no-skips` in real runs of pytest: which skips fail a run, and which this machine excuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTEST = ("-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "/dev/null")


def run_pytest(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a test file of this body with our conftest as a plug-in."""
    (folder / "test_sample.py").write_text(f"import pytest\nfrom tests import capabilities\n{body}\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, *PYTEST, "--rootdir", str(folder), *options, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


LAZY = "def test_a():\n    pytest.skip('no time')"
AT_IMPORT = "pytest.skip('no time', allow_module_level=True)"
EXPECTED = "@pytest.mark.xfail\ndef test_a():\n    raise ValueError"
UNTRUE = "def test_a():\n    pytest.skip('not on this machine: a git checkout')"
UNKNOWN = "def test_a():\n    pytest.skip('not on this machine: a good mood')"
LACKING = "capabilities.CAPABILITIES['a moon'] = lambda: False\ndef test_a():\n    capabilities.require('a moon')"
PRESENT = "def test_a():\n    capabilities.require('a git checkout')"


@pytest.mark.parametrize(
    ("body", "workers"),
    [
        (LAZY, []),
        (AT_IMPORT, []),
        (EXPECTED, []),
        (UNTRUE, []),
        (UNKNOWN, []),
        (LAZY, ["-n", "1"]),
        (AT_IMPORT, ["-n", "1"]),
    ],
)
def test_a_skip_that_this_machine_could_have_run_fails_the_run(tmp_path: Path, body: str, workers: list[str]) -> None:
    outcome = run_pytest(tmp_path, body, "--no-skips", *workers)
    assert outcome.returncode == pytest.ExitCode.TESTS_FAILED, outcome.stdout
    assert "skipped, though this machine could have run them" in outcome.stdout
    assert "test_sample.py" in outcome.stdout


@pytest.mark.parametrize("body", [LACKING, PRESENT])
def test_what_the_machine_lacks_or_has_passes(tmp_path: Path, body: str) -> None:
    outcome = run_pytest(tmp_path, body, "--no-skips")
    assert outcome.returncode == pytest.ExitCode.OK, outcome.stdout


def test_without_the_option_a_skip_is_only_a_skip(tmp_path: Path) -> None:
    assert run_pytest(tmp_path, LAZY).returncode == pytest.ExitCode.OK
