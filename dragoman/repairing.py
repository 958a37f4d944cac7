"""Plans of repairs of a project: made of what the ledger has open, kept as files, and read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import msgspec

from dragoman.checking import opened
from dragoman.kafka_source import Kafka
from dragoman.pooling import fingerprint
from dragoman.project import Project
from dragoman.wiring import make_folder, running_worker, utc
from pipeline.log.port import Log
from reconcile.check import CheckSpec
from reconcile.ledger.entries import Entry
from reconcile.ledger.ledger import Ledger
from reconcile.remedies import unmended
from reconcile.repair import WEEK, Basis, Known, Left, Look, Plan, check_basis, look, planned
from reconcile.run import Sides
from translators.errors import DragomanError

FOLDER = "var/repairs"


class NothingFound(DragomanError):
    """The ledger knows no open finding of the check {check}{more}."""

    code: ClassVar[str] = "repair.nothing-found"
    hint: ClassVar[str] = (
        "`dragoman reconcile run {check}` compares both sides; repair what it finds. What is accepted or escalated is a "
        "person's: `dragoman reconcile findings` lists it, and --escalated repairs that once more."
    )


class NotRepairable(DragomanError):
    """The check {check} compares figures, and not rows by their keys."""

    code: ClassVar[str] = "repair.not-by-key"
    hint: ClassVar[str] = "Find the rows behind them with the check of the view's rows, and repair those."


class NobodyWorks(DragomanError):
    """Nobody would carry out the repair: {why}."""

    code: ClassVar[str] = "repair.no-worker"
    hint: ClassVar[str] = "Start `dragoman run --follow`, then repair again. Nothing was ordered."


class PlanUnreadable(DragomanError):
    """The plan {path} cannot be read: {reason}."""

    code: ClassVar[str] = "repair.plan-unreadable"
    hint: ClassVar[str] = "Make it again: `dragoman reconcile repair CHECK --dry-run`. Nothing was ordered."


class PlanOfAnother(DragomanError):
    """The plan {plan} is for the check {other}, and not for {check}."""

    code: ClassVar[str] = "repair.plan-of-another"
    hint: ClassVar[str] = "Name the check that it is for. Nothing was ordered."


class PlanSpent(DragomanError):
    """The plan {plan} was carried out already."""

    code: ClassVar[str] = "repair.plan-spent"
    hint: ClassVar[str] = (
        "`dragoman reconcile findings --closed` says what became of it. For what is still open make another: "
        "`dragoman reconcile repair {check} --dry-run`."
    )


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair works with. `wait` passes time, `clock` gives UTC."""

    project: Project
    ledger: Ledger
    log: Log
    spec: CheckSpec
    wait: Callable[[timedelta], None]
    clock: Callable[[], datetime] = utc

    def sides(self) -> AbstractContextManager[tuple[Sides, object]]:
        """Both sides of the check, opened as they are now."""
        made = self.project.made(self.spec.mapping)
        return opened(self.project, self.spec, made, self.log, wait=self.wait, stopped=self.stopped, clock=self.clock)

    def look(self, keys: Sequence[str]) -> Look:
        """What is of these keys now, behind the fence; `RepairUnproven`."""
        with self.sides() as (sides, _):
            return look(self.spec, sides, keys)

    @property
    def rereads(self) -> bool:
        """Whether the source can be asked for the rows of single keys."""
        origin = self.project.source.origin
        return not isinstance(origin, Kafka) or origin.signal_topic is not None

    def stopped(self) -> str | None:
        """Why nobody would carry out an order; `None` while a worker runs."""
        name = self.spec.mapping
        if isinstance(self.project.source.origin, Kafka):
            from dragoman.checking_kafka import has_worker

            works = has_worker(self.log, name)
        else:
            works = running_worker(self.project.settings.log) is not None
        return None if works else f"no worker of {name} is running"

    def basis(self, run: str) -> Basis:
        """What a plan is made from as it is now; `run` is known to the ledger or not."""
        # A check against the state stream has no view.
        lines = next((one.lines for one in self.project.projections if one.name == self.spec.view), ())
        return Basis(
            run=run if any(one.run == run for one in self.ledger.runs(self.spec.check)) else "none of that name",
            mapping=self.project.made(self.spec.mapping).version,
            view=fingerprint("\n".join(lines).encode()),
            check=fingerprint(msgspec.json.encode(self.spec, order="deterministic", enc_hook=str)),
        )

    def findings(self) -> dict[str, Entry]:
        """What the ledger has of the check, by finding."""
        return {entry.id: entry for entry in self.ledger.findings(self.spec.check)}


def make_plan(bench: Bench, *, cause: str | None = None, escalated: bool = False) -> Plan:
    """The plan for what the ledger has open of a check, looked at again behind the fence.

    Only what has this cause, if one is named; `escalated`: what was escalated as well, however often it was repaired.
    """
    check = bench.spec.check
    if bench.spec.statement is not None:
        raise NotRepairable(check=check)
    wanted = ("open", "reopened", "escalated") if escalated else ("open", "reopened")
    all_open = [entry for entry in bench.findings().values() if entry.state in wanted]
    found = [entry for entry in all_open if cause is None or cause in entry.causes]
    if not found:
        raise NothingFound(check=check, more="" if cause is None else f" with the cause {cause}")
    now = bench.clock()
    # What belongs to no thing has no key that could be looked at.
    aside = [entry for entry in found if entry.kind == "orphan"]
    seen = bench.look([entry.key for entry in found if entry.kind != "orphan"])
    keeps_rows = bench.project.made(bench.spec.mapping).keeps_rows
    known = _known(bench, found, now, escalated)
    items, left = planned(seen, known, rereads=bench.rereads, keeps_rows=keeps_rows)
    return Plan(
        plan=f"p-{now:%Y-%m-%d-%H%M%S-%f}"[:-3],
        check=check,
        translator=bench.spec.mapping,
        view=bench.spec.view,
        basis=bench.basis(max(found, key=lambda entry: entry.last_seen).last_run),
        position=seen.position,
        compared=bench.ledger.runs(check)[-1].compared,
        made=now,
        items=items,
        left=(*left, *(Left(finding=one.id, key=one.key, why=unmended(one.causes)) for one in aside)),
        healed=seen.agreed,
    ).sealed()


def _known(bench: Bench, found: Sequence[Entry], now: datetime, escalated: bool) -> Mapping[str, Known]:
    times = {} if escalated else bench.ledger.repaired_since(now - WEEK)
    return {entry.id: Known(entry.version, times.get(entry.id, 0)) for entry in found}


def keep_plan(project: Project, plan: Plan) -> Path:
    """Write a plan down; its path."""
    folder = project.path(FOLDER)
    make_folder(folder)
    path = folder / f"{plan.plan}.{plan.check}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    return path


def read_plan(path: Path, check: str) -> Plan:
    """A plan that was kept, for this check, as it was made."""
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.MsgspecError) as error:
        raise PlanUnreadable(path=path, reason=error) from error
    if plan.check != check:
        raise PlanOfAnother(plan=plan.plan, other=plan.check, check=check)
    if plan.digest != plan.own_digest():
        raise PlanUnreadable(path=path, reason="it was changed since it was made")
    return plan


def check_fresh(bench: Bench, plan: Plan) -> None:
    """`PlanStale` or `PlanSpent` unless the plan is made from what is there now, and was not carried out yet."""
    if any(one.plan == plan.plan for orders in bench.ledger.repairs().values() for one in orders):
        raise PlanSpent(plan=plan.plan, check=plan.check)
    versions = {id: entry.version for id, entry in bench.findings().items()}
    check_basis(plan, bench.basis(plan.basis.run), versions)
