"""The terms of a check: who is right by field and phase, limits by class, slices, and what is never shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from reconcile.check import CheckMalformed, CheckSpec, read_check
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.outputs import openmetrics
from reconcile.report import render, write_report
from reconcile.run import RunResult
from reconcile.slices import Slice
from tests.reconcile.test_drift import (
    assert_adds_up,
    edited_child,
    edited_field,
    found,
    inserted_by_hand,
    lost_update,
    misapplied,
    parked_and_edited,
    refused_and_parked,
    row_gone,
    set_aside_by_the_view,
)
from tests.reconcile.world import World, stated
from translators.translator import Partial

HEAD = "check: item_view\nmapping: item\nview: item_view\nlimit: 0\nowner: Item read model\n"


def check(more: str = "") -> CheckSpec:
    return read_check(HEAD + more, "checks/item.yaml")


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


def changes(result: RunResult) -> dict[str, tuple[str, ...]]:
    return {f.key: tuple(cause.change for cause in f.causes) for f in result.findings}


PHASES = """phase: {phase}
authority:
  legacy writes: legacy
  both write: {{others: legacy, amount: view, lines: both}}
  view writes: view
"""

RIGHTS: list[tuple[str, Callable[[World], None], tuple[str, ...], tuple[str, ...]]] = [
    ("legacy writes", edited_field, ("edited-in-view",), ("view",)),
    ("both write", edited_field, ("legacy-behind",), ("legacy",)),
    ("view writes", edited_field, ("legacy-behind",), ("legacy",)),
    ("both write", edited_child, ("sides-disagree",), ("either",)),
    ("legacy writes", edited_child, ("edited-in-view",), ("view",)),
    ("both write", misapplied, ("legacy-behind",), ("legacy",)),
    ("both write", lost_update, ("legacy-behind",), ("legacy",)),
    ("both write", parked_and_edited, ("parked", "edited-in-view", "legacy-behind"), ("view", "view", "legacy")),
    ("both write", row_gone, ("consumer-missed",), ("view",)),
    ("view writes", row_gone, ("legacy-behind",), ("legacy",)),
    ("view writes", inserted_by_hand, ("legacy-behind",), ("legacy",)),
    ("view writes", refused_and_parked, ("parked",), ("view",)),
]


@pytest.mark.parametrize(("phase", "seed", "names", "changed"), RIGHTS)
def test_who_is_right_is_said_by_field_and_phase(
    full: World, phase: str, seed: Callable[[World], None], names: tuple[str, ...], changed: tuple[str, ...]
) -> None:
    seed(full)
    result = full.run(check(PHASES.format(phase=phase)))
    (finding,) = result.findings
    assert tuple(cause.name for cause in finding.causes) == names
    assert changes(result)[finding.key] == changed
    assert result.exit_code == 1
    page = render([result], "f")
    assert f"In the phase {phase}" in page
    # What would say again what the legacy says is no repair of a legacy that is wrong.
    assert ("dragoman reconcile repair" in page) == (set(names) <= {"edited-in-view", "consumer-missed"})


def test_both_sides_of_what_is_to_be_changed_are_told(full: World) -> None:
    edited_field(full)
    (cause,) = full.run(check(PHASES.format(phase="both write"))).findings[0].causes
    assert cause.evidence == ("amount: legacy 3.00, item_view 12.50 (phase both write)",)
    assert cause.owner == "Stock integration"
    page = render([full.run(check("authority: view\n"))], "f")
    assert "to be changed</dt> <dd>the legacy</dd>" in page
    assert "Who is right: all else: the view." in page


def test_numbers_may_be_apart_by_a_tolerance(full: World) -> None:
    full.sql("UPDATE item_view SET amount = '3.01' WHERE number = 'A3'")
    assert full.run(check("tolerance: {amount: 0.01}\n")).exit_code == 0
    full.sql("UPDATE item_view SET amount = '3.02' WHERE number = 'A3'")
    assert full.run(check("tolerance: {amount: 0.01}\n")).exit_code == 1
    full.sql("UPDATE item_line_view SET quantity = '2.60' WHERE number = 'A4' AND sequence = 1")
    result = full.run(check("tolerance: {amount: 0.05, lines.quantity: 0.1}\n"))
    assert (result.exit_code, result.agree) == (0, 8)


LIMITS = [
    ("", 1),
    ("limits: {mismatch: 2, stale: 0, missing: 1}\n", 1),
    ("limits: {mismatch: 2, stale: 1, missing: 1}\n", 0),
    ("limits: {mismatch: 1, stale: 1, missing: 1}\n", 1),
    ("limits: {stale: 0}\n", 1),
]


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize(("limits", "code"), LIMITS)
def test_classes_have_limits_of_their_own(full: World, limits: str, code: int, gate: bool) -> None:
    lost_update(full)
    for number in ("A1", "A2"):
        full.sql("UPDATE item_view SET amount = '77.00' WHERE number = ?", number)
    full.sql("DELETE FROM item_view WHERE number = 'A5'")
    result = full.run(check(limits), gate=gate)
    assert result.differ == {"mismatch": 2, "stale": 1, "missing": 1}
    assert (result.exit_code, bool(result.over)) == (code, code == 1)
    said = "Over the limit: 1 stale, of which 0 are tolerated" in render([result], "f")
    assert said == ("stale: 0" in limits)


def test_what_has_a_limit_of_its_own_does_not_use_up_the_others(full: World) -> None:
    lost_update(full)
    edited_child(full)
    full.sql("UPDATE item_view SET amount = '77.00' WHERE number = 'A1'")
    tolerant = HEAD.replace("limit: 0", "limit: 1")
    assert full.run(read_check(tolerant, "c")).exit_code == 1
    assert full.run(read_check(tolerant + "limits: {stale: 1}\n", "c")).exit_code == 1
    assert full.run(read_check(tolerant + "limits: {mismatch: 2}\n", "c")).exit_code == 0


def unsent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large value that did not change and was never seen."""
    whole = stated

    def partial(number: str, model: Any) -> Partial:
        return Partial({n: v for n, v in whole(number, model).items() if n != "name"}, {"name": "toast"})

    with monkeypatch.context() as then:
        then.setattr("tests.reconcile.world.stated", partial)
        world.write("A3", "another", 300, lines=((1, "2.50"), (2, None)))
        world.flow()


@pytest.mark.parametrize("gate", [False, True])
def test_what_was_never_sent_is_no_agreement_and_no_drift(
    full: World, monkeypatch: pytest.MonkeyPatch, gate: bool
) -> None:
    unsent(full, monkeypatch)
    result = full.run(check(), gate=gate)
    assert found(result) == {"A3": ("unavailable", ("not-sent",))}
    assert (result.unavailable, result.confirmed, result.agree, result.exit_code) == (1, 0, 7, 2)
    assert 'dragoman_reconcile_keys{check="item_view",mapping="item",view="item_view",state="unavailable"} 1' in (
        openmetrics([result])
    )
    assert "Not proven</span>: 1 of 8 lacks what was never sent." in render([result], "f")
    within = full.run(check("limits: {unavailable: 1}\n"), gate=gate)
    assert (within.exit_code, within.coverage) == (0, 1.0)
    assert_adds_up(result)


def test_the_text_that_stands_for_a_value_not_sent_is_no_value(full: World) -> None:
    full.sql("UPDATE item_view SET name = '__debezium_unavailable_value' WHERE number = 'A3'")
    result = full.run(check())
    assert found(result) == {"A3": ("unavailable", ("not-sent",))}
    assert result.findings[0].causes[0].evidence == ("name holds the text that stands for a value not sent",)
    edited_field(full)
    assert found(full.run(check())) == {"A3": ("mismatch", ("edited-in-view",))}


SECRET, OTHER = "bolt-of-secret", "made-by-hand"


@pytest.mark.parametrize("key", ["exclude", "technical", "sensitive"])
def test_what_is_hidden_is_in_no_file(full: World, key: str) -> None:
    """Not in the page, the findings, the kept run, the machines' files, nor the ledger, whatever tells of it."""
    full.write("A6", SECRET, 600)
    full.write("A7", "LT", 600)
    full.park("A7")
    set_aside_by_the_view(full)
    full.flow()
    full.sql("UPDATE item_view SET name = ?, amount = '9.00' WHERE number = 'A6'", OTHER)
    full.sql("UPDATE item_view SET name = ? WHERE number = 'A8'", OTHER)
    terms = {"exclude": "exclude: {name: known to differ}\n"}.get(key, f"{key}: [name]\n")
    result = full.run(check(terms))
    engine = open_ledger(f"sqlite:///{full.folder / 'ledger.db'}")
    result = Ledger(engine).end(result)
    engine.dispose()
    write_report([result], full.folder / "r", "r")
    (full.folder / "r" / "run.json").write_bytes(msgspec.json.encode(result))
    files = [*(full.folder / "r").iterdir(), full.folder / "ledger.db"]
    assert len(files) == 6
    for path in files:
        content = path.read_bytes()
        assert b"item" in content or not content
        for value in (SECRET, OTHER, "'LT'", "bolt 8", "is 5"):
            assert value.encode() not in content, (path.name, value)
    by_key = found(result)
    assert by_key["A6"] == ("mismatch", ("edited-in-view",))
    assert result.findings[0].key == "A3" or key != "sensitive"
    assert ("A8" in by_key) == (key == "sensitive")
    assert ("name" in {f for one in result.findings for f in one.fields}) == (key == "sensitive") or "A7" in by_key
    page = (full.folder / "r" / "r.html").read_text()
    assert ("Not compared: name (known to differ)." in page) == (key == "exclude")
    assert ("Not compared: name (technical)." in page) == (key == "technical")


def test_a_list_or_a_field_in_it_can_be_left_out(full: World) -> None:
    edited_child(full)
    assert full.run(check()).exit_code == 1
    assert full.run(check("technical: [lines.quantity]\n")).exit_code == 0
    assert full.run(check("exclude: {lines: other lines}\n")).exit_code == 0


def test_slices_add_up_and_what_differs_most_comes_first(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("A1", "A2", "A3", "A4"):
        full.write(number, "north", 100)
    for number in ("A5", "A6"):
        full.write(number, "south", 200)
    full.flow()
    full.sql("UPDATE item_view SET amount = '77.00' WHERE number IN ('A5', 'A6', 'A1')")
    full.sql("DELETE FROM item_view WHERE number = 'A2'")
    full.write("A4", "north", 101)
    full.clock.on_wait = full.flow
    result = full.run(check("slices: [name]\n"))
    wanted = [
        Slice(field="name", value="north", compared=4, agree=1, confirmed=2, in_flight=1),
        Slice(field="name", value="south", compared=2, confirmed=2),
        Slice(field="name", value="bolt 7", compared=1, agree=1),
        Slice(field="name", value="bolt 8", compared=1, agree=1),
    ]
    assert list(result.slices) == wanted
    page = render([result], "f")
    assert "By name" in page and "≠ north" in page and "50.00 %" in page
    assert sum(one.compared for one in result.slices) == result.compared
    assert full.run(check()).slices == ()


def test_slices_of_a_run_that_was_not_ended_are_not_covered(full: World) -> None:
    full.write("A4", "bolt 4", 101)
    result = full.run(check("slices: [amount]\n"))
    assert result.exit_code == 2
    assert {one.not_covered for one in result.slices if one.value == "1.01"} == {1}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ("authority: view\ntechnical: [nam]\n", "check.field-unknown"),
        ("sensitive: [number]\n", "check.field-unusable"),
        ("slices: [owner]\n", "check.field-unusable"),
        ("slices: [name]\nsensitive: [name]\n", "check.field-unusable"),
        ("slices: [lines.quantity]\ntechnical: [lines]\n", "check.field-unusable"),
        ("slices: [lines]\ntolerance: {amount: 1}\nexclude: {amount: never}\n", "check.field-unusable"),
    ],
)
def test_a_field_that_cannot_be_meant_makes_the_run_incomplete(full: World, more: str, code: str) -> None:
    result = full.run(check(more))
    assert (result.exit_code, result.incomplete and result.incomplete.code) == (2, code)


@pytest.mark.parametrize(
    ("more", "where", "said"),
    [
        ("phase: now\n", "c.yaml:6:8", "has a phase and no authority"),
        ("phase: now\nauthority: view\n", "c.yaml:7:12", "does not tell the phases apart"),
        ("authority: {now: view}\n", "c.yaml:6:12", "does not say which it is in"),
        ("phase: then\nauthority: {now: view}\n", "c.yaml:6:8", "no phase 'then'"),
        ("authority: neither\n", "c.yaml:6:12", "authority is 'neither'"),
        ("phase: now\nauthority: {now: {amount: view}}\n", "c.yaml:7:18", "who is right of all else"),
        ("limits: {mising: 1}\n", "c.yaml:6:10", "no class of differences 'mising'"),
        ("limits: {stale: few}\n", "c.yaml:6:17", "the limit of stale is 'few'"),
        ("tolerance: {amount: -1}\n", "c.yaml:6:21", "the tolerance of amount is '-1'"),
        ("exclude: [name]\n", "c.yaml:6:10", "exclude is no set of"),
        ("slices: [name]\nfreshness: {within: 1m}\n", "c.yaml:6:1", "slices is for checks of rows"),
    ],
)
def test_a_mistake_is_told_with_its_place(more: str, where: str, said: str) -> None:
    with pytest.raises(CheckMalformed) as caught:
        read_check(HEAD + more, "c.yaml")
    assert caught.value.where == where
    assert said in caught.value.message
