"""However records come, repeated and reordered: a key ends at its highest sequence and never goes back on the way."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.projection.support import (
    coverage,
    database,
    drain,
    edit,
    memory_log,
    projection,
    record,
    rows,
    sequence,
    state,
    view,
)

KEYS = ["P1", "P2", "P3"]
LIVES = [
    """CREATE TRIGGER row_written AFTER INSERT ON policy_view
       BEGIN INSERT INTO history (key, version) VALUES (new._key, new._version); END""",
    """CREATE TRIGGER row_changed AFTER UPDATE ON policy_view
       BEGIN INSERT INTO history (key, version) VALUES (new._key, new._version); END""",
    """CREATE TRIGGER key_deleted AFTER INSERT ON policy_view__gone
       BEGIN INSERT INTO history (key, version) VALUES (new._key, new._version); END""",
]

STREAMS = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 6)), max_size=25)
"""Key and version of each record, in any order, any number of times. Every third version is a deletion."""


def said(key: str, version: int) -> dict[str, object] | None:
    return None if version % 3 == 0 else state(key, holder=version, coverages=[coverage("fire")] * version)


@settings(max_examples=40)
@given(stream=STREAMS, limit=st.sampled_from([1, 3, 500]))
def test_any_order_converges_and_no_version_goes_down(stream: list[tuple[str, int]], limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = memory_log()
        reader = projection(database(folder), log)
        edit(folder, "CREATE TABLE history (at INTEGER PRIMARY KEY, key TEXT, version TEXT)", *LIVES)
        for start in range(0, len(stream), 5):
            log.append([record(key, version, said(key, version)) for key, version in stream[start : start + 5]])
            drain(reader, limit)
        highest: dict[str, int] = {}
        for key, version in stream:
            highest[key] = max(version, highest.get(key, 0))
        assert view(folder) == {
            key: (sequence(version), version, "412.50", ("fire",) * version)
            for key, version in sorted(highest.items())
            if version % 3
        }
        gone = {(key, sequence(version)) for key, version in highest.items() if version % 3 == 0}
        assert set(rows(folder, "SELECT * FROM policy_view__gone")) == gone
        for key in KEYS:
            lives = [
                version for (version,) in rows(folder, "SELECT version FROM history WHERE key = ? ORDER BY at", key)
            ]
            assert all(before < after for before, after in pairwise(lives))
        assert reader.applied + reader.older == len(stream)
        assert reader.behind() == 0
