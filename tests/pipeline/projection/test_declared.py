"""The declaration of a projection: read from YAML, checked against the state's contract, each mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.projection.check import check_projection
from pipeline.projection.errors import ProjectionMalformed
from pipeline.projection.spec import ChildSpec, read_projection
from tests.pipeline.projection.support import DECLARED, SHAPE

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "insurer" / "consumers" / "policy_view.yaml"
FILE = "consumers/policies.yaml"


def test_the_example_is_read() -> None:
    spec = read_projection(EXAMPLE.read_text("utf-8"), EXAMPLE.name)
    assert (spec.name, spec.reads, spec.database, spec.table) == (
        "policy_view",
        "policy",
        "var/views.db",
        "policy_view",
    )
    assert spec.key == {"policy_number": "policyNumber"}
    assert spec.columns["premium_amount"] == "premium.amount"
    assert spec.children["coverages"] == ChildSpec(
        "policy_coverage_view",
        {
            "sequence": "sequence",
            "kind": "kind",
            "sum_insured": "sumInsured",
            "deductible": "deductible",
            "premium_share": "premiumShare",
        },
    )


def test_a_projection_needs_no_children() -> None:
    assert read_projection(DECLARED.partition("children:")[0], FILE).children == {}


@pytest.mark.parametrize(
    ("old", "new", "where", "said"),
    [
        ("reads: policy\n", "", "1:1", "lacks the key 'reads'"),
        ("table: policy_view", "tabel: policy_view", "4:1", "unknown key 'tabel'"),
        ("reads: policy", "reads: [policy]", "2:8", "reads is no text"),
        ("key:\n  policy_number: policyNumber", "key: policyNumber", "5:6", "no set of"),
        ("children:", "children: {}\nx:", "17:1", "unknown key 'x'"),
        (DECLARED[DECLARED.index("children:") :], "children: {}", "16:11", "no set of"),
        ("table: policy_view", "table: policy view", "4:8", "'policy view' cannot be a table"),
        ("table: policy_view", "table: _dragoman_parked", "4:8", "cannot be a table"),
        ("table: policy_view", "table: policy__gone", "4:8", "cannot be a table"),
        ("table: coverage_view", "table: Policy_View", "18:12", "used twice"),
        ("  holder: holder", "  _version: holder", "8:3", "'_version' cannot be a column"),
        ("  holder: holder", "  Policy_Number: holder", "8:3", "used twice"),
        ("      kind: kind", "      policy_number: kind", "20:7", "used twice"),
        ("  holder: holder", "  holder: holder\n  HOLDER: holder", "9:3", "used twice"),
        ("  holder: holder", "  holder:", "8:3", "is empty"),
    ],
)
def test_a_mistake_in_its_form_is_told_with_its_place(old: str, new: str, where: str, said: str) -> None:
    assert old in DECLARED
    with pytest.raises(ProjectionMalformed) as caught:
        read_projection(DECLARED.replace(old, new, 1), FILE)
    assert caught.value.code == "projection.malformed"
    assert said in caught.value.message
    assert caught.value.where == f"{FILE}:{where}"
    assert caught.value.advice


def test_an_unknown_key_names_the_one_that_was_meant() -> None:
    with pytest.raises(ProjectionMalformed) as caught:
        read_projection(DECLARED.replace("columns:", "colums:", 1), FILE)
    assert "did you mean 'columns'?" in caught.value.advice


def test_a_projection_that_fits_its_contract_has_no_findings() -> None:
    assert check_projection(read_projection(DECLARED, FILE), SHAPE) == []


@pytest.mark.parametrize(
    ("old", "new", "code", "where", "said"),
    [
        ("holder: holder", "holder: holdr", "unknown-field", "8:11", "did you mean 'holder'?"),
        ("premium.amount", "premium.amnt", "unknown-field", "9:19", "did you mean 'amount'?"),
        ("premium.amount", "premium", "no-column", "9:19", "premium.amount, premium.frequency"),
        ("holder: holder", "holder: holder.name", "unknown-field", "8:11", "holder is an integer"),
        ("holder: holder", "holder: coverages", "no-column", "8:11", "`children`"),
        ("holder: holder", "holder: coverages.kind", "unknown-field", "8:11", "`children`"),
        ("policy_number: policyNumber", "policy_number: holder", "key", "6:18", "may be null"),
        ("policy_number: policyNumber", "policy_number: premium.amount", "key", "6:18", "may be null"),
        ("  coverages:\n", "  coverage:\n", "unknown-field", "17:3", "did you mean 'coverages'?"),
        ("  coverages:\n", "  premium:\n", "no-list", "17:3", "premium is no list"),
        ("sum_insured: sumInsured", "sum_insured: sumInsurd", "unknown-field", "21:20", "did you mean 'sumInsured'?"),
    ],
)
def test_what_does_not_fit_the_contract_is_a_finding(old: str, new: str, code: str, where: str, said: str) -> None:
    assert old in DECLARED
    (finding,) = check_projection(read_projection(DECLARED.replace(old, new, 1), FILE), SHAPE)
    assert (finding.code, finding.severity, finding.where) == (f"projection.{code}", "error", f"{FILE}:{where}")
    assert said in f"{finding.message} {finding.hint}"
    assert finding.excerpt[finding.column - 1 :][: finding.length] == new.strip().removesuffix(":").rpartition(": ")[2]


def test_all_findings_come_in_the_order_of_the_file() -> None:
    wrong = DECLARED.replace("holder: holder", "holder: x").replace("begins: begins", "begins: y")
    assert [finding.line for finding in check_projection(read_projection(wrong, FILE), SHAPE)] == [8, 12]
