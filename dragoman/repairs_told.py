"""A repair in words: its plan, and what became of each key."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dragoman.console import count, paragraph, say
from dragoman.mending import Repaired
from reconcile.breaker import permit
from reconcile.repair import Plan
from translators.errors import DragomanError

SHOWN = 60
"""Keys of one group that are listed; the plan's file has all of them."""


def near(path: Path) -> Path:
    """A path as it is typed from where the command was."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def as_data(plan: Plan, path: Path) -> dict[str, Any]:
    """A plan as data, with the file that it is kept in."""
    return {"file": str(path), **msgspec.to_builtins(plan)}


def say_plan(plan: Plan, path: Path) -> None:
    """A plan: what would be done to which keys, and why; what is left alone, and what a person has to do about it."""
    say((f"{count(len(plan.items), 'key')} of {plan.view} to repair", "bold"), f", found by the run {plan.basis.run}")
    _say_groups((f"{i.action}{', a deletion' if i.deletes else ''}: {i.why}", i.key) for i in plan.items)
    if plan.left:
        say((f"{count(len(plan.left), 'key')} that no order mends", "bold"))
        _say_groups((one.why, one.key) for one in plan.left)
    if plan.healed:
        say(f"{count(len(plan.healed), 'key')} healed since the run.")
    say(f"The plan: {path}")


def _say_groups(said: Iterable[tuple[str, str]]) -> None:
    """Keys by what is said of them: many rows are read as a few lines."""
    groups: dict[str, list[str]] = {}
    for text, key in said:
        groups.setdefault(text, []).append(key)
    say()
    for text, keys in groups.items():
        paragraph(text, "        ", f"{len(keys):>6,}  ")
        more = f" and {len(keys) - SHOWN:,} more" if len(keys) > SHOWN else ""
        paragraph(", ".join(keys[:SHOWN]) + more, "        ")
    if groups:
        say()


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
    say("Nothing was ordered. To carry it out, while what it was made from stands:")
    say(f"  dragoman reconcile repair {shlex.quote(plan.check)} --plan {shlex.quote(str(path))}{flag}")
    if deletes:
        say(f"It deletes {count(deletes, 'thing')} from the view, which needs that permission.")


def say_repaired(told: Sequence[Repaired], plan: Plan) -> None:
    """What became of the keys."""
    say()
    say((", ".join(_counts(told)) or "Nothing to repair.", "bold"))
    _say_groups((_said(one), one.key) for one in told)
    persons = sum(one.escalate for one in plan.left)
    if persons or any(one.outcome == "escalated" for one in told):
        also = f"{count(persons, 'key')} escalated without an order. " if persons else ""
        say(f"{also}What a person has to do: dragoman reconcile findings {plan.check}")


def _counts(told: Sequence[Repaired]) -> Iterator[str]:
    for name in _OUTCOMES:
        number = sum(one.outcome == name for one in told)
        if number:
            yield f"{count(number, 'key')} {name}"


def _said(one: Repaired) -> str:
    """What is said of one key; the ledger has what the worker told of the others."""
    told = f" ({one.told})" if one.outcome == "unproven" else ""
    advice = f" {one.advice}" if one.advice else ""
    return f"{one.action}: {_OUTCOMES[one.outcome]}{told}.{advice}"


_OUTCOMES = {
    "closed": "healed, it agrees behind the fence",
    "escalated": "it still differs",
    "unproven": "not proven in time",
    "stale": "it moved since the plan was made, nothing was ordered",
    "held": "not ordered, too many of those before it did not heal",
}
