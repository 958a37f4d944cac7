"""A repair in words: its plan, and what became of each key."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from dragoman.console import count, paragraph, say
from dragoman.mending import Repaired
from reconcile.breaker import permit
from reconcile.repair import Item, Left, Plan
from translators.errors import DragomanError


def as_data(plan: Plan, path: Path) -> dict[str, Any]:
    """A plan as data, with the file that it is kept in."""
    return {"file": str(path), **msgspec.to_builtins(plan)}


def say_plan(plan: Plan, path: Path) -> None:
    """A plan: what would be done to which keys, and why; what is left alone, and what a person has to do about it."""
    say((f"{count(len(plan.items), 'key')} of {plan.view} to repair", "bold"), f", found by the run {plan.basis.run}")
    for item in plan.items:
        _say_item(item)
    if plan.left:
        say()
        say((f"{count(len(plan.left), 'key')} that no order mends", "bold"))
        for one in plan.left:
            _say_left(one)
    if plan.healed:
        say()
        say(f"{count(len(plan.healed), 'key')} healed since the run.")
    say()
    say(f"The plan: {path}")


def _say_item(item: Item) -> None:
    say()
    say("  ", (item.key, "bold"), f"   {item.action}{', a deletion' if item.deletes else ''}   {item.finding}")
    paragraph(f"{item.kind} · {item.why}", "       ")


def _say_left(one: Left) -> None:
    say()
    say("  ", (one.key, "bold"), f"   {'escalated' if one.escalate else 'left alone'}   {one.finding}".rstrip())
    paragraph(one.why, "       ")


def say_how(plan: Plan, path: Path, *, override: bool) -> None:
    """How a plan of which nothing was ordered is carried out, or why it would be refused."""
    deletes = sum(item.deletes for item in plan.items)
    try:
        permit(plan, deletes=True, override=override)
    except DragomanError as error:
        say("Nothing was ordered, and it would be refused:")
        paragraph(f"{error.message} {error.advice}")
        return
    flag = " --allow-deletes" if deletes else ""
    say("Nothing was ordered. To carry it out, while nothing that it was made from changes:")
    say(f"  dragoman reconcile repair {shlex.quote(plan.check)} --plan {shlex.quote(str(path))}{flag}")
    if deletes:
        say(f"It deletes {count(deletes, 'thing')} from the view, which needs that permission.")


def say_repaired(told: Sequence[Repaired], plan: Plan) -> None:
    """What became of each key."""
    say()
    for one in told:
        command = "" if one.command is None else f", command {one.command}"
        say((one.key, "bold"), f"   {one.action}{command}   {_OUTCOMES[one.outcome]}")
        for said in (one.told, one.advice):
            if said:
                paragraph(said, "       ")
    persons = sum(one.escalate for one in plan.left)
    counts = [f"{sum(one.outcome == name for one in told):,} {name}" for name in _OUTCOMES]
    say(", ".join(one for one in counts if one[:2] != "0 ") or "Nothing to repair.")
    if persons:
        say(
            f"{count(persons, 'key')} escalated without an order: `dragoman reconcile findings {plan.check}` says what to do."
        )


_OUTCOMES = {
    "closed": "healed: it agrees behind the fence",
    "escalated": "still differs after the repair: a person has to look at it",
    "unproven": "not proven in time",
    "stale": "moved since the plan was made: nothing was ordered",
    "held": "not ordered: too many of those before it did not heal",
}
