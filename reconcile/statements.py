"""One run of a check that asks by queries: answered on both sides, looked at again behind the fence, judged, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from reconcile.check import CheckSpec
from reconcile.content import MASK
from reconcile.declared import Compare, Freshness, Invariant, Query
from reconcile.errors import NothingCompared, SideEmpty
from reconcile.fence import Fence, FenceResult
from reconcile.figures import Answer, Groups, Value, alike, check_columns, differing, groups_of, said, unusable
from reconcile.finding import Cause, FieldRow, Finding, finding_id
from reconcile.groups import grouped
from reconcile.incomplete import Incomplete, behind, told
from reconcile.run import RunResult
from reconcile.terms import Kind
from translators.errors import DragomanError

ROUNDS = 6
"""How often groups that differ are looked at, each time behind the fence, until they have held still or are given up."""


class Answers(Protocol):
    """The sides of such a check."""

    fence: Fence

    def legacy(self, queries: Sequence[Query]) -> tuple[int, list[Answer]]:
        """The answers out of one snapshot of the legacy, and its position."""

    def view(self, query: Query) -> Answer:
        """The view's answer now."""

    def extract(self, query: Query) -> Answer:
        """The answer of a file."""


def ask(check: CheckSpec, answers: Answers, version: str, *, run: str, clock: Callable[[], datetime]) -> RunResult:
    """Run one check. `version` is that of the mapping behind whose fence it stands; `clock` gives UTC."""
    started = clock()
    work = _Asked(check, answers, clock)
    try:
        work.run()
    except DragomanError as error:
        work.incomplete = told(error)
    return work.result(run, started, (clock() - started).total_seconds(), version)


class _Differs(msgspec.Struct, frozen=True):
    """One group as it was seen to differ: both rows, absent where a side has no such group."""

    expected: Mapping[str, Value] | None
    shown: Mapping[str, Value] | None

    @property
    def kind(self) -> Kind:
        """In the words of all checks."""
        return "missing" if self.shown is None else "extra" if self.expected is None else "mismatch"


class _Asked:
    """The counts and findings of one run, as they come together."""

    def __init__(self, check: CheckSpec, answers: Answers, clock: Callable[[], datetime]) -> None:
        self._check = check
        self._answers = answers
        self._clock = clock
        self._agree: set[str] = set()
        self._differed: set[str] = set()
        self._hot: set[str] = set()
        self._findings: list[Finding] = []
        self._position: int | None = None
        self._fence: FenceResult | None = None
        self._ended = False
        self.incomplete: Incomplete | None = None

    def run(self) -> None:
        """Ask what the check asks."""
        match self._check.statement:
            case Compare() as compare:
                self._compare(compare)
            case Invariant() as invariant:
                self._hold(invariant)
            case Freshness() as freshness:
                self._age(freshness)

    def _compare(self, asked: Compare) -> None:
        """A group that agrees once agrees. One that differs has to differ alike twice, while what is expected holds still."""
        moves = asked.shown.side == "view"
        seen: dict[str, _Differs] = {}
        answer, before = self._expected(asked)
        for turn in range(ROUNDS if moves else 1):
            if turn and not self._pass():
                return
            shown = self._shown(asked, answer)
            after = self._expected(asked)[1] if moves else before
            differ = self._look(asked, before, shown, after, first=turn == 0)
            self._ended = True
            self._confirm(asked, {g: one for g, one in differ.items() if not moves or seen.get(g) == one})
            seen = differ if turn else {}
            before = after
            self._hot = (self._differed - self._agree) - {finding.key for finding in self._findings}
            if turn and not self._hot:
                return

    def _look(
        self, asked: Compare, before: Groups, shown: Groups, after: Groups, *, first: bool
    ) -> dict[str, _Differs]:
        """The groups that differ and whose expected row held still; those that agree are noted."""
        confirmed = {finding.key for finding in self._findings}
        found = {}
        for group in dict.fromkeys([*after, *before, *shown, *self._differed]):
            if group in self._agree or group in confirmed:
                continue
            one, other = after.get(group), shown.get(group)
            if _agree(asked, one, other) or _agree(asked, before.get(group), other):
                self._agree.add(group)
                continue
            self._differed.add(group)
            if before.get(group) == one:
                found[group] = _Differs(one, other)
        if first and not (after or before or shown):
            raise NothingCompared
        if first and not shown:
            raise SideEmpty(side=asked.shown.side)
        if first and not (before or after):
            raise SideEmpty(side=asked.expected.side)
        return found

    def _expected(self, asked: Compare) -> tuple[Answer, Groups]:
        if asked.expected.side == "extract":
            self._position = self._answers.legacy([])[0]
            answer = self._answers.extract(asked.expected)
        else:
            self._position, (answer,) = self._answers.legacy([asked.expected])
        return answer, groups_of(asked.expected, answer, asked.by)

    def _shown(self, asked: Compare, expected: Answer) -> Groups:
        query = asked.shown
        answer = self._answers.view(query) if query.side == "view" else self._answers.extract(query)
        check_columns(asked.expected, expected, query, answer)
        return groups_of(query, answer, asked.by)

    def _pass(self) -> bool:
        """Whether the view has passed the position; if not, the run ends here."""
        self._fence = self._answers.fence.wait_for(self._position or 0)
        self.incomplete = behind(self._fence)
        return self.incomplete is None

    def _confirm(self, asked: Compare, settled: Mapping[str, _Differs]) -> None:
        for group, one in settled.items():
            fields = () if one.kind != "mismatch" else differing(one.expected or {}, one.shown or {}, asked.tolerance)
            columns = list(one.expected or one.shown or {})
            rows = tuple(
                FieldRow(
                    field=name,
                    element=None,
                    legacy=_said(self._check, one.expected, name),
                    published="",
                    view=_said(self._check, one.shown, name),
                    differs=name in fields or one.kind != "mismatch",
                )
                for name in columns
            )
            self._find(group, one.kind, fields, rows, _figures(self._check, asked, one, fields))

    def _hold(self, asked: Invariant) -> None:
        """Rows of the legacy that break it are facts at once; rows of a view have to break it still behind the fence."""
        query = asked.broken
        if query.side == "legacy":
            self._position, (answer,) = self._answers.legacy([query])
            still = first = _broken(query, answer)
        else:
            self._position = self._answers.legacy([])[0]
            first = _broken(query, self._answers.view(query))
            if not self._pass():
                self._differed = set(first)
                return
            still = _broken(query, self._answers.view(query))
        self._ended = True
        self._differed = {*first, *still}
        for key, row in still.items():
            # One that was not there before came while the view moved.
            if first.get(key) == row:
                self._find(key, "mismatch", (), tuple(self._breaks(query, row)), _broken_cause(self._check, asked))
            else:
                self._hot.add(key)
        self._agree = {*first} - {*still}
        if not self._differed:
            self._agree = {asked.says}

    def _breaks(self, query: Query, row: Mapping[str, Value]) -> Iterator[FieldRow]:
        for name in row:
            text = _said(self._check, row, name)
            legacy, view = (text, "") if query.side == "legacy" else ("", text)
            yield FieldRow(field=name, element=None, legacy=legacy, published="", view=view, differs=False)

    def _age(self, asked: Freshness) -> None:
        if asked.newest is None:
            self._position = self._answers.legacy([])[0]
            fence = self._answers.fence
            patient = msgspec.structs.replace(
                fence, pace=msgspec.structs.replace(fence.pace, deadline=asked.within + timedelta(seconds=1))
            )
            self._fence = patient.wait_for(self._position)
            late = self._fence.stop == "lag" or self._fence.seconds > asked.within.total_seconds()
            self.incomplete = None if late else behind(self._fence)
            text = f"what is written now is not in the view after {asked.within}"
            if self.incomplete is not None:
                return
        else:
            newest = self._newest(asked.newest)
            late = newest is None or self._clock() - newest > asked.within
            text = f"the newest is of {newest:%Y-%m-%d %H:%M:%S} UTC" if newest else "there is none"
        self._ended = True
        if not late:
            self._agree = {"newest"}
            return
        self._differed = {"newest"}
        self._find("newest", "stale", (), (), _stale(self._check, text))

    def _newest(self, query: Query) -> datetime | None:
        if query.side == "legacy":
            self._position, (answer,) = self._answers.legacy([query])
        else:
            answer = self._answers.view(query)
        if len(answer.rows) != 1 or len(answer.columns) != 1:
            raise unusable(query, "it has to answer one time, in one row of one column")
        (value,) = answer.rows[0]
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(str(alike(value)))
        except (ValueError, OverflowError) as error:
            raise unusable(query, f"it answers {value!r}, which is no time") from error
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def _find(self, key: str, kind: Kind, fields: tuple[str, ...], rows: tuple[FieldRow, ...], cause: Cause) -> None:
        name = self._check.check
        found = Finding(
            id=finding_id(name, key), check=name, key=key, kind=kind, causes=(cause,), fields=fields, rows=rows, life=()
        )
        self._findings.append(found)

    def result(self, run: str, started: datetime, seconds: float, version: str) -> RunResult:
        """Everything that came together."""
        findings = tuple(sorted(self._findings, key=lambda finding: finding.key))
        in_flight = len(self._agree & self._differed)
        compared = len(self._agree | self._differed)
        # Without the fence nothing that differs could be judged.
        judged = self.incomplete is None
        return RunResult(
            run=run,
            check=self._check,
            started=started,
            seconds=seconds,
            mapping_version=version,
            position=self._position,
            compared=compared,
            agree=len(self._agree - self._differed),
            confirmed=len(findings),
            in_flight=in_flight,
            unconfirmed=len(self._hot) if judged else 0,
            not_covered=0 if judged else compared - len(self._agree) - len(findings),
            ended=self._ended,
            legacy_rows=(),
            view_rows=0,
            masked=(),
            findings=findings,
            groups=grouped(findings),
            hops=() if self._fence is None else self._fence.hops,
            incomplete=self.incomplete,
        )


def _agree(asked: Compare, one: Mapping[str, Value] | None, other: Mapping[str, Value] | None) -> bool:
    if one is None or other is None:
        return one is other
    return not differing(one, other, asked.tolerance)


def _broken(query: Query, answer: Answer) -> Groups:
    """By its first column each row that breaks an invariant."""
    return groups_of(query, answer, answer.columns[:1])


def _said(check: CheckSpec, row: Mapping[str, Value] | None, name: str) -> str:
    """A value as the report may show it."""
    if row is None:
        return "–"
    return said(row[name]) if name in check.shown else MASK


_PLACES = {"legacy": "the legacy", "view": "the view", "extract": "the extract"}


def _figures(check: CheckSpec, asked: Compare, one: _Differs, fields: tuple[str, ...]) -> Cause:
    left, right = _PLACES[asked.expected.side], _PLACES[asked.shown.side]
    if one.kind == "mismatch":
        title = f"{', '.join(fields)}: {right} says otherwise than {left}"
    else:
        lacks, has = (right, left) if one.kind == "missing" else (left, right)
        title = f"{lacks} has no such group, {has} has"
    evidence = tuple(
        f"{name}: {left} {_said(check, one.expected, name)}, {right} {_said(check, one.shown, name)}" for name in fields
    )
    return Cause(
        name="figures-differ",
        title=title,
        text="Two queries that have to agree do not, and held still while they were asked.",
        owner=check.owner,
        evidence=evidence,
        lead="See which keys are behind it:",
        command="dragoman reconcile run",
        pattern=",".join(fields) or one.kind,
        where=asked.shown.where,
        change=asked.shown.side,
    )


def _broken_cause(check: CheckSpec, asked: Invariant) -> Cause:
    return Cause(
        name="invariant-broken",
        title=f"broken: {asked.says}",
        text=f"Rows of {_PLACES[asked.broken.side]} for which it does not hold.",
        owner=check.owner,
        evidence=(),
        lead="Look at one of them:",
        command=f"dragoman reconcile run {check.check}",
        where=asked.broken.where,
        change=asked.broken.side,
    )


def _stale(check: CheckSpec, text: str) -> Cause:
    return Cause(
        name="not-fresh",
        title=f"not fresh: {text}",
        text="What is shown is older than the check allows.",
        owner=check.owner,
        evidence=(text,),
        lead="See where it waits:",
        command="dragoman status",
    )
