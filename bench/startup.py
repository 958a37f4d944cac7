"""How long `dragoman --help` takes, against a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

ROUNDS = 11


@dataclass
class Result:
    """Milliseconds of wall time, medians of alternating runs."""

    help_ms: float
    python_ms: float
    times: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"dragoman --help    {self.help_ms:>10.0f} ms, {self.times:.1f} x a Python that does nothing "
            f"({self.python_ms:.0f} ms)"
        )


def run() -> Result:
    """Time both in turn."""
    ours = [sys.executable, "-m", "dragoman", "--help"]
    nothing = [sys.executable, "-c", "pass"]
    pairs = [(_milliseconds(ours), _milliseconds(nothing)) for _ in range(ROUNDS)]
    return Result(median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs))


def _milliseconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - begun) * 1e3
