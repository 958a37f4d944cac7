"""What is wrong with a mapping is found before anything runs, with its line and column; what is right does what it says."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, StringConstraints

from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise, personal
from translators.errors import DragomanError
from translators.findings import MappingInvalid
from translators.mapping import MappingMalformed, read_mapping
from translators.schema import LegacySchema
from translators.schema_text import read_schema
from translators.translator import Refused, translate
from translators.values import OutOfRange, Row, Unavailable

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no]
    replica_identity: full
    columns:
      no: char(8) not null
      sts: char(1) not null
      prem: integer not null
      eff: date
      ssn: varchar(20)
      note: varchar(10)
  cov:
    key: [no, seq]
    replica_identity: full
    columns:
      no: char(8) not null
      seq: smallint not null
      cd: char(2) not null
  oth:
    key: [id]
    columns:
      id: integer not null
"""

MAPPING = """\
translator: policy
context: policy
root: {table: pol, key: no}
parts:
  cov: {parent: no, order: seq}
codes:
  status: {A: active, C: cancelled}
state:
  contract: Policy.v1
  fields:
    number: TRIM(no)
    status: CODE('status', sts)
    premium:
      amount: prem / 100
    since: eff
    ssn: CAST(ssn AS INTEGER)
    note: note
    covers:
      each: cov
      fields:
        code: cd
events:
  - type: Bound.v1
    when: OLD.status IS DISTINCT FROM 'active' AND NEW.status = 'active'
  - type: Cancelled.v1
    when: NEW.status = 'cancelled' AND CHANGED(status)
    fields:
      reason: COALESCE(note, 'unknown')
  - type: Gone.v1
    when: DELETED
ignore:
  - when: NOT CHANGED(*)
    reason: the night
"""


def promise(name: str, kind: Literal["event", "state"] = "event", context: str = "policy") -> Promise:
    return Promise(
        name=name,
        version=1,
        kind=kind,
        context=context,
        owner="Policies",
        intent="Decide.",
        business_key=("number",),
        retention="1 day",
        lag_objective="1 s",
    )


class Money(BaseModel):
    amount: Annotated[Decimal, Field(max_digits=6, decimal_places=2)]


class Cover(BaseModel):
    code: Literal["F", "W"]


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state")
    number: Annotated[str, StringConstraints(min_length=1)]
    status: Literal["active", "cancelled"]
    premium: Money
    since: date | None
    ssn: int | None = personal()
    note: Annotated[str, StringConstraints(max_length=5)] | None
    covers: list[Cover]


class Bound(Contract):
    promise: ClassVar[Promise] = promise("Bound")
    number: str
    since: date
    premium: Money


class Cancelled(Contract):
    promise: ClassVar[Promise] = promise("Cancelled")
    number: str
    reason: Annotated[str, StringConstraints(max_length=4)]


class Gone(Contract):
    promise: ClassVar[Promise] = promise("Gone")
    number: str
    covers: list[Cover]


class Foreign(Contract):
    promise: ClassVar[Promise] = promise("Foreign", context="claims")
    number: str


CONTRACTS = {c.promise.type: c for c in (Policy, Bound, Cancelled, Gone, Foreign)}


def schema() -> LegacySchema:
    return read_schema(SCHEMA, "schema.yaml")


def compiled(text: str = MAPPING) -> CompiledTranslator:
    return compile_mapping(read_mapping(text, "policy.yaml"), text, schema(), CONTRACTS)


def pol(**values: Any) -> Row:
    row: Row = {"no": "P1", "sts": "A", "prem": 12345, "eff": date(2026, 1, 1), "ssn": "7", "note": None, **values}
    return row


def rows(*covers: str, **values: Any) -> dict[str, dict[str, Row]]:
    found: dict[str, Row] = {f"P1/{i}": {"no": "P1", "seq": i, "cd": code} for i, code in enumerate(covers)}
    return {"pol": {"P1": pol(**values)}, "cov": found}


def test_a_state_is_what_its_expressions_say() -> None:
    assert compiled().state(rows("F", "W")) == {
        "number": "P1",
        "status": "active",
        "premium": {"amount": Decimal("123.45")},
        "since": date(2026, 1, 1),
        "ssn": 7,
        "note": None,
        "covers": [{"code": "F"}, {"code": "W"}],
    }
    assert compiled().state({"cov": {}}) is None


def test_parts_come_in_their_order_however_they_arrived() -> None:
    turned = rows("F", "W")
    turned["cov"] = dict(reversed(turned["cov"].items()))
    state = compiled().state(turned)
    assert state is not None
    assert [c["code"] for c in state["covers"]] == ["F", "W"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"pol": {}}, []),
        (
            {},
            rows(),
            [("Bound.v1", {"number": "P1", "since": date(2026, 1, 1), "premium": {"amount": Decimal("123.45")}})],
        ),
        (rows(), rows(sts="C", note="age"), [("Cancelled.v1", {"number": "P1", "reason": "age"})]),
        (rows("F"), {}, [("Gone.v1", {"number": "P1", "covers": [{"code": "F"}]})]),
        (rows(), rows(prem=1), []),
        ({}, rows(sts="C", note="x"), [("Cancelled.v1", {"number": "P1", "reason": "x"})]),
    ],
)
def test_events_happen_on_their_conditions(before: Any, after: Any, said: list[Any]) -> None:
    translation = translate(compiled(), before, after)
    assert [(e.type, e.data) for e in translation.events] == said


def test_a_change_that_means_nothing_is_ignored_with_its_reason() -> None:
    assert translate(compiled(), rows(), rows()).ignored == "the night"
    assert translate(compiled(), {}, {"cov": rows("F")["cov"]}).ignored == "no root row yet"


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"sts": "X"}, "code.unmapped", "status"),
        ({"no": " "}, "contract.too-short", "number"),
        ({"prem": 10**8}, "contract.too-large", "premium.amount"),
        ({"note": "longer"}, "contract.too-long", "note"),
        ({"ssn": "secret!"}, "value.not_an_integer", "ssn"),
        ({"eff": OutOfRange("infinity")}, "value.out_of_range", None),
        ({"eff": Unavailable("toast")}, "value.unavailable", "since"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_code_field_and_place(
    values: Any, code: str, field: str | None
) -> None:
    with pytest.raises(Refused) as caught:
        compiled().state(rows(**values))
    problem = caught.value.problem
    assert (problem.code, problem.field) == (code, field)
    assert problem.cause == "semantic"
    if field is not None:
        assert problem.where is not None and problem.where.startswith("policy.yaml:")
        assert problem.columns


def test_the_value_of_a_personal_field_is_in_no_message() -> None:
    with pytest.raises(Refused) as caught:
        compiled().state(rows(ssn="secret!"))
    assert "secret" not in str(caught.value.problem)


def test_an_unmapped_code_names_the_nearest_that_is_known() -> None:
    text = MAPPING.replace("{A: active, C: cancelled}", "{AA: active, C: cancelled}")
    with pytest.raises(Refused) as caught:
        compiled(text).state(rows(sts="A"))
    assert "'AA'" in str(caught.value.problem.hint)


def test_an_event_may_demand_more_than_the_state() -> None:
    with pytest.raises(Refused) as caught:
        translate(compiled(), {}, rows(eff=None))
    assert (caught.value.problem.code, caught.value.problem.field) == ("contract.null", "since")
    with pytest.raises(Refused) as caught:
        translate(compiled(), rows(), rows(sts="C", note="too l"))
    assert (caught.value.problem.code, caught.value.problem.field) == ("contract.too-long", "reason")


@pytest.mark.parametrize("row", [{"no": None}, {}, {"no": "\udcff"}, {"no": Unavailable("toast")}])
def test_a_row_without_a_readable_key_is_refused(row: Row) -> None:
    with pytest.raises(Refused) as caught:
        compiled().key_of("cov", row)
    assert caught.value.problem.code == "key.unreadable"


def test_the_version_follows_everything_that_decides_the_output() -> None:
    first = compiled().version
    assert compiled().version == first
    assert compiled(MAPPING.replace("the night", "a night")).version != first
    other = compile_mapping(read_mapping(MAPPING, "policy.yaml"), MAPPING, schema(), CONTRACTS, "functions 2")
    assert other.version != first


MEANINGS = [
    ("TRIM(no)", "TRIM(nr)", "column.unknown", 11, 18),
    ("prem / 100", "prem", "contract.type", 14, 15),
    ("contract: Policy.v1", "contract: Polic.v1", "contract.unknown", 9, 13),
    ("{table: pol, key: no}", "{table: pool, key: no}", "table.unknown", 3, 15),
    ("{table: pol, key: no}", "{table: pol, key: sts}", "root.key", 3, 25),
    ("{parent: no, order: seq}", "{parent: seq, order: seq}", "part.key-type", 5, 8),
    ("each: cov", "each: cvo", "part.unknown", 19, 13),
    ("type: Bound.v1", "type: Foreign.v1", "contract.context", 23, 11),
    ("type: Bound.v1", "type: Policy.v1", "contract.kind", 23, 11),
    ("    note: note\n", "", "contract.field-missing", 9, 13),
    ("    note: note\n", "    note: note\n    nota: note\n", "contract.field-unknown", 18, 11),
    ("CODE('status', sts)", "CODE('state', sts)", "code.unknown-table", 12, 18),
    ("{A: active, C: cancelled}", "{A: activ, C: cancelled}", "contract.choice", 12, 13),
    ("when: DELETED", "when: OLD.status", "type.mismatch", 30, 11),
    ("when: DELETED", "when: OLD.stats = 'x'", "column.unknown", 30, 11),
    ("reason: COALESCE(note, 'unknown')", "reasn: note", "contract.field-unknown", 28, 14),
    ("since: eff", "since: TRIM(note", "expression.syntax", 15, 21),
]


@pytest.mark.parametrize(("old", "new", "code", "line", "column"), MEANINGS, ids=[f"{m[2]}-{m[3]}" for m in MEANINGS])
def test_what_a_mapping_means_wrongly_is_found_at_its_place(
    old: str, new: str, code: str, line: int, column: int
) -> None:
    assert MAPPING.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING.replace(old, new))
    found = [(f.code, f.line, f.column) for f in caught.value.findings]
    assert (code, line, column) in found
    finding = next(f for f in caught.value.findings if f.code == code)
    assert finding.excerpt == MAPPING.replace(old, new).splitlines()[line - 1]
    assert len(found) <= 3


def test_all_errors_of_a_file_are_found_at_once() -> None:
    text = (
        MAPPING.replace("TRIM(no)", "TRIM(nr)").replace("prem / 100", "prm / 100").replace("when: DELETED", "when: X")
    )
    with pytest.raises(MappingInvalid) as caught:
        compiled(text)
    assert [f.line for f in caught.value.findings] == [11, 14, 30]
    assert str(caught.value) == "3 errors in policy.yaml; the first: column.unknown: Unknown column 'nr'."


FORMS = [
    ("translator: policy\n", "", "mapping.malformed"),
    ("parts:\n  cov: {parent: no, order: seq}", "parts: [cov]", "mapping.malformed"),
    ("since: eff", "since: [eff]", "mapping.malformed"),
    ("since: eff", "since:", "mapping.malformed"),
    ("context: policy", "contxt: policy", "mapping.malformed"),
    ("fields:\n      reason: COALESCE(note, 'unknown')", "fields: {reason: COALESCE(note, 5)}", "mapping.malformed"),
    ("context: policy", "context: policy\ncontext: other", "yaml.duplicate-key"),
    ("since: eff", "since: 'x' || note", "yaml.syntax"),
]


@pytest.mark.parametrize(("old", "new", "code"), FORMS)
def test_a_malformed_file_is_refused_with_its_place(old: str, new: str, code: str) -> None:
    with pytest.raises((MappingMalformed, DragomanError)) as caught:
        read_mapping(MAPPING.replace(old, new), "policy.yaml")
    assert caught.value.code == code
    assert (caught.value.where or "").startswith("policy.yaml:")
    assert caught.value.advice


def test_business_time_correlation_and_deprecation_are_said() -> None:
    class OldBound(Bound):
        promise: ClassVar[Promise] = promise("Bound").model_copy(update={"status": "deprecated"})

    text = MAPPING.replace("  - type: Bound.v1\n", "  - type: Bound.v1\n    occurred: eff\n") + "correlation: note\n"
    contracts: dict[str, type[Contract]] = {**CONTRACTS, "Bound.v1": OldBound}
    made = compile_mapping(read_mapping(text, "policy.yaml"), text, schema(), contracts)
    translation = translate(made, {}, rows(note="c-1"))
    assert translation.correlation == "c-1"
    assert [(e.occurred, e.deprecated) for e in translation.events] == [(date(2026, 1, 1), True)]
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING + "correlation: prem\n")
    assert [(f.code, f.line) for f in caught.value.findings] == [("type.mismatch", 34)]


def test_timestamps_of_an_instant_may_be_published() -> None:
    text = SCHEMA.replace("eff: date", "eff: timestamptz")

    class Timed(Policy):
        promise: ClassVar[Promise] = promise("Policy", "state")
        since: datetime | None

    class TimedBound(Bound):
        promise: ClassVar[Promise] = promise("Bound")
        since: datetime

    made = compile_mapping(
        read_mapping(MAPPING, "policy.yaml"),
        MAPPING,
        read_schema(text, "schema.yaml"),
        {**CONTRACTS, "Policy.v1": Timed, "Bound.v1": TimedBound},
    )
    instant = datetime(2026, 1, 1, 12, tzinfo=UTC)
    state = made.state(rows(eff=instant))
    assert state is not None and state["since"] == instant
