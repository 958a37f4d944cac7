"""Records that are made to take time and memory take little of either, and each has its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from connectors.debezium.envelope import MAX_BYTES

ROOT = Path(__file__).parents[3]
CODES = {
    "50 MB of text": "record.too-large",
    "50 MB of blanks": "record.too-large",
    "50 MB of Avro": "record.too-large",
    **{
        f"a million {what} in {column}": "record.number-too-large"
        for what in ("digits", "decimals")
        for column in "nmfxoa"
    },
    "a million digits as text": "record.bad-value",
    "a million digits as a fixed decimal": "record.bad-value",
    "a million digits of a scale": "record.bad-value",
    "a huge exponent": "record.bad-value",
    # A double has no room for it below zero.
    "a huge negative exponent": "Change",
    "many numbers of 60,000 bytes": "Change",
    "a million digits in the source": "record.number-too-large",
    "a million digits of a file": "record.no-position",
    "a million digits of a sequence": "record.no-position",
    "empty lists": "Change",
    "empty objects": "record.unknown-shape",
    "many names": "record.unknown-shape",
    "deep lists": "record.too-deep",
    "deep row": "record.too-deep",
    "escapes": "record.bad-text",
    "a list of Avro's smallest items": "record.bad-avro",
    "empty blocks of Avro": "record.bad-avro",
}
SECONDS = 15
"""For one record of the largest size on a slow machine; the worst take three on a fast one."""
PEAK = 40 * MAX_BYTES


def test_bombs() -> None:
    command = [sys.executable, "-m", "tests.connectors.debezium.bombs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=1_200)
    told = json.loads(done.stdout)
    assert {name: code for name, (code, _) in told["answers"].items()} == CODES
    assert max(seconds for _, seconds in told["answers"].values()) < SECONDS
    assert told["peak"] * 1024 < PEAK
