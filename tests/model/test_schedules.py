"""Ten thousand schedules: whatever arrives in whatever order, and whoever dies meanwhile, the oracle's steps come out.

Each is played through the real worker with the log and the store in memory. `--hypothesis-profile=thorough` plays forty
times as many, other ones each time.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.model.dice import Dice
from tests.model.schedule import play

SCHEDULES, BLOCKS = 10_000, 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_schedules(block: int, record_property: Callable[[str, object], None]) -> None:
    profile = settings()
    wanted = SCHEDULES // BLOCKS * max(1, profile.max_examples // 50)
    played = 0

    @settings(profile, max_examples=wanted, suppress_health_check=list(HealthCheck))
    @given(
        st.binary(min_size=200, max_size=200), st.binary(min_size=80, max_size=80), st.binary(min_size=80, max_size=80)
    )
    def one(source: bytes, connector: bytes, worker: bytes) -> None:
        nonlocal played
        played += 1
        play(Dice(source), Dice(connector), Dice(worker))

    (seed(block)(one) if profile.derandomize else one)()
    record_property("schedules", played)
    assert played >= wanted
