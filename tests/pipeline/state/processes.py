"""Other processes that work on a state: real ones, so that they can be killed and starved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process running `program`, with `arguments` in `sys.argv[1:]` and its output to be read."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(program: str, *arguments: object) -> str:
    """What such a process printed, once it has ended well."""
    process = start(program, *arguments)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output
