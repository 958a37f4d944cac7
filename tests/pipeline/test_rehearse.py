"""A rehearsal tells exactly what two mappings say differently; the oracle knows the meanings, and nothing of the product."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from connectors.debezium.decode import Decoder
from pipeline import observed
from pipeline.difference import ABSENT, EXAMPLES, MASK, Difference, differing, hidden_paths, is_hidden
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.rehearse import LogFeed, RecordedFeed, Rehearsal, Side, rehearse
from tests.pipeline.harness import ORDER_FEED, SCHEMA, Orders, append, create_topics
from tests.pipeline.test_moves import line as line_row
from tests.pipeline.test_moves import order as order_row
from tests.pipeline.test_moves import placed
from tests.pipeline.world import (
    BASE_TIME,
    MEANINGS,
    NOTIFICATIONS,
    Commit,
    RowChange,
    World,
    completed,
    expected,
    feed,
    snapshot_record,
)
from translators.contract import Shape
from translators.translator import Said
from translators.values import Row

DECODER = Decoder(SCHEMA, NOTIFICATIONS)
PROMISES: dict[str, dict[str, Any]] = {name: {"title": name} for name in ("Order.v1", *Orders.event_types)}


def side(translator: Any, hidden: frozenset[str] = frozenset(), promises: dict[str, Any] | None = None) -> Side:
    return Side(
        translator=translator,
        decoder=DECODER,
        identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="test"),
        promises={**PROMISES, **(promises or {})},
        hidden=dict.fromkeys(PROMISES, hidden),
    )


def world(seed: int, transactions: int = 150) -> World:
    made = World(seed)
    made.run(transactions)
    return made


def over(records: list[Outgoing], old: Any, new: Any, of: Feed = ORDER_FEED, limit: int | None = None) -> Rehearsal:
    return rehearse(side(old), side(new), of, RecordedFeed(records, of), limit)


def counted(found: Rehearsal) -> dict[tuple[str, str, str], int]:
    return {(d.kind, d.of, d.field): d.count for d in found.differences}


def oracle(before: Any, after: Any) -> Counter[tuple[str, str, str]]:
    """What differs between two runs of the oracle: events, and states by field."""
    out: Counter[tuple[str, str, str]] = Counter()
    was, now = Counter(before.events), Counter(after.events)
    out.update(("event-added", kind, "") for _, _, kind in (now - was).elements())
    out.update(("event-removed", kind, "") for _, _, kind in (was - now).elements())
    old = {(order, version): state for order, version, state in before.states}
    new = {(order, version): state for order, version, state in after.states}
    out["state-added", "Order.v1", ""] = len(new.keys() - old.keys())
    out["state-removed", "Order.v1", ""] = len(old.keys() - new.keys())
    for place in old.keys() & new.keys():
        for name in old[place] or {}:
            out["state-changed", "Order.v1", name] += (old[place] or {})[name] != (new[place] or {}).get(name)
    return +out


@pytest.mark.parametrize("seed", range(6))
class TestAgainstTheOracle:
    def test_the_same_mapping_changes_nothing(self, seed: int) -> None:
        made = world(seed)
        found = over(list(feed(made.commits)), Orders(), Orders())
        assert (found.is_same, found.differences, found.differing, found.silent) == (True, (), 0, ())
        assert found.steps == sum(len({c.order for c in commit.changes}) for commit in made.commits)
        assert found.changes == sum(len(commit.changes) for commit in made.commits)
        assert found.open_steps == 0

    def test_a_code_that_is_known_now(self, seed: int) -> None:
        commits = world(seed).commits
        found = over(list(feed(commits)), Orders(), Orders(X="cancelled"))
        before, after = expected(commits), expected(commits, meanings={**MEANINGS, "X": "cancelled"})
        assert before.parked
        told = counted(found)
        outcomes = {of: n for (kind, of, _), n in told.items() if kind == "outcome-changed"}
        assert {k: n for k, n in told.items() if k[0] != "outcome-changed"} == oracle(before, after)
        assert sum(outcomes.values()) == sum(before.parked.values())
        assert sum(n for of, n in outcomes.items() if of.startswith("rejected code.unmapped (status) →")) == len(
            before.parked
        )
        assert found.silent == ()

    def test_another_meaning_of_a_code(self, seed: int) -> None:
        commits = world(seed).commits
        found = over(list(feed(commits)), Orders(), Orders(S="sent"))
        differs = oracle(expected(commits), expected(commits, meanings={"N": "new", "S": "sent"}))
        told = {k: n for k, n in counted(found).items() if k[0].startswith("state")}
        assert told == {k: n for k, n in differs.items() if k[0].startswith("state")}
        shipped = sum(1 for _, _, kind in expected(commits).events if kind == "OrderShipped.v1")
        assert counted(found).get(("event-removed", "OrderShipped.v1", ""), 0) == shipped
        silent = {one.contract: one.differences for one in found.silent}
        wanted = {"Order.v1": sum(told.values()), "OrderShipped.v1": shipped}
        assert silent == {name: number for name, number in wanted.items() if number}


class TestTheFeed:
    def test_a_log_and_a_recording_say_the_same(self) -> None:
        records = list(feed(world(3).commits))
        log = MemoryLog()
        create_topics(log)
        append(log, records)
        old, new = side(Orders()), side(Orders(X="cancelled"))
        assert rehearse(old, new, ORDER_FEED, LogFeed(log, ORDER_FEED)).differences
        assert counted(rehearse(old, new, ORDER_FEED, LogFeed(log, ORDER_FEED))) == counted(
            over(records, Orders(), Orders(X="cancelled"))
        )

    def test_a_root_that_got_another_number_is_nothing_new_and_nothing_gone(self) -> None:
        class Silent(Orders):
            def events(self, *states: Any) -> Said:
                return Said(())

        story = placed()
        story.commit(("orders", "k", order_row(1), order_row(4)), ("order_line", "k", line_row(1), line_row(4)))
        found = rehearse(side(Orders()), side(Silent()), ORDER_FEED, LogFeed(story.log, ORDER_FEED))
        assert counted(found) == {("event-removed", "OrderPlaced.v1", ""): 1}

    def test_what_is_read_twice_is_a_repeat(self) -> None:
        records = list(feed(world(4).commits))
        once, twice = (over(records * n, Orders(), Orders(X="cancelled")) for n in (1, 2))
        assert counted(once) == counted(twice)
        assert twice.steps == once.steps
        assert (once.repeats, twice.repeats) == (0, once.changes)

    def test_an_end_that_proves_nothing_leaves_the_last_step_open(self) -> None:
        records = list(feed(world(5).commits))
        found = over(records, Orders(), Orders(), msgspec.structs.replace(ORDER_FEED, exactly_once=False))
        assert found.open_steps > 0
        assert found.steps < over(records, Orders(), Orders()).steps

    def test_a_limit_cuts_and_what_is_cut_stays_open(self) -> None:
        records = list(feed(world(6).commits))
        found = over(records, Orders(), Orders(X="cancelled"), limit=20)
        assert found.changes == 20
        assert 0 < found.steps <= 20
        assert found.open_steps > 0
        assert over(records, Orders(), Orders(), limit=10**9).changes == sum(len(c.changes) for c in world(6).commits)

    @pytest.mark.parametrize("is_complete", [True, False])
    def test_a_snapshot_is_compared_once_it_is_known_to_be_complete(self, is_complete: bool) -> None:
        start = world(7, 60)
        rows = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
        rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
        begins = msgspec.structs.replace(ORDER_FEED, begins="snapshot")
        found = over([*rows, *([completed()] if is_complete else [])], Orders(), Orders(S="sent"), begins)
        known = [r for r in start.orders.values() if r["status"] in MEANINGS]
        shipped = sum(1 for r in known if r["status"] == "S")
        assert shipped
        assert counted(found).get(("state-changed", "Order.v1", "status"), 0) == (shipped if is_complete else 0)
        assert bool(found.loading) is not is_complete

    @pytest.mark.parametrize("seed", range(3))
    def test_what_follows_a_snapshot_is_compared_with_what_was_loaded(self, seed: int) -> None:
        start = world(seed, 60)
        for order, row in start.orders.items():
            start.orders[order] = {**row, "status": row["status"] if row["status"] in MEANINGS else "N"}
        rows = [snapshot_record("orders", r, o, "true") for o, r in start.orders.items()]
        rows += [snapshot_record("order_line", r, o, "true") for (o, _), r in start.lines.items()]
        loaded, before = deepcopy(start), len(start.commits)
        start.run(60)
        commits = start.commits[before:]
        begins = msgspec.structs.replace(ORDER_FEED, begins="snapshot")
        found = over([*rows, completed(), *feed(commits)], Orders(), Orders(S="sent"), begins)
        other = {"N": "new", "S": "sent"}
        differs = oracle(expected(commits, loaded), expected(commits, loaded, other))
        differs["state-changed", "Order.v1", "status"] += sum(1 for r in loaded.orders.values() if r["status"] == "S")
        assert {k: n for k, n in counted(found).items() if k[0].startswith("state")} == {
            k: n for k, n in differs.items() if k[0].startswith("state")
        }

    def test_keys_that_were_put_away_are_found_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        records = list(feed(world(2, 300).commits))
        roomy = counted(over(records, Orders(), Orders(X="cancelled")))
        monkeypatch.setattr(observed, "_RECENT", 3)
        assert counted(over(records, Orders(), Orders(X="cancelled"))) == roomy


class TestWhatIsSaid:
    def test_ids_that_move_with_the_rows_of_a_step(self) -> None:
        """An id names the step's lowest position: a part whose rows come first moves it."""

        class Bare(Orders):
            tables = frozenset({"orders"})
            has_parts = False

        made, changes = World(0), list[RowChange]()
        made.add_line(changes, 1, 1)
        made.change(changes, "orders", 1, {"o_id": 1, "status": "N", "touched": 0})
        commit = Commit(700, None, changes, made.lsn + 16, BASE_TIME)
        found = over(list(feed([commit])), Bare(), Orders())
        assert counted(found)["id-moved", "OrderPlaced.v1", ""] == 1
        assert [one.contract for one in found.silent] == ["Order.v1", "OrderPlaced.v1"]

    def test_several_elements_of_a_list_are_one_event_that_differs(self) -> None:
        class More(Orders):
            def events(self, *states: Any) -> Said:
                said = super().events(*states)
                events = []
                for e in said.events:
                    lines = [{**line, "quantity": line["quantity"] + 1} for line in e.data.get("lines", ())]
                    events.append(msgspec.structs.replace(e, data={**e.data, "lines": lines}) if lines else e)
                return msgspec.structs.replace(said, events=tuple(events))

        commits = world(13).commits
        found = over(list(feed(commits)), Orders(), More())
        changed = sum(1 for _, _, kind in expected(commits).events if kind == "LinesChanged.v1")
        assert changed
        assert counted(found) == {("event-changed", "LinesChanged.v1", "lines[].quantity"): changed}

    def test_ids_that_move_with_the_key_are_one_event_that_moved(self) -> None:
        class Renamed(Orders):
            def key_of(self, table: str, row: Row) -> str:
                return "O" + super().key_of(table, row)

        commits = world(8, 40).commits
        found = over(list(feed(commits)), Orders(), Renamed())
        events = Counter(kind for _, _, kind in expected(commits).events)
        told = counted(found)
        assert {kind: told["id-moved", kind, ""] for kind in events} == events
        assert not [k for k in told if k[0] in ("event-added", "event-removed", "event-changed")]
        example = next(d for d in found.differences if d.kind == "id-moved").examples[0]
        assert example.new == f"O{example.old}"

    def test_a_field_that_says_something_else(self) -> None:
        class Louder(Orders):
            def events(self, *states: Any) -> Said:
                said = super().events(*states)
                return Said(
                    tuple(msgspec.structs.replace(e, data={**e.data, "number": -e.data["number"]}) for e in said.events)
                )

        commits = world(9, 60).commits
        found = over(list(feed(commits)), Orders(), Louder())
        events = Counter(kind for _, _, kind in expected(commits).events)
        told = {of: n for (kind, of, path), n in counted(found).items() if (kind, path) == ("event-changed", "number")}
        assert told == events
        (first, *_) = [d for d in found.differences if d.kind == "event-changed"]
        assert 0 < len(first.examples) <= EXAMPLES
        assert all(example.new == f"-{example.old}" for example in first.examples)
        assert {one.contract for one in found.silent} == set(events)

    def test_a_contract_that_changed_is_not_silent(self) -> None:
        records = list(feed(world(10).commits))
        other: dict[str, dict[str, Any]] = {"Order.v1": {"title": "another"}}
        recorded = RecordedFeed(records, ORDER_FEED)
        found = rehearse(side(Orders()), side(Orders(S="sent"), promises=other), ORDER_FEED, recorded)
        verdicts = {one.contract: one.verdict for one in found.contracts}
        assert verdicts["Order.v1"] == "compatible"
        assert "Order.v1" not in {one.contract for one in found.silent}
        assert not rehearse(side(Orders()), side(Orders(), promises=other), ORDER_FEED, recorded).is_same

    def test_a_broken_promise_is_named(self) -> None:
        old = {"type": "object", "properties": {"number": {"type": "integer"}}}
        new = {"type": "object", "properties": {}}
        found = rehearse(
            side(Orders(), promises={"Order.v1": old}),
            side(Orders(), promises={"Order.v1": new}),
            ORDER_FEED,
            RecordedFeed([], ORDER_FEED),
        )
        (contract,) = [one for one in found.contracts if one.verdict == "breaking"]
        assert [(broken.rule, broken.path) for broken in contract.breaks] == [("field-removed", "number")]

    def test_classified_values_are_masked(self) -> None:
        records = list(feed(world(11).commits))
        hidden = frozenset({"status"})
        found = rehearse(side(Orders()), side(Orders(S="sent"), hidden), ORDER_FEED, RecordedFeed(records, ORDER_FEED))
        (status,) = [d for d in found.differences if d.field == "status"]
        assert {(e.old, e.new) for e in status.examples} == {(MASK, MASK)}
        assert "sent" not in str(found.differences)


class TestDiffering:
    @pytest.mark.parametrize(
        ("old", "new", "paths"),
        [
            ({"a": 1}, {"a": 1}, []),
            ({"a": 1}, {"a": 1.0}, ["a"]),
            ({"a": 1}, {"a": True}, ["a"]),
            ({"a": {"b": "x"}}, {"a": {"b": "y"}}, ["a.b"]),
            ({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 3}, {"b": 4}]}, ["a[].b", "a[].b"]),
            ({"a": [1]}, {"a": [1, 2]}, ["a"]),
            ({"a": {"b": 1}}, {"a": None}, ["a"]),
            (None, {"a": 1}, [""]),
        ],
    )
    def test_paths(self, old: Any, new: Any, paths: list[str]) -> None:
        assert [path for path, _, _ in differing(old, new)] == paths

    def test_what_one_side_has_not(self) -> None:
        assert differing({"a": 1}, {"b": 2}) == [("a", 1, ABSENT), ("b", ABSENT, 2)]

    def test_hidden_paths(self) -> None:
        name = Shape(kind="text", data_class="personal")
        shape = {"holder": Shape(kind="object", fields={"name": name}), "ids": Shape(kind="list", fields={"no": name})}
        hidden = frozenset(hidden_paths(shape))
        assert hidden == {"holder.name", "ids[].no"}
        assert is_hidden("holder", hidden)
        assert is_hidden("ids[].no", hidden)
        assert not is_hidden("holder.names", hidden)


def test_a_difference_is_data() -> None:
    found = over(list(feed(world(12).commits)), Orders(), Orders(X="cancelled"))
    decoded = msgspec.json.decode(msgspec.json.encode(found.differences), type=tuple[Difference, ...])
    assert decoded == found.differences
