"""Corruptions of orders that hold still: each damages one order in its own way, and says what the check has to call it."""

from __future__ import annotations

import re
from collections.abc import Callable

from pipeline import cloudevents
from pipeline.log.port import Outgoing
from pipeline.projection.content import row_hash
from pipeline.projection.rows import ViewReader
from pipeline.projection.tables import Tables
from tests.model.meaning import text_of
from tests.reconcile.oracle.legacies import PARTITIONS
from tests.reconcile.oracle.scene import Scene

Order = tuple[str, int]
Seed = Callable[[Scene, Order], None]
_OF = "branch = ? AND number = ?"
_ROWS = "br = ? AND no = ?"


def by_hand(scene: Scene, statement: str, *values: object) -> int:
    """Somebody writes into the view; values stand at question marks."""
    statement = statement if scene.views.dialect.name == "sqlite" else statement.replace("?", "%s")
    with scene.views.begin() as connection:
        return connection.exec_driver_sql(statement, values).rowcount


def in_legacy(scene: Scene, order: Order, statement: str) -> None:
    with scene.transaction() as session:
        assert session.execute(statement, row_of(order))


def row_of(order: Order) -> tuple[str, int]:
    """The key of an order as the legacy stores it."""
    return order[0].ljust(3), order[1]


def edited_field(scene: Scene, order: Order) -> None:
    assert by_hand(scene, f"UPDATE order_view SET note = 'by hand' WHERE {_OF}", *order) == 1


def edited_to_null(scene: Scene, order: Order) -> None:
    assert by_hand(scene, f"UPDATE order_view SET status = NULL WHERE {_OF}", *order) == 1


def edited_child(scene: Scene, order: Order) -> None:
    by_hand(scene, f"DELETE FROM order_line_view WHERE {_OF}", *order)
    by_hand(scene, "INSERT INTO order_line_view VALUES (?, ?, 0, 77, 7)", *order)


def edited_money(scene: Scene, order: Order) -> None:
    assert by_hand(scene, f"UPDATE order_view SET paid = '99999.99' WHERE {_OF}", *order) == 1


def row_gone(scene: Scene, order: Order) -> None:
    for table in ("order_line_view", "order_payment_view"):
        by_hand(scene, f"DELETE FROM {table} WHERE {_OF}", *order)
    assert by_hand(scene, f"DELETE FROM order_view WHERE {_OF}", *order) == 1


def misapplied(scene: Scene, order: Order) -> None:
    """The projection wrote something else than was published, and hashed what it wrote."""
    edited_field(scene, order)
    key = text_of(order)
    with scene.views.connect() as connection:
        reader = ViewReader(Tables.of(scene.view_spec, scene.translator.bound.shape))
        stored = reader.read_keys(connection, [key])[key]
    hashed = row_hash(stored.header, stored.children)
    assert by_hand(scene, "UPDATE order_view SET _row_hash = ? WHERE _key = ?", hashed, key) == 1


def lost_update(scene: Scene, order: Order) -> None:
    """The view's reader never got the record of one change."""
    _lost(scene, order, "UPDATE orders SET note = 'a change that got lost' WHERE " + _ROWS)


def lost_tombstone(scene: Scene, order: Order) -> None:
    _lost(scene, order, f"DELETE FROM orders WHERE {_ROWS}")


def _lost(scene: Scene, order: Order, statement: str) -> None:
    scene.losing = {text_of(order)}
    in_legacy(scene, order, statement)
    scene.flow()
    scene.losing = set()


def not_captured(scene: Scene, order: Order) -> None:
    """A program loaded rows past the triggers."""
    _unseen(scene, order, f"UPDATE orders SET note = 'nobody heard' WHERE {_ROWS}")


def not_captured_delete(scene: Scene, order: Order) -> None:
    _unseen(scene, order, f"DELETE FROM orders WHERE {_ROWS}")


def _unseen(scene: Scene, order: Order, statement: str) -> None:
    scene.flow()
    with scene.source.unseen() as session:
        assert session.execute(statement, row_of(order))


def wrong_in_the_stream(scene: Scene, order: Order) -> None:
    """Somebody wrote a record into the state stream, which says something else; the view shows it faithfully."""
    scene.flow()
    key = text_of(order).encode()
    partition, last = next(
        (p, record)
        for p in range(PARTITIONS)
        for record in reversed(scene.log.read("order.state", p, 0, 1_000_000).records)
        if record.key == key
    )
    event = cloudevents.read(last)
    epoch, version, *rest = event.sequence.split(".")
    higher = ".".join((epoch, f"{int(version, 10) + 1:0{len(version)}d}", *rest))
    headers = tuple((n, higher.encode() if n == "ce_sequence" else v) for n, v in last.headers)
    value = re.sub(rb'"paid":"[-0-9.]+"', b'"paid":"7070.70"', last.value or b"")
    assert headers != last.headers and value != last.value
    scene.log.append(
        [Outgoing(topic="order.state", partition=partition, timestamp=0, key=key, value=value, headers=headers)]
    )
    scene.flow()


def never_published(scene: Scene, order: Order) -> None:
    """The record of a change is not in the state stream, though the translator counts it as published."""
    scene.flow()
    in_legacy(scene, order, f"UPDATE orders SET note = 'published to nobody' WHERE {_ROWS}")
    while scene.source.turn() + scene.worker.turn():
        pass
    key, taken = text_of(order).encode(), 0
    for number in range(PARTITIONS):
        partition = scene.log._partitions["order.state", number]
        if partition.records and partition.records[-1].key == key:
            partition.keep(partition.records[:-1])
            taken += 1
    assert taken == 1
    scene.flow()


def parked(scene: Scene, order: Order) -> None:
    """A code that nobody mapped: the step waits, and so does what comes behind it."""
    in_legacy(scene, order, f"UPDATE orders SET sts = 'X' WHERE {_ROWS}")
    scene.flow()


def invented(scene: Scene, order: Order) -> None:
    """An order that never was, put into the view by hand."""
    names = "status, note, paid, _version, _commit_time, _applied_time, _source_position, _event_id, _row_hash"
    key = text_of(invention(order))
    into = f"INSERT INTO order_view (branch, number, _key, {names}) SELECT branch, ?, ?, {names} FROM order_view WHERE {_OF}"
    assert by_hand(scene, into, invention(order)[1], key, *order) == 1


def invention(order: Order) -> Order:
    """The order that `invented` makes up after an existing one."""
    return order[0], order[1] + 500


SEEDS: dict[Seed, tuple[str, ...]] = {
    edited_field: ("edited-in-view",),
    edited_to_null: ("edited-in-view",),
    edited_child: ("edited-in-view",),
    edited_money: ("edited-in-view",),
    row_gone: ("consumer-missed",),
    misapplied: ("consumer-misapplied",),
    lost_update: ("consumer-missed",),
    lost_tombstone: ("deleted-not-applied",),
    not_captured: ("capture-gap",),
    not_captured_delete: ("capture-gap",),
    wrong_in_the_stream: ("not-published",),
    never_published: ("not-published",),
    parked: ("parked",),
    invented: ("edited-in-view",),
}
"""What each has to be called."""
