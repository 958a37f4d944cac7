"""What contracts promise beside their fields: invariants, styles, and several versions of one event."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from tests.translators.test_mapping import promise
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise, json_schema, personal, shape_of
from translators.findings import MappingInvalid
from translators.invariants import InvariantRefused, bind_invariant, paths_of
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.translator import Refused, translate

SCHEMA = """\
source: legacy
connector: sqlite
namespace: main
tables:
  pol:
    key: [no]
    columns: {no: integer not null, prem: integer not null, tax: integer, start: date, stop: date, name: varchar(9)}
  cov:
    key: [no, seq]
    columns: {no: integer not null, seq: integer not null, amt: integer}
"""

MAPPING = """\
translator: policy
context: policy
root: {table: pol, key: no}
parts:
  cov: {parent: no, order: seq}
state:
  contract: Policy.v1
  fields:
    number: no
    name: name
    start: start
    stop: stop
    premium:
      amount: prem / 100
      tax:
        amount: tax / 100
    covers:
      each: cov
      fields:
        amount: amt / 100
events:
  - type: Changed.v1
    when: CHANGED(*)
"""

Amount = Annotated[Decimal, Field(max_digits=9, decimal_places=2)]


class Tax(BaseModel):
    amount: Amount | None


class Premium(BaseModel):
    amount: Amount
    tax: Tax


class Cover(BaseModel):
    amount: Amount | None


class Fields(Contract):
    number: int
    name: str | None = personal()
    start: date | None
    stop: date | None
    premium: Premium
    covers: list[Cover]


def contract(base: type[Contract], name: str, *invariants: str, **more: Any) -> type[Contract]:
    """A contract with the fields of another."""
    promised = promise(name, "state" if name == "Policy" else "event").model_copy(
        update={"invariants": invariants, **more}
    )
    return type(base.__name__, (base,), {"promise": promised, "__module__": __name__})


def compiled(text: str = MAPPING, state: type[Contract] | None = None, *events: type[Contract]) -> CompiledTranslator:
    made = [state or contract(Fields, "Policy"), *(events or [contract(Fields, "Changed")])]
    contracts = {one.promise.type: one for one in made}
    return compile_mapping(read_mapping(text, "p.yaml"), text, read_schema(SCHEMA, "schema.yaml"), contracts)


def rows(*amounts: int | None, **values: Any) -> Any:
    row = {"no": 7, "prem": 1000, "tax": None, "start": None, "stop": None, "name": "Ann", **values}
    return {"pol": {"7": row}, "cov": {f"7/{n}": {"no": 7, "seq": n, "amt": amt} for n, amt in enumerate(amounts)}}


INVARIANTS = [
    ("premium.amount >= 0", {}, True),
    ("premium.amount >= 0", {"prem": -1}, False),
    ("premium.amount > 10.00", {}, False),
    ("stop > start", {}, True),
    ("stop > start", {"start": date(2026, 1, 2)}, True),
    ("stop > start", {"start": date(2026, 1, 2), "stop": date(2026, 1, 2)}, False),
    ("premium.tax.amount <= premium.amount", {"tax": 1000}, True),
    ("premium.tax.amount <= premium.amount", {"tax": 1001}, False),
    ("premium.tax.amount <= premium.amount", {"tax": None}, True),
    ("name IS NOT NULL", {"name": None}, False),
    ("Policy.number = 7 AND NOT name = 'Bob'", {"name": "Bob"}, False),
    ("COUNT(covers) <= 2", {}, True),
    ("COUNT(covers) < 2", {}, False),
    ("SUM(covers.amount) <= premium.amount", {}, True),
    ("SUM(covers.amount) <= premium.amount", {"prem": 2}, False),
]


@pytest.mark.parametrize(("text", "values", "holds"), INVARIANTS)
def test_data_that_break_an_invariant_are_not_published(text: str, values: Any, holds: bool) -> None:
    made = compiled(MAPPING, contract(Fields, "Policy", text))
    if holds:
        assert made.state(rows(1, 2, **values)) is not None
        return
    with pytest.raises(Refused) as caught:
        made.state(rows(1, 2, **values))
    problem = caught.value.problem
    assert problem.code == "contract.invariant"
    assert problem.message == f"Policy.v1 promises `{text}`, which does not hold"
    assert problem.where == "p.yaml:7:13"
    assert problem.columns and all(column.startswith(("pol.", "cov.")) for column in problem.columns)


def test_an_event_keeps_invariants_of_its_own() -> None:
    made = compiled(MAPPING, None, contract(Fields, "Changed", "stop > start"))
    fine, broken = (
        rows(start=date(2026, 1, 1), stop=date(2026, 1, 2)),
        rows(start=date(2026, 1, 2), stop=date(2026, 1, 1)),
    )
    assert len(translate(made, rows(), fine).events) == 1
    assert made.state(broken) is not None
    with pytest.raises(Refused) as caught:
        translate(made, rows(), broken)
    assert (caught.value.problem.code, caught.value.problem.where) == ("contract.invariant", "p.yaml:22:11")


def test_what_the_state_has_kept_is_not_asked_again_unless_the_event_has_a_field_of_its_own() -> None:
    text = "premium.amount >= 0"
    state, event = contract(Fields, "Policy", text), contract(Fields, "Changed", text, "number > 0")
    made = compiled(MAPPING, state, event)
    assert [one.text for one in made.bound.events[0].invariants] == ["number > 0"]

    class Flat(Contract):
        promise: ClassVar[Promise] = promise("Changed").model_copy(update={"invariants": ("number > 0",)})
        number: int

    own = MAPPING + "    fields:\n      number: NEW.number - 7\n"
    made = compiled(own, contract(Fields, "Policy", "number > 0"), Flat)
    with pytest.raises(Refused) as caught:
        translate(made, rows(), rows(prem=1))
    assert caught.value.problem.code == "contract.invariant"
    assert caught.value.problem.columns == ("pol.no",)


def test_some_fields_alone_are_asked_for_no_invariant_about_the_others() -> None:
    invariants = "premium.amount > 100", "COUNT(covers) = 5", "number > 100"
    bound = compiled(MAPPING, contract(Fields, "Policy", *invariants)).bound
    premium: Any = bound.fields["premium"]
    for alone in ({"name": bound.fields["name"]}, {"premium": replace(premium, fields={})}):
        assert CompiledTranslator(replace(bound, fields=alone), "").state(rows()) is not None
    with pytest.raises(Refused):
        CompiledTranslator(replace(bound, fields={"premium": premium}), "").state(rows())


def test_an_invariant_that_cannot_be_computed_refuses_too() -> None:
    made = compiled(MAPPING, contract(Fields, "Policy", "CAST(name AS INTEGER) > 0"))
    assert made.state(rows(name="5")) is not None
    with pytest.raises(Refused) as caught:
        made.state(rows(name="secret"))
    problem = caught.value.problem
    assert problem.code == "value.not_an_integer"
    assert "secret" not in problem.message and "CAST(name AS INTEGER) > 0" in problem.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("premium.amont >= 0", "amont"),
        ("prem >= 0", "prem"),
        ("premium.amount", "boolean"),
        ("premium.amount >= ", "cannot be checked"),
        ("name > 5", "mixes"),
        ("OLD.number = 1", "OLD"),
        ("CHANGED(number)", "CHANGED"),
        ("covers.amount > 0", "covers"),
        ("premium.tax.amunt > 0", "amunt"),
        ("CODE('x', name) = 'y'", "code table"),
    ],
)
def test_an_invariant_that_means_nothing_is_found(text: str, said: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING, contract(Fields, "Policy", text))
    (found,) = caught.value.findings
    assert (found.code, found.line, found.column) == ("contract.invariant", 7, 13)
    assert text in found.message and said in found.message
    with pytest.raises(InvariantRefused):
        bind_invariant(text, "Policy", shape_of(Fields))


def test_a_contract_is_enough_to_type_an_invariant() -> None:
    bound = bind_invariant("SUM(covers.amount) <= premium.tax.amount AND number > 0", "P", shape_of(Fields))
    assert paths_of(bound, "P") == ("covers.amount", "number", "premium.tax.amount")


class Key(Contract):
    number: int


class More(Contract):
    number: int
    stop: date | None = None


DETAILS = "https://policies.example/{number}"


@pytest.mark.parametrize(
    ("base", "more", "code"),
    [
        (Key, {"style": "notification", "details": DETAILS}, None),
        (Key, {"style": "notification"}, "contract.details"),
        (Key, {"style": "notification", "details": "https://policies.example/{nr}"}, "contract.details"),
        (Key, {"style": "notification", "details": "https://policies.example/"}, "contract.details"),
        (Key, {"style": "notification", "details": "https://policies.example/{number"}, "contract.details"),
        (Key, {"style": "notification", "details": DETAILS + "/{}"}, "contract.details"),
        (Key, {"details": "https://policies.example/{nr}"}, "contract.details"),
        (More, {"style": "notification", "details": DETAILS}, "contract.notification"),
        (More, {"style": "delta"}, None),
        (More, {"style": "delta", "folds": "delta"}, None),
        (More, {"style": "delta", "folds": "replace"}, "contract.folds"),
        (More, {"style": "state-transfer", "folds": "delta"}, "contract.folds"),
        (Key, {"style": "notification", "details": DETAILS, "folds": "delta"}, "contract.folds"),
    ],
)
def test_the_words_of_a_contract_fit_together(base: type[Contract], more: dict[str, Any], code: str | None) -> None:
    event = contract(base, "Changed", **more)
    if code is None:
        assert compiled(MAPPING, None, event).bound.findings == ()
        return
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING, None, event)
    assert [(f.code, f.line, f.column) for f in caught.value.findings] == [(code, 22, 11)]


def test_a_state_is_a_state_transfer() -> None:
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING, contract(Fields, "Policy", style="delta"))
    assert [f.code for f in caught.value.findings] == ["contract.style"]


def test_the_schema_of_a_notification_says_where_the_details_are() -> None:
    schema = json_schema(contract(Key, "Changed", style="notification", details=DETAILS))
    assert schema["x-contract"]["details"] == DETAILS


class Delta(Contract):
    promise: ClassVar[Promise] = promise("Changed").model_copy(
        update={"style": "delta", "folds": "delta", "invariants": ("stop IS NULL OR stop > start",)}
    )
    number: int
    start: date | None
    stop: date | None = None
    premium: Premium | None = None
    formerName: str | None


DELTA = MAPPING + "    fields:\n      formerName: OLD.name\n"


def test_a_delta_carries_its_key_what_it_must_and_what_changed() -> None:
    made = compiled(DELTA, None, Delta)
    (event,) = translate(made, rows(), rows(stop=date(2026, 1, 1))).events
    assert event.data == {"number": 7, "start": None, "stop": date(2026, 1, 1), "formerName": "Ann"}
    assert list(event.data) == ["number", "start", "stop", "formerName"]
    (event,) = translate(made, rows(stop=date(2026, 1, 1)), rows(prem=5)).events
    premium = {"amount": Decimal("0.05"), "tax": {"amount": None}}
    assert event.data == {"number": 7, "start": None, "stop": None, "premium": premium, "formerName": "Ann"}
    (created,) = translate(made, {}, rows()).events
    (deleted,) = translate(made, rows(), {}).events
    assert created.data.keys() == deleted.data.keys() == {"number", "start", "stop", "premium", "formerName"}


def test_a_delta_keeps_its_invariants() -> None:
    made = compiled(DELTA, None, Delta)
    day = date(2026, 1, 1)
    with pytest.raises(Refused):
        translate(made, rows(), rows(start=day, stop=day))
    assert translate(made, rows(start=day, stop=day), rows(start=day, stop=day, prem=5)).events
