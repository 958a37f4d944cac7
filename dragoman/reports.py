"""What a run of checks found: told on the terminal, kept in `var/reports`, read again by `dragoman report`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from dragoman.console import clean, console, count, paragraph, say, wrapped
from dragoman.project import Project
from dragoman.times import moment, span
from dragoman.wiring import utc
from reconcile.charts import percent
from reconcile.group_pages import CHANGED
from reconcile.groups import Group
from reconcile.pages import answer_of
from reconcile.ranges_text import resumed_said
from reconcile.report import write_report
from reconcile.run import RunResult
from translators.errors import DragomanError

FOLDER = "var/reports"
_KEPT = ".run.json"


class ReportUnknown(DragomanError):
    """There is no report {run}."""

    code: ClassVar[str] = "report.unknown"
    hint: ClassVar[str] = "{fix}"


class ReportDamaged(DragomanError):
    """The kept run {path} cannot be read: {reason}."""

    code: ClassVar[str] = "report.damaged"
    hint: ClassVar[str] = "Run the check again: `dragoman reconcile run` makes a new report."


def exit_code(results: Sequence[RunResult]) -> int:
    """That of the whole run: incomplete beats drift, drift beats clean."""
    return max((result.exit_code for result in results), default=0)


def keep(project: Project, results: Sequence[RunResult]) -> Path:
    """Write the report of a run, with what is needed to make it again; the page's path."""
    folder = project.path(FOLDER)
    page, _ = write_report(results, folder, results[0].run)
    (folder / f"{results[0].run}{_KEPT}").write_bytes(msgspec.json.encode(list(results)))
    return page


def read_again(project: Project, run: str | None) -> tuple[list[RunResult], Path]:
    """A kept run (the last one if none is named) and its page, which is made again if it is gone."""
    folder = project.path(FOLDER)
    kept = sorted(folder.glob(f"*{_KEPT}")) if folder.is_dir() else []
    names = [path.name.removesuffix(_KEPT) for path in kept]
    if run is None and kept:
        path = max(kept, key=lambda one: one.stat().st_mtime_ns)
    elif run in names:
        path = kept[names.index(str(run))]
    else:
        fix = (
            f"The last ones are: {', '.join(names[-5:])}." if names else "`dragoman reconcile run` makes the first one."
        )
        raise ReportUnknown(run=run or "yet", fix=fix)
    try:
        results = msgspec.json.decode(path.read_bytes(), type=list[RunResult])
    except (OSError, msgspec.MsgspecError) as error:
        raise ReportDamaged(path=path, reason=error) from error
    page = folder / f"{results[0].run}.html"
    if not page.exists():
        write_report(results, folder, results[0].run)
    return results, page


def as_data(results: Sequence[RunResult], page: Path) -> list[dict[str, Any]]:
    """A run as JSON has it: one object for each check, then what it leaves."""
    found = []
    for one in results:
        found.append(
            {
                "run": one.run,
                "check": one.check.check,
                "compared": one.compared,
                "agree": one.agree,
                "confirmed": one.confirmed,
                "accepted": one.accepted,
                "in_flight": one.in_flight,
                "unconfirmed": one.unconfirmed,
                "ambiguous": one.ambiguous,
                "unavailable": one.unavailable,
                "aligned": one.aligned,
                "cutting": one.cutting,
                "not_covered": one.not_covered,
                "coverage": one.coverage,
                "limit": one.check.limit,
                "limits": one.check.limits,
                "classes": dict(Counter(finding.kind for finding in one.findings)),
                "over": [of or "limit" for of in one.over],
                "exit_code": one.exit_code,
                "incomplete": one.incomplete,
                "causes": [
                    {
                        "causes": [c.name for c in g.causes],
                        "patterns": [c.pattern for c in g.causes],
                        "change": [c.change for c in g.causes],
                        "traits": [trait.name for trait in one.traits if trait.reason == g.reason],
                        "keys": list(g.keys),
                    }
                    for g in one.groups
                ],
                "slices": one.slices,
                "sums": one.sums,
                "report": str(page),
            }
        )
    return found


def say_results(results: Sequence[RunResult], page: Path) -> None:
    """The run in words: first the answer, then why, then where it is written down."""
    for result in results:
        say_result(result)
        say()
    code = exit_code(results)
    why = {0: _within(results), 1: "over the limit", 2: "incomplete, so nothing is proven"}[code]
    say(("report", "bold"), f"   {page}")
    say(("verdict", "bold"), f"  {code}, {why}")


def _within(results: Sequence[RunResult]) -> str:
    differ = any(result.confirmed for result in results)
    return "complete; what differs is accepted or within the limit" if differ else "clean and complete"


def say_result(result: RunResult) -> None:
    """One check: the sentence, then one line for each cause."""
    things = count(result.compared, "key" if result.check.statement is None else "group")
    coverage = f"{percent(result.coverage)} covered"
    head = f"{result.check.mapping} → {result.check.view}"
    if result.check.statement is not None:
        head = f"{result.check.check}   {head}"
    say((head, "bold"), f"    {things} in {span(result.seconds)}    {coverage}")
    paragraph(_sentence(result), "")
    if result.cutting.resumed is not None:
        paragraph(resumed_said(result.cutting.resumed, result.cutting.ranges), "")
    if result.incomplete is not None:
        say(("! ", "bold yellow"), (f"incomplete: {result.incomplete.code}", "bold"))
        paragraph(result.incomplete.message, "  ")
        paragraph(result.incomplete.hint, "         ", "  next   ")
    if result.groups:
        say()
        say_findings(result.groups)


def _sentence(result: RunResult) -> str:
    """The page's answer, and what became of the keys beside it."""
    answer, reasons, _ = answer_of(result)
    beside = []
    if result.accepted:
        beside.append(f"{result.accepted:,} of them {'is' if result.accepted == 1 else 'are'} accepted")
    if result.in_flight:
        beside.append(f"{result.in_flight:,} {'was' if result.in_flight == 1 else 'were'} in flight and agreed")
    if result.unconfirmed:
        beside.append(f"{result.unconfirmed:,} never held still")
    if result.ambiguous:
        beside.append(f"{result.ambiguous:,} never held still and {'is' if result.ambiguous == 1 else 'are'} ambiguous")
    if result.unavailable:
        beside.append(f"{result.unavailable:,} {'lacks' if result.unavailable == 1 else 'lack'} what was never sent")
    if result.not_covered:
        beside.append(f"{result.not_covered:,} could not be judged")
    return "; ".join([f"{answer}{reasons}".rstrip("."), *beside]) + "."


def say_findings(groups: Sequence[Group]) -> None:
    """One entry for each cause: how many, why, since when, whose, in which keys."""
    for group in groups:
        width = console().width
        title = ", and ".join(cause.title for cause in group.causes)
        for at, line in enumerate(wrapped(title, width, "        ", f"{len(group.keys):>6}  ")):
            say((line[:8], "bold"), (line[8:], "bold")) if at == 0 else say((line, "bold"))
        facts = []
        if group.fields:
            facts.append(", ".join(name for name, _ in group.fields[:3]) + (", …" if len(group.fields) > 3 else ""))
        if group.since is not None:
            facts.append(f"{'after' if group.bound else 'since'} {moment(group.since, utc())}")
        facts += sorted({cause.owner for cause in group.causes})
        facts += sorted({f"change {CHANGED[cause.change]}" for cause in group.causes if cause.change != "view"})
        if group.waits:
            facts.append(f"{count(group.waits, 'later step')} waiting")
        for line in wrapped(" · ".join(facts), width, "        "):
            say(line)
        keys = ", ".join(group.keys[:5]) + (f" and {len(group.keys) - 5:,} more" if len(group.keys) > 5 else "")
        say((f"        {clean(keys)}", "dim"))
