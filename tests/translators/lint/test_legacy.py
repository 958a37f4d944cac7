"""Names, codes and types of the legacy system in contracts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, StringConstraints

from tests.translators.lint.support import CODES, MAPPED, STATE, codes, found, mapping, marked, state
from translators.findings import Finding
from translators.lint.legacy import is_cryptic


def with_field(name: str, kind: Any, expression: str, tables: Any = CODES) -> list[Finding]:
    return found(mapping(mapped={**MAPPED, name: expression}, codes=tables), state({**STATE, name: kind}))


class TestNames:
    @pytest.mark.parametrize("name", ["prem_amt", "premAmt", "ccy"])
    def test_a_column_in_the_contract(self, name: str) -> None:
        kind, expression = (str, "ccy") if name == "ccy" else (int, "prem_amt")
        (finding,) = with_field(name, kind, expression)
        assert (finding.code, finding.severity) == ("contract.legacy-name", "warning")
        assert f"{name} of Policy.v1 is called like polmst." in finding.message

    def test_a_column_with_a_name_that_people_use(self) -> None:
        assert with_field("note", str | None, "note") == []
        assert with_field("rate", Annotated[int, Field()], "prem_amt") == []

    @pytest.mark.parametrize("name", ["prem_amt", "polNo", "ccy", "cov_cd", "upd_ts", "dsc_pct", "cxlRsn", "kndnr"])
    def test_cryptic(self, name: str) -> None:
        assert is_cryptic(name)

    @pytest.mark.parametrize("name", ["order_id", "customerName", "tax", "status", "city", "vat_rate", "line2", "id"])
    def test_plain(self, name: str) -> None:
        assert not is_cryptic(name)


class TestCodes:
    @pytest.mark.parametrize(
        "expression", ["pol_sts", "TRIM(pol_sts)", "NULLIF(UPPER(pol_sts), '')", "COALESCE(pol_sts, 'X')"]
    )
    def test_a_code_as_it_is(self, expression: str) -> None:
        (finding,) = with_field("phase", str | None, expression)
        assert (finding.code, marked(finding)) == ("contract.raw-code", expression)
        assert "hands out the codes of polmst.pol_sts" in finding.message

    def test_a_form_that_the_contract_promises(self) -> None:
        assert with_field("country", Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None, "pol_sts") == []

    def test_choices_that_are_codes(self) -> None:
        (finding,) = with_field("money", Literal["EU", "US"], "ccy")
        assert finding.code == "contract.raw-code"

    def test_a_table_that_says_nothing(self) -> None:
        fields = {**STATE, "phase": Literal["Q", "A"] | None}
        mapped = {**MAPPED, "phase": "CODE('phase', pol_sts)"}
        text = mapping(mapped=mapped, codes={**CODES, "phase": {"Q": "Q", "A": "A"}})
        assert codes(found(text, state(fields))) == ["contract.raw-code"]

    def test_longer_texts_are_no_codes(self) -> None:
        assert with_field("money", str, "TRIM(ccy)") == []


def test_floats() -> None:
    (finding,) = with_field("discount", float | None, "rate")
    assert (finding.code, finding.severity) == ("contract.float", "warning")
    assert "discount of Policy.v1 is a float" in finding.message
