"""How often Python looks for garbage in cycles."""

from __future__ import annotations

import gc


def look_seldom() -> None:
    """For every process of ours: looking at every 700th object, as is usual, is a tenth of a start and a fifth of a step."""
    gc.set_threshold(20_000, 10, 10)
