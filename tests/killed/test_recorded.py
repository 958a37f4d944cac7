"""Recorded runs of killed connectors, in any interleaving of their partitions: the oracle's steps, in the same bytes.

`tests/killed/record.py` records them.
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import pytest

from tests.killed import recording
from tests.killed.replay import Replay
from tests.killed.run import Run, assert_shown
from tests.model.dice import Dice
from tests.model.recorded import play_recorded
from tests.model.wire import Postgres

DATA = Path(__file__).parents[1] / "data" / "killed"
INTERLEAVINGS = 10
DATABASES = ("postgres", "mariadb")


@cache
def run(database: str) -> Run:
    return recording.read(DATA / f"{database}.jsonl.gz")


@cache
def first(database: str) -> dict[str, list[tuple[bytes | None, ...]]]:
    """What one interleaving says; all others are compared with it."""
    return Replay(run(database), 0).go().said()


@pytest.mark.parametrize("database", DATABASES)
def test_a_recording_contains_what_it_is_for(database: str) -> None:
    assert run(database).kills >= 3
    assert_shown(run(database))


@pytest.mark.parametrize("seed", range(1, 1 + INTERLEAVINGS))
@pytest.mark.parametrize("database", DATABASES)
def test_any_interleaving(database: str, seed: int) -> None:
    product = Replay(run(database), seed).go()
    product.judge(run(database).journal, run(database).loaded)
    assert product.said() == first(database)


def test_workers_that_die_at_their_seams() -> None:
    postgres = run("postgres")
    shown = [(table, row) for table, rows in postgres.loaded.items() for row in rows]
    dice = Dice(random.Random(1).randbytes(1200))
    schedule = play_recorded(postgres.records, postgres.journal, Postgres(4), "passed", dice, loaded=shown)
    assert schedule.deaths > 0
