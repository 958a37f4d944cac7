"""The plan of a repair: which keys are published or read again, and why; and whether it still fits what is there.

A plan is made behind a fence and says of each key what was seen then. Whoever carries it out looks again first, behind the
fence: what has moved since is left alone. A repair goes through the pipeline, as a command; nothing writes into a view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import ClassVar

import msgspec

from pipeline.control import ANYWHERE
from reconcile.check import CheckSpec
from reconcile.confirm import Confirmed, Confirmer, Settled
from reconcile.content import Content
from reconcile.finding import Finding
from reconcile.incomplete import behind
from reconcile.remedies import AGAIN, INVENTED, REFUSED, UNASKED, Action, mends, reasons, unmended
from reconcile.run import BATCH, Sides, names_in, narrowed_sides
from reconcile.verdict import judge
from reconcile.view import ViewRow
from translators.aggregate import Rows
from translators.errors import DragomanError

WEEK = timedelta(days=7)
TWICE = 2
"""So often a key is repaired within a week."""


class PlanStale(DragomanError):
    """The plan {plan} is stale: {what} changed since it was made, from {then} to {now}."""

    code: ClassVar[str] = "repair.plan-stale"
    hint: ClassVar[str] = "Make it again: `dragoman reconcile repair {check} --dry-run`. Nothing was ordered."


class RepairUnproven(DragomanError):
    """Nothing can be said of the keys now: {reason}"""

    code: ClassVar[str] = "repair.unproven"
    hint: ClassVar[str] = "{advice}"


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan was made from: `run` found it; of the mapping, the view and the check the fingerprints of what they say."""

    run: str
    mapping: str
    view: str
    check: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One key that is repaired. `version` is that of its finding in the ledger. `expected`, `source` and `seen` are digests: of
    what the view ought to show, of the legacy's rows, and of what the view showed. `corrects` is the record of the state stream
    that the repair follows, `above` its version."""

    finding: str
    key: str
    kind: str
    causes: tuple[str, ...]
    action: Action
    why: str
    deletes: bool
    version: str
    expected: str
    source: str
    seen: str
    partition: int = ANYWHERE
    corrects: str = ""
    above: int = 0


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """One finding that the plan does not repair, and why not; with `escalate` it is a person's, who is told what to do."""

    finding: str
    key: str
    why: str
    escalate: bool = True


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be repaired of one check. `position` is the source's when the fence began, `compared` how many keys the check
    has. `healed` differed in the run and do not any more. `digest` is that of all else."""

    plan: str
    check: str
    translator: str
    view: str
    basis: Basis
    position: int
    compared: int
    made: datetime
    items: tuple[Item, ...]
    left: tuple[Left, ...]
    healed: tuple[str, ...]
    digest: str = ""

    def sealed(self) -> Plan:
        """The plan with its digest."""
        return msgspec.structs.replace(self, digest=self.own_digest())

    def own_digest(self) -> str:
        """The digest of what the plan says."""
        return _digest(msgspec.json.encode(msgspec.structs.replace(self, digest="")))


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What became of some keys behind a fence that was passed; `findings` are of the confirmed, in their order."""

    confirmed: tuple[Confirmed, ...]
    findings: tuple[Finding, ...]
    agreed: tuple[str, ...]
    moving: tuple[str, ...]
    position: int


def look(check: CheckSpec, sides: Sides, keys: Sequence[str]) -> Look:
    """Compare only these keys, behind the fence; `RepairUnproven` if it is not passed."""
    sides = narrowed_sides(check, sides)
    confirmer = Confirmer(sides.reader, sides.view, sides.fence, sides.witness)
    with sides.reader.snapshot() as snapshot:
        position = snapshot.position
    confirmed: list[Confirmed] = []
    moving: list[str] = []
    for first in range(0, len(keys), BATCH):
        settled = _passed(confirmer.settle(keys[first : first + BATCH]))
        confirmed += settled.confirmed
        moving += settled.unconfirmed
    differ = {*moving, *(one.comparison.key for one in confirmed)}
    names = names_in(check, sides)
    return Look(
        confirmed=tuple(confirmed),
        findings=tuple(judge(one, names, sides.view.shape) for one in confirmed),
        agreed=tuple(key for key in keys if key not in differ),
        moving=tuple(moving),
        position=position,
    )


def _passed(settled: Settled) -> Settled:
    reason = behind(settled.fence)
    if reason is not None:
        raise RepairUnproven(reason=reason.message, advice=reason.hint)
    return settled


class Known(msgspec.Struct, frozen=True):
    """What the ledger knows of one finding: its version, and how often it was repaired within the last week."""

    version: str
    repaired: int = 0


def planned(
    found: Look, known: Mapping[str, Known], *, rereads: bool, keeps_rows: bool
) -> tuple[tuple[Item, ...], tuple[Left, ...]]:
    """What is repaired of what a look confirmed, and what is not; `known` is by finding.

    `rereads` says whether the source can be asked for the rows of single keys, `keeps_rows` whether the translator has them.
    """
    items: list[Item] = []
    left = [
        Left(finding="", key=key, why="It moves: nothing is proven of it now.", escalate=False) for key in found.moving
    ]
    for finding, one in zip(found.findings, found.confirmed, strict=True):
        of = known.get(finding.id, Known(""))
        order = _order(finding, one, keeps_rows)
        why = _not_mended(finding, one, order, rereads) or (AGAIN if of.repaired >= TWICE else None)
        if order is None or why is not None:
            left.append(Left(finding=finding.id, key=finding.key, why=why or unmended(causes_of(finding))))
        else:
            items.append(_item(finding, one, order, of.version))
    return tuple(items), tuple(left)


def _order(finding: Finding, one: Confirmed, keeps_rows: bool) -> Action | None:
    """The order that mends a finding: what is not known whole cannot be published again, and is read again."""
    order, stored = mends(causes_of(finding)), one.evidence.stored
    known = keeps_rows and stored is not None and not stored.partial
    return order if order is None or known else "reload"


def _not_mended(finding: Finding, one: Confirmed, order: Action | None, rereads: bool) -> str | None:
    """What a person has to do, where no order mends a finding."""
    if order is None:
        return unmended(causes_of(finding))
    if one.comparison.expected.problem is not None:
        return REFUSED
    if not one.rows and one.evidence.stored is None and one.evidence.published is None:
        return INVENTED
    return UNASKED if order == "reload" and not rereads else None


def _item(finding: Finding, one: Confirmed, action: Action, version: str) -> Item:
    names = causes_of(finding)
    comparison, last, stored = one.comparison, one.evidence.published, one.evidence.stored
    return Item(
        finding=finding.id,
        key=finding.key,
        kind=finding.kind,
        causes=names,
        action=action,
        why=reasons(names),
        deletes=comparison.expected.content is None,
        version=version,
        expected=_content(comparison.expected.content),
        source=of_rows(one.rows),
        seen=of_view(comparison.row),
        partition=ANYWHERE if stored is None else stored.partition,
        corrects="" if last is None else last.id,
        above=0 if last is None else _version(last.sequence),
    )


def _version(sequence: str) -> int:
    """The version in a sequence; 0 where somebody else wrote it, in another form."""
    parts = sequence.split(".")
    return int(parts[1]) if len(parts) == 4 and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) <= 12 else 0


def causes_of(finding: Finding) -> tuple[str, ...]:
    """The names of a finding's causes."""
    return tuple(cause.name for cause in finding.causes)


def check_basis(plan: Plan, now: Basis, versions: Mapping[str, str]) -> None:
    """`PlanStale` if what the plan was made from is not what is there: `versions` are those of the findings in the ledger."""
    then = plan.basis
    pairs = [
        ("the ledger", then.run, now.run),
        ("the mapping", then.mapping, now.mapping),
        ("the view's declaration", then.view, now.view),
        ("the check", then.check, now.check),
        *((f"the finding {i.finding}", i.version, versions.get(i.finding, "unknown")) for i in plan.items),
    ]
    for what, was, found in pairs:
        if was != found:
            raise PlanStale(plan=plan.plan, check=plan.check, what=what, then=was, now=found)


def still_fits(plan: Plan, found: Look) -> tuple[list[Item], list[Item], list[Item]]:
    """The items that are as planned, those that have healed, and those whose legacy rows or view have moved."""
    same = {one.comparison.key: (of_rows(one.rows), of_view(one.comparison.row)) for one in found.confirmed}
    fits: list[Item] = []
    healed: list[Item] = []
    moved: list[Item] = []
    agreed = set(found.agreed)
    for item in plan.items:
        as_planned = same.get(item.key) == (item.source, item.seen)
        (healed if item.key in agreed else fits if as_planned else moved).append(item)
    return fits, healed, moved


def of_rows(rows: Rows | None) -> str:
    """The digest of the legacy's rows of a key."""
    return _digest(sorted((t, k, sorted(row.items())) for t, found in (rows or {}).items() for k, row in found.items()))


def of_view(row: ViewRow | None) -> str:
    """The digest of what a view shows of a key, and of which record it was built from."""
    if row is None:
        return _digest("")
    shown = (row.sequence, row.intact, _content(row.content))
    return _digest((*shown, row.ids, tuple(map(_content, row.twins))) if row.ids else shown)


def _content(content: Content | None) -> str:
    if content is None:
        return _digest("")
    lists = sorted((path, [sorted(one.items()) for one in found]) for path, found in content.lists.items())
    return _digest((sorted(content.fields.items()), lists))


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=12).hexdigest()
