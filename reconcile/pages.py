"""What the report says of one check, in sentences and figures, before any markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reconcile.charts import history_text, percent
from reconcile.check import CheckSpec
from reconcile.declared import Compare, Freshness, Invariant, Query
from reconcile.fence import Passage
from reconcile.finding import Finding
from reconcile.group_pages import group_text, samples_of
from reconcile.page import (
    Fact,
    FieldText,
    HopText,
    Page,
    State,
)
from reconcile.ranges_text import cutting_said
from reconcile.run import RunResult
from reconcile.slice_pages import slices_of, terms_said
from reconcile.sums import FieldSum

_WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def page_of(result: RunResult, number: int) -> Page:
    """The page of one run; `number` makes its anchor."""
    answer, reasons, tone = answer_of(result)
    return Page(
        name=result.check.check,
        anchor=f"check-{number}",
        mapping=result.check.mapping,
        view=result.check.view,
        tone=tone,
        symbol={"good": "✓", "bad": "≠", "unsure": "!"}[tone],
        answer=answer,
        reasons=reasons,
        sub=_sub(result),
        facts=tuple(_facts(result)),
        incomplete=result.incomplete,
        compared=f"{result.compared:,}",
        confirmed=f"{result.confirmed:,}",
        coverage=percent(result.coverage),
        states=_states(result),
        sides=_sides(result.check),
        groups=tuple(group_text(group, result) for group in result.groups),
        fields=tuple(_fields(result.findings, result.sums)),
        slices=tuple(slices_of(result.slices)),
        samples=tuple(samples_of(result)),
        masked=", ".join(result.masked),
        hops=tuple(_hops(result)),
        notes=tuple(_notes(result)),
        history=history_text(result.history),
    )


def _sides(check: CheckSpec) -> tuple[tuple[str, str], ...]:
    match check.statement:
        case Compare(expected=expected, shown=shown):
            return ("legacy", f"{expected.side} says"), ("view", f"{shown.side} says")
        case Invariant(broken=broken):
            return ((broken.side, f"{broken.side} says"),)
    if check.stream:
        return ("legacy", "legacy says now"), ("view", "last published")
    return ("legacy", "legacy says now"), ("published", "last published"), ("view", "view shows")


def answer_of(result: RunResult) -> tuple[str, str, str]:
    """The answer, its reasons, and its tone."""
    asked = result.check.statement
    if isinstance(asked, Invariant) and result.confirmed:
        rows = "row breaks" if result.confirmed == 1 else "rows break"
        return f"{result.confirmed:,} {rows} it", f": {asked.says.rstrip('.')}.", "bad"
    if isinstance(asked, Freshness) and result.confirmed:
        return "Not fresh", f": {result.findings[0].causes[0].evidence[0]}.", "bad"
    if isinstance(asked, Invariant | Freshness) and result.exit_code == 0:
        return "It holds" if isinstance(asked, Invariant) else "Fresh", f": {_holds(asked)}.", "good"
    if result.confirmed:
        differ = "differs" if result.confirmed == 1 else "differ"
        return f"{result.confirmed:,} of {result.compared:,} {differ}", f", for {_reasons(len(result.groups))}.", "bad"
    if result.exit_code == 2:
        return "Not proven", f": {_unproven(result)}.", "unsure"
    return f"All {result.compared:,} agree.", "", "good"


def _holds(asked: Invariant | Freshness) -> str:
    if isinstance(asked, Invariant):
        return asked.says.rstrip(".")
    return f"what is shown is not older than {asked.within}"


def _unproven(result: RunResult) -> str:
    why = "" if result.incomplete is None else f", since {result.incomplete.brief}"
    open_ends = result.not_covered + result.unconfirmed + result.ambiguous
    if not result.ended:
        return f"the comparison did not reach its end{why}"
    if open_ends:
        return f"{open_ends:,} of {result.compared:,} could not be judged{why}"
    if result.unavailable:
        lack = "lacks" if result.unavailable == 1 else "lack"
        return f"{result.unavailable:,} of {result.compared:,} {lack} what was never sent"
    return f"nothing differs now, but that says nothing{why}"


def _reasons(count: int) -> str:
    word = _WORDS[count] if count < len(_WORDS) else f"{count:,}"
    return f"{word} reason" if count == 1 else f"{word} reasons"


_CAUSES = {
    "parked": (
        "is parked and heals once what was refused is mended",
        "are parked and heal once what was refused is mended",
    ),
    "dead-lettered": ("was given up and cannot be mapped", "were given up and cannot be mapped"),
    "capture-or-mapping": ("is published otherwise than legacy says", "are published otherwise than legacy says"),
    "capture-gap": ("was changed in legacy and never captured", "were changed in legacy and never captured"),
    "not-published": ("is known, and published otherwise", "are known, and published otherwise"),
    "applied-out-of-order": ("was applied out of order", "were applied out of order"),
    "consumer-missed": ("never reached the view", "never reached the view"),
    "mapping-changed": ("was published by another mapping", "were published by another mapping"),
    "consumer-refused": ("was set aside by the view", "were set aside by the view"),
    "not-sent": ("was left out, since the source did not send it", "were left out, since the source did not send them"),
    "consumer-misapplied": ("was applied wrongly by the view", "were applied wrongly by the view"),
    "deleted-not-applied": (
        "is deleted in legacy and still in the view",
        "are deleted in legacy and still in the view",
    ),
    "figures-differ": ("has other figures", "have other figures"),
    "invariant-broken": ("breaks what always holds", "break what always holds"),
    "not-fresh": ("is too old", "are too old"),
    "legacy-behind": ("is to be changed in legacy", "are to be changed in legacy"),
    "sides-disagree": ("has to agree on both sides, and does not", "have to agree on both sides, and do not"),
    "edited-in-view": ("was edited in the view by hand", "were edited in the view by hand"),
}


def _sub(result: RunResult) -> str:
    counts = Counter(cause.name for finding in result.findings for cause in finding.causes)
    said = [f"{_amount(count)} {_CAUSES[name][count > 1]}" for name, count in counts.most_common()]
    sentences = [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in said]
    if result.findings and "capture-or-mapping" not in counts:
        everything = ", and everything was compared" if result.coverage == 1 else ""
        sentences.append(f"Nothing is unexplained{everything}.")
    if result.findings and len(result.history.runs) > 1:
        sentences.append(_news(result))
    if result.accepted:
        are = "is" if result.accepted == 1 else "are"
        sentences.append(f"{_amount(result.accepted).capitalize()} of them {are} accepted for now.")
    if result.confirmed > result.accepted and not result.over:
        limits = "limits" if result.check.limits else f"limit of {result.check.limit:,}"
        sentences.append(f"That is within this check’s {limits}.")
    if result.over and result.check.limits:
        sentences.append(_over(result))
    if not result.findings and result.exit_code == 0:
        sentences.append(_thorough(result))
    return " ".join(sentences)


def _over(result: RunResult) -> str:
    """Which classes make the check fail."""
    limits, differ = result.check.limits, result.differ
    own = [f"{differ[of]:,} {of}, of which {limits[of]:,} are tolerated" for of in result.over if of]
    rest = sum(count for of, count in differ.items() if of not in limits and of != "unavailable")
    own += (
        [f"{rest:,} of the other classes, of which {result.check.limit:,} are tolerated"] if "" in result.over else []
    )
    return f"Over the limit: {'; '.join(own)}."


def _thorough(result: RunResult) -> str:
    match result.check.statement:
        case None:
            return "Every key of both sides was compared, field by field, behind the fence below."
        case Compare(shown=Query(side="view")):
            return "Both queries agree in every group, behind the fence below."
        case Compare():
            return "Both queries agree in every group."
    return ""


def _news(result: RunResult) -> str:
    new = sum(finding.first_seen == result.started for finding in result.findings)
    if new == result.confirmed:
        return "All of this is new." if new > 1 else "It is new."
    if not new:
        return "All of this was known before." if result.confirmed > 1 else "It was known before."
    return f"{_amount(new)} {'is' if new == 1 else 'are'} new, the others were known before.".capitalize()


def _amount(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else f"{count:,}"


def _facts(result: RunResult) -> Iterator[Fact]:
    yield Fact("", percent(result.coverage), "covered")
    yield Fact("run", result.run)
    yield Fact("mapping", f"{result.check.mapping}@{result.mapping_version}")
    if result.position is not None:
        yield Fact("source position", f"{result.position:,}")
    rate = f"({result.compared / result.seconds:,.0f} keys/s)" if result.seconds >= 0.05 else ""
    yield Fact("took", f"{result.seconds:.1f} s", rate)
    if result.hops:
        yield Fact(
            "fence passed after" if all(h.passed for h in result.hops) else "fence waited",
            f"{sum(h.seconds for h in result.hops):.1f} s",
        )
    yield Fact("exit code", str(result.exit_code))


def _states(result: RunResult) -> tuple[State, ...]:
    share = f"{result.agree / result.compared:.2%}".replace("%", " %") if result.compared else "–"
    drift = result.confirmed > 0
    return (
        State(name="Agree", symbol="✓", tone="good", count=f"{result.agree:,}", remark=share),
        State(
            name="Differ, confirmed",
            symbol="≠",
            tone="bad",
            count=f"{result.confirmed:,}",
            remark=f"limit of this check: {result.check.limit:,}"
            + (f"; {result.accepted:,} accepted" if result.accepted else ""),
            loud=drift,
        ),
        State(
            name="Were in flight",
            symbol="→",
            tone="warn",
            count=f"{result.in_flight:,}",
            remark="agreed behind the fence: no drift",
        ),
        _never_still(result),
        State(
            name="Not covered",
            symbol="?",
            tone="warn",
            count=f"{result.not_covered:,}" if result.ended else "?",
            remark="compared, but not judged" if result.ended else "not read to the end",
            loud=result.not_covered > 0 or not result.ended,
        ),
        *([_unavailable(result)] if result.unavailable else []),
    )


def _never_still(result: RunResult) -> State:
    hot = result.ambiguous if result.aligned else result.unconfirmed
    return State(
        name="Ambiguous" if result.aligned else "Unconfirmed",
        symbol="~",
        tone="hot",
        count=f"{hot:,}",
        remark="moved since, and never held still" if result.aligned else "too busy to hold still",
        loud=hot > 0,
    )


def _unavailable(result: RunResult) -> State:
    limit = result.check.limits.get("unavailable", 0)
    return State(
        name="Never sent",
        symbol="∅",
        tone="warn",
        count=f"{result.unavailable:,}",
        remark=f"no agreement, no drift; limit {limit:,}",
        loud=result.differ["unavailable"] > limit,
    )


def _fields(findings: Sequence[Finding], sums: Sequence[FieldSum]) -> Iterator[FieldText]:
    """Pairs are those of the findings that are kept in detail."""
    by_field = {one.field: one for one in sums}
    counts = Counter(field for finding in findings for field in finding.fields)
    pairs: dict[str, Counter[tuple[str, str]]] = {}
    for finding in findings:
        for row in finding.rows:
            if row.differs and row.field in finding.fields:
                pairs.setdefault(row.field, Counter())[row.view, row.legacy] += 1
    for field, count in counts.most_common():
        (view, legacy), times = pairs[field].most_common(1)[0] if field in pairs else (("", ""), 0)
        seen = sum(pairs[field].values()) if field in pairs else 0
        of = "" if times == seen else "for example" if times == 1 else f"{times:,} of {seen:,}"
        added = by_field.get(field)
        yield FieldText(
            name=field,
            count=f"{count:,}",
            share=f"{count / len(findings):.0%}".replace("%", " %"),
            total="" if added is None else f"{added.total:+,f}",
            largest="" if added is None else f"{added.largest:,f}",
            view=view,
            legacy=legacy,
            of=of,
        )


def _hops(result: RunResult) -> Iterator[HopText]:
    rows = ", ".join(f"{count:,} {table}" for table, count in result.legacy_rows)
    position = "" if result.position is None else f"read in one snapshot at position {result.position:,}: "
    yield HopText("Legacy", result.position is not None, f"{position}{rows}")
    for hop in result.hops:
        yield HopText(hop.name, hop.passed, f"{hop.detail} {_after(hop)}")


def _after(hop: Passage) -> str:
    return f"({'passed after' if hop.passed else 'waited'} {hop.seconds:.1f} s)"


def _notes(result: RunResult) -> Iterator[str]:
    yield from terms_said(result.check.terms)
    yield from cutting_said(result.cutting)
    if result.check.statement is None and result.hops and all(hop.passed for hop in result.hops):
        last = (
            "The last hop is exact: the view’s checkpoint is written in the same transaction as its rows."
            if result.exact
            else "The last hop is a consumer group, which may commit before it applies: so each was seen twice, a while apart."
        )
        if result.aligned:
            yield (
                f"Everything was compared as of position {result.position or 0:,}, which the view had passed. Keys that moved "
                "since were looked at again; those that never held still are ambiguous."
            )
        yield (
            "A difference is confirmed only if the legacy rows held still and the view, having passed that position, still "
            f"differed. {last}"
        )
    if result.check.statement is not None:
        yield (
            "This check asks by queries of the project’s own. What names a group or a row is shown, values only of the columns "
            "that the check says may be shown."
        )
    elif result.ended:
        hot = result.ambiguous if result.aligned else result.unconfirmed
        parts = [result.agree, result.confirmed, result.in_flight, hot, result.not_covered]
        parts += [result.unavailable] if result.unavailable else []
        yield (
            f"The figures add up: {' + '.join(f'{part:,}' for part in parts)} = {result.compared:,} keys. Both sides were "
            f"read to their ends, in strict key order; the view has {result.view_rows:,} rows."
        )
    else:
        yield "At least one side was not read to its end, so these figures are not the whole."
