"""`make bench`: measures ratios in one run, prints them, and keeps them in `bench/results/`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from bench import embedded, startup, translation

RESULTS = Path(__file__).parent / "results"
COMMAND = "make bench"


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    chosen = sys.argv[1:] or ["translation", "embedded", "startup"]
    found: dict[str, dict[str, float]] = {}
    if "embedded" in chosen:
        e = embedded.run()
        found["embedded"] = asdict(e)
        print(
            f"embedded run       {e.changes / e.seconds:>10,.0f} changes/s, {e.times:.1f} x copying the same records, "
            f"peak {e.peak_mb:.0f} MB ({e.changes:,} changes; {e.letters_per_second:,.0f} letters/s)"
        )
    if "translation" in chosen:
        t = translation.run()
        found["translation"] = asdict(t)
        print(
            f"translation alone  {t.ours:>10.2f} us a step, {t.times:.2f} x the same written by hand "
            f"({t.by_hand:.2f} us; {t.steps:,} steps)"
        )
    if "startup" in chosen:
        s = startup.run()
        found["startup"] = asdict(s)
        print(
            f"dragoman --help    {s.help_ms:>10.0f} ms, {s.times:.1f} x a Python that does nothing ({s.python_ms:.0f} ms)"
        )
    for name, figures in found.items():
        about = {"command": f"{COMMAND} (python -m bench {name})", "python": platform.python_version()}
        (RESULTS / f"{name}.json").write_text(json.dumps({**about, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
