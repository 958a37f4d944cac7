"""The breaker of a repair: what is too much for single keys is refused, and what does not help is not gone on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

from reconcile.repair import Item, Plan
from translators.errors import DragomanError

FEW = 100
"""So many keys may always be repaired, however small the pair is."""

FEW_DELETES = 10
"""So many may always be deleted, where deletes are allowed."""

MANY = 20
"""From here on one cause that stands behind nearly all keys is no matter of single keys."""

ONE_CAUSE = 0.8

FIRST = 5
"""Keys that are tried before all others."""

NEXT = 50
"""Keys of each later batch."""

FAILED = 0.2
"""No further batch is ordered if more than this share of the keys that were ordered is not healed."""


class RepairTooLarge(DragomanError):
    """The plan repairs {keys} keys of the check {check}; at most {most} are single mistakes."""

    code: ClassVar[str] = "repair.too-large"
    hint: ClassVar[str] = (
        "So many have one reason: mend the mapping, and have the tables read again (`dragoman snapshot`). To repair them "
        "one by one all the same, say --override-breaker. Nothing was ordered."
    )


class RepairOneCause(DragomanError):
    """{keys} of the {all} keys of the plan have one cause: {cause}."""

    code: ClassVar[str] = "repair.one-cause"
    hint: ClassVar[str] = (
        "Mend that cause first, or the keys break again. To repair them all the same, say --override-breaker. "
        "Nothing was ordered."
    )


class RepairDeletes(DragomanError):
    """The plan deletes {things} from {view}; permitted {most}."""

    code: ClassVar[str] = "repair.deletes"
    hint: ClassVar[str] = (
        "Look at them with --dry-run. --allow-deletes permits a few; more than that need --override-breaker as well. "
        "Nothing was ordered."
    )


def permit(plan: Plan, *, deletes: bool, override: bool) -> None:
    """Refuse a plan that is too much for single keys; `override` lets all pass but deletes that were not permitted."""
    gone = sum(item.deletes for item in plan.items)
    most_deletes = max(FEW_DELETES, plan.compared // 10_000)
    if gone and not deletes:
        raise RepairDeletes(things=_things(gone), view=plan.view, most="is none")
    if override:
        return
    if gone > most_deletes:
        raise RepairDeletes(things=_things(gone), view=plan.view, most=f"are {most_deletes:,}")
    keys, most = len(plan.items), max(FEW, plan.compared // 1_000)
    if keys > most:
        raise RepairTooLarge(keys=keys, check=plan.check, most=most)
    if keys >= MANY:
        cause, times = Counter(name for item in plan.items for name in item.causes).most_common(1)[0]
        if times > ONE_CAUSE * keys:
            raise RepairOneCause(keys=times, all=keys, cause=cause)


def _things(number: int) -> str:
    return f"{number:,} {'thing' if number == 1 else 'things'}"


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """A few keys, then more at a time: each batch is proven before the next one is ordered."""
    at, size = 0, FIRST
    while at < len(items):
        yield items[at : at + size]
        at, size = at + size, NEXT


def stops(ordered: int, failed: int) -> bool:
    """Whether so many keys were not healed that the others are better left alone."""
    return failed > FAILED * ordered
