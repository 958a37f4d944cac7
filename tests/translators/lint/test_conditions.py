"""Conditions: what can never hold is told, with the reason; what can hold is never called impossible."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.translators.lint.support import CODES, MAPPED, codes, event, found, mapping, marked, state, subject
from translators.expression.bound import Scope
from translators.expression.evaluate import compiled
from translators.findings import Finding
from translators.lint.conditions import Possible, Wanted, is_every_change
from translators.lint.formula import NOT_TRUE


def of(when: str, **parts: Any) -> list[Finding]:
    return found(mapping(("PolicyBound.v1", when), **parts), state(), event())


class TestUnreachable:
    @pytest.mark.parametrize(
        ("when", "meant", "said"),
        [
            ("1 = 2", "1 = 2", "1 = 2 is never true"),
            ("CREATED AND OLD.status = 'active'", "OLD.status = 'active'", "CREATED and OLD.status = 'active' exclude"),
            ("NEW.amount > 1 AND DELETED", "DELETED", "NEW.amount > 1 and DELETED exclude each other"),
            ("CREATED AND DELETED", "DELETED", "CREATED and DELETED exclude each other"),
            ("NEW.status = 'active' AND NEW.status = 'ended'", "NEW.status = 'ended'", "exclude each other"),
            (
                "NEW.amount > 5 AND OLD.amount = 1 AND NEW.amount <= 5",
                "NEW.amount <= 5",
                "NEW.amount > 5 and NEW.amount",
            ),
            ("NEW.amount BETWEEN 3 AND 1", "NEW.amount BETWEEN 3 AND 1", "is never true"),
            ("NEW.number IS NULL AND NEW.amount = 1", "NEW.amount = 1", "exclude each other"),
            (
                "NOT CHANGED(status) AND OLD.status = 'active' AND NEW.status = 'ended'",
                None,
                "its condition is never true",
            ),
            ("NOT CHANGED(*) AND CHANGED(amount)", "CHANGED(amount)", "NOT CHANGED(*) and CHANGED(amount) exclude"),
            ("NOT (CREATED OR DELETED) AND OLD.number IS NULL", "OLD.number IS NULL", "exclude each other"),
            (
                "NEW.status NOT IN ('quoted', 'active', 'ended')",
                "NEW.status NOT IN ('quoted', 'active', 'ended')",
                "never",
            ),
            ("(NEW.amount = 1 OR NEW.amount = 2) AND NEW.amount = 3", "NEW.amount = 3", "exclude each other"),
            ("NEW.amount > OLD.amount AND NEW.amount = OLD.amount", "NEW.amount = OLD.amount", "exclude each other"),
            ("UPPER(NEW.remark) = 'A' AND NOT UPPER(NEW.remark) = 'A'", "NOT UPPER(NEW.remark) = 'A'", "exclude"),
        ],
    )
    def test_it_is_told_with_its_reason(self, when: str, meant: str | None, said: str) -> None:
        (finding,) = of(when)
        assert (finding.code, finding.severity) == ("event.unreachable", "error")
        assert said in finding.message
        assert marked(finding) == (meant or when)

    def test_created_and_old(self) -> None:
        (finding,) = of("CREATED AND OLD.status = 'active'")
        assert finding.hint == "Where CREATED holds there is no OLD: its fields are NULL."

    @pytest.mark.parametrize(
        "when",
        [
            "CREATED AND NEW.status = 'active'",
            "OLD.status IS DISTINCT FROM 'active' AND NEW.status = 'active'",
            "CREATED AND OLD.status IS NULL",
            "NOT DELETED AND NEW.status IS NULL",
            "NOT DELETED AND NEW.remark IS NULL",
            "DELETED",
            "NOT CHANGED(*)",
            "OLD.status IS NULL AND NEW.amount > 5 AND NEW.amount < 7",
            "NEW.remark > 'a' AND NEW.remark < 'b' AND OLD.remark <> NEW.remark",
            "NEW.remark LIKE 'x%' AND OLD.remark IS NULL",
            "UPPER(NEW.remark) = 'A' AND UPPER(OLD.remark) <> 'A'",
            "prem_amt > 5 AND NEW.amount < 5",
            "(NEW.status = 'active') IS NOT TRUE AND CHANGED(remark)",
            "CASE WHEN NEW.amount > 5 THEN OLD.amount < 5 ELSE FALSE END",
        ],
    )
    def test_what_can_be_is_not(self, when: str) -> None:
        assert of(when) == []

    def test_null_where_the_contract_never_has_it(self) -> None:
        assert codes(of("NEW.amount IS NULL AND NOT DELETED")) == ["event.unreachable"]

    def test_an_ignore_rule_before_it(self) -> None:
        (finding,) = of("CHANGED(amount) AND NEW.status = 'active'", ignore="NEW.status IN ('active', 'ended')")
        assert finding.code == "event.unreachable"
        assert "ignored before" in finding.message

    def test_an_ignore_rule_that_leaves_some(self) -> None:
        assert of("CHANGED(amount)", ignore="NEW.status = 'active'") == []

    def test_an_ignore_rule_that_never_holds(self) -> None:
        (finding,) = of("CREATED", ignore="NOT CHANGED(*) AND CHANGED(amount)")
        assert (finding.code, finding.severity) == ("ignore.unreachable", "warning")


class TestUnknownText:
    def test_a_text_that_no_code_gives(self) -> None:
        (finding,) = of("OLD.status = 'quoted' AND NEW.status = 'actve'")
        assert (finding.code, marked(finding)) == ("event.unknown-text", "'actve'")
        assert finding.message == "NEW.status is never 'actve'; did you mean 'active'?"
        assert "active, ended, quoted" in finding.hint

    @pytest.mark.parametrize(
        "when", ["NEW.status IN ('active', 'x')", "NEW.status <> 'x'", "CREATED AND NEW.status IS DISTINCT FROM 'x'"]
    )
    def test_in_every_comparison(self, when: str) -> None:
        (finding,) = of(when)
        assert (finding.code, marked(finding)) == ("event.unknown-text", "'x'")

    def test_in_an_ignore_rule(self) -> None:
        assert codes(of("CREATED", ignore="NEW.status = 'x'")) == ["event.unknown-text"]

    def test_a_free_text_may_be_anything(self) -> None:
        assert of("NEW.remark = 'x'") == []

    def test_what_the_contract_allows_where_the_expression_is_open(self) -> None:
        open_ = {**MAPPED, "status": "LOWER(note)"}
        assert codes(of("NEW.status = 'gone'", mapped=open_, codes={})) == ["event.unknown-text"]
        assert of("NEW.status = 'ended'", mapped=open_, codes={}) == []

    def test_a_default_and_a_case_count(self) -> None:
        mapped = {**MAPPED, "status": "CASE WHEN prem_amt > 0 THEN CODE('status', pol_sts) ELSE 'ended' END"}
        assert of("NEW.status = 'ended'", mapped=mapped, codes={"status": {"Q": "quoted", "A": "active"}}) == []


class TestEveryChange:
    def every(self, when: str) -> bool:
        bound = subject(mapping(("PolicyBound.v1", when)), state(), event()).bound
        return is_every_change(Possible(bound), bound.events[0].when)

    @pytest.mark.parametrize(
        "when", ["CHANGED(*)", "TRUE", "NOT CREATED AND NOT DELETED", "CHANGED(number, status, amount, remark)"]
    )
    def test_is(self, when: str) -> None:
        assert self.every(when)

    @pytest.mark.parametrize("when", ["CHANGED(amount)", "CHANGED(*) AND NEW.status = 'active'", "CREATED", "DELETED"])
    def test_is_not(self, when: str) -> None:
        assert not self.every(when)


# What the rules claim, against every pair of small states.

ATOMS = [
    "CREATED",
    "DELETED",
    "CHANGED(*)",
    "CHANGED(status, amount)",
    "CHANGED(remark)",
    *(
        f"{side}.status {op} '{text}'"
        for side in ("OLD", "NEW")
        for op in ("=", "<>", ">=")
        for text in ("active", "ended")
    ),
    *(f"{side}.status IS {test}" for side in ("OLD", "NEW") for test in ("NULL", "NOT NULL")),
    *(f"{side}.amount {op} {n}" for side in ("OLD", "NEW") for op in ("=", "<", ">", "<>") for n in (0, 1, 2)),
    "NEW.amount BETWEEN 1 AND 2",
    "OLD.amount NOT BETWEEN 0 AND 1",
    "NEW.status IN ('active', 'quoted')",
    "OLD.status NOT IN ('active')",
    "OLD.status = NEW.status",
    "OLD.amount < NEW.amount",
    "OLD.status IS DISTINCT FROM NEW.status",
    "NEW.status IS NOT DISTINCT FROM 'active'",
    "NEW.remark = 'a'",
    "OLD.remark < 'b'",
    "NEW.remark IS NULL",
    "OLD.remark <> NEW.remark",
]
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        inner.map(lambda one: f"NOT ({one})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " AND ".join(f"({part})" for part in parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " OR ".join(f"({part})" for part in parts)),
        st.tuples(inner, st.sampled_from(["TRUE", "FALSE", "NOT TRUE", "NOT FALSE"])).map(
            lambda p: f"({p[0]}) IS {p[1]}"
        ),
    ),
    max_leaves=6,
)
SMALL: list[dict[str, object]] = [
    {"number": "1", "status": status, "amount": amount, "remark": remark}
    for status, amount, remark in product(("quoted", "active", "ended", None), (-1, 0, 1, 2, 3), (None, "", "a", "b"))
]
TABLE = Scope(table="polmst", columns={})


def steps() -> Iterator[tuple[dict[str, object] | None, dict[str, object] | None]]:
    yield from product((None,), SMALL)
    yield from product(SMALL, (None,))
    yield from product(SMALL, SMALL)


@given(CONDITIONS)
def test_nothing_that_can_be_is_called_impossible(when: str) -> None:
    bound = subject(mapping(("PolicyBound.v1", when)), state(), event()).bound
    possible, condition = Possible(bound), bound.events[0].when
    is_true = compiled(condition, TABLE, "is_true")
    holds = [bool(is_true({}, old, new)) for old, new in steps()]
    if any(holds):
        assert possible.step(Wanted(condition)) is not None
    if not all(holds):
        assert possible.step(Wanted(condition, NOT_TRUE)) is not None


@given(CONDITIONS)
def test_an_example_is_one(when: str) -> None:
    """The values that are named fulfil the condition, whatever the fields have that are not named."""
    bound = subject(mapping(("PolicyBound.v1", when)), state(), event()).bound
    condition = bound.events[0].when
    values = Possible(bound).step(Wanted(condition), cases=("changed",))
    assume(values)
    assert values is not None
    sides = {}
    for side in ("OLD", "NEW"):
        known = {term.name: value for term, value in values.items() if term.side == side}
        sides[side] = {"number": "1", "status": "quoted", "amount": 0, "remark": None} | known
    assert compiled(condition, TABLE, "is_true")({}, sides["OLD"], sides["NEW"])


def test_the_texts_of_the_world_are_those_of_the_oracle() -> None:
    assert {"quoted", "active", "ended"} == set(CODES["status"].values())
