"""The breaker of a repair: how many keys, of how many causes, and how many deletions may pass; and when it stops midway."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest

from reconcile.breaker import batches, permit, stops
from reconcile.finding import CauseName
from reconcile.remedies import REMEDIES, mends, unmended
from reconcile.repair import Basis, Item, Plan
from translators.errors import DragomanError

CAUSES = ("edited-in-view", "consumer-missed", "capture-or-mapping")


def plan_of(keys: int, *, compared: int = 1_000, causes: tuple[str, ...] = CAUSES, deletes: int = 0) -> Plan:
    """A plan for so many keys, the causes taken in turn, the first ones deletions."""
    items = tuple(
        Item(
            finding=f"f-{n}", key=str(n), kind="mismatch", causes=(causes[n % len(causes)],), action="republish",
            why="", deletes=n < deletes, version="", expected="", source="", seen="",
        )
        for n in range(keys)
    )  # fmt: skip
    return Plan(
        plan="p", check="c", translator="t", view="v", basis=Basis(run="r", mapping="m", view="v", check="c"), position=1,
        compared=compared, made=datetime(2026, 1, 1, tzinfo=UTC), items=items, left=(), healed=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "deletes", "code"),
    [
        (plan_of(100), False, None),
        (plan_of(101), False, "repair.too-large"),
        (plan_of(200, compared=200_000), False, None),
        (plan_of(201, compared=200_000), False, "repair.too-large"),
        (plan_of(19, causes=CAUSES[:1]), False, None),
        (plan_of(20, causes=CAUSES[:1]), False, "repair.one-cause"),
        (plan_of(20, causes=(*CAUSES[:1] * 4, CAUSES[1])), False, None),
        (plan_of(3, deletes=1), False, "repair.deletes"),
        (plan_of(30, deletes=10), True, None),
        (plan_of(30, deletes=11), True, "repair.deletes"),
    ],
)
def test_the_breaker(plan: Plan, deletes: bool, code: str | None) -> None:
    if code is None:
        permit(plan, deletes=deletes, override=False)
        return
    with pytest.raises(DragomanError) as refused:
        permit(plan, deletes=deletes, override=False)
    assert refused.value.code == code


def test_an_override_permits_all_but_deletions_that_were_not_permitted() -> None:
    permit(plan_of(500, causes=CAUSES[:1], deletes=50), deletes=True, override=True)
    with pytest.raises(DragomanError, match="deletes 1 thing from"):
        permit(plan_of(500, deletes=1), deletes=False, override=True)


def test_a_few_go_first_and_more_than_a_fifth_that_fail_are_enough() -> None:
    items = plan_of(120).items
    made = list(batches(items))
    assert [len(batch) for batch in made] == [5, 50, 50, 15]
    assert [item for batch in made for item in batch] == list(items)
    assert [stops(5, 1), stops(5, 2), stops(55, 11), stops(55, 12), stops(0, 0)] == [False, True, False, True, False]


def test_every_cause_of_a_row_is_mended_or_says_what_to_do() -> None:
    for cause in get_args(CauseName):
        assert (cause in REMEDIES) != bool(unmended((cause,)))
    assert mends(("edited-in-view",)) == "republish"
    assert mends(("edited-in-view", "capture-or-mapping")) == "reload"
    assert mends(("edited-in-view", "parked")) is None


def test_a_plan_that_was_changed_has_another_digest() -> None:
    plan = plan_of(3, deletes=1).sealed()
    assert plan.digest == plan.own_digest()
    assert plan_of(3).own_digest() != plan.digest
