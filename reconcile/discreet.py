"""A confirmed difference without the values of fields that its check says may not be shown."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from reconcile.confirm import Confirmed
from reconcile.evidence import Evidence
from reconcile.terms import covers
from translators.problem import Problem


def discreet(confirmed: Confirmed, hidden: Collection[str]) -> Confirmed:
    """The same, without what problems quote of the `hidden` fields. What the view says of a record is of no one field."""
    if not hidden:
        return confirmed
    replace = msgspec.structs.replace
    expected = confirmed.comparison.expected
    comparison = replace(confirmed.comparison, expected=replace(expected, problem=_unsaid(expected.problem, hidden)))
    return replace(confirmed, comparison=comparison, evidence=_evidence(confirmed.evidence, hidden))


def _evidence(evidence: Evidence, hidden: Collection[str]) -> Evidence:
    replace = msgspec.structs.replace
    stored, parked = evidence.stored, evidence.view_parked
    return replace(
        evidence,
        waiting=tuple(replace(step, problem=_unsaid(step.problem, hidden)) for step in evidence.waiting),
        stored=None if stored is None else replace(stored, unmapped=_unsaid(stored.unmapped, hidden)),
        view_parked=None if parked is None else replace(parked, message="what it says is not shown"),
    )


def _unsaid(problem: Problem | None, hidden: Collection[str]) -> Problem | None:
    if problem is None or problem.field is None or not covers(hidden, problem.field.replace("[]", "")):
        return problem
    return msgspec.structs.replace(problem, message=f"{problem.field}: the value is refused", hint=None)
