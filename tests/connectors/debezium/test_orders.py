"""The orders feed, whole: every record is read, and what it holds adds up."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded, Tombstone, TransactionMark
from tests.connectors.debezium.captures import orders, orders_schema
from translators.change import Change


def whole() -> list[Decoded]:
    decoder = Decoder(orders_schema())
    return [decoder.decode(*record) for record in orders()]


def test_the_whole_feed() -> None:
    found = whole()
    changes = [record for record in found if isinstance(record, Change)]
    assert Counter(type(record) for record in found) == {Change: 28107, TransactionMark: 5204, Tombstone: 511}
    assert Counter((change.table, change.op) for change in changes) == {
        ("customer", "r"): 3000,
        ("item", "r"): 1000,
        ("orders", "c"): 1921,
        ("order_line", "c"): 15464,
        ("orders", "u"): 583,
        ("order_line", "u"): 4708,
        ("customer", "u"): 583,
        ("orders", "d"): 98,
        ("order_line", "d"): 750,
    }
    assert not any(change.flagged for change in changes)


def test_the_connector_counted_what_we_count() -> None:
    found = whole()
    marks = [record for record in found if isinstance(record, TransactionMark)]
    ends = {mark.transaction: mark.counts for mark in marks if mark.status == "END"}
    mine: dict[str, Counter[str]] = {}
    for record in found:
        if isinstance(record, Change) and record.transaction is not None:
            mine.setdefault(record.transaction, Counter())[record.table] += 1
    assert mine == ends
    assert max(int(transaction) for transaction in ends) == 3336


def test_the_rows_that_are_left_are_those_of_the_orders_that_are_left() -> None:
    rows: dict[str, dict[str, Change]] = {"orders": {}, "order_line": {}}
    for change in sorted([one for one in whole() if isinstance(one, Change)], key=lambda one: one.position):
        if change.table in rows and change.op == "d":
            del rows[change.table][change.row_key]
        elif change.table in rows:
            rows[change.table][change.row_key] = change
    assert {key.partition("/")[0] for key in rows["order_line"]} == set(rows["orders"])
    assert (len(rows["orders"]), len(rows["order_line"])) == (1921 - 98, 15464 - 750)
    for change in rows["order_line"].values():
        row = change.after or {}
        amount = row["ol_amount"]
        assert (
            isinstance(amount, Decimal) and amount.as_tuple().exponent == -2 and Decimal(0) < amount < Decimal(10_000)
        )


def test_two_records_by_hand() -> None:
    order, line = whole()[:2]
    assert isinstance(order, Change) and isinstance(line, Change)
    assert order.after == {
        "o_id": 2,
        "o_c_id": 1597,
        "o_entry_d": datetime(2026, 11, 20, 9, 27, 16, 577652, tzinfo=UTC),
        "o_carrier_id": None,
        "o_sts": "N",
        "o_rmk": "rmk rmk rmk ",
    }
    assert (order.row_key, order.transaction, order.committed_after, order.position) == ("2", "736", 22714136, 22714136)
    # AQ== is 1; APSh is 0x00F4A1 = 62625 hundredths.
    assert line.after == {
        "ol_o_id": 2,
        "ol_number": 1,
        "ol_i_id": 623,
        "ol_quantity": Decimal("1"),
        "ol_amount": Decimal("626.25"),
        "ol_delivery_d": None,
    }
    assert line.row_key == "2/1"
