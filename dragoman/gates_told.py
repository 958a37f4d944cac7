"""What the checks say to a cutover, told: first the answer, then check by check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dragoman.console import count, paragraph, say
from dragoman.times import moment, span
from dragoman.wiring import utc
from reconcile.charts import percent
from reconcile.ledger.entries import RunEntry
from reconcile.ledger.gates import GateAnswer


def exit_code(answers: Sequence[GateAnswer]) -> int:
    """That of all checks: what is not proven beats what differs; without a check nothing is proven."""
    return max((one.exit_code for one in answers), default=2)


def as_data(answers: Sequence[GateAnswer]) -> list[dict[str, Any]]:
    """The answers as JSON has them: one object for each check."""
    return [
        {
            "check": one.check,
            "may": one.refusal is None,
            "refusal": one.refusal,
            "run": None if one.run is None else one.run.run,
            "age_seconds": one.age,
            "coverage": None if one.run is None else one.run.coverage,
            "open": [entry.id for entry in one.open],
            "exit_code": one.exit_code,
        }
        for one in answers
    ]


def say_answers(answers: Sequence[GateAnswer], fresh: timedelta) -> None:
    """The answer in one sentence, then why."""
    no = [one for one in answers if one.refusal is not None]
    if not answers:
        say(("No check is declared, so nothing is proven.", "bold yellow"))
    elif no:
        say((f"Not now: {count(len(no), 'check')} of {len(answers):,} {_says(len(no))} no.", "bold red"))
    else:
        say(("Go ahead: every check was proven whole.", "bold green"))
    alike = [one for one in no if _again(one)]
    if len(alike) > 1:
        say(("  next   ", "bold"), _GATE, f"    one run, for the {len(alike):,} that lack a gate")
    for one in answers:
        say()
        style = "green" if one.refusal is None else "red" if one.exit_code == 1 else "yellow"
        say((one.check, "bold"), "   ", ("yes" if one.refusal is None else "no", style))
        paragraph(_why(one, fresh), "  ")
        if (command := _next(one)) is not None:
            say(("  next   ", "bold"), command)


def _says(number: int) -> str:
    return "says" if number == 1 else "say"


def _why(one: GateAnswer, fresh: timedelta) -> str:
    run = one.run
    if run is None:
        return "It was never run as a gate."
    of = f"The gate {run.run}, {moment(run.started, utc())}"
    match one.refusal:
        case "never" | None:
            return f"{of}, compared {run.compared:,} and covered {percent(run.coverage)}: {_proven(run)}."
        case "running":
            return f"{of}, has not ended: it is still going on, or its process died."
        case "broken":
            return f"{of}, covered {percent(run.coverage)} and proves nothing: {_broken(run)}."
        case "drift":
            return f"{of}, found {run.confirmed - run.accepted:,} that differ and that nobody accepted."
        case "found-since":
            listed = ", ".join(entry.key for entry in one.open[:3]) + (" and more" if len(one.open) > 3 else "")
            return f"{of}, was passed, but {count(len(one.open), 'finding')} {_are(one)} open by now: {listed}."
        case "old":
            return f"{of}, was passed {span(one.age or 0)} ago, which is longer than {span(fresh.total_seconds())}."


def _are(one: GateAnswer) -> str:
    return "is" if len(one.open) == 1 else "are"


def _proven(run: RunEntry) -> str:
    return "clean" if run.state == "clean" else f"{run.confirmed:,} differ, accepted or within the limit"


def _broken(run: RunEntry) -> str:
    if run.incomplete is not None:
        return run.incomplete
    return f"{count(run.ambiguous + run.unconfirmed + run.not_covered, 'key')} never held still or could not be judged"


def _next(one: GateAnswer) -> str | None:
    if one.refusal is None or one.refusal == "running":
        return None
    return f"dragoman reconcile run {one.check} --gate" if _again(one) else f"dragoman reconcile findings {one.check}"


def _again(one: GateAnswer) -> bool:
    """Whether another gate is what it takes."""
    return one.refusal in ("never", "broken", "old")


_GATE = "dragoman reconcile run --gate"
