"""What earlier runs of a check came to, as the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

RunState = Literal["broken", "clean", "tolerated", "drift"]
"""`broken` could not run or did not cover everything; `tolerated` differs within the limit or in what was accepted."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a check: when it began, what it proved, how much it covered (0 to 1), how many keys differed.

    `causes` are the keys by cause, unknown of runs that an older Dragoman wrote down.
    """

    run: str
    started: datetime
    state: RunState
    coverage: float
    confirmed: int
    accepted: int
    causes: Mapping[str, int] = {}


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """An unbroken row of runs that were all clean and complete. `gap` is the longest time between two of them."""

    since: datetime
    until: datetime
    runs: int
    gap: timedelta


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The last runs of a check, oldest first and this one included, and the last row of clean ones."""

    runs: tuple[Past, ...] = ()
    proven: Proven | None = None
