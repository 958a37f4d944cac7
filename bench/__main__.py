"""`make bench`: measures ratios in one run, prints them, and keeps them in `bench/results/`."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from bench import decode, duckdb_mapping, embedded, lint, rehearse, startup, translation

RESULTS = Path(__file__).parent / "results"
COMMAND = "make bench"


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    chosen = sys.argv[1:] or ["translation", "embedded", "startup", "duckdb_mapping", "decode", "lint", "rehearse"]
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
    if "duckdb_mapping" in chosen:
        m = duckdb_mapping.run()
        found["duckdb_mapping"] = asdict(m)
        print(
            f"mapped by DuckDB   {m.seconds:>10.2f} s for {m.aggregates:,} aggregates of three tables on one thread "
            f"({m.each:.2f} us each)"
        )
    if "decode" in chosen:
        d = decode.run()
        found["decode"] = asdict(d)
        print(
            f"decoding alone     {d.ours:>10.2f} us a record of {d.record_bytes:,} bytes, {d.times:.2f} x the same by hand "
            f"({d.by_hand:.2f} us); with its schema {d.with_schema_times:.2f} x without; "
            f"Avro {d.avro_times:.2f} x bare fastavro ({d.fastavro:.2f} us)"
        )
    if "lint" in chosen:
        li = lint.run()
        found["lint"] = asdict(li)
        print(
            f"dragoman lint      {li.command:>10.2f} s of CPU for {li.mappings} mappings, start-up included "
            f"({li.whole:.2f} s without it, the rules {li.rules:.2f} s)"
        )
    if "rehearse" in chosen:
        r = rehearse.run()
        found["rehearse"] = asdict(r)
        print(
            f"dragoman rehearse  {r.seconds:>10.1f} s of CPU for {r.changes:,} changes ({r.wall_seconds:.1f} s), "
            f"{r.times:.1f} x reading and decoding them once, peak {r.peak_mb:.0f} MB"
        )
    for name, figures in found.items():
        about = {"command": f"{COMMAND} (python -m bench {name})", "python": platform.python_version()}
        (RESULTS / f"{name}.json").write_text(json.dumps({**about, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
