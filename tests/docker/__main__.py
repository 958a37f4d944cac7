"""Runs the tests of containers in an engine of our own, on images that are built here.

    python -m tests.docker                  # the whole product by docker-compose.yml, and the servers in containers

Without an engine nothing is tested: the last line says why, and the exit code is 0.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dragoman.stack.artifacts import cache_folder
from dragoman.stack.errors import FetchFailed, MavenMissing
from tests.docker.engine import ROOT, NoEngine, engine, make_images

TESTS = ("tests/docker", "tests/servers/test_round_trip.py")


def main() -> int:
    """The tests' exit code."""
    begun = time.monotonic()
    # Who ends us ends the engine too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    def told(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {what}", flush=True)

    try:
        with tempfile.TemporaryDirectory(prefix="dragoman-docker-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            with engine(folder) as at:
                told("the engine is ready")
                images = make_images(at, cache_folder(os.environ), folder)
                told("the images are built")
                variables = {**os.environ, "DOCKER_HOST": at, **images.variables}
                command = [sys.executable, "-m", "pytest", "-ra", "--stack=docker", *TESTS, *sys.argv[1:]]
                code = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
                told("the tests are over")
            told("the engine has ended")
            return code
    except (NoEngine, FetchFailed, MavenMissing) as reason:
        print(f"SKIPPED docker: not on this machine: a Docker engine ({reason})")
        return 0


if __name__ == "__main__":
    sys.exit(main())
