"""`make bench`: measures ratios in one run, prints them, and keeps them in `bench/results/`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
COMMAND = "make bench"
NAMES = (
    "embedded",
    "translation",
    "startup",
    "duckdb_mapping",
    "decode",
    "lint",
    "rehearse",
    "kafka_log",
    "state",
    "huge",
    "latency",
)
ALONE = ("reconcile", "kafka")
"""The modules of benchmarks: each has `run()`, whose result is a dataclass that says itself. `ALONE` only when they are named:
they start servers and install other programs."""


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    chosen = sys.argv[1:] or NAMES
    for name in (name for name in (*NAMES, *ALONE) if name in chosen):
        found = import_module(f"bench.{name}").run()
        print(found.said(), flush=True)
        about = {
            "command": f"{COMMAND if name in NAMES else f'make bench-{name}'} (python -m bench {name})",
            "python": platform.python_version(),
        }
        (RESULTS / f"{name}.json").write_text(json.dumps({**about, **asdict(found)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
