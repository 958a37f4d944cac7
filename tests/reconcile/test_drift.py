"""Seeded corruption: each is found, with its class and cause, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.main import get_command

from dragoman.app import app
from pipeline.projection.content import row_hash
from pipeline.projection.rows import ViewReader
from pipeline.projection.tables import Tables
from pipeline.state.port import Save, Stored
from reconcile.run import RunResult
from tests.reconcile.world import CHECK, SHAPE, UNMAPPED, World, stated
from translators.translator import Partial
from translators.values import key_text


def found(result: RunResult) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Key -> class and causes."""
    return {f.key: (f.kind, tuple(cause.name for cause in f.causes)) for f in result.findings}


def assert_adds_up(result: RunResult) -> None:
    parts = (result.agree, result.confirmed, result.in_flight, result.unconfirmed, result.not_covered)
    assert sum(parts) + result.unavailable + result.ambiguous == result.compared
    assert result.confirmed + result.unavailable == len(result.findings)
    assert len(result.findings) == sum(len(group.keys) for group in result.groups)


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


def test_a_field_that_the_source_did_not_send_has_its_own_verdict(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stated

    def partial(number: str, model: Any) -> Partial:
        return Partial({n: v for n, v in whole(number, model).items() if n != "name"}, {"name": "toast"})

    monkeypatch.setattr("tests.reconcile.world.stated", partial)
    full.write("A3", "another", 777, lines=((1, "2.50"), (2, None)))
    full.flow()
    result = full.run()
    assert found(result) == {"A3": ("unavailable", ("not-sent",))}
    assert (result.unavailable, result.confirmed, result.agree, result.exit_code) == (1, 0, 7, 2)
    assert_adds_up(result)
    (finding,) = result.findings
    assert finding.fields == ("name",)
    assert finding.causes[0].evidence == ("name was not sent (toast)",)
    full.sql("UPDATE item_view SET amount = '12.50' WHERE number = 'A3'")
    assert found(full.run()) == {"A3": ("mismatch", ("not-sent", "edited-in-view"))}


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
    world.sql("UPDATE item_view SET amount = '12.50' WHERE number = 'A3'")
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


def discarded(world: World) -> None:
    """The refused step was given up: its rows are known, and no state can be made of them."""
    world.write("A3", "LT", lines=((1, "2.50"), (2, None)))
    world.flow()
    world.store.save(Save(partition=0, aggregates={"A3": Stored(partition=0, version=2, unmapped=UNMAPPED)}))


def refused_for_no_known_reason(world: World) -> None:
    """Today's mapping refuses what the one before published, and nothing waits."""
    world.write("A3", "LT", lines=((1, "2.50"), (2, None)))
    world.flow()


def set_aside_by_the_view(world: World) -> None:
    """The projection could not take the record."""
    world.write("A3", "5", 300, lines=((1, "2.50"), (2, None)))
    world.model["A3"]["name"] = 5
    world.flow()


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
    (discarded, "A3", "refused", ("dead-lettered",), ("name",)),
    (refused_for_no_known_reason, "A3", "refused", ("capture-or-mapping",), ("name",)),
    (set_aside_by_the_view, "A3", "stale", ("consumer-refused",), ("name",)),
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


@pytest.mark.parametrize("corrupt", [c[0] for c in CORRUPTIONS], ids=[c[0].__name__ for c in CORRUPTIONS])
def test_the_command_that_a_cause_names_exists(full: World, corrupt: Callable[[World], None]) -> None:
    corrupt(full)
    for cause in full.run().findings[0].causes:
        program, *words = cause.command.split()
        assert program == "dragoman"
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("dragoman", words)


@pytest.mark.parametrize("corrupt", [lost_update, lost_delete, edited_child, inserted_by_hand, misapplied])
def test_a_view_that_is_built_again_as_the_report_advises_agrees(full: World, corrupt: Callable[[World], None]) -> None:
    corrupt(full)
    for table in ("item_view", "item_line_view", "item_view__gone"):
        full.sql(f"DROP TABLE {table}")
    full.sql("DELETE FROM _dragoman_checkpoint WHERE projection = 'item_view'")
    full.projection.prepare()
    full.project()
    assert full.run().exit_code == 0


@pytest.mark.parametrize("corrupt", [lost_update, edited_field, edited_child, misapplied])
def test_the_next_change_of_a_key_heals_it_as_the_report_says(full: World, corrupt: Callable[[World], None]) -> None:
    corrupt(full)
    full.write("A3", "next", lines=((1, "7.00"),))
    full.flow()
    assert full.run().exit_code == 0


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
    assert parked.command == "dragoman parked list --translator item"
    assert "dl-20511" in parked.evidence[0]
    missed = by_key["A9"].causes[0]
    record = next(r for p in (0, 1) for r in full.log.read("item.state", p, 0, 99).records if r.key == b"A9")
    assert f"item.state {record.partition}:{record.offset}" in missed.evidence[0]
    assert (missed.owner, missed.since) == ("Item read model", full.clock.now)


def test_since_is_the_first_record_that_the_view_lacks(full: World) -> None:
    lost_update(full)
    first = full.clock.now
    full.clock.wait(first - first)
    lose(full, "A3", lambda: full.write("A3", "bolt 3", 1000, lines=((1, "2.50"), (2, None))))
    assert full.clock.now > first
    assert full.run().findings[0].since == first


def test_one_cause_is_one_line_and_two_codes_are_two(full: World) -> None:
    other = replace(UNMAPPED, message="name: 'LX' is not in the code table name")
    for number, problem in (("A1", UNMAPPED), ("A2", UNMAPPED), ("A6", other)):
        full.write(number, "LT")
        full.park(number, problem=problem)
    full.flow()
    edited_child(full)
    full.sql("UPDATE item_view SET name = 'x' WHERE number = 'A4'")
    full.sql("UPDATE item_view SET amount = '0.00' WHERE number = 'A5'")
    groups = [(group.causes[0].title, group.keys) for group in full.run().groups]
    assert groups == [
        ("Edited in the view by hand", ("A3", "A4", "A5")),
        ("'LT' is not in the code table name", ("A1", "A2")),
        ("'LX' is not in the code table name", ("A6",)),
    ]


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
    assert {f.key: f.kind for f in result.findings} == {key_text((k,)): kinds[e] for k, e in edits.items()}
    assert result.compared == len(things)
    assert result.incomplete is None
