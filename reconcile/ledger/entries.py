"""What the ledger remembers, as values, and the rules by which a finding goes from one state to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Literal

import msgspec

from reconcile.finding import Finding
from reconcile.past import History, Past, Proven, RunState
from reconcile.run import RunResult

CHARTED = 30
"""Runs that a chart shows."""

FindingState = Literal["open", "accepted", "closed", "reopened", "escalated"]

Outcome = Literal["given", "closed", "escalated", "unproven"]


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one run, whose `seconds` are absent until it ends. `incomplete` is the code of why it proves too little.

    `causes` are the keys by cause; one that has two causes is counted under both. A `gate` was asked to compare everything as
    of one position. `resumed` is the run that this one went on with: such a one proves nothing of any one moment.
    """

    run: str
    check: str
    started: datetime
    seconds: float | None
    state: RunState
    exit_code: int
    mapping_version: str
    coverage: float
    compared: int
    agree: int
    confirmed: int
    accepted: int
    in_flight: int
    unconfirmed: int
    not_covered: int
    incomplete: str | None
    unavailable: int = 0
    ambiguous: int = 0
    causes: Mapping[str, int] = {}
    gate: bool = False
    resumed: str | None = None

    @property
    def proves(self) -> bool:
        """Whether all was seen to agree, as of when it started."""
        return self.state == "clean" and self.resumed is None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One finding over all runs. `reopened` counts how often it came back; `causes` and `fields` are of the last sighting."""

    id: str
    check: str
    key: str
    state: FindingState
    first_seen: datetime
    last_seen: datetime
    last_run: str
    kind: str
    causes: tuple[str, ...]
    title: str
    fields: tuple[str, ...]
    owner: str
    reopened: int = 0
    closed: datetime | None = None
    accepted_until: date | None = None
    reason: str | None = None

    @property
    def version(self) -> str:
        """A digest of what a repair goes by: it stays the same while runs see the same."""
        said = (self.id, self.state, self.kind, self.causes, self.fields, self.reopened)
        return blake2b(repr(said).encode(), digest_size=6).hexdigest()

    def accepts(self, finding: Finding, day: date) -> bool:
        """Whether what was accepted is what is found: the same causes, on a day up to the one that was said."""
        return self.is_accepted(day) and self.causes == names_of(finding)

    def is_accepted(self, day: date) -> bool:
        """Whether it was accepted, until this day in UTC or longer."""
        return self.state == "accepted" and self.accepted_until is not None and day <= self.accepted_until


class RepairEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One order to repair one finding. `outcome` is `given` until the key was looked at again, and stays so if nobody did.

    `result` is what the worker said that it did.
    """

    plan: str
    finding: str
    command: int
    action: str
    given: datetime
    outcome: Outcome = "given"
    result: str = ""


def names_of(finding: Finding) -> tuple[str, ...]:
    """The names of a finding's causes."""
    return tuple(cause.name for cause in finding.causes)


def sighted(before: Entry | None, finding: Finding, run: str, seen: datetime) -> Entry:
    """The finding after a run that confirmed it."""
    now = Entry(
        id=finding.id,
        check=finding.check,
        key=finding.key,
        state="open",
        first_seen=seen,
        last_seen=seen,
        last_run=run,
        kind=finding.kind,
        causes=names_of(finding),
        title="; ".join(cause.title for cause in finding.causes),
        fields=finding.fields,
        owner=", ".join(dict.fromkeys(cause.owner for cause in finding.causes)),
    )
    if before is None:
        return now
    kept = msgspec.structs.replace(now, first_seen=before.first_seen, reopened=before.reopened)
    if before.accepts(finding, seen.astimezone(UTC).date()):
        return msgspec.structs.replace(
            kept, state="accepted", accepted_until=before.accepted_until, reason=before.reason
        )
    if before.state in ("closed", "accepted"):
        return msgspec.structs.replace(kept, state="reopened", reopened=before.reopened + 1)
    if before.state == "escalated":
        same = before.causes == kept.causes
        return msgspec.structs.replace(kept, state="escalated", reason=before.reason) if same else kept
    return msgspec.structs.replace(kept, state=before.state)


def gone(before: Entry, seen: datetime) -> Entry:
    """The finding after a run that covered everything and did not confirm it."""
    return msgspec.structs.replace(before, state="closed", closed=seen, accepted_until=None, reason=None)


def escalated(before: Entry, what_to_do: str) -> Entry:
    """The finding that no repair mends: it stays so until it is accepted, gone, or has another cause."""
    return msgspec.structs.replace(before, state="escalated", accepted_until=None, reason=what_to_do)


def begun(run: str, check: str, started: datetime, *, gate: bool = False) -> RunEntry:
    """A run of which nothing is known yet. It stays so if the process dies: that is no clean run."""
    return RunEntry(
        run=run, check=check, started=started, seconds=None, state="broken", exit_code=2, mapping_version="",
        coverage=0.0, compared=0, agree=0, confirmed=0, accepted=0, in_flight=0, unconfirmed=0, not_covered=0,
        incomplete=None, gate=gate,
    )  # fmt: skip


def ended(result: RunResult, *, gate: bool = False) -> RunEntry:
    """A run that came to its end, whatever it found."""
    return RunEntry(
        run=result.run,
        check=result.check.check,
        started=result.started,
        seconds=result.seconds,
        state=state_of(result),
        exit_code=result.exit_code,
        mapping_version=result.mapping_version,
        coverage=result.coverage,
        compared=result.compared,
        agree=result.agree,
        confirmed=result.confirmed,
        accepted=result.accepted,
        in_flight=result.in_flight,
        unconfirmed=result.unconfirmed,
        not_covered=result.not_covered,
        incomplete=None if result.incomplete is None else result.incomplete.code,
        unavailable=result.unavailable,
        ambiguous=result.ambiguous,
        causes=dict(Counter(cause.name for finding in result.findings for cause in finding.causes)),
        gate=gate,
        resumed=None if result.cutting.resumed is None else result.cutting.resumed.run,
    )


def state_of(result: RunResult) -> RunState:
    """What a run proves, in one word."""
    if result.exit_code == 2 or result.coverage < 1:
        return "broken"
    if result.exit_code == 1:
        return "drift"
    return "tolerated" if result.findings else "clean"


def verified(runs: Sequence[RunEntry]) -> Proven | None:
    """The last unbroken row of clean runs of one check, of which `runs` are all, oldest first."""
    last = next((at for at in range(len(runs) - 1, -1, -1) if runs[at].proves), None)
    if last is None:
        return None
    first = last
    while first > 0 and runs[first - 1].proves:
        first -= 1
    row = [one.started for one in runs[first : last + 1]]
    return Proven(
        since=row[0],
        until=row[-1],
        runs=len(row),
        gap=max((later - earlier for earlier, later in pairwise(row)), default=timedelta()),
    )


def history(runs: Sequence[RunEntry]) -> History:
    """What the report shows of all runs of one check, oldest first."""
    return History(
        runs=tuple(
            Past(
                run=one.run,
                started=one.started,
                state=one.state,
                coverage=one.coverage,
                confirmed=one.confirmed,
                accepted=one.accepted,
                causes=one.causes,
            )
            for one in runs[-CHARTED:]
        ),
        proven=verified(runs),
    )


def known(finding: Finding, entry: Entry) -> Finding:
    """The finding with what the ledger says of it."""
    return msgspec.structs.replace(finding, first_seen=entry.first_seen, accepted_until=entry.accepted_until)
