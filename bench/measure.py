"""How things are timed here: alternately, several rounds, processor time, and only ever as a ratio of two."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median

ROUNDS = 9


def ratio(ours: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median processor seconds of both, and the median of the ratios of neighbouring rounds (ours / other)."""
    ours()
    other()
    pairs = []
    for _ in range(rounds):
        pairs.append((_seconds(ours), _seconds(other)))
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    begun = time.process_time()
    work()
    taken = time.process_time() - begun
    gc.enable()
    return taken
