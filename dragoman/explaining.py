"""How a check would compare, without comparing: its plan, why, what a faster one would need, and the statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from dragoman.checking import opened
from dragoman.console import paragraph, say
from dragoman.project import Project
from pipeline.log.port import Log
from reconcile.check import CheckSpec
from reconcile.choice import plan_of
from reconcile.declared import Compare, Freshness, Invariant, Query, Statement
from reconcile.own_view import OwnView
from reconcile.plans import Asked
from reconcile.run import narrowed_sides
from reconcile.slices import Slicer
from reconcile.view import ViewSide

_QUERIES = "The check asks by queries, each as it is written, and looks again at what differs."


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of one check; `faster` is empty where there is no faster one."""

    check: str
    plan: str
    why: str
    faster: str
    statements: tuple[Asked, ...]


def explained(project: Project, spec: CheckSpec, log: Log) -> Explained:
    """What a run of this check would do now. Reads types and the lowest key, and no rows; raises what a run would."""
    if spec.statement is not None:
        asked = tuple(Asked(query.side, query.file or "query", query.sql.strip()) for query in _queries(spec.statement))
        return Explained(check=spec.check, plan="queries", why=_QUERIES, faster="", statements=asked)
    translator = project.made(spec.mapping)
    with opened(project, spec, translator, log, wait=_never, stopped=lambda: None) as (whole, _):
        sides = narrowed_sides(spec, whole)
        with sides.reader.snapshot() as legacy:
            saw = Slicer(spec.terms.slices).saw if spec.terms.slices else None
            plan = plan_of(legacy, sides.view, saw, sums=spec.sums)
            statements = tuple(plan.asked(legacy))
            why = " ".join((plan.why, *_unmentioned(whole.view)))
    return Explained(check=spec.check, plan=plan.name, why=why, faster=plan.faster, statements=statements)


def _unmentioned(view: ViewSide) -> Iterator[str]:
    """What the check leaves out of tables that are somebody else's, so that nobody takes it for compared."""
    if isinstance(view, OwnView) and (columns := view.unmentioned()):
        yield f"The check says nothing of {', '.join(columns)}."


def say_explained(plans: Sequence[Explained]) -> None:
    """The plans for people."""
    for number, one in enumerate(plans):
        if number:
            say()
        say((one.check, "bold"), f": {one.plan}")
        paragraph(one.why)
        if one.faster:
            paragraph(f"To be faster: {one.faster}")
        for asked in one.statements:
            say("  ", (f"{asked.side} {asked.table}", "cyan"))
            paragraph(asked.sql, indent="    ")


def _queries(statement: Statement) -> Iterator[Query]:
    match statement:
        case Compare():
            yield from (statement.expected, statement.shown)
        case Invariant():
            yield statement.broken
        case Freshness() if statement.newest is not None:
            yield statement.newest


def _never(pause: timedelta) -> None:
    raise AssertionError(f"nothing is waited for, {pause} least of all")
