"""Corruptions of orders that hold still: each damages one order in its own way, and says what the check has to call it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pipeline import cloudevents
from pipeline.log.port import Outgoing, Record
from pipeline.projection.content import row_hash
from pipeline.projection.rows import ViewReader
from pipeline.projection.tables import Tables
from tests.model.meaning import text_of
from tests.reconcile.oracle.legacies import PARTITIONS
from tests.reconcile.oracle.scene import Scene

Order = tuple[str, int]
Seed = Callable[[Scene, Order], None]
STREAM = "order.state"
_OTHER_SUM = rb'"paid":"7070.70"'
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


def lost_and_compacted_tombstone(scene: Scene, order: Order) -> None:
    """By now nothing of the order is in the stream any more."""
    lost_tombstone(scene, order)
    assert take_away(scene, order)


def lost_insert(scene: Scene, order: Order) -> None:
    scene.losing = {text_of(stranger_of(order, NEW))}
    scene.place(stranger_of(order, NEW))
    scene.flow()
    scene.losing = set()


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


def not_captured_insert(scene: Scene, order: Order) -> None:
    scene.flow()
    with scene.source.unseen() as session:
        row = row_of(stranger_of(order, NEW))
        session.execute("INSERT INTO orders VALUES (?, ?, 'N', NULL, 0)", row)


def wrong_on_both_legs(scene: Scene, order: Order) -> None:
    not_captured(scene, order)
    edited_money(scene, order)


def _unseen(scene: Scene, order: Order, statement: str) -> None:
    scene.flow()
    with scene.source.unseen() as session:
        assert session.execute(statement, row_of(order))


def wrong_in_the_stream(scene: Scene, order: Order) -> None:
    """Somebody wrote a record into the state stream, which says something else; the view shows it faithfully."""
    _write_to_stream(scene, order, _OTHER_SUM)


def unfit_in_the_stream(scene: Scene, order: Order) -> None:
    """The record of a change was damaged, so that no view can take it."""
    last = _unpublished(scene, order, f"UPDATE orders SET note = 'cannot be taken' WHERE {_ROWS}")
    _append(scene, last, value=re.sub(rb'"paid":"[-0-9.]+"', b'"paid":"much"', last.value or b""))


def unfit_and_not_missed(scene: Scene, order: Order) -> None:
    """Somebody wrote a record that no view can take, so that the view shows what is right."""
    _write_to_stream(scene, order, b'"paid":"much"')


def published_by_another_mapping(scene: Scene, order: Order) -> None:
    _write_to_stream(scene, order, _OTHER_SUM, ce_mappingversion=b"an older one")


def invented_in_the_stream(scene: Scene, order: Order) -> None:
    """Somebody wrote the record of an order that never was."""
    stranger = text_of(stranger_of(order, IN_STREAM)).encode()
    number = b'"number":"%d"' % (order[1] + IN_STREAM)
    scene.flow()
    last = last_record(scene, order)
    value = re.sub(rb'"number":"\d+"', number, last.value or b"")
    headers = tuple((name, stranger if name == "ce_subject" else header) for name, header in last.headers)
    _append(scene, last, key=stranger, value=value, headers=headers)


def _write_to_stream(scene: Scene, order: Order, paid: bytes, **more: bytes) -> None:
    scene.flow()
    last = last_record(scene, order)
    epoch, version, *rest = cloudevents.read(last).sequence.split(".")
    higher = ".".join((epoch, f"{int(version, 10) + 1:0{len(version)}d}", *rest))
    given = {"ce_sequence": higher.encode(), **more}
    headers = tuple((name, given.get(name, header)) for name, header in last.headers)
    value = re.sub(rb'"paid":"[-0-9.]+"', paid, last.value or b"")
    assert headers != last.headers and value != last.value
    _append(scene, last, value=value, headers=headers)


def _append(scene: Scene, like: Record, **other: Any) -> None:
    """Append a record that is like one but for this, and have it come all the way."""
    given = {"key": like.key, "value": like.value, "headers": like.headers, **other}
    scene.log.append([Outgoing(topic=like.topic, partition=like.partition, timestamp=0, **given)])
    scene.flow()


def records(scene: Scene, order: Order) -> list[Record]:
    """What the state stream has of an order, in its order."""
    found = [record for p in range(PARTITIONS) for record in scene.log.read(STREAM, p, 0, 1_000_000).records]
    return [record for record in found if record.key == text_of(order).encode()]


def last_record(scene: Scene, order: Order) -> Record:
    """The last one of them."""
    return records(scene, order)[-1]


def applied_out_of_order(scene: Scene, order: Order) -> None:
    """An older record stands behind a newer one, and the view took it."""
    _older_behind(scene, order)
    assert by_hand(scene, "UPDATE order_view SET _version = '0' WHERE _key = ?", text_of(order)) == 1
    _append(scene, records(scene, order)[-3])


def _older_behind(scene: Scene, order: Order) -> None:
    scene.flow()
    in_legacy(scene, order, f"UPDATE orders SET note = 'newer' WHERE {_ROWS}")
    scene.flow()
    _append(scene, records(scene, order)[-2])


def never_published(scene: Scene, order: Order) -> None:
    """The record of a change is not in the state stream, though the translator counts it as published."""
    _unpublished(scene, order, f"UPDATE orders SET note = 'published to nobody' WHERE {_ROWS}")


def tombstone_never_published(scene: Scene, order: Order) -> None:
    _unpublished(scene, order, f"DELETE FROM orders WHERE {_ROWS}")


def _unpublished(scene: Scene, order: Order, statement: str) -> Record:
    scene.flow()
    before = last_record(scene, order)
    in_legacy(scene, order, statement)
    while scene.source.turn() + scene.worker.turn():
        pass
    last = last_record(scene, order)
    assert take_away(scene, order, before.offset) == 1
    scene.flow()
    return last


def take_away(scene: Scene, order: Order, behind: int = -1) -> int:
    """Take the records of an order that stand behind an offset out of the state stream; how many they were."""
    mine, taken = text_of(order).encode(), 0
    for number in range(PARTITIONS):
        partition = scene.log._partitions[STREAM, number]
        kept = [one for one in partition.records if one.key != mine or one.offset <= behind]
        taken += len(partition.records) - len(kept)
        partition.keep(kept)
    return taken


def parked(scene: Scene, order: Order) -> None:
    """A code that nobody mapped: the step waits, and so does what comes behind it."""
    in_legacy(scene, order, f"UPDATE orders SET sts = 'X' WHERE {_ROWS}")
    scene.flow()


def invented(scene: Scene, order: Order) -> None:
    """An order that never was, put into the view by hand."""
    names = "status, note, paid, _version, _commit_time, _applied_time, _source_position, _event_id, _row_hash"
    number, key = order[1] + BY_HAND, text_of(stranger_of(order, BY_HAND))
    into = f"INSERT INTO order_view (branch, number, _key, {names}) SELECT branch, ?, ?, {names} FROM order_view WHERE {_OF}"
    assert by_hand(scene, into, number, key, *order) == 1


def rekeyed(scene: Scene, order: Order) -> None:
    """A row was given the key of an order that never was."""
    keys = text_of(stranger_of(order, NEW)), text_of(order)
    assert by_hand(scene, "UPDATE order_view SET _key = ? WHERE _key = ?", *keys) == 1


BY_HAND, IN_STREAM, NEW = 500, 600, 700


def stranger_of(order: Order, apart: int) -> Order:
    """Another order that is made up after one, or comes to be beside it."""
    return order[0], order[1] + apart


SEEDS: dict[Seed, dict[int, tuple[str, ...]]] = {
    edited_field: {0: ("edited-in-view",)},
    edited_to_null: {0: ("edited-in-view",)},
    edited_child: {0: ("edited-in-view",)},
    edited_money: {0: ("edited-in-view",)},
    row_gone: {0: ("consumer-missed",)},
    rekeyed: {0: ("consumer-missed",), NEW: ("edited-in-view",)},
    misapplied: {0: ("consumer-misapplied",)},
    applied_out_of_order: {0: ("applied-out-of-order",)},
    lost_insert: {NEW: ("consumer-missed",)},
    lost_update: {0: ("consumer-missed",)},
    lost_tombstone: {0: ("deleted-not-applied",)},
    lost_and_compacted_tombstone: {0: ("deleted-not-applied",)},
    not_captured: {0: ("capture-gap",)},
    not_captured_insert: {NEW: ("capture-gap",)},
    not_captured_delete: {0: ("capture-gap",)},
    wrong_on_both_legs: {0: ("capture-gap", "edited-in-view")},
    wrong_in_the_stream: {0: ("not-published",)},
    unfit_in_the_stream: {0: ("not-published", "consumer-refused")},
    published_by_another_mapping: {0: ("mapping-changed",)},
    invented_in_the_stream: {IN_STREAM: ("capture-or-mapping",)},
    never_published: {0: ("not-published",)},
    tombstone_never_published: {0: ("not-published",)},
    parked: {0: ("parked",)},
    invented: {BY_HAND: ("edited-in-view",)},
}
"""What each has to be called: how far the order's number is from that of the one that was damaged, and the causes."""


def sent_twice(scene: Scene, order: Order) -> None:
    """The last record stands in the stream again."""
    scene.flow()
    _append(scene, last_record(scene, order))


def older_behind(scene: Scene, order: Order) -> None:
    """An older record stands behind a newer one, and the view did not take it."""
    _older_behind(scene, order)


def there_and_back(scene: Scene, order: Order) -> None:
    """A change that nobody captured was taken back, as unseen."""
    scene.flow()
    with scene.source.unseen() as session:
        session.execute(f"UPDATE orders SET touched = touched + 1 WHERE {_ROWS}", row_of(order))
        session.execute(f"UPDATE orders SET touched = touched - 1 WHERE {_ROWS}", row_of(order))


def outside_of_the_mapping(scene: Scene, order: Order) -> None:
    """A column that the mapping does not read was written past the capture."""
    scene.flow()
    with scene.source.unseen() as session:
        session.execute(f"UPDATE orders SET touched = 77 WHERE {_ROWS}", row_of(order))


def written_otherwise(scene: Scene, order: Order) -> None:
    """The view was written by hand, and says the same."""
    assert by_hand(scene, f"UPDATE order_view SET paid = 0 + paid WHERE {_OF}", *order) == 1


HARMLESS: tuple[Seed, ...] = (
    sent_twice,
    older_behind,
    unfit_and_not_missed,
    there_and_back,
    outside_of_the_mapping,
    written_otherwise,
)
"""What happened, and is no drift."""
