"""A recording and a journal, written to files and read again, are played like what they were made of."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.log.recording import read_recording, write_recording
from tests.model import journal
from tests.model.dice import Dice
from tests.model.recorded import play_recorded
from tests.model.source import Proof, arriving, life
from tests.model.wire import Postgres


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("proof", ["end", "later", "passed"])
def test_a_recorded_feed_with_its_journal(seed: int, proof: Proof, tmp_path: Path) -> None:
    drawn = random.Random(seed)
    wire = Postgres(1 + seed % 3)
    connector = Dice(drawn.randbytes(400))
    lived = life(Dice(drawn.randbytes(400)), wire, proof)
    lanes = arriving(connector, wire, lived, exactly_once=proof == "end")
    write_recording(tmp_path / "feed.jsonl.gz", (r for one in lanes.slices(connector) for r in one.records))
    (tmp_path / "journal.jsonl").write_text("\n".join(journal.write(lived.journal(wire))))

    told = list(journal.read((tmp_path / "journal.jsonl").read_text().splitlines()))
    records = read_recording(tmp_path / "feed.jsonl.gz", "text")
    schedule = play_recorded(records, told, wire, proof, Dice(drawn.randbytes(400)), shown=lived)
    assert len(schedule.store.moments) >= len(told) > 0
