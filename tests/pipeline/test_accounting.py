"""The accounting: sums that fit and sums that do not, whatever is lost or doubled."""

from __future__ import annotations

import pytest

from pipeline.accounting import Line, account, total
from pipeline.state.port import Count

COUNTS: dict[Count, int] = {
    ("orders", "read"): 20,
    ("orders", "repeat"): 3,
    ("orders", "late"): 1,
    ("orders", "translated"): 6,
    ("orders", "loaded"): 4,
    ("orders", "ignored: nobody cares"): 5,
    ("orders", "ignored: no business change"): 0,
    ("orders", "rejected"): 1,
    ("orders", "parked"): 1,
    ("", "event: OrderPlaced.v1"): 4,
    ("", "event: OrderDropped.v1"): 1,
}


def test_what_fits() -> None:
    one = account("order", COUNTS, {"orders": 2, "lines": 3})
    orders = next(line for line in one.lines if line.table == "orders")
    assert (orders.changes, orders.outcomes, orders.in_flight) == (19, 19, 2)
    assert orders.ignored == {"nobody cares": 5}
    assert one.fits
    assert one.events == {"OrderDropped.v1": 1, "OrderPlaced.v1": 4}
    assert total(one.lines) == Line(
        table="all", read=20, repeats=3, late=1, translated=6, loaded=4, ignored={"nobody cares": 5}, rejected=1,
        parked=1, in_flight=5,
    )  # fmt: skip


@pytest.mark.parametrize("count", [count for count in COUNTS if count[0] and count[1] != "late"])
@pytest.mark.parametrize("by", [-1, 1])
def test_each_count_is_part_of_the_sum(count: Count, by: int) -> None:
    assert not account("order", {**COUNTS, count: COUNTS[count] + by}, {}).fits


def test_late_changes_stand_beside_the_sum() -> None:
    assert account("order", {**COUNTS, ("orders", "late"): 7}, {}).fits


def test_a_negative_count_never_fits() -> None:
    counts = {("orders", "translated"): -1, ("orders", "loaded"): 1, ("orders", "read"): 0}
    assert not account("order", counts, {}).fits


def test_a_label_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="lost"):
        account("order", {("orders", "lost"): 1}, {})
