"""META: what conditions and fields of events know of their transaction, and where it cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.translators import test_python_class as classes
from tests.translators.test_parts import MAPPING, compiled, rows
from translators.change import Change, Coordinate
from translators.facts import UNKNOWN, Facts, facts_of
from translators.findings import MappingInvalid
from translators.lineage import lineage
from translators.translator import translate

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
WHEN = "CHANGED(*) AND NOT CREATED"


def said(when: str, facts: Facts) -> bool:
    """Whether the event happens."""
    made = compiled(MAPPING.replace(WHEN, when))
    return bool(translate(made, rows([]), rows([(1, 1, 5)]), facts).events)


@pytest.mark.parametrize(
    ("when", "facts", "happens"),
    [
        ("META.origin IS DISTINCT FROM 'new'", Facts("9", NOON, "new"), False),
        ("META.origin IS DISTINCT FROM 'new'", Facts("9", NOON, None), True),
        ("META.origin IS DISTINCT FROM 'new'", UNKNOWN, True),
        ("META.origin <> 'new'", Facts("9", NOON, None), False),
        ("META.ORIGIN = '3'", Facts("9", NOON, "3"), True),
        ("META.transaction = '9' AND CHANGED(limits)", Facts("9", None, None), True),
        ("META.time AT TIME ZONE 'UTC' > TO_TIMESTAMP('2024-03-01', 'YYYY-MM-DD')", Facts("9", NOON, None), True),
        ("META.time AT TIME ZONE 'UTC' > TO_TIMESTAMP('2024-03-02', 'YYYY-MM-DD')", Facts("9", NOON, None), False),
    ],
)
def test_a_condition_asks_the_transaction(when: str, facts: Facts, happens: bool) -> None:
    assert said(when, facts) is happens


def test_an_ignore_rule_and_a_field_and_the_business_time_ask_it() -> None:
    ignoring = compiled(MAPPING.replace("when: NOT CHANGED(*)", "when: META.origin = 'new'"))
    assert ignoring.events({}, {}, {}, {}, Facts(origin="new")).ignored == "only the version"
    own = "fields: {number: LENGTH(META.transaction)}"
    made = compiled(MAPPING.replace(WHEN, f"{WHEN}\n    occurred: META.time\n    {own}"))
    (event,) = translate(made, rows([]), rows([(1, 1, 5)]), Facts("991", NOON)).events
    assert (event.data, event.occurred) == ({"number": 3}, NOON)


@pytest.mark.parametrize(
    ("old", "new", "code", "hint"),
    [
        ("number: no\n", "number: LENGTH(META.origin)\n", "expression.refused", "a check can compute it again"),
        ("amount: amt", "amount: LENGTH(META.transaction)", "expression.refused", "a check can compute it again"),
        (WHEN, "META.orign = '7'", "column.unknown", "origin"),
        (WHEN, "META.origin = 7", "type.mismatch", "CAST"),
        (WHEN, "META.origin.x = '7'", "column.unknown", ""),
    ],
)
def test_where_it_cannot_be_asked_is_told(old: str, new: str, code: str, hint: str) -> None:
    assert MAPPING.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING.replace(old, new))
    (finding,) = [f for f in caught.value.findings if f.code == code]
    assert hint in (finding.hint or "") or hint in finding.message


def test_it_is_no_column_and_stands_in_no_lineage() -> None:
    made = compiled(MAPPING.replace(WHEN, "META.origin = '7' AND CHANGED(limits)"))
    (line,) = [line for line in lineage(made.bound) if line.what == "when"]
    assert line.columns == ("lim.*",)


@pytest.fixture
def change() -> Callable[[int, str, str | None], Change]:
    def made(position: int, transaction: str, origin: str | None) -> Change:
        return Change(
            table="pol", op="u", row_key="7", before=None, after={}, position=position, transaction=transaction,
            committed_after=None, time=NOON, at=Coordinate("f", 0, position), origin=origin,
        )  # fmt: skip

    return made


def test_facts_are_those_of_the_lowest_row_whatever_the_order(change: Callable[[int, str, str | None], Change]) -> None:
    first, second = change(5, "9", "a"), change(6, "9", None)
    assert facts_of([first, second]) == facts_of([second, first]) == Facts("9", NOON, "a")
    assert facts_of([]) == UNKNOWN


def test_events_of_a_class_may_ask_their_transaction_and_its_state_may_not() -> None:
    asked: list[Any] = []

    def more(self: Any, old: Any, new: Any) -> Any:
        asked.append(self.facts)
        return ()

    text = classes.TEXT.replace(
        'return "nothing new" if old == new', 'return "copied" if self.facts.origin == "new"'
    ).replace("        made = {\n", "        assert self.facts.origin is None\n        made = {\n")
    translator = classes.compiled(text, more=more)
    copied = translate(translator, classes.rows(prem=100), classes.rows(prem=200), Facts("9", None, "new"))
    assert copied.changed and copied.events == ()
    assert translate(translator, classes.rows(prem=100), classes.rows(prem=200), Facts("9", None, "old")).events
    translate(translator, classes.rows(prem=100), classes.rows(prem=200))
    assert asked == [Facts("9", None, "old"), UNKNOWN]
