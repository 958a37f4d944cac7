"""Whether a cutover may go ahead: what the last gate of each check says, and what came to light since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from reconcile.check import CheckSpec
from reconcile.declared import Freshness
from reconcile.ledger.entries import Entry, RunEntry, begun
from reconcile.ledger.gates import answer, last_full
from tests.reconcile.world import CHECK, START

HOUR = timedelta(hours=1)
NOW = START + 100 * HOUR


def run(number: int, *, gate: bool = True, hours: float = 10, **changed: Any) -> RunEntry:
    """One that was clean, so many hours ago."""
    clean = msgspec.structs.replace(
        begun(f"r-{number}", CHECK.check, NOW - hours * HOUR, gate=gate),
        seconds=60.0, state="clean", exit_code=0, coverage=1.0, compared=9, agree=9,
    )  # fmt: skip
    return msgspec.structs.replace(clean, **changed)


def finding(**changed: Any) -> Entry:
    entry = Entry(
        id="f-1", check=CHECK.check, key="A1", state="open", first_seen=START, last_seen=NOW, last_run="w-1",
        kind="mismatch", causes=("edited-in-view",), title="Edited", fields=("name",), owner="Us",
    )  # fmt: skip
    return msgspec.structs.replace(entry, **changed)


def refusal(runs: list[RunEntry], findings: tuple[Entry, ...] = (), check: CheckSpec = CHECK) -> tuple[str | None, int]:
    said = answer(check, runs, findings, now=NOW, fresh=24 * HOUR)
    return said.refusal, said.exit_code


def test_a_gate_that_was_clean_whole_and_is_not_old_lets_pass() -> None:
    assert refusal([run(1)]) == (None, 0)
    assert refusal([run(1, hours=24)]) == (None, 0)
    assert refusal([run(1, hours=24.01)]) == ("old", 2)


def test_only_a_gate_counts_and_only_the_last() -> None:
    assert refusal([]) == ("never", 2)
    assert refusal([run(1, gate=False)]) == ("never", 2)
    drifted = run(2, hours=9, state="drift", exit_code=1, confirmed=1)
    assert refusal([run(1), drifted]) == ("drift", 1)
    assert refusal([drifted, run(3, hours=8)]) == (None, 0)
    assert refusal([run(1), run(2, gate=False, hours=9, state="broken", exit_code=2)]) == (None, 0)


def test_what_did_not_cover_everything_is_refused() -> None:
    assert refusal([run(1, state="broken", exit_code=2, coverage=0.999, ambiguous=1)]) == ("broken", 2)
    assert refusal([run(1), begun("r-2", CHECK.check, NOW, gate=True)]) == ("running", 2)


def test_what_is_open_by_now_is_refused_unless_it_is_accepted_or_within_the_limit() -> None:
    runs = [run(1)]
    assert refusal(runs, (finding(),)) == ("found-since", 1)
    today = NOW.date()
    assert refusal(runs, (finding(state="accepted", accepted_until=today),)) == (None, 0)
    assert refusal(runs, (finding(state="accepted", accepted_until=today - timedelta(days=1)),)) == ("found-since", 1)
    tolerant = msgspec.structs.replace(CHECK, limit=1)
    assert refusal(runs, (finding(),), tolerant) == (None, 0)
    assert refusal(runs, (finding(), finding(id="f-2")), tolerant) == ("found-since", 1)
    assert refusal([run(1, hours=30)], (finding(),)) == ("found-since", 1), "what differs is told before its age"


@pytest.mark.parametrize("gate", [True, False])
def test_a_check_that_asks_by_queries_has_one_answer_however_it_is_run(gate: bool) -> None:
    asks = msgspec.structs.replace(CHECK, statement=Freshness(within=HOUR))
    assert last_full(asks, [run(1, gate=gate)]) is not None
