"""The files that each format wrote stay readable; they were made once from what stands here, and are never made again."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.state.codec import encode_stored, encode_waiting
from pipeline.state.port import Lifecycle, Pin, Save, Stored, Waiting
from pipeline.state.sqlite import SqliteState
from translators.change import Change, Coordinate
from translators.problem import Problem
from translators.values import Opaque, OutOfRange, Row, Unavailable

DATA = Path(__file__).parents[2] / "data"

LIFE = Lifecycle(mapping_version="5f2c", generation=3, source_epoch=1, state_epoch=2)
PROBLEM = Problem(
    code="code.unmapped",
    cause="semantic",
    message="code 'X' has no meaning",
    field="status",
    columns=("polmst.pol_sts",),
    where="mappings/policy.yaml:12:9",
    hint="The nearest is 'C'.",
)
EVERYTHING: Row = {
    "text": "Müller & Söhne \U0001f600",
    "surrogate": "\ud800",
    "small": -7,
    "big": -(2**70),
    "float": -0.5,
    "bool": True,
    "amount": Decimal("120.50"),
    "exponent": Decimal("1E+3"),
    "date": date(2024, 2, 29),
    "naive": datetime(2024, 2, 29, 23, 59, 59, 999_999),  # noqa: DTZ001 - what a TIMESTAMP without zone decodes to
    "aware": datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
    "offset": datetime(2024, 2, 29, 1, 2, 3, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    "time": time(1, 2, 3, 4),
    "span": timedelta(days=-1, microseconds=1),
    "bytes": b"\x00\xff",
    "opaque": Opaque('{"a": 1}'),
    "unsent": Unavailable("toast"),
    "infinite": OutOfRange("infinity"),
    "null": None,
}
FULL = Stored(
    partition=1,
    rows={"polmst": {"P1": EVERYTHING}, "covdtl": {"P1/2": {"cov": "B"}, "P1/1": {"cov": "A"}}},
    positions={"polmst": {"P1": 2**64 - 1}, "covdtl": {"P1/1": 0, "P1/2": 9, "P1/3": 2**80}},
    version=12,
    published=True,
)
LOADING = Stored(partition=1, loading=True, partial=True, unmapped=PROBLEM)
STEP = Waiting(
    key="P2",
    partition=1,
    version=4,
    changes=(
        Change(
            table="polmst",
            op="u",
            row_key="P2",
            before=None,
            after=EVERYTHING,
            position=77,
            transaction="991",
            committed_after=76,
            time=datetime(2024, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
            at=Coordinate("feed", 1, 5),
            flagged=("unsent", "infinite"),
        ),
    ),
    dead_letter="dl-0123456789ab",
    problem=PROBLEM,
    first_seen=1_709_294_400_000,
    mapping_version="5f2c",
)
SAVE = Save(
    partition=1,
    aggregates={"P1": FULL, "P3": LOADING},
    waiting=[STEP],
    counts={("polmst", "read"): 5, ("", "event: PolicyBound.v1"): 1},
    pins=[Pin(command=3, partition=1, at=44, result="done")],
    live=True,
)


@pytest.fixture(params=[1, 2])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The kept file of each format."""
    path = tmp_path / "state.db"
    path.write_bytes(gzip.decompress((DATA / f"state-format-{request.param}.db.gz").read_bytes()))
    return path


def check(store: SqliteState) -> None:
    """What was written."""
    assert (store.lifecycle(1), store.lifecycle(2)) == (LIFE, None)
    assert repr(list(store.scan(1))) == repr(list(store.scan())) == repr([("P1", FULL), ("P3", LOADING)])
    assert repr(store.waiting()) == repr(store.waiting("P2", 1)) == repr([STEP])
    assert store.loading(1, 9) == [("P3", LOADING)]
    assert store.counts() == SAVE.counts
    assert store.pins() == store.pins(1) == SAVE.pins
    assert store.is_live(1)
    assert not store.is_live(0)


def test_it_says_what_was_written(kept: Path) -> None:
    for _ in range(2):  # an earlier format was made today's the first time
        with closing(SqliteState(kept, "policy")) as store:
            check(store)


def test_a_reader_sees_it_and_leaves_it_alone(kept: Path) -> None:
    before = kept.read_bytes()
    with closing(SqliteState(kept, "policy", read_only=True)) as store:
        check(store)
    assert kept.read_bytes() == before


def test_it_can_be_written_on(kept: Path) -> None:
    with closing(SqliteState(kept, "policy")) as store:
        store.save(Save(partition=1, settled=[("P2", 4)], counts={("polmst", "read"): 2}, logged=8))
        assert store.counts()["polmst", "read"] == 7
        assert (store.waiting(), store.logged(1), store.is_live(1)) == ([], 8, True)
    with closing(sqlite3.connect(kept)) as other:
        tables = {name for (name,) in other.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert tables == {"lifecycle", "aggregate", "waiting", "counted", "pin", "progress"}


def test_what_is_written_today_is_the_same_to_the_byte() -> None:
    data = gzip.decompress((DATA / "state-format-2.db.gz").read_bytes())
    for body in (encode_stored("P1", FULL), encode_stored("P3", LOADING), encode_waiting(STEP)):
        assert body in data
