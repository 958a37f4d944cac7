"""A plan of a repair carried out: a few keys ordered at a time through the control topic, each proven by looking again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from dragoman.orders import executed, give
from dragoman.repairing import Bench, NobodyWorks, check_fresh
from pipeline.control import Command
from reconcile.breaker import batches, permit, stops
from reconcile.ledger.entries import Outcome, RepairEntry
from reconcile.remedies import what_then
from reconcile.repair import Item, Look, Plan, RepairUnproven, causes_of, still_fits

PAUSE = timedelta(milliseconds=500)
"""Between two questions whether the orders are executed."""


class May(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator permits: deletions, and what the breaker refuses."""

    deletes: bool = False
    override: bool = False


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one key of a plan. `command` is its order, absent where none was given: it has healed by itself
    (`closed`), it moved since the plan was made (`stale`), or others did not heal (`held`). `told` is what the worker said,
    `advice` what a person has to do."""

    finding: str
    key: str
    action: str
    outcome: Outcome | Literal["stale", "held"]
    command: int | None = None
    told: str = ""
    advice: str = ""


class _Order(msgspec.Struct, frozen=True):
    item: Item
    entry: RepairEntry


def would_carry_out(bench: Bench, plan: Plan, may: May) -> None:
    """Refuse what `carry_out` would refuse; nothing is ordered."""
    _ready(bench, plan, may)


def carry_out(bench: Bench, plan: Plan, may: May, within: timedelta) -> list[Repaired]:
    """Order what a plan says, batch by batch, each looked at until it is proven, at most `within`; stop if it does not help.

    The caller holds the ledger's lock.
    """
    fits, healed, moved = _ready(bench, plan, may)
    if fits and (why := bench.stopped()) is not None:
        raise NobodyWorks(why=why)
    _settle(bench, plan, healed)
    told = [_without(item, "closed") for item in healed] + [_without(item, "stale") for item in moved]
    ordered = failed = 0
    for batch in batches(fits):
        if stops(ordered, failed):
            told += [_without(item, "held") for item in batch]
            continue
        proven = _proven(bench, _give(bench, plan, batch), bench.clock() + within)
        ordered, failed = ordered + len(batch), failed + sum(one.outcome != "closed" for one in proven)
        told += proven
    return told


def _ready(bench: Bench, plan: Plan, may: May) -> tuple[list[Item], list[Item], list[Item]]:
    permit(plan, deletes=may.deletes, override=may.override)
    check_fresh(bench, plan)
    return still_fits(plan, bench.look([item.key for item in plan.items]))


def _without(item: Item, outcome: Literal["closed", "stale", "held"]) -> Repaired:
    return Repaired(finding=item.finding, key=item.key, action=item.action, outcome=outcome)


def _settle(bench: Bench, plan: Plan, healed: Iterable[Item]) -> None:
    """What is known before anything is ordered: what has healed by itself, and what no order mends."""
    seen_before = [entry for entry in bench.findings().values() if entry.last_seen <= plan.made]
    gone = {entry.id for entry in seen_before if entry.key in plan.healed} | {item.finding for item in healed}
    persons = {one.finding: one.why for one in plan.left if one.escalate}
    bench.ledger.settle(plan.check, healed=gone, failed=persons, now=bench.clock())


def _give(bench: Bench, plan: Plan, batch: Sequence[Item]) -> dict[str, _Order]:
    now = bench.clock()
    given = give(bench.project, [_command(plan, item) for item in batch], int(now.timestamp() * 1000))
    orders = {}
    for item, (number, _) in zip(batch, given, strict=True):
        entry = RepairEntry(plan=plan.plan, finding=item.finding, command=number, action=item.action, given=now)
        orders[item.key] = _Order(item, entry)
    bench.ledger.repairing([order.entry for order in orders.values()])
    return orders


def _command(plan: Plan, item: Item) -> Command:
    return Command(
        action=item.action,
        translator=plan.translator,
        key=item.key,
        partition=item.partition,
        finding=item.finding,
        corrects=item.corrects,
        above=item.above,
    )


def _proven(bench: Bench, orders: Mapping[str, _Order], until: datetime) -> list[Repaired]:
    """Look at the keys behind the fence until each agrees, or still differs after its command was executed."""
    waiting, told = dict(orders), list[Repaired]()
    while waiting:
        results = _executed(bench, waiting, until)
        late = bench.clock() >= until
        now = _judged(waiting, _look(bench, list(waiting)), results)
        for one in now:
            del waiting[one.key]
        if late:
            now += [_told(order, "unproven", results) for order in waiting.values()]
            waiting = {}
        _write(bench, orders, now)
        told += now
        if waiting:
            bench.wait(PAUSE)
    return told


def _executed(bench: Bench, waiting: Mapping[str, _Order], until: datetime) -> Mapping[int, str]:
    """What workers say of the orders, by command, once they have executed all of them or it is late."""
    wanted = {order.entry.command for order in waiting.values()}
    while True:
        results = {one.pin.command: one.pin.result for one in executed(bench.project) if one.pin.result}
        if wanted <= results.keys() or bench.clock() >= until:
            return results
        bench.wait(PAUSE)


def _look(bench: Bench, keys: Sequence[str]) -> Look | None:
    """What is of the keys now; nothing, if nothing can be said of them."""
    try:
        return bench.look(keys)
    except RepairUnproven:
        return None


def _judged(waiting: Mapping[str, _Order], found: Look | None, results: Mapping[int, str]) -> list[Repaired]:
    if found is None:
        return []
    told = [_told(waiting[key], "closed", results) for key in found.agreed]
    for finding in found.findings:
        order = waiting[finding.key]
        if order.entry.command in results:
            told.append(_told(order, "escalated", results, what_then(causes_of(finding))))
    return told


def _told(order: _Order, outcome: Outcome, results: Mapping[int, str], advice: str = "") -> Repaired:
    item, number = order.item, order.entry.command
    said = results.get(number, "no worker has told yet that it is done")
    return Repaired(
        finding=item.finding,
        key=item.key,
        action=item.action,
        outcome=outcome,
        command=number,
        told=said,
        advice=advice,
    )


def _write(bench: Bench, orders: Mapping[str, _Order], told: Sequence[Repaired]) -> None:
    """Into the ledger: what became of the orders, and of their findings."""
    bench.ledger.repairing([_entry(orders[one.key].entry, one) for one in told])
    healed = {one.finding for one in told if one.outcome == "closed"}
    failed = {one.finding: f"{one.action}ed, and it still differs. {one.advice}" for one in told if one.advice}
    bench.ledger.settle(bench.spec.check, healed=healed, failed=failed, now=bench.clock())


def _entry(entry: RepairEntry, one: Repaired) -> RepairEntry:
    outcome: Outcome = (
        "escalated" if one.outcome == "escalated" else "closed" if one.outcome == "closed" else "unproven"
    )
    return msgspec.structs.replace(entry, outcome=outcome, result=one.told)


def exit_code(told: Sequence[Repaired]) -> int:
    """0: all healed; 1: something still differs; 2: of something nothing is proven."""
    outcomes = {one.outcome for one in told}
    return 2 if outcomes & {"unproven", "stale", "held"} else 1 if "escalated" in outcomes else 0
