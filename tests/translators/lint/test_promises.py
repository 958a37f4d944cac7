"""What contracts have to say beside their fields."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from tests.translators.lint.support import (
    CODES,
    MAPPED,
    STATE,
    codes,
    contract,
    event,
    found,
    mapping,
    marked,
    state,
    subject,
)
from translators.contract import personal
from translators.findings import Finding
from translators.lint import ContractText
from translators.lint.promises import is_personal

BOUND = ("PolicyBound.v1", "NEW.status = 'active'")


def of_event(**promise: Any) -> list[Finding]:
    return found(mapping(BOUND), state(), event(**promise))


def with_field(name: str, kind: Any, expression: str, **promise: Any) -> list[Finding]:
    return found(mapping(mapped={**MAPPED, name: expression}), state({**STATE, name: kind}, **promise))


class TestOwner:
    @pytest.mark.parametrize("owner", ["", " ", "TODO", "tbd", "?", "Unknown"])
    def test_nobody(self, owner: str) -> None:
        (finding,) = of_event(owner=owner)
        assert (finding.code, finding.severity) == ("contract.no-owner", "error")
        assert "nobody answers for PolicyBound.v1" in finding.message
        assert marked(finding) == "PolicyBound"

    def test_somebody(self) -> None:
        assert of_event(owner="Team Todorov") == []


class TestKey:
    def test_a_field_that_is_not_there(self) -> None:
        findings = found(mapping(), state(business_key=("nummber",)))
        assert codes(findings) == ["contract.business-key"]
        assert "names nummber, which is no field of it; did you mean 'number'?" in findings[0].message

    def test_a_field_that_may_be_missing(self) -> None:
        (finding,) = found(mapping(), state(business_key=("remark",)))
        assert finding.message == "remark names the thing in Policy.v1, and may be missing"

    def test_another_key_than_the_state(self) -> None:
        fields = {"number": str, "amount": int}
        (finding,) = found(mapping(BOUND), state(), event(fields=fields, business_key=("number", "amount")))
        assert "(number, amount), its state Policy.v1 has (number)" in finding.message


class TestTimes:
    def test_a_day_without_meaning(self) -> None:
        (finding,) = with_field("begin", date | None, "eff_dt")
        assert (finding.code, finding.severity) == ("contract.time-meaning", "warning")
        assert "does not say what begin means" in finding.message

    def test_with_meaning(self) -> None:
        assert with_field("begin", date | None, "eff_dt", times={"begin": "first day in force"}) == []

    def test_a_meaning_of_nothing(self) -> None:
        (finding,) = with_field(
            "begin", date | None, "eff_dt", times={"begin": "first day", "begun": "?", "time": "commit"}
        )
        assert "tells of begun, which is no time in it; did you mean 'begin'?" in finding.message


class TestPersonal:
    def test_by_its_name(self) -> None:
        (finding,) = with_field("customerName", str | None, "note")
        assert (finding.code, finding.severity) == ("contract.personal-data", "warning")
        assert finding.message == "customerName of Policy.v1 looks like personal data, but has no data class"

    def test_by_its_column(self) -> None:
        (finding,) = with_field("account", str | None, "REPLACE(iban, ' ', '')")
        assert "account of Policy.v1 comes from polmst.iban" in finding.message

    def test_classified(self) -> None:
        assert with_field("customerName", (str | None, personal()), "note") == []

    def test_whether_there_is_one_is_not_personal(self) -> None:
        assert with_field("payable", bool, "iban IS NOT NULL") == []

    def test_what_the_state_says_of_it(self) -> None:
        fields = {**STATE, "remark": (str | None, personal())}
        (finding,) = found(mapping(BOUND), state(fields), event(fields={"number": str, "remark": str | None}))
        assert finding.message == "remark of PolicyBound.v1 is personal in Policy.v1, but has no data class"

    @pytest.mark.parametrize(
        "name", ["iban", "dateOfBirth", "birth_date", "holderName", "e_mail", "phoneNumber", "zipCode"]
    )
    def test_names(self, name: str) -> None:
        assert is_personal(name)

    @pytest.mark.parametrize("name", ["productName", "fileName", "rebirth", "number", "accountingDate", "statusName"])
    def test_other_names(self, name: str) -> None:
        assert not is_personal(name)


class Shared(BaseModel):
    """Three fields that two contexts share."""

    number: str
    amount: int
    remark: str | None


class TestCanonicalModel:
    def test_a_universal_name(self) -> None:
        text = mapping(state_type="CanonicalPolicy.v1")
        (finding,) = found(text, contract("CanonicalPolicy", STATE, kind="state"))
        assert (finding.code, finding.severity) == ("contract.canonical-model", "warning")

    def test_a_thing_that_is_common(self) -> None:
        assert found(mapping(state_type="Commons.v1"), contract("Commons", STATE, kind="state")) == []

    def of_contexts(self, context: str) -> list[Finding]:
        status = {"status": STATE["status"]}
        mine = contract("Policy", status, kind="state", bases=(Shared,))
        theirs = contract("Bill", status, kind="state", context=context, bases=(Shared,))
        text = mapping(name="bill", state_type="Bill.v1").replace("context: policy", f"context: {context}")
        other = subject(text, theirs, file="mappings/bill.yaml")
        return found(mapping(), mine, theirs, more=(other,))

    def test_one_model_in_two_contexts(self) -> None:
        (finding,) = self.of_contexts("billing")
        assert finding.message == "Policy.v1 (policy) and Bill.v1 (billing) are both made from Shared"
        assert finding.code == "contract.canonical-model"

    def test_one_model_within_one_context(self) -> None:
        assert self.of_contexts("policy") == []


PYTHON = '''
class Money(BaseModel):
    amount: float


class Terms(BaseModel):
    number: str
    status: str | None


class Policy(Terms, Contract):
    """What a policy is."""

    promise = Promise()
    amount: int
    remark: str | None
    money: list[Money]  # dragoman: allow contract.float until 2026-12-31 because the ledger does so too
'''


class TestPlaces:
    def test_in_the_contracts_file(self) -> None:
        source = ContractText("contracts/policy.py", PYTHON, "Policy")
        finding, unused = found(mapping(), state(owner=""), sources={"Policy.v1": source})
        assert unused.code == "lint.allow-unused"
        assert (finding.where, marked(finding)) == ("contracts/policy.py:11:7", "Policy")

    @pytest.mark.parametrize(
        ("path", "line"), [("", 11), ("number", 7), ("amount", 15), ("money", 17), ("money[].amount", 3)]
    )
    def test_of_fields(self, path: str, line: int) -> None:
        from translators.lint.places import contract_places

        assert contract_places(ContractText("x.py", PYTHON, "Policy"))[path].line == line

    def test_a_class_that_is_not_there(self) -> None:
        source = ContractText("contracts/policy.py", "x = 1\n", "Policy")
        (finding,) = found(mapping(), state(owner=""), sources={"Policy.v1": source})
        assert finding.where == "contracts/policy.py:1:1"


def test_codes_of_the_world() -> None:
    assert set(CODES) == {"status"}
