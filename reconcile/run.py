"""One run of one check: compare optimistically, confirm behind the fence, judge, count; nothing is left out silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from reconcile.causes import Names
from reconcile.check import CheckSpec
from reconcile.choice import plan_of
from reconcile.compare import Counts, check_sides, compare, expected_of
from reconcile.confirm import Aligned, Confirmer, Settled
from reconcile.errors import GateInexact
from reconcile.evidence import Witness
from reconcile.fence import Fence, FenceResult, Passage
from reconcile.finding import Finding
from reconcile.groups import Group, grouped
from reconcile.incomplete import Incomplete, behind, told
from reconcile.own_view import Orphaned, Orphans
from reconcile.past import History
from reconcile.plans import Plan
from reconcile.ranges import Cutting, Pass, Pool, RangeBook
from reconcile.slices import Slice, Slicer
from reconcile.sources import LegacyReader, LegacySnapshot
from reconcile.sums import FieldSum, Sums
from reconcile.terms import check_terms
from reconcile.traits import Mark, Tally, Trait, traits_of
from reconcile.verdict import judge, mark_of, orphan_finding, without_rows
from reconcile.view import NarrowedView, ViewSide
from translators.errors import DragomanError

BATCH = 5_000
"""Candidates that are confirmed together: one fence and one reading of the state stream for each batch."""

DETAILED = 25
"""Findings of one cause that keep their fields side by side; of the others the list of keys and causes is kept."""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found: `traits` are of the groups, `sums` of fields.

    All seven counts are of business keys, and `compared` is their sum.

    `in_flight` differed at first and agreed behind the fence. `unconfirmed` never held still, `ambiguous` neither since the
    one moment that all was compared as of. `unavailable` lack values that the source never sent: no agreement, no drift.
    `not_covered` were compared but could not be judged. `findings` are the confirmed and the unavailable ones, `accepted`
    those of the confirmed that the ledger says are accepted. `ended`: both sides were read to their ends, so that there
    are no more keys. `legacy_rows` are the rows read by table.
    `seconds` is the whole run's time. `exact` says whether the fence's last hop is (`reconcile.fence.Fence.apart`);
    `aligned` whether all was compared as of `position`. `slices` are the counts by the values of the fields that the check
    names. `left` are the keys, where only some were to be looked at, of which nothing could be said. `cutting` says how the
    keys were cut in ranges, and whether a run that died had done some of them.
    """

    run: str
    check: CheckSpec
    started: datetime
    seconds: float
    mapping_version: str
    position: int | None
    compared: int
    agree: int
    confirmed: int
    in_flight: int
    unconfirmed: int
    not_covered: int
    ended: bool
    legacy_rows: tuple[tuple[str, int], ...]
    view_rows: int
    masked: tuple[str, ...]
    findings: tuple[Finding, ...]
    groups: tuple[Group, ...]
    hops: tuple[Passage, ...]
    incomplete: Incomplete | None
    accepted: int = 0
    exact: bool = True
    aligned: bool = False
    history: History = History()
    unavailable: int = 0
    ambiguous: int = 0
    slices: tuple[Slice, ...] = ()
    traits: tuple[Trait, ...] = ()
    sums: tuple[FieldSum, ...] = ()
    left: tuple[str, ...] = ()
    cutting: Cutting = Cutting()

    @property
    def coverage(self) -> float:
        """The share of keys that were compared and judged, 0 to 1; less than 1 is never clean."""
        if not self.ended or self.compared == 0:
            return 0.0
        return (self.compared - self.unconfirmed - self.ambiguous - self.not_covered) / self.compared

    @property
    def differ(self) -> Counter[str]:
        """By class, how many findings nobody accepted."""
        return Counter(finding.kind for finding in self.findings if finding.accepted_until is None)

    @property
    def over(self) -> tuple[str, ...]:
        """The classes of which there are more than the check tolerates; `` are those without a limit of their own."""
        return self.check.over(self.differ)

    @property
    def exit_code(self) -> int:
        """0 clean and complete, 1 more differences than the limit that nobody accepted, 2 incomplete or could not run."""
        if self.incomplete is not None or self.unconfirmed or self.ambiguous or self.not_covered:
            return 2
        if self.differ["unavailable"] > self.check.limits.get("unavailable", 0):
            return 2
        return 1 if self.over else 0


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared, through what: the three legs of one check and the fence between them.

    `shown` are the legacy's columns, as `table.column`, whose values may stand in a report; all others are masked. `plan` is
    the way to compare them, the best one unless said. `places`
    has by field where the mapping says what it means; `tally` counts the view's rows, where that can be asked. `pool` looks
    at ranges of keys side by side.
    """

    reader: LegacyReader
    view: ViewSide
    witness: Witness
    fence: Fence
    shown: frozenset[str] = frozenset()
    plan: Plan | None = None
    places: Mapping[str, str] = {}
    tally: Tally | None = None
    pool: Pool | None = None


def reconcile(
    check: CheckSpec,
    sides: Sides,
    *,
    run: str,
    clock: Callable[[], datetime],
    gate: bool = False,
    keys: Sequence[str] | None = None,
    book: RangeBook | None = None,
) -> RunResult:
    """Run one check. `clock` gives UTC. Whatever goes wrong on a side makes the run incomplete; nothing is written.

    As a `gate` it compares everything as of one position of the source, whose moment is held until the view has passed it;
    keys that moved since then are looked at again. `GateInexact` ends a run whose fence is not exact. Of `keys`, if they are
    told, no others are looked at, and where they agree no fence is waited for. The `book` remembers what is done.
    """
    started = clock()
    work = _Work(check, sides, book)
    try:
        work.check_terms()
        if keys is not None:
            work.compare_keys(keys)
        elif gate:
            work.compare_aligned()
        else:
            work.compare()
        work.confirm()
        work.confirm_orphans()
        work.look_for_traits()
    except DragomanError as error:
        work.stopped(told(error))
    return work.result(run, started, (clock() - started).total_seconds())


def names_in(check: CheckSpec, sides: Sides) -> Names:
    """Who is who in a check, and by which terms it is judged."""
    return Names(
        check=check.check,
        translator=check.mapping,
        mapping_owner=sides.reader.translator.owner,
        view=check.view,
        view_owner=check.owner,
        mapping_version=sides.reader.translator.version,
        terms=check.terms,
        placeholder=sides.reader.placeholder,
        stream=check.stream,
        places=sides.places,
        own=check.tables is not None,
    )


def narrowed_sides(check: CheckSpec, sides: Sides) -> Sides:
    """The sides as the check's terms have them: without what is not compared, all masked that may not be shown."""
    return msgspec.structs.replace(sides, view=NarrowedView(sides.view, check.terms))


class _Work:
    """The counts and findings of one run, as they come together."""

    def __init__(self, check: CheckSpec, sides: Sides, book: RangeBook | None) -> None:
        self._check = check
        self._book = book
        self._cutting = Cutting()
        self._sides = narrowed_sides(check, sides)
        self._whole = sides.view.shape
        self._view = sides.view
        self._orphans: dict[str, Orphans] = {}
        self._names = names_in(check, sides)
        self._slicer = Slicer(check.terms.slices)
        self._counts = Counts()
        self._legacy: Counter[str] = Counter({name: 0 for name in sides.reader.tables})
        self._pending: list[str] = []
        self._findings: list[Finding] = []
        self._marks: dict[str, Mark] = {}
        self._sums = Sums(self._sides.view.shape)
        self._traits: tuple[Trait, ...] = ()
        self._detailed: Counter[tuple[str, ...]] = Counter()
        self._ended = False
        self._in_flight = 0
        self._hot: list[str] = []
        self._keys: Sequence[str] | None = None
        self._position: int | None = None
        self._fence: FenceResult | None = None
        self._incomplete: Incomplete | None = None
        self._moment: Aligned | None = None

    def check_terms(self) -> None:
        """`FieldUnknown` or `FieldUnusable` if the check names a field that it cannot mean."""
        shape, check = self._whole, self._check
        naming = shape.keys if check.tables is None else check.tables.named
        check_terms(check.check, check.view, check.terms, shape.paths, naming, shape.masked)

    def compare_aligned(self) -> None:
        """Look at every key of both sides as of one moment of the source, once the view has passed it."""
        reader, fence = self._sides.reader, self._sides.fence
        if fence.apart is not None:
            raise GateInexact(check=self._check.check)
        with reader.snapshot() as legacy:
            self._position = legacy.position
            passed = fence.wait_for(legacy.position)
            if passed.stop is not None:
                self._halted(passed)
                return
            self._pending = self._candidates(legacy, aligned=True)
            self._moment = Aligned(legacy.read_keys(self._pending), legacy.position, passed)
        self._looked_through()

    def compare(self) -> None:
        """Look at every key of both sides once, while both may move."""
        with self._sides.reader.snapshot() as legacy:
            self._position = legacy.position
            self._pending = self._candidates(legacy)
        self._looked_through()

    def _looked_through(self) -> None:
        self._ended = True
        check_sides(self._counts)
        if isinstance(self._view, Orphaned):
            self._orphans = {one.key: one for one in self._view.orphans()}
            self._counts.compared += len(self._orphans)

    def confirm_orphans(self) -> None:
        """Rows that belong to no thing, if they do not behind the fence either; each parent that is not there is one."""
        if self._incomplete is not None or not self._orphans or not isinstance(self._view, Orphaned):
            return
        if (apart := self._sides.fence.apart) is not None:
            self._sides.fence.pace.wait(apart)
        still = [one for one in self._view.orphans() if one.key in self._orphans]
        self._in_flight += len(self._orphans) - len(still)
        self._findings += [orphan_finding(one, self._names) for one in still]

    def compare_keys(self, keys: Sequence[str]) -> None:
        """Look at these keys once, while both sides may move."""
        reader, view, counts = self._sides.reader, self._sides.view, self._counts
        self._keys = keys
        with reader.snapshot() as legacy:
            self._position = legacy.position
            rows = legacy.read_keys(keys)
        shown = view.read_keys(keys)
        for key in keys:
            expected, row = expected_of(reader.translator, rows.get(key), view.shape), shown.get(key)
            exists = expected.content is not None or expected.problem is not None
            counts.source += exists
            counts.view += row is not None
            counts.compared += exists or row is not None
            if compare(key, expected, row, view.shape) is not None:
                self._pending.append(key)
            elif exists or row is not None:
                counts.agree += 1
        self._ended = True

    def confirm(self) -> None:
        """Settle the candidates, in batches; with none of all keys, the fence is passed: it proves the pipeline runs."""
        if self._keys is not None and not self._pending:
            return
        confirmer = Confirmer(self._sides.reader, self._sides.view, self._sides.fence, self._sides.witness)
        waiting = self._pending
        while self._incomplete is None and (waiting or self._fence is None):
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            settled = confirmer.settle(batch, self._moment)
            self._take(settled, batch)
            self._pending = [*settled.unjudged, *waiting]

    def look_for_traits(self) -> None:
        """See what the keys of each cause have in common beside it; of some keys nobody asks, since all would be counted."""
        if self._keys is None and self._sides.tally is not None and self._findings:
            counts, tally = self._counts, self._sides.tally
            self._traits = tuple(traits_of(grouped(self._findings), self._marks, tally, counts.view, counts.compared))

    def stopped(self, reason: Incomplete) -> None:
        """The run ends here; what was not judged until now is not covered."""
        self._incomplete = reason

    def result(self, run: str, started: datetime, seconds: float) -> RunResult:
        """Everything that came together."""
        findings = tuple(sorted(self._findings, key=lambda finding: finding.key))
        unavailable = sum(finding.kind == "unavailable" for finding in findings)
        counts, aligned = self._counts, self._moment is not None
        return RunResult(
            run=run,
            check=self._check,
            started=started,
            seconds=seconds,
            mapping_version=self._sides.reader.translator.version,
            position=self._position,
            compared=counts.compared,
            agree=counts.agree,
            confirmed=len(findings) - unavailable,
            in_flight=self._in_flight,
            unconfirmed=0 if aligned else len(self._hot),
            not_covered=counts.compared - counts.agree - len(findings) - self._in_flight - len(self._hot),
            ended=self._ended,
            legacy_rows=tuple(self._legacy.items()),
            view_rows=counts.view,
            masked=tuple(sorted(self._sides.view.shape.masked.intersection(self._sides.view.shape.paths))),
            findings=findings,
            groups=grouped(findings),
            hops=() if self._fence is None else self._fence.hops,
            incomplete=self._incomplete,
            exact=self._sides.fence.apart is None,
            aligned=aligned,
            unavailable=unavailable,
            ambiguous=len(self._hot) if aligned else 0,
            slices=self._slicer.slices(),
            traits=self._traits,
            sums=self._sums.sums(),
            left=self._left(),
            cutting=self._cutting,
        )

    def _left(self) -> tuple[str, ...]:
        if self._keys is None:
            return ()
        return tuple(sorted({*self._hot, *self._pending}) if self._ended else self._keys)

    def _take(self, settled: Settled, batch: Sequence[str]) -> None:
        self._in_flight += settled.in_flight
        self._hot += settled.unconfirmed
        self._slicer.became(settled.unconfirmed, "unconfirmed" if self._moment is None else "ambiguous")
        for confirmed in settled.confirmed:
            finding = judge(confirmed, self._names, self._sides.view.shape, self._sides.shown)
            reason = tuple(cause.name for cause in finding.causes)
            self._detailed[reason] += 1
            self._marks[finding.key] = mark_of(confirmed)
            self._sums.add(confirmed.comparison)
            self._findings.append(finding if self._detailed[reason] <= DETAILED else without_rows(finding))
            self._slicer.became([finding.key], "unavailable" if finding.kind == "unavailable" else "confirmed")
        self._slicer.became(set(batch) - set(settled.unjudged), "in_flight")
        self._halted(settled.fence)

    def _halted(self, fence: FenceResult) -> None:
        """A fence that was not passed ends the run."""
        if self._fence is None or fence.stop is not None:
            self._fence = fence
        self._incomplete = behind(fence) or self._incomplete

    def _candidates(self, legacy: LegacySnapshot, *, aligned: bool = False) -> list[str]:
        """The keys that differ now, by the plan of the check; as one range where values are counted, or there is no table.

        `aligned`: as of this one moment, so that nobody goes on with it, and no process looks who cannot see it.
        """
        saw = self._slicer.saw if self._check.terms.slices else None
        plan = self._sides.plan or plan_of(legacy, self._sides.view, saw, sums=self._check.sums)
        whole = self._check.stream or self._check.tables is not None or saw is not None
        pool = self._sides.pool if legacy.is_shared or not aligned else None
        looking = Pass(plan, legacy, pool, None if whole or aligned else self._book)
        try:
            return looking.differing(self._counts, self._legacy, whole=whole)
        finally:
            self._cutting, self._position = looking.cutting, looking.position
