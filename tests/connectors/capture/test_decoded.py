"""The capture against the decoder of Debezium records: what the legacy holds is what a change says.

Random work on a legacy, fed through both, has to end in the rows that plain SQL finds.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.capture import Captured
from connectors.debezium.decode import Decoder
from connectors.debezium.records import Notification, TransactionMark
from tests.connectors.capture.support import COMMIT, Legacy, schema
from translators.change import Change
from translators.values import Opaque


def decoded(records: list[Captured]) -> list[Any]:
    decoder = Decoder(schema(), "old.notification")
    return [decoder.decode(r.topic, r.partition, offset, r.key, r.value, r.headers) for offset, r in enumerate(records)]


def changes(records: list[Captured]) -> list[Change]:
    return [d for d in decoded(records) if isinstance(d, Change)]


def test_each_record_is_what_it_should_be(legacy: Legacy) -> None:
    legacy.commit(
        "INSERT INTO head VALUES ('A     ', '12.50', 9007199254740993, 'x ', x'00ff', 0.1)",
        "INSERT INTO item VALUES (1, '2026-01-02', '2026-01-02 03:04:05.678901', '2026-01-02 03:04:05', NULL, 1)",
        "UPDATE item SET zoned = '2026-01-02T03:04:05Z'",
    )
    head, _, item, begin, end = decoded(legacy.capture.changes(0, 10)[0])
    assert isinstance(head, Change)
    assert isinstance(item, Change)
    assert (head.table, head.op, head.row_key, head.position, head.transaction) == ("head", "c", "A", 1, "1")
    assert (head.committed_after, item.committed_after, item.position) == (0, 0, 3)
    assert head.time == datetime.fromisoformat(COMMIT)
    assert head.after is not None
    assert head.after == {
        "no": "A",
        "amt": Decimal("12.50"),
        "big": 9007199254740993,
        "tag": "x ",
        "raw": Opaque("\\x00ff"),
        "num": 0.1,
    }
    assert item.after == {
        "id": 1,
        "day": date(2026, 1, 2),
        "moment": datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001 - a timestamp has no zone
        "short": datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
        "zoned": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "flag": True,
    }
    assert isinstance(begin, TransactionMark)
    assert isinstance(end, TransactionMark)
    assert (begin.status, begin.transaction, end.status, end.transaction) == ("BEGIN", "1", "END", "1")
    assert (end.counts, end.position) == ({"head": 1, "item": 2}, 3)


def test_a_snapshot_is_read_as_one(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    row, last = decoded([record for batch in legacy.capture.snapshot() for record in batch])
    assert isinstance(row, Change)
    assert (row.op, row.position < 0, row.transaction, row.time) == ("r", True, None, None)
    assert isinstance(last, Notification)
    assert (last.aggregate_type, last.type) == ("Initial Snapshot", "COMPLETED")


KEYS = st.sampled_from(["A", "B", "C", "d'e", "é"])
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
NUMBERS = st.none() | st.integers(-(2**63), 2**63 - 1)
CENTS = st.none() | st.integers(0, 10**9 - 1).map(lambda n: f"{n // 100}.{n % 100:02d}")
ROWS = st.tuples(KEYS, CENTS, NUMBERS, TEXTS)
STATEMENTS = st.one_of(
    ROWS.map(lambda r: ("INSERT OR REPLACE INTO head (no, amt, big, tag) VALUES (?, ?, ?, ?)", r)),
    ROWS.map(lambda r: ("INSERT OR IGNORE INTO head (no, amt, big, tag) VALUES (?, ?, ?, ?)", r)),
    st.tuples(NUMBERS, KEYS).map(lambda r: ("UPDATE head SET big = ? WHERE no >= ?", r)),
    st.tuples(TEXTS, KEYS).map(lambda r: ("UPDATE OR REPLACE head SET tag = ? WHERE no >= ?", r)),
    st.tuples(KEYS, KEYS).map(lambda r: ("UPDATE OR REPLACE head SET no = ? WHERE no = ?", r)),
    st.tuples(KEYS, KEYS).map(lambda r: ("UPDATE OR IGNORE head SET no = ? WHERE no = ?", r)),
    KEYS.map(lambda k: ("DELETE FROM head WHERE no = ?", (k,))),
)


@given(
    work=st.lists(st.lists(STATEMENTS, min_size=1, max_size=4), max_size=8),
    recursive=st.booleans(),
    limit=st.integers(1, 5),
)
def test_random_work_ends_in_the_rows_that_are_there(
    work: list[list[tuple[str, Any]]], recursive: bool, limit: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        legacy = Legacy(Path(folder) / "old.db", "mark")
        legacy.connection.execute("PRAGMA synchronous = OFF")
        legacy.connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        for statements in work:
            legacy.commit(*statements)
        state: dict[str, Any] = {}
        position = 0
        while True:
            records, reached = legacy.capture.changes(position, limit)
            if reached == position:
                break
            position = reached
            for change in changes(records):
                _apply(state, change)
        sql = "SELECT no, amt, big, tag FROM head"
        expected = {
            no: (amt and Decimal(amt), big, tag) for no, amt, big, tag in legacy.connection.execute(sql).fetchall()
        }
        legacy.close()
    assert {key: (row["amt"], row["big"], row["tag"]) for key, row in state.items()} == expected


def _apply(state: dict[str, Any], change: Change) -> None:
    """A row that a change says was there, has to have been there, as it says."""
    assert state.get(change.row_key) == change.before
    if change.after is None:
        del state[change.row_key]
    else:
        state[change.row_key] = change.after
