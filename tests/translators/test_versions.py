"""What an event takes from the state, and several versions of one event from one rule."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, Field

from tests.translators.test_mapping import promise
from tests.translators.test_promises import MAPPING, Amount, Key, Tax, compiled, contract, rows
from translators.contract import Contract, Promise, personal, sensitive, shape_of
from translators.findings import MappingInvalid
from translators.mapping import MappingMalformed
from translators.translator import Event, Refused, translate


class Second(Contract):
    promise: ClassVar[Promise] = promise("Changed").model_copy(update={"version": 2})
    number: int
    what: str | None


TWO = MAPPING.replace("type: Changed.v1", "type: [Changed.v1, Changed.v2]") + "    fields:\n      what: NEW.name\n"


def test_one_rule_publishes_two_versions() -> None:
    made = compiled(TWO, None, contract(Key, "Changed", status="deprecated"), Second)
    said = translate(made, {}, rows()).events
    assert said == (
        Event("Changed.v1", {"number": 7}, deprecated=True),
        Event("Changed.v2", {"number": 7, "what": "Ann"}),
    )
    assert made.event_types == ("Changed.v1", "Changed.v2")


@pytest.mark.parametrize(
    ("old", "new", "code", "column"),
    [
        ("Changed.v2]", "Changed.v3]", "contract.unknown", 24),
        ("Changed.v2]", "Other.v1]", "event.versions", 24),
        ("what:", "wat:", "contract.field-unknown", 12),
    ],
)
def test_what_is_wrong_with_a_list_of_versions_is_found(old: str, new: str, code: str, column: int) -> None:
    events = contract(Key, "Changed"), Second, contract(Key, "Other")
    with pytest.raises(MappingInvalid) as caught:
        compiled(TWO.replace(old, new), None, *events)
    assert (code, column) in [(f.code, f.column) for f in caught.value.findings]


def test_a_version_is_published_once() -> None:
    with pytest.raises(MappingMalformed):
        compiled(TWO.replace("Changed.v2]", "Changed.v1]"))


class Coarse(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=9, decimal_places=0)]


class Whole(BaseModel):
    amount: Amount
    tax: Tax
    fee: Amount


class Sure(BaseModel):
    amount: Amount


def changed(**fields: Any) -> type[Contract]:
    """An event with these fields."""
    made: type[Contract] = type(
        "Changed", (Contract,), {"promise": promise("Changed"), "__annotations__": fields, "__module__": __name__}
    )
    return made


@pytest.mark.parametrize(
    ("field", "kind", "code"),
    [
        ("premium", Coarse, "contract.type"),
        ("premium", Whole, "contract.field-missing"),
        ("covers", list[Coarse], "contract.type"),
        ("start", str, "contract.type"),
        ("covers", list[Whole], "contract.field-missing"),
    ],
)
def test_what_an_event_takes_from_the_state_fits_all_the_way_down(field: str, kind: Any, code: str) -> None:
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING, None, changed(**{field: kind}))
    assert code in {f.code for f in caught.value.findings}


def test_an_event_may_demand_more_of_the_elements_of_a_list() -> None:
    made = compiled(MAPPING, None, changed(number=int, covers=list[Sure]))
    assert translate(made, {}, rows(5)).events[0].data == {"number": 7, "covers": [{"amount": Decimal("0.05")}]}
    with pytest.raises(Refused) as caught:
        translate(made, {}, rows(5, None))
    assert (caught.value.problem.code, caught.value.problem.field) == ("contract.null", "covers[].amount")


def test_limits_and_classes_are_seen_wherever_they_are_written() -> None:
    class Written(BaseModel):
        one: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] | None
        two: Annotated[str, personal(max_length=5)] | None
        three: Annotated[str, sensitive()]
        four: Annotated[str, Field(pattern="^a$")] | None = personal()

    shapes = shape_of(Written)
    assert (shapes["one"].digits, shapes["one"].places) == (5, 2)
    assert (shapes["two"].max_length, shapes["two"].data_class) == (5, "personal")
    assert shapes["three"].data_class == "sensitive"
    assert (shapes["four"].pattern, shapes["four"].data_class) == ("^a$", "personal")
