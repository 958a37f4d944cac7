"""Rests between two looks."""

from __future__ import annotations

from dragoman.idling import LEAST, MOST, Idle


def test_rests_are_short_behind_work_and_get_longer() -> None:
    idle = Idle()
    assert idle.seconds() == MOST
    idle.worked()
    rests = [idle.seconds() for _ in range(8)]
    assert rests[:3] == [LEAST, 2 * LEAST, 4 * LEAST]
    assert rests == sorted(rests)
    assert rests[-2:] == [MOST, MOST]
    idle.worked()
    assert idle.seconds() == LEAST
