"""Whether a cutover may go ahead, by what the ledger knows: the last gate of each check, and what came to light since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from reconcile.check import CheckSpec
from reconcile.ledger.entries import Entry, RunEntry

Refusal = Literal["never", "running", "broken", "drift", "old", "found-since"]


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says to a cutover. `run` is its last full run; `refusal` is why it says no, `None` where it says yes.

    `open` are the findings that nobody accepted and nobody closed, the longest known first.
    """

    check: str
    run: RunEntry | None
    age: float | None
    refusal: Refusal | None
    open: tuple[Entry, ...] = ()

    @property
    def exit_code(self) -> int:
        """As of a run: 1 where something differs, 2 where nothing is proven."""
        if self.refusal is None:
            return 0
        return 1 if self.refusal in ("drift", "found-since") else 2


def last_full(check: CheckSpec, runs: Sequence[RunEntry]) -> RunEntry | None:
    """The last of a check's runs, oldest first, that was to prove all of it: a gate.

    A check that asks by queries has one answer, behind the fence, however it is run.
    """
    return next((run for run in reversed(runs) if run.gate or check.statement is not None), None)


def answer(
    check: CheckSpec, runs: Sequence[RunEntry], findings: Sequence[Entry], *, now: datetime, fresh: timedelta
) -> GateAnswer:
    """What a check says, of which these are all runs, oldest first, and the findings that are not closed.

    The last gate decides, and it alone: one that was passed before it is not what the sides are now.
    """
    run = last_full(check, runs)
    if run is None:
        return GateAnswer(check=check.check, run=None, age=None, refusal="never")
    found = tuple(one for one in findings if not one.is_accepted(now.astimezone(UTC).date()))
    over = bool(check.over(Counter(one.kind for one in found)))
    age = (now - run.started).total_seconds()
    refusal = _refusal(run, old=age > fresh.total_seconds(), over=over)
    return GateAnswer(check=check.check, run=run, age=age, refusal=refusal, open=found)


def _refusal(run: RunEntry, *, old: bool, over: bool) -> Refusal | None:
    if run.seconds is None:
        return "running"
    if run.state == "broken":
        return "broken"
    if run.state == "drift":
        return "drift"
    if over:
        return "found-since"
    return "old" if old else None
