"""What stands behind the insurer's fields, as a person wrote it down from the mappings; and both ways agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.project import Project
from dragoman.settings import read_settings
from translators.lineage import Line, lineage, of_column, of_field

INSURER = Project(read_settings(Path(__file__).parents[2] / "examples" / "insurer", {}))
COVERAGES = "covdtl.* covdtl.cov_seq covdtl.pol_no"
COVERAGE_FIELDS = "covdtl.cov_cd covdtl.cov_prm covdtl.cov_seq covdtl.ded_amt covdtl.sum_ins"

STATES = {
    "policy": {
        "policyNumber": "polmst.pol_no",
        "product": "polmst.prd_cd",
        "status": "polmst.pol_sts",
        "holderNumber": "polmst.pty_no",
        "agentCode": "polmst.agt_cd",
        "effectiveFrom": "polmst.eff_dt",
        "effectiveTo": "polmst.exp_dt",
        "cancelledOn": "polmst.cxl_dt",
        "premium.amount": "polmst.prem_amt",
        "premium.currency": "polmst.ccy",
        "premium.frequency": "polmst.pay_frq",
        "discountPercent": "polmst.dsc_pct",
        "coverageCount": "covdtl.*",
        "coverages": COVERAGES,
        "coverages[].sequence": "covdtl.cov_seq",
        "coverages[].kind": "covdtl.cov_cd",
        "coverages[].sumInsured": "covdtl.sum_ins",
        "coverages[].deductible": "covdtl.ded_amt",
        "coverages[].premiumShare": "covdtl.cov_prm",
    },
    "claim": {
        "claimNumber": "clmhdr.clm_no",
        "policyNumber": "clmhdr.pol_no",
        "status": "clmhdr.clm_sts",
        "cause": "clmhdr.cau_cd",
        "lossDate": "clmhdr.los_dt",
        "reportedOn": "clmhdr.rpt_dt",
        "closedOn": "clmhdr.cls_dt",
        "description": "clmhdr.los_dsc",
        "handler": "clmhdr.hdl_id",
        "reserve.amount": "clmhdr.rsv_amt",
        "reserve.currency": "clmhdr.ccy",
        "claimedAmount": "clmlin.clm_amt",
        "acceptedAmount": "clmlin.acc_amt",
        "settledAmount": "clmhdr.set_amt",
        "lines": "clmlin.* clmlin.clm_no clmlin.lin_no",
        "lines[].number": "clmlin.lin_no",
        "lines[].coverage": "clmlin.cov_cd",
        "lines[].item": "clmlin.itm_dsc",
        "lines[].claimed": "clmlin.clm_amt",
        "lines[].accepted": "clmlin.acc_amt",
    },
    "payment": {
        "claimNumber": "clmpay.clm_no",
        "paymentNumber": "clmpay.pay_seq",
        "reference": "clmpay.clm_no clmpay.pay_seq",
        "status": "clmpay.pay_sts",
        "payeeNumber": "clmpay.pye_no",
        "amount": "clmpay.pay_amt",
        "currency": "clmpay.ccy",
        "method": "clmpay.pay_mth",
        "account": "clmpay.iban",
        "authorizedOn": "clmpay.aut_dt",
        "issuedOn": "clmpay.iss_dt",
        "reversedOn": "clmpay.rev_dt",
    },
}

WHENS = {
    "PolicyQuoted.v1": "polmst.* polmst.pol_sts",
    "PolicyBound.v1": "polmst.pol_sts",
    "PolicyEndorsed.v1": f"{COVERAGES} {COVERAGE_FIELDS} polmst.ccy polmst.dsc_pct polmst.eff_dt polmst.exp_dt "
    "polmst.pay_frq polmst.pol_sts polmst.prem_amt polmst.pty_no",
    "CoverageChanged.v1": f"{COVERAGES} {COVERAGE_FIELDS} polmst.pol_sts",
    "PolicyCancelled.v1": "polmst.pol_sts",
    "ClaimRegistered.v1": "clmhdr.*",
    "ClaimAccepted.v1": "clmhdr.* clmhdr.clm_sts",
    "ClaimRejected.v1": "clmhdr.clm_sts",
    "ClaimSettled.v1": "clmhdr.clm_sts",
    "ClaimPaymentAuthorized.v1": "clmpay.* clmpay.pay_sts",
    "ClaimPaymentIssued.v1": "clmpay.pay_sts",
    "ClaimPaymentReversed.v1": "clmpay.pay_sts",
}

OWN_FIELDS = {
    ("PolicyCancelled.v1", "reason"): "polmst.cxl_rsn",
    ("ClaimRejected.v1", "reason"): "clmhdr.rej_rsn",
    ("ClaimPaymentReversed.v1", "reason"): "clmpay.rev_rsn",
}

KEYS = {
    "policy": "covdtl.pol_no polmst.pol_no",
    "claim": "clmhdr.clm_no clmlin.clm_no",
    "payment": "clmpay.clm_no clmpay.pay_seq",
}


def lines_of(name: str) -> tuple[Line, ...]:
    return lineage(INSURER.translator(name).bound)


def names(text: str) -> tuple[str, ...]:
    return tuple(sorted(set(text.split())))


@pytest.mark.parametrize("name", STATES)
def test_the_state_and_the_key(name: str) -> None:
    lines = lines_of(name)
    assert {line.field: line.columns for line in lines if line.what == "state"} == {
        field: names(columns) for field, columns in STATES[name].items()
    }
    assert [line.columns for line in lines if line.what == "key"] == [names(KEYS[name])]


def test_conditions_are_resolved_through_the_state() -> None:
    found = {line.of: line.columns for name in STATES for line in lines_of(name) if line.what == "when"}
    assert found == {event: names(columns) for event, columns in WHENS.items()}


def test_an_event_takes_its_fields_from_the_state_or_has_its_own() -> None:
    for name, state in STATES.items():
        for line in lines_of(name):
            if line.what == "field":
                own = OWN_FIELDS.get((line.of, line.field))
                assert line.columns == names(own or state[line.field]), line
                assert line.through == (() if own else (line.field,))
                assert bool(line.direct) is bool(own)


def test_an_event_has_the_fields_of_its_contract_and_no_other() -> None:
    fields = [line.field for line in lines_of("policy") if (line.what, line.of) == ("field", "PolicyCancelled.v1")]
    assert sorted(fields) == ["cancelledOn", "holderNumber", "policyNumber", "reason", "status"]


def test_an_ignore_rule_over_everything_depends_on_everything() -> None:
    (line,) = [line for line in lines_of("payment") if line.what == "ignore"]
    assert line.columns == names("clmpay.* " + " ".join(STATES["payment"].values()))
    assert line.direct == ("clmpay.*",)
    assert line.through == tuple(sorted(STATES["payment"]))


@pytest.mark.parametrize("name", STATES)
def test_both_ways_agree(name: str) -> None:
    lines = lines_of(name)
    columns = {column for line in lines for column in line.columns}
    for column in columns:
        assert of_column(lines, column) == tuple(line for line in lines if column in line.columns)
        assert of_column(lines, column)
    assert of_column(lines, "polmst.upd_usr") == ()


def test_a_field_with_all_below_it() -> None:
    lines = lines_of("policy")
    fields = {line.field for line in of_field(lines, "premium")}
    assert fields == {"premium.amount", "premium.currency", "premium.frequency"}
    assert {line.of for line in of_field(lines, "PolicyBound.v1 premium.amount")} == {"PolicyBound.v1"}
    assert {line.field for line in of_field(lines, "coverages")} >= {"coverages", "coverages[].kind"}
    assert of_field(lines, "prem") == ()


def test_places_are_those_of_the_expressions() -> None:
    text = (INSURER.folder / "mappings" / "policy.yaml").read_text("utf-8").splitlines()
    for line in lines_of("policy"):
        if line.where:
            file, row, column = line.where.split(":")
            assert file == "mappings/policy.yaml"
            assert text[int(row) - 1][int(column) - 1 :].strip()
    (amount,) = [line for line in lines_of("policy") if (line.what, line.field) == ("state", "premium.amount")]
    _, row, column = amount.where.split(":")
    assert text[int(row) - 1][int(column) - 1 :].startswith("prem_amt / 100")
