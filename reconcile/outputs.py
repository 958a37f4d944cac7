"""A run for machines: JUnit for what runs tests, OpenMetrics for what draws curves. No key and no value is in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from reconcile.check import CheckSpec
from reconcile.exposition import Family, exposed
from reconcile.pages import answer_of
from reconcile.run import RunResult

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, however it is written."""


def junit(results: Sequence[RunResult]) -> str:
    """One suite, one case for each check: a failure over the limit, an error where nothing is proven."""
    suite = Element(
        "testsuite",
        name="dragoman reconcile",
        tests=str(len(results)),
        failures=str(sum(result.exit_code == 1 for result in results)),
        errors=str(sum(result.exit_code == 2 for result in results)),
        skipped="0",
        time=f"{sum(result.seconds for result in results):.3f}",
        timestamp=f"{results[0].started:%Y-%m-%dT%H:%M:%S}",
    )
    for result in results:
        case = SubElement(
            suite, "testcase", classname=f"reconcile.{result.check.mapping}", name=result.check.check,
            time=f"{result.seconds:.3f}",
        )  # fmt: skip
        _outcome(case, result)
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _outcome(case: Element, result: RunResult) -> None:
    answer, reasons, _ = answer_of(result)
    lines = [f"{len(g.keys):,} keys: {'; and '.join(cause.title for cause in g.causes)}" for g in result.groups]
    if result.exit_code:
        kind = {1: "drift", 2: "reconcile.incomplete" if result.incomplete is None else result.incomplete.code}
        told = SubElement(
            case,
            {1: "failure", 2: "error"}[result.exit_code],
            type=kind[result.exit_code],
            message=_ILLEGAL.sub("\ufffd", f"{answer}{reasons}"),
        )
        if result.incomplete is not None:
            lines = [result.incomplete.message, result.incomplete.hint, *lines]
        told.text = _ILLEGAL.sub("\ufffd", "\n".join(lines))
    elif lines:
        SubElement(case, "system-out").text = _ILLEGAL.sub("\ufffd", "\n".join(lines))


def openmetrics(results: Sequence[RunResult]) -> str:
    """Gauges of the run's checks, in the text format of OpenMetrics 1.0."""
    families = (
        (Family("dragoman_reconcile_keys", "Keys by what became of them."), _keys),
        (Family("dragoman_reconcile_drift_keys", "Confirmed differences by cause."), _causes),
        (Family("dragoman_reconcile_class_keys", "Findings by their class."), _classes),
        (Family("dragoman_reconcile_limit_keys", "Differences that a check tolerates."), _limits),
        (
            Family("dragoman_reconcile_coverage_ratio", "Share of the keys that were compared and judged.", "ratio"),
            _coverage,
        ),
        (Family("dragoman_reconcile_exit_code", "0 clean, 1 over the limit, 2 incomplete."), _exits),
        (Family("dragoman_reconcile_duration_seconds", "How long the check took.", "seconds"), _durations),
        (
            Family("dragoman_reconcile_started_seconds", "When the check began, since the epoch.", "seconds"),
            _starts,
        ),
        (Family("dragoman_reconcile_proven_since_seconds", "Clean without a break since then.", "seconds"), _proven),
    )
    return exposed(
        (
            family,
            [({**names_of(result.check), **labels}, value) for result in results for labels, value in said(result)],
        )
        for family, said in families
    )


def names_of(check: CheckSpec) -> dict[str, str]:
    """The labels that every sample of a check has."""
    return {"check": check.check, "mapping": check.mapping, "view": check.view}


Samples = Iterator[tuple[Mapping[str, str], str]]


def _keys(result: RunResult) -> Samples:
    accepted = result.accepted
    states = {
        "agree": result.agree,
        "confirmed": result.confirmed - accepted,
        "accepted": accepted,
        "in_flight": result.in_flight,
        "unconfirmed": result.unconfirmed,
        "ambiguous": result.ambiguous,
        "unavailable": result.unavailable,
        "not_covered": result.not_covered,
    }
    return (({"state": state}, str(number)) for state, number in states.items())


def _causes(result: RunResult) -> Samples:
    counts = Counter(cause.name for finding in result.findings for cause in finding.causes)
    return (({"cause": name}, str(number)) for name, number in sorted(counts.items()))


def _classes(result: RunResult) -> Samples:
    counts = Counter(finding.kind for finding in result.findings)
    return (({"class": name}, str(number)) for name, number in sorted(counts.items()))


def _limits(result: RunResult) -> Samples:
    yield {}, str(result.check.limit)
    for of, number in result.check.limits.items():
        yield {"class": of}, str(number)


def _coverage(result: RunResult) -> Samples:
    yield {}, repr(float(result.coverage))


def _exits(result: RunResult) -> Samples:
    yield {}, str(result.exit_code)


def _durations(result: RunResult) -> Samples:
    yield {}, f"{result.seconds:.3f}"


def _starts(result: RunResult) -> Samples:
    yield {}, f"{result.started.timestamp():.3f}"


def _proven(result: RunResult) -> Samples:
    """Only while it lasts: the last run was one of the unbroken row."""
    proven, runs = result.history.proven, result.history.runs
    if proven is not None and runs and runs[-1].state == "clean":
        yield {}, f"{proven.since.timestamp():.3f}"
