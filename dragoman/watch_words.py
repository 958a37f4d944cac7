"""What a watch says while it goes on: findings as they come and go, trouble once, a turn when it is complete."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from dragoman.console import count, say, say_json
from dragoman.times import moment, span
from reconcile.charts import percent
from reconcile.check import CheckSpec
from reconcile.ledger.entries import Entry
from reconcile.ledger.watches import WatchEntry
from reconcile.run import RunResult
from reconcile.watch.audit import most_wrong
from reconcile.watch.bucket import Bucket
from reconcile.watch.walk import SideName
from reconcile.watch.watcher import Look, Promise
from translators.errors import DragomanError

_SHOWN = 5
"""Findings of one look that are told one by one."""


class Words:
    """For people: a line for each thing that happened, with its time in UTC."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._troubles: dict[str, str] = {}

    def began(self, check: CheckSpec, promise: Promise, buckets: Mapping[SideName, Bucket]) -> None:
        """See the port."""
        self._line(check.check, f"watched: {check.mapping} → {check.view}, each key within {_whole(promise)}")

    def looking(self, check: CheckSpec) -> None:
        """See the port."""

    def looked(self, look: Look) -> None:
        """See the port."""
        entry = look.entry
        self._trouble(entry.check, entry.trouble or "", f"{entry.trouble}: {entry.said}")
        self._findings(entry.check, "found", look.found)
        self._findings(entry.check, "closed", look.closed)
        if look.ended is not None:
            self._line(entry.check, told_turn(look.ended))

    def failed(self, check: CheckSpec, error: DragomanError, again: datetime) -> None:
        """See the port."""
        self._trouble(check.check, error.code, f"{error.code}: {error.message} {error.advice}")

    def asked(self, result: RunResult) -> None:
        """See the port."""
        self._trouble(result.check.check, "", "")
        self._line(result.check.check, f"run whole, as {result.run}: {_came_out(result)}")

    def gated(self, result: RunResult) -> None:
        """See the port."""
        style = "green" if result.exit_code == 0 else "red" if result.exit_code == 1 else "yellow"
        self._line(result.check.check, f"full run before a gate, as {result.run}: {_came_out(result)}", style)

    def _trouble(self, check: str, code: str, said: str) -> None:
        """Said when it begins, when it is another one, and when it is over."""
        before = self._troubles.get(check, "")
        self._troubles[check] = code
        if code and code != before:
            self._line(check, said, "yellow")
        elif before and not code:
            self._line(check, "goes on as it should", "green")

    def _findings(self, check: str, verb: str, entries: Sequence[Entry]) -> None:
        for entry in entries[:_SHOWN]:
            why = f"   {entry.kind}: {entry.title} · {entry.owner}" if verb == "found" else ""
            self._line(check, f"{verb} {entry.id}   {entry.key}{why}", "red" if verb == "found" else "green")
        if len(entries) > _SHOWN:
            self._line(check, f"{verb} {len(entries) - _SHOWN:,} more: `dragoman reconcile findings`")

    def _line(self, check: str, text: str, style: str = "") -> None:
        say((f"{moment(self._clock(), self._clock())}  ", "dim"), (f"{check}  ", "bold"), (text, style))
        sys.stdout.flush()


class Lines:
    """For machines: a JSON object for each thing that happened."""

    def began(self, check: CheckSpec, promise: Promise, buckets: Mapping[SideName, Bucket]) -> None:
        """See the port."""
        self._line("watched", check.check, {"within": promise.within.total_seconds()})

    def looking(self, check: CheckSpec) -> None:
        """See the port."""

    def looked(self, look: Look) -> None:
        """See the port."""
        for what, entries in (("found", look.found), ("closed", look.closed)):
            for one in entries:
                self._line(what, one.check, {"finding": one})
        if look.ended is not None:
            self._line("turn", look.entry.check, {"turn": look.ended})
        if look.entry.trouble is not None:
            self._line("trouble", look.entry.check, {"code": look.entry.trouble, "message": look.entry.said})

    def failed(self, check: CheckSpec, error: DragomanError, again: datetime) -> None:
        """See the port."""
        self._line("failed", check.check, {"code": error.code, "message": error.message, "again": again})

    def asked(self, result: RunResult) -> None:
        """See the port."""
        self._line("run", result.check.check, {"run": result.run, "exit_code": result.exit_code})

    def gated(self, result: RunResult) -> None:
        """See the port."""
        self._line("gate", result.check.check, {"run": result.run, "exit_code": result.exit_code})

    def _line(self, what: str, check: str, more: dict[str, Any]) -> None:
        say_json({"what": what, "check": check, **more})
        sys.stdout.flush()


def told_turn(turn: WatchEntry) -> str:
    """A turn that is complete: what was seen, in which time, and what came of it."""
    took = span(((turn.ended or turn.looked) - turn.started).total_seconds())
    came = f"{count(turn.found, 'finding')} opened, {turn.closed:,} closed"
    return (
        f"turn {turn.turn} complete: {count(turn.keys, 'key')} of the legacy and all of the view seen in {took}; {came}"
    )


def told_watch(turns: Sequence[WatchEntry], now: datetime) -> list[str]:
    """How the watch of one check stands, of which `turns` are all, oldest first; nothing if it was never watched."""
    if not turns:
        return []
    last, oldest = turns[-1], (now - turns[-1].oldest).total_seconds()
    ago = span(max(0.0, (now - last.looked).total_seconds()))
    said = [
        f"watched, within {span(last.within)}: the last look {ago} ago; every key looked at in the last {span(oldest)}; "
        f"turn {last.turn} has seen {percent(last.seen)}; {count(last.changed, 'key')} looked at just after a change"
    ]
    if last.is_overdue(now):
        said.append(f"overdue: not every key was looked at in the last {span(last.within)}")
    if slow := [f"{side} at {percent(share)}" for side, share in sorted(last.shares.items()) if share < 1]:
        said.append(f"backing off, since reading was slow: {', '.join(slow)} of the rate")
    if last.skipped:
        said.append(f"{last.skipped:,} changes were too many to follow; their keys are seen in their turn")
    if last.trouble is not None:
        said.append(f"the last look proved too little, {last.trouble}: {last.said}")
    said += told_audit(turns[-2:], now)
    if len(turns) > 1:
        said.append(told_turn(turns[-2]))
    return said


def told_audit(turns: Sequence[WatchEntry], now: datetime) -> list[str]:
    """What the keys that these turns drew at random say of all; never that none is wrong."""
    drawn, wrong = sum(turn.drawn for turn in turns), sum(turn.drawn_wrong for turn in turns)
    if not drawn:
        return []
    most = f"{100 * most_wrong(drawn, wrong):.2g} %"
    found = "none of them differs" if not wrong else f"{wrong:,} of them differ"
    since = moment(turns[0].started, now)
    return [
        f"audit: {count(drawn, 'key')} drawn at random since {since}, {found}; at most {most} of all do, at 95 % confidence"
    ]


def _came_out(result: RunResult) -> str:
    if result.incomplete is not None:
        return f"incomplete: {result.incomplete.code}"
    return {0: "clean", 1: f"{result.confirmed:,} differ", 2: "incomplete"}[result.exit_code]


def _whole(promise: Promise) -> str:
    return span(promise.within.total_seconds())
