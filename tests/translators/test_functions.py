"""Fields that a Python function computes: what it is given, what it may give back, and what becomes of its errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from tests.translators.test_mapping import promise
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise, personal
from translators.expression.runtime import ValueProblem
from translators.findings import MappingInvalid
from translators.functions import FunctionMissing, PythonFunction, Reject, fitting
from translators.lineage import lineage
from translators.mapping import MappingMalformed, read_mapping
from translators.schema import Type, column_type
from translators.schema_text import read_schema
from translators.translator import Refused, translate
from translators.values import Unavailable

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no]
    replica_identity: default
    columns: {no: integer not null, prod: varchar(4), sum: "decimal(9,2)", ssn: varchar(9)}
  cov:
    key: [no, seq]
    columns: {no: integer not null, seq: integer not null, amt: integer not null}
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
    risk:
      py: rating:risk_class
      inputs: [prod, sum]
      type: decimal(5,2)
    initials:
      py: rating:initials
      inputs: ssn
      type: text
    covers:
      each: cov
      fields:
        share:
          py: rating:share
          inputs: [amt, pol.sum]
          type: integer not null
events:
  - type: Rated.v1
    when: CHANGED(risk)
    fields:
      before:
        py: rating:before
        inputs: [OLD.risk, prod]
        type: text
"""


class Cover(Contract):
    share: int


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state")
    number: int
    risk: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] | None
    initials: str | None = personal()
    covers: list[Cover]


class Rated(Contract):
    promise: ClassVar[Promise] = promise("Rated")
    number: int
    before: str | None


CONTRACTS: dict[str, type[Contract]] = {"Policy.v1": Policy, "Rated.v1": Rated}


def risk_class(product: Any, insured: Any) -> Any:
    if product == "BAD":
        raise Reject("rating.no-tariff", f"there is no tariff for {product}")
    if product == "BUG":
        return dict[str, int]()["tariff"]
    if product == "TYPE":
        return 1.5
    return None if insured is None else Decimal(2) if insured > 100 else Decimal("1.5")


def initials(ssn: Any) -> Any:
    if ssn == "bad":
        raise Reject("person.unknown", f"{ssn} is nobody")
    return ssn


def share(amount: int, insured: Any) -> Any:
    return amount if insured is None else amount * 2


def before(risk: Any, product: Any) -> str:
    return f"{risk} {product}"


FUNCTIONS: dict[str, Callable[..., object]] = {
    "rating:risk_class": risk_class,
    "rating:initials": initials,
    "rating:share": share,
    "rating:before": before,
}


def functions(name: str) -> PythonFunction:
    if name not in FUNCTIONS:
        raise FunctionMissing(function=name, reason="functions/rating.py has none", where="functions/rating.py")
    return PythonFunction(FUNCTIONS[name], "1")


def compiled(text: str = MAPPING, find: Callable[[str], PythonFunction] = functions) -> CompiledTranslator:
    schema = read_schema(SCHEMA, "schema.yaml")
    return compile_mapping(read_mapping(text, "p.yaml"), text, schema, CONTRACTS, functions=find)


def rows(prod: Any = "HOME", insured: Any = Decimal("50.00"), ssn: Any = "1", amounts: tuple[int, ...] = (3,)) -> Any:
    return {
        "pol": {"7": {"no": 7, "prod": prod, "sum": insured, "ssn": ssn}},
        "cov": {f"7/{seq}": {"no": 7, "seq": seq, "amt": amount} for seq, amount in enumerate(amounts)},
    }


def test_a_function_is_given_its_columns_and_what_it_gives_is_published() -> None:
    state = compiled().state(rows(amounts=(3, 4)))
    assert state == {"number": 7, "risk": Decimal("1.50"), "initials": "1", "covers": [{"share": 6}, {"share": 8}]}
    assert str(state["risk"]) == "1.50"


def test_nulls_are_passed() -> None:
    state = compiled().state(rows(insured=None, ssn=None))
    assert state == {"number": 7, "risk": None, "initials": None, "covers": [{"share": 3}]}


def test_an_event_may_ask_a_function_about_the_state_before() -> None:
    said = translate(compiled(), rows(), rows(insured=Decimal("500.00")))
    assert [event.data for event in said.events] == [{"number": 7, "before": "1.50 HOME"}]


@pytest.mark.parametrize(
    ("given", "code", "message", "field"),
    [
        ({"prod": "BAD"}, "rating.no-tariff", "risk: there is no tariff for BAD", "risk"),
        ({"prod": "BUG"}, "py.failed", "risk: rating:risk_class raised KeyError (test_functions.py:", "risk"),
        ({"prod": "TYPE"}, "py.type", "risk: rating:risk_class gives float, which does not fit decimal(5,2)", "risk"),
        ({"ssn": "bad"}, "person.unknown", "initials: rating:initials rejects it", "initials"),
        (
            {"prod": Unavailable("toast")},
            "value.unavailable",
            "risk: pol.prod was not sent by the source (toast)",
            "risk",
        ),
    ],
)
def test_what_a_function_refuses_is_a_rejection(given: Any, code: str, message: str, field: str | None) -> None:
    with pytest.raises(Refused) as caught:
        compiled().state(rows(**given))
    problem = caught.value.problem
    assert (problem.code, problem.field) == (code, field)
    assert problem.message.startswith(message)
    if field == "risk":
        assert problem.where == "p.yaml:11:11"
        assert problem.columns == ("pol.prod", "pol.sum")


def test_a_value_that_its_contract_does_not_allow_is_refused_whoever_computed_it() -> None:
    class Small(Policy):
        promise: ClassVar[Promise] = promise("Policy", "state")
        risk: Annotated[Decimal, Field(max_digits=3, decimal_places=2)] | None

    schema = read_schema(SCHEMA, "schema.yaml")
    contracts: dict[str, type[Contract]] = {**CONTRACTS, "Policy.v1": Small}

    def many(name: str) -> PythonFunction:
        return PythonFunction(lambda *_: Decimal(11), "1") if name == "rating:risk_class" else functions(name)

    made = compile_mapping(read_mapping(MAPPING, "p.yaml"), MAPPING, schema, contracts, functions=many)
    with pytest.raises(Refused) as caught:
        made.state(rows())
    assert caught.value.problem.code == "contract.too-large"


def test_lineage_knows_the_declared_inputs() -> None:
    lines = {(line.of, line.field): line.columns for line in lineage(compiled().bound)}
    assert lines["Policy.v1", "risk"] == ("pol.prod", "pol.sum")
    assert lines["Policy.v1", "covers[].share"] == ("cov.amt", "pol.sum")
    assert lines["Rated.v1", "before"] == ("pol.prod", "pol.sum")


def test_the_version_follows_the_functions_code() -> None:
    def newer(name: str) -> PythonFunction:
        return PythonFunction(functions(name).call, "2")

    assert compiled(find=newer).version != compiled().version


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("py: rating:risk_class", "py: rating:risk", "py.missing", (11, 11)),
        ("py: rating:risk_class", "py: rating", "py.missing", (11, 11)),
        ("[prod, sum]", "[prod, sums]", "column.unknown", (12, 22)),
        ("[prod, sum]", "[prod, TRIM(prod)]", "py.input", (12, 22)),
        ("type: decimal(5,2)", "type: decimal(5,3)", "contract.type", (11, 11)),
        ("type: decimal(5,2)", "type: text", "contract.type", (11, 11)),
        ("type: decimal(5,2)", "type: bytea", "py.type", (11, 11)),
    ],
)
def test_what_is_wrong_with_a_python_field_is_found(old: str, new: str, code: str, place: tuple[int, int]) -> None:
    assert MAPPING.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING.replace(old, new))
    assert (code, *place) in [(f.code, f.line, f.column) for f in caught.value.findings]


@pytest.mark.parametrize(("old", "new"), [("type: decimal(5,2)", "type: desimal("), ("      inputs: ssn\n", "")])
def test_a_malformed_python_field_is_refused(old: str, new: str) -> None:
    with pytest.raises(MappingMalformed):
        compiled(MAPPING.replace(old, new))


def test_a_rejection_has_a_dotted_code() -> None:
    for code in ("nothing", "Not.Good", "a.", ""):
        with pytest.raises(ValueError, match="is no dotted code"):
            Reject(code, "because")


BERLIN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("decimal(5,2)", Decimal(1), "1.00"),
        ("decimal(5,2)", Decimal("1.500"), "1.50"),
        ("decimal(5,2)", Decimal("999.99"), "999.99"),
        ("decimal(5,2)", Decimal("-0"), "0.00"),
        ("decimal(5,2)", Decimal("1E2"), "100.00"),
        ("decimal(5,2)", Decimal("-1.25"), "-1.25"),
        ("decimal(5,2)", Decimal("1.505"), None),
        ("decimal(5,2)", Decimal(1000), None),
        ("decimal(5,2)", Decimal("NaN"), None),
        ("decimal(2,2)", Decimal("0.99"), "0.99"),
        ("decimal(2,2)", Decimal(1), None),
        ("decimal(5,2)", 1, None),
        ("integer", 2**63 - 1, str(2**63 - 1)),
        ("integer", 2**63, None),
        ("integer", True, None),
        ("text", "", ""),
        ("varchar(2)", "ab", "ab"),
        ("varchar(2)", "abc", None),
        ("text", 1, None),
        ("boolean", False, "False"),
        ("boolean", 0, None),
        ("double precision", float("inf"), None),
        ("double precision", -0.0, "0.0"),
        ("date", date(2026, 1, 1), "2026-01-01"),
        ("date", datetime(2026, 1, 1, tzinfo=UTC), None),
        ("timestamp", datetime(2026, 1, 1), "2026-01-01 00:00:00"),  # noqa: DTZ001 - a wall clock
        ("timestamp", datetime(2026, 1, 1, tzinfo=UTC), None),
        ("timestamptz", datetime(2026, 1, 1, 2, tzinfo=BERLIN), "2026-01-01 00:00:00+00:00"),
        ("timestamptz", datetime(2026, 1, 1), None),  # noqa: DTZ001 - a wall clock
        ("text", None, "None"),
        ("text not null", None, None),
    ],
)
def test_values_are_of_their_type_or_refused(kind: str, given: object, value: str | None) -> None:
    fitted = fitting("f", column_type(kind))
    if value is None:
        with pytest.raises(ValueProblem) as caught:
            fitted(given)
        assert caught.value.code == "py.type"
    else:
        assert str(fitted(given)) == value


def test_a_wide_decimal_keeps_its_digits() -> None:
    assert str(fitting("f", Type("wide"))(Decimal("1." + "1" * 50))) == "1." + "1" * 50
