"""Anti-patterns of event design, and good designs that look a little like them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.translators.lint.support import (
    CODES,
    MAPPED,
    SCHEMA,
    STATE,
    contract,
    event,
    found,
    mapping,
    marked,
    state,
    subject,
)
from translators.findings import Finding
from translators.lint.words import command_as_event, is_past, noun_as_event


def called(name: str, when: str = "NEW.status = 'active'") -> list[Finding]:
    return found(mapping((f"{name}.v1", when)), state(), event(name))


class TestNames:
    @pytest.mark.parametrize(
        ("name", "better"),
        [
            ("SendClaimLetter", "ClaimLetterRequested"),
            ("CancelPolicy", "PolicyCancelled"),
            ("UpdateAddress", "AddressUpdated"),
            ("NotifyCustomer", "CustomerRequested"),
            ("PayClaim", "ClaimPaid"),
            ("ApplyDiscount", "DiscountApplied"),
        ],
    )
    def test_orders(self, name: str, better: str) -> None:
        (finding,) = called(name)
        assert (finding.code, finding.severity) == ("event.command-shaped", "warning")
        assert finding.message == f"reads as an order to somebody; an event says what happened ({better}?)"
        assert marked(finding) == f"{name}.v1"

    @pytest.mark.parametrize(
        ("name", "better"),
        [
            ("PolicyCancellation", "PolicyCancelled"),
            ("PolicyRenewal", "PolicyRenewed"),
            ("AddressUpdate", "AddressUpdated"),
            ("PolicyBoundEvent", "PolicyBound"),
            ("PolicyBinder", None),
            ("PolicyActive", None),
            ("ClaimFeed", None),
        ],
    )
    def test_what_is_not_over(self, name: str, better: str | None) -> None:
        (finding,) = called(name)
        said = f" ({better}?)" if better else ""
        assert (finding.code, finding.message) == ("event.not-past", f"does not say that something happened{said}")

    @pytest.mark.parametrize(
        "name",
        ["PolicyBound", "ClaimSettled", "LetterSent", "SessionTimedOut", "CoverageChanged", "AddressCorrected", "PremiumPaid",
         "OrderWithdrawn", "RiskUnderwritten", "CustomerCheckedIn", "ClaimPaymentReversed", "IBANVerified"],
    )  # fmt: skip
    def test_what_happened(self, name: str) -> None:
        assert called(name) == []
        assert is_past(name)
        assert command_as_event(name) is None

    def test_a_name_is_told_once(self) -> None:
        text = mapping(("SendLetter.v1", "NEW.status = 'active'"), ("SendLetter.v1", "NEW.status = 'ended'"))
        assert len(found(text, state(), event("SendLetter"))) == 1

    def test_odd_names_have_no_better_one(self) -> None:
        assert (command_as_event("Send"), noun_as_event("Event"), is_past("A1")) == (None, None, False)


class TestCatchAll:
    @pytest.mark.parametrize("name", ["PolicyUpdated", "PolicyChanged", "PolicyModified", "Updated"])
    def test_by_its_name(self, name: str) -> None:
        (finding,) = called(name)
        assert (finding.code, finding.severity, marked(finding)) == ("event.catch-all", "warning", f"{name}.v1")

    @pytest.mark.parametrize(
        "when", ["CHANGED(*)", "NOT CREATED AND NOT DELETED", "CHANGED(number, status, amount, remark)"]
    )
    def test_by_its_condition(self, when: str) -> None:
        (finding,) = called("PolicyTouchedUp", when)
        assert (finding.code, marked(finding)) == ("event.catch-all", when)

    def test_what_says_which_change(self) -> None:
        assert called("PremiumChanged", "CHANGED(amount)") == []


ROW = {"pol_no": str, "pol_sts": str, "prem_amt": int, "ccy": str, "note": str | None}


class TestRows:
    @pytest.mark.parametrize(
        ("name", "word"),
        [
            ("PolmstUpdated", "polmst"),
            ("PolicyRowChanged", "Row"),
            ("PolicyInserted", "Inserted"),
            ("TableChanged", "Table"),
        ],
    )
    def test_words_of_the_database(self, name: str, word: str) -> None:
        (finding,) = called(name)
        assert (finding.code, finding.message) == ("event.row-in-disguise", f"{word} is a word of the database")

    def test_a_table_that_is_called_like_the_thing(self) -> None:
        schema = SCHEMA.replace("polmst", "policies")
        text = mapping(("PoliciesMerged.v1", "NEW.status = 'active'")).replace("polmst", "policies")
        assert found(text, state(), event("PoliciesMerged"), schema=schema) == []

    def test_a_table_with_a_name_that_people_use(self) -> None:
        schema = SCHEMA.replace("polmst", "customer")
        text = mapping(("CustomerMoved.v1", "NEW.status = 'active'")).replace("polmst", "customer")
        assert found(text, state(), event("CustomerMoved"), schema=schema) == []

    def test_fields_that_are_columns(self) -> None:
        # Only the row rule is asked: names and codes of the legacy are rules of their own.
        mapped = {name: name for name in ROW}
        text = mapping(("PolicyBound.v1", "NEW.pol_sts = 'A'"), mapped=mapped, codes={})
        contracts = (state(ROW, business_key=("pol_no",)), event("PolicyBound", ROW, business_key=("pol_no",)))
        others = {"contract.legacy-name": "off", "contract.raw-code": "off"}
        (finding,) = found(text, *contracts, levels=others)  # type: ignore[arg-type]
        assert finding.code == "event.row-in-disguise"
        assert finding.message == "5 of its 5 fields are called like columns: pol_no, pol_sts, prem_amt, ccy"

    def test_fields_that_copy_the_table(self) -> None:
        names = {
            "number": "pol_no",
            "state": "LOWER(pol_sts)",
            "premium": "prem_amt",
            "money": "TRIM(ccy)",
            "remark": "note",
        }
        names |= {"account": "NULLIF(iban, '')", "begin": "eff_dt"}
        fields: dict[str, Any] = {**dict.fromkeys(names, str | None), "number": str, "premium": int}
        from datetime import date

        fields["begin"] = date | None
        text = mapping(("PolicyBound.v1", "NEW.premium = 1"), mapped=names, codes={})
        others = dict.fromkeys(("contract.raw-code", "contract.time-meaning", "contract.personal-data"), "off")
        (finding,) = found(text, state(fields), event("PolicyBound", fields), levels=others)  # type: ignore[arg-type]
        assert (finding.code, finding.message) == ("event.row-in-disguise", "copies 7 of the 8 columns of polmst")


class TestPublishers:
    def test_the_same_event_from_two_mappings(self) -> None:
        other_state = contract("Offer", STATE, kind="state")
        other = subject(
            mapping(("PolicyBound.v1", "NEW.status = 'active'"), name="offer", state_type="Offer.v1"),
            other_state,
            event(),
            file="mappings/offer.yaml",
        )
        text = mapping(("PolicyBound.v1", "NEW.status = 'active'"))
        (finding,) = found(text, state(), event(), other_state, more=(other,))
        assert (finding.code, finding.severity, finding.file) == (
            "event.two-publishers",
            "error",
            "mappings/offer.yaml",
        )
        assert finding.message == "PolicyBound.v1 is published by policy too (mappings/policy.yaml)"
        assert marked(finding) == "PolicyBound.v1"

    def test_the_same_fact_in_two_contexts(self) -> None:
        theirs = [
            contract("Bill", STATE, kind="state", context="billing"),
            event("PolicyBound", version=2, context="billing"),
        ]
        text = mapping(("PolicyBound.v2", "NEW.status = 'active'"), name="bill", state_type="Bill.v1")
        other = subject(text.replace("context: policy", "context: billing"), *theirs, file="mappings/bill.yaml")
        own = mapping(("PolicyBound.v1", "NEW.status = 'active'"))
        (finding,) = found(own, state(), event(), *theirs, more=(other,))
        assert finding.code == "event.two-publishers"
        assert "the contexts policy and billing both publish PolicyBound" in finding.message

    def test_two_versions_from_one_mapping(self) -> None:
        text = mapping(("PolicyBound.v1", "NEW.status = 'active'"), ("PolicyBound.v2", "NEW.status = 'active'"))
        assert found(text, state(), event(), event(version=2)) == []


def test_a_good_mapping_has_no_finding() -> None:
    fields = {"number": str, "status": STATE["status"], "amount": Decimal}
    mapped = {"number": "TRIM(pol_no)", "status": MAPPED["status"], "amount": "prem_amt / 100"}
    text = mapping(
        ("PolicyBound.v1", "OLD.status IS DISTINCT FROM 'active' AND NEW.status = 'active'"), mapped=mapped, codes=CODES
    )
    assert found(text, state(fields), event()) == []
