"""The ledger: every run is written into it, and what it remembers is asked from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, Engine, Select, Table, bindparam, delete, insert, select, update

from reconcile.finding import finding_id
from reconcile.groups import grouped
from reconcile.ledger.alone import alone
from reconcile.ledger.entries import (
    Entry,
    RepairEntry,
    RunEntry,
    begun,
    ended,
    escalated,
    gone,
    history,
    known,
    sighted,
)
from reconcile.ledger.opening import told
from reconcile.ledger.ranges import LedgerRanges, begun_ranges, forget, resumable
from reconcile.ledger.tables import FINDINGS, REPAIRS, RUNS
from reconcile.run import RunResult
from translators.errors import DragomanError

_AT_ONCE = 500
"""Bound parameters of one statement."""


class FindingUnknown(DragomanError):
    """The ledger has no finding {id}."""

    code: ClassVar[str] = "finding.unknown"
    hint: ClassVar[str] = "`dragoman reconcile findings` lists them; the beginning of an id is enough, if one has it."


class FindingClosed(DragomanError):
    """The finding {id} is closed: the run {run} was the last that saw it."""

    code: ClassVar[str] = "finding.closed"
    hint: ClassVar[str] = "There is nothing to accept. If it comes back it is reopened, and can be accepted then."


class AcceptanceOver(DragomanError):
    """The finding cannot be accepted until {until}: that day is over."""

    code: ClassVar[str] = "finding.until-past"
    hint: ClassVar[str] = "Say a day that is still to come, as YYYY-MM-DD; the finding is accepted to its end, in UTC."


class ReasonMissing(DragomanError):
    """The finding cannot be accepted without a reason."""

    code: ClassVar[str] = "finding.reason-missing"
    hint: ClassVar[str] = "Say in a sentence why it may stay: whoever reads the report asks that first."


class Ledger:
    """Findings and runs, in one database. Each method is one transaction; `LedgerUnusable` if that fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, run: str, check: str, started: datetime, *, gate: bool = False) -> None:
        """Write down that a check begins: broken until its end is known."""
        with told(), self._engine.begin() as connection:
            _write(connection, RUNS, begun(run, check, started, gate=gate), ("run", "check"))

    def end(self, result: RunResult, *, gate: bool = False) -> RunResult:
        """Write down what a run found; the result, with what the ledger knows of its findings and of the runs before.

        What is not found any more is closed, unless the run is incomplete: then it proves nothing of them.
        """
        with told(), self._engine.begin() as connection:
            before = {entry.id: entry for entry in _all(connection, result.check.check)}
            after = {f.id: sighted(before.get(f.id), f, result.run, result.started) for f in result.findings}
            found = tuple(known(finding, after[finding.id]) for finding in result.findings)
            accepted = sum(one.accepted_until is not None and one.kind != "unavailable" for one in found)
            result = msgspec.structs.replace(result, accepted=accepted, findings=found, groups=grouped(found))
            if result.exit_code != 2 and result.coverage == 1:
                absent = (e for e in before.values() if e.id not in after and e.state != "closed")
                after |= {entry.id: gone(entry, result.started) for entry in absent}
            _write_all(connection, list(after.values()), known=set(before))
            _write(connection, RUNS, ended(result, gate=gate), ("run", "check"))
            if result.ended:
                forget(connection, result.check.check)
            past = history(_runs(connection, result.check.check))
        return msgspec.structs.replace(result, history=past)

    def looked(self, result: RunResult, keys: Sequence[str]) -> tuple[list[Entry], list[Entry]]:
        """Write down what a look at these keys found: no run is recorded, and of other keys nothing is said.

        Returns the findings that are open by it and were not before, and those that it closed.
        """
        judged = set(keys) - set(result.left)
        ids = [finding_id(result.check.check, key) for key in keys]
        with told(), self._engine.begin() as connection:
            before = {entry.id: entry for entry in _named(connection, ids)}
            after = {f.id: sighted(before.get(f.id), f, result.run, result.started) for f in result.findings}
            absent = [e for e in before.values() if e.id not in after and e.state != "closed" and e.key in judged]
            closed = [gone(entry, result.started) for entry in absent]
            _write_all(connection, [*after.values(), *closed], known=set(before))
        news = [one for one in after.values() if one.id not in before or before[one.id].state != one.state]
        return news, closed

    def is_begun(self, check: str) -> bool:
        """Whether there is a run of the check to go on with."""
        return begun_ranges(self._engine, check) is not None

    def ranges(
        self, run: str, check: str, now: datetime, basis: Mapping[str, str], *, resume: bool = False
    ) -> LedgerRanges:
        """Where a run writes down which ranges of keys are done; with `resume` it goes on where another one broke off.

        `NothingToResume`, `ResumeChanged` or `ResumeLate` if it cannot.
        """
        before = None
        if resume:
            before = begun_ranges(self._engine, check)
            repaired = before is not None and bool(self.repaired_since(before.began))
            before = resumable(before, check, basis, repaired=repaired, now=now)
        return LedgerRanges(self._engine, check, run, now, basis, before)

    def findings(self, check: str | None = None, *, closed: bool = False) -> list[Entry]:
        """What is not closed (or everything), the longest known first."""
        with told(), self._engine.begin() as connection:
            found = _all(connection, check)
        return [entry for entry in found if closed or entry.state != "closed"]

    def runs(self, check: str | None = None) -> list[RunEntry]:
        """All runs, oldest first."""
        with told(), self._engine.begin() as connection:
            return _runs(connection, check)

    def accept(self, wanted: str, until: date, reason: str, *, now: datetime) -> Entry:
        """Accept a finding, named by its id or the beginning of it, until the end of a day in UTC."""
        if not reason.strip():
            raise ReasonMissing
        if until < now.astimezone(UTC).date():
            raise AcceptanceOver(until=until)
        with told(), self._engine.begin() as connection:
            named = [entry for entry in _all(connection, None) if entry.id.startswith(wanted)]
            exact = [entry for entry in named if entry.id == wanted] or named
            if len(exact) != 1:
                raise FindingUnknown(id=wanted)
            if exact[0].state == "closed":
                raise FindingClosed(id=exact[0].id, run=exact[0].last_run)
            accepted = msgspec.structs.replace(exact[0], state="accepted", accepted_until=until, reason=reason.strip())
            _write_all(connection, [accepted], known={accepted.id})
        return accepted

    def repairing(self, orders: Sequence[RepairEntry]) -> None:
        """Write down what was ordered, or what became of it."""
        with told(), self._engine.begin() as connection:
            for order in orders:
                _write(connection, REPAIRS, order, ("plan", "finding"))

    def repaired_since(self, since: datetime) -> Mapping[str, int]:
        """By finding, how often a repair of it was ordered since then."""
        query = select(REPAIRS.c.finding).where(REPAIRS.c.given >= since)
        with told(), self._engine.begin() as connection:
            return Counter(connection.execute(query).scalars())

    def repairs(self) -> Mapping[str, list[RepairEntry]]:
        """By finding, every order to repair it, oldest first."""
        found: dict[str, list[RepairEntry]] = {}
        with told(), self._engine.begin() as connection:
            for row in connection.execute(select(REPAIRS).order_by(REPAIRS.c.given, REPAIRS.c.plan)).mappings():
                found.setdefault(row["finding"], []).append(RepairEntry(**row))
        return found

    def alone(self) -> AbstractContextManager[None]:
        """Hold the right to repair while the block runs; `RepairRunning` if another process has it."""
        return alone(self._engine)

    def settle(self, check: str, *, healed: Collection[str], failed: Mapping[str, str], now: datetime) -> None:
        """Close the findings that a fenced look did not confirm any more, and escalate those that no repair mends: what a
        person has to do about each is in `failed`."""
        with told(), self._engine.begin() as connection:
            still = [entry for entry in _all(connection, check) if entry.state != "closed"]
            changed = [gone(entry, now) for entry in still if entry.id in healed]
            changed += [escalated(entry, failed[entry.id]) for entry in still if entry.id in failed]
            _write_all(connection, changed, known={entry.id for entry in changed})


def _all(connection: Connection, check: str | None) -> list[Entry]:
    query = select(FINDINGS).order_by(FINDINGS.c.first_seen, FINDINGS.c.check, FINDINGS.c.key)
    if check is not None:
        query = query.where(FINDINGS.c.check == check)
    return _entries(connection, query)


def _named(connection: Connection, ids: Sequence[str]) -> list[Entry]:
    found: list[Entry] = []
    for start in range(0, len(ids), _AT_ONCE):
        found += _entries(connection, select(FINDINGS).where(FINDINGS.c.id.in_(ids[start : start + _AT_ONCE])))
    return found


def _entries(connection: Connection, query: Select[Any]) -> list[Entry]:
    return [
        Entry(**{**row, "causes": tuple(row["causes"]), "fields": tuple(row["fields"])})
        for row in connection.execute(query).mappings()
    ]


def _runs(connection: Connection, check: str | None) -> list[RunEntry]:
    query = select(RUNS).order_by(RUNS.c.started, RUNS.c.run, RUNS.c.check)
    if check is not None:
        query = query.where(RUNS.c.check == check)
    return [RunEntry(**{**row, "causes": row["causes"] or {}}) for row in connection.execute(query).mappings()]


def _write(connection: Connection, table: Table, entry: msgspec.Struct, key: tuple[str, ...]) -> None:
    row = _row(entry)
    connection.execute(delete(table).where(*(table.c[name] == row[name] for name in key)))
    connection.execute(insert(table), [row])


def _write_all(connection: Connection, entries: Sequence[Entry], known: set[str]) -> None:
    new = [_row(entry) for entry in entries if entry.id not in known]
    old = [_row(entry) for entry in entries if entry.id in known]
    if new:
        connection.execute(insert(FINDINGS), new)
    if old:
        statement = update(FINDINGS).where(FINDINGS.c.id == bindparam("_id"))
        connection.execute(statement, [{"_id": row.pop("id"), **row} for row in old])


def _row(entry: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(entry)
