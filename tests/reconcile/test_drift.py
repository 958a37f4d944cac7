"""Seeded corruption: each is found, with its class and cause, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.confirm import ROUNDS
from reconcile.run import RunResult
from tests.reconcile.world import CHECK, World


def found(result: RunResult) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Key -> class and causes."""
    return {f.key: (f.kind, tuple(cause.name for cause in f.causes)) for f in result.findings}


def assert_adds_up(result: RunResult) -> None:
    parts = (result.agree, result.confirmed, result.in_flight, result.unconfirmed, result.not_covered)
    assert sum(parts) == result.compared
    assert result.confirmed == len(result.findings) == sum(len(group.keys) for group in result.groups)


@pytest.fixture
def full(world: World) -> World:
    """Eight items with lines, all the way through."""
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


def test_what_agrees_is_clean(full: World) -> None:
    result = full.run()
    assert (result.exit_code, result.compared, result.agree, result.coverage) == (0, 8, 8, 1.0)
    assert result.findings == ()
    assert result.legacy_rows == (("item", 8), ("itmlin", 16))
    assert [hop.name for hop in result.hops] == ["Capture", "Translator", "View"]
    assert all(hop.passed for hop in result.hops)


def lose(world: World, number: str, change: Callable[[], None]) -> None:
    """The projection loses the record of one change."""
    change()
    world.losing = {number}
    world.flow()
    world.losing = set()


def lost_update(world: World) -> None:
    lose(world, "A3", lambda: world.write("A3", "bolt 3", 999, lines=((1, "2.50"), (2, None))))


def lost_insert(world: World) -> None:
    lose(world, "A9", lambda: world.write("A9"))


def lost_delete(world: World) -> None:
    lose(world, "A3", lambda: world.delete("A3"))


def lost_tombstone_compacted(world: World) -> None:
    lost_delete(world)
    world.log.compact("item.state")
    world.log.compact("item.state")


def edited_field(world: World) -> None:
    world.sql("UPDATE item_view SET amount = '12.50' WHERE number = 'A3'")


def edited_child(world: World) -> None:
    world.sql("UPDATE item_line_view SET quantity = '9.00' WHERE number = 'A3' AND sequence = 1")


def edited_child_away(world: World) -> None:
    world.sql("DELETE FROM item_line_view WHERE number = 'A3' AND sequence = 2")


def inserted_by_hand(world: World) -> None:
    world.sql(
        "INSERT INTO item_view SELECT 'X1', name, amount, owner, 'X1', _version, _commit_time, _applied_time, "
        "_source_position, _event_id, _row_hash FROM item_view WHERE number = 'A3'"
    )


def row_gone(world: World) -> None:
    world.sql("DELETE FROM item_view WHERE number = 'A3'")


def misapplied(world: World) -> None:
    """The projection wrote something else than was published, and hashed what it wrote."""
    row = world.sides().view
    world.sql("UPDATE item_view SET amount = '12.50' WHERE number = 'A3'")
    from pipeline.projection.content import row_hash
    from pipeline.projection.rows import ViewReader
    from pipeline.projection.tables import Tables
    from tests.reconcile.world import SHAPE

    assert row is not None
    with world.engines[1].connect() as connection:
        stored = ViewReader(Tables.of(world.spec, SHAPE)).read_keys(connection, ["A3"])["A3"]
    world.sql("UPDATE item_view SET _row_hash = ? WHERE number = 'A3'", row_hash(stored.header, stored.children))


def refused_and_parked(world: World) -> None:
    world.write("A3", "LT", lines=((1, "2.50"), (2, None)))
    world.park("A3", behind=2)
    world.flow()


def parked_then_mappable(world: World) -> None:
    """The refused step waits; a later change made the rows mappable again, and waits as well."""
    world.write("A3", "nut", 300, lines=((1, "2.50"), (2, None)))
    world.park("A3", behind=1)
    world.capture()
    world.log.commit("dragoman.item", {("legacy.item", p): world.log.end("legacy.item", p) for p in (0, 1)})


def not_captured(world: World) -> None:
    """A bulk load with the triggers off."""
    world.legacy.execute("DROP TRIGGER IF EXISTS _dragoman_item_after_update")
    triggers = [r[0] for r in world.legacy.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for name in triggers:
        world.legacy.execute(f'DROP TRIGGER "{name}"')
    world.legacy.execute("UPDATE item SET amt = 4711 WHERE itm_no = ?", ("A3".ljust(12),))


def parked_and_edited(world: World) -> None:
    parked_then_mappable(world)
    edited_field(world)


CORRUPTIONS: list[tuple[Callable[[World], None], str, str, tuple[str, ...], tuple[str, ...]]] = [
    (lost_update, "A3", "stale", ("consumer-missed",), ("amount",)),
    (lost_insert, "A9", "missing", ("consumer-missed",), ()),
    (lost_delete, "A3", "extra", ("deleted-not-applied",), ()),
    (lost_tombstone_compacted, "A3", "extra", ("deleted-not-applied",), ()),
    (edited_field, "A3", "mismatch", ("edited-in-view",), ("amount",)),
    (edited_child, "A3", "mismatch", ("edited-in-view",), ("lines.quantity",)),
    (edited_child_away, "A3", "mismatch", ("edited-in-view",), ("lines", "lines.sequence", "lines.quantity")),
    (inserted_by_hand, "X1", "extra", ("edited-in-view",), ()),
    (row_gone, "A3", "missing", ("consumer-missed",), ()),
    (misapplied, "A3", "mismatch", ("consumer-misapplied",), ("amount",)),
    (refused_and_parked, "A3", "refused", ("parked",), ("name",)),
    (parked_then_mappable, "A3", "stale", ("parked",), ("name",)),
    (not_captured, "A3", "stale", ("capture-or-mapping",), ("amount",)),
    (parked_and_edited, "A3", "mismatch", ("parked", "edited-in-view"), ("name", "amount")),
]


@pytest.mark.parametrize(
    ("corrupt", "key", "kind", "causes", "fields"), CORRUPTIONS, ids=[c[0].__name__ for c in CORRUPTIONS]
)
def test_each_corruption_is_found_with_class_and_cause(
    full: World,
    corrupt: Callable[[World], None],
    key: str,
    kind: str,
    causes: tuple[str, ...],
    fields: tuple[str, ...],
) -> None:
    corrupt(full)
    result = full.run()
    assert found(result) == {key: (kind, causes)}
    assert result.findings[0].fields == fields
    assert (result.exit_code, result.coverage) == (1, 1.0)
    assert_adds_up(result)


def test_the_limit_is_what_is_tolerated(full: World) -> None:
    edited_field(full)
    assert full.run(msgspec.structs.replace(CHECK, limit=1)).exit_code == 0
    assert full.run(CHECK).exit_code == 1


def test_evidence_names_what_can_be_looked_up(full: World) -> None:
    refused_and_parked(full)
    edited_child(full)
    lost_insert(full)
    by_key = {f.key: f for f in full.run().findings}
    parked = by_key["A3"].causes[0]
    assert (parked.owner, parked.where, parked.waits) == ("Stock integration", "mappings/item.yaml:18:12", 2)
    assert parked.command == "dragoman parked list item"
    assert "dl-20511" in parked.evidence[0]
    missed = by_key["A9"].causes[0]
    record = next(r for p in (0, 1) for r in full.log.read("item.state", p, 0, 99) if r.key == b"A9")
    assert f"item.state {record.partition}:{record.offset}" in missed.evidence[0]
    assert (missed.owner, missed.since) == ("Item read model", full.clock.now)


def test_since_is_the_first_record_that_the_view_lacks(full: World) -> None:
    lost_update(full)
    first = full.clock.now
    full.clock.wait(first - first)
    lose(full, "A3", lambda: full.write("A3", "bolt 3", 1000, lines=((1, "2.50"), (2, None))))
    assert full.clock.now > first
    assert full.run().findings[0].since == first


def test_what_agrees_behind_the_fence_was_in_flight(full: World) -> None:
    full.write("A1", "new name")
    full.write("A10")
    full.delete("A2")
    full.clock.on_wait = full.flow
    result = full.run()
    assert (result.exit_code, result.in_flight, result.agree, result.findings) == (0, 3, 6, ())
    assert_adds_up(result)


def test_a_writer_between_the_two_images_is_no_drift(full: World) -> None:
    """While the view is read behind the fence, the source moves on: seen at the second image, and asked again."""
    full.write("A1", "new name")
    rounds = iter(range(2))

    def waits() -> None:
        full.flow()
        if next(rounds, None) is not None:
            full.write("A1", f"newer still, at {full.clock.now}")

    full.clock.on_wait = waits
    result = full.run()
    assert (result.exit_code, result.findings, result.unconfirmed) == (0, (), 0)


def test_back_to_what_it_was_is_still_a_movement(full: World) -> None:
    """A, B, A: both images are the same, the view shows B, which was true in between."""
    full.write("A1", "B", 100)
    full.flow()
    full.write("A1", "A", 100)
    view = full.sides().view
    full.capture()
    full.publish()
    done = iter(range(1))

    class Between:
        shape = view.shape
        rows, checkpoint, parked = view.rows, view.checkpoint, view.parked

        def read_keys(self, keys: list[str]) -> object:
            if next(done, None) is not None:
                full.write("A1", "B", 100)
                full.flow()
                shown = view.read_keys(keys)
                full.write("A1", "A", 100)
                full.flow()
                return shown
            return view.read_keys(keys)

    full.clock.on_wait = full.flow
    result = full.run(view=Between())
    assert (result.findings, result.in_flight, result.exit_code) == ((), 1, 0)


def test_a_key_that_never_holds_still_stays_unconfirmed_and_is_not_clean(full: World) -> None:
    """Its records are lost, so that the view never agrees, and it changes whenever the view is read."""
    moving = iter(range(10_000))
    view = full.sides().view

    class Busy:
        shape = view.shape
        rows, checkpoint, parked = view.rows, view.checkpoint, view.parked

        def read_keys(self, keys: list[str]) -> object:
            shown = view.read_keys(keys)
            full.write("A3", f"moving {next(moving)}")
            return shown

    full.losing = {"A3"}
    full.write("A3", "moving")
    full.clock.on_wait = full.flow
    result = full.run(view=Busy())
    assert next(moving) == ROUNDS
    assert (result.findings, result.unconfirmed, result.exit_code) == ((), 1, 2)
    assert result.coverage < 1
    assert_adds_up(result)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6).filter(
    lambda text: text == text.rstrip(" ")
)
things = st.dictionaries(texts, st.tuples(texts, st.integers(-10_000, 10_000)), min_size=2, max_size=12)


@settings(max_examples=25)
@given(things=things, data=st.data())
def test_exactly_the_edits_are_found(things: dict[str, tuple[str, int]], data: st.DataObject) -> None:
    keys = sorted(things)
    edits = data.draw(
        st.dictionaries(st.sampled_from(keys), st.sampled_from(["name", "gone", "lost"]), max_size=len(keys) - 1)
    )
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for key, (name, cents) in things.items():
            world.write(key, "n" + name, cents)
        world.flow()
        for key, edit in edits.items():
            if edit == "name":
                world.sql("UPDATE item_view SET name = name || '!' WHERE number = ?", key)
            elif edit == "gone":
                world.sql("DELETE FROM item_view WHERE number = ?", key)
            else:
                lose(world, key, lambda key=key: world.write(key, "another", 1))  # type: ignore[misc]
        result = world.run()
        world.close()
    kinds = {"name": "mismatch", "gone": "missing", "lost": "stale"}
    from translators.values import key_text

    assert {f.key: f.kind for f in result.findings} == {key_text((k,)): kinds[e] for k, e in edits.items()}
    assert result.compared == len(things)
    assert result.incomplete is None
