"""Code tables against contracts."""

from __future__ import annotations

from typing import Any, Literal

from tests.translators.lint.support import CODES, MAPPED, STATE, codes, found, mapping, marked, state
from translators.findings import Finding


def of(status: str = MAPPED["status"], tables: Any = CODES, fields: Any = STATE) -> list[Finding]:
    return found(mapping(mapped={**MAPPED, "status": status}, codes=tables), state(fields))


class TestNeverMapped:
    def test_a_value_that_no_code_gives(self) -> None:
        (finding,) = of(tables={"status": {"Q": "quoted", "A": "active"}})
        assert (finding.code, finding.severity, marked(finding)) == (
            "codes.never-mapped",
            "warning",
            "CODE('status', pol_sts)",
        )
        assert finding.message == "Policy.v1 says status can be 'ended'; no code of codes.status gives it"

    def test_several(self) -> None:
        (finding,) = of(tables={"status": {"A": "active"}})
        assert "'quoted', 'ended'; no code of codes.status gives them" in finding.message

    def test_a_default_gives_it(self) -> None:
        assert of("CODE('status', pol_sts, 'ended')", {"status": {"Q": "quoted", "A": "active"}}) == []

    def test_coalesce_and_case_give_it(self) -> None:
        some = {"status": {"Q": "quoted", "A": "active"}}
        assert of("COALESCE(CODE('status', pol_sts), 'ended')", some) == []
        assert of("CASE WHEN prem_amt = 0 THEN 'ended' ELSE CODE('status', pol_sts) END", some) == []
        assert of("CASE ccy WHEN 'EUR' THEN 'ended' ELSE CODE('status', pol_sts) END", some) == []

    def test_a_case_that_does_not(self) -> None:
        (finding,) = of("CASE WHEN prem_amt = 0 THEN 'quoted' ELSE 'active' END", {})
        assert finding.message == "Policy.v1 says status can be 'ended'; the expression never gives it"

    def test_an_open_text_is_not_judged(self) -> None:
        assert of("LOWER(note)", {}) == []


class TestTargets:
    def test_a_default_that_the_contract_does_not_know(self) -> None:
        (finding,) = of("COALESCE(CODE('status', pol_sts), 'endet')")
        assert (finding.code, finding.severity) == ("codes.target-unknown", "error")
        assert finding.message == "status can be 'endet', which Policy.v1 does not allow; did you mean 'ended'?"

    def test_null_is_no_text(self) -> None:
        assert of("NULLIF(CODE('status', pol_sts), 'quoted')") == []


class TestTables:
    def test_a_table_that_nobody_asks(self) -> None:
        (finding,) = of(tables={**CODES, "reason": {"1": "one"}})
        assert (finding.code, marked(finding), finding.line) == ("codes.unused", "reason", 11)

    def test_a_table_that_only_a_condition_asks(self) -> None:
        from tests.translators.lint.support import event

        text = mapping(("PolicyBound.v1", "CODE('kind', ccy, NULL) = 'one'"), codes={**CODES, "kind": {"1": "one"}})
        assert found(text, state(), event()) == []

    def test_twins(self) -> None:
        fields = {**STATE, "status": Literal["quoted", "active", "on hold", "On-Hold"] | None}
        tables = {"status": {"Q": "quoted", "A": "active", "H": "on hold", "I": "On-Hold"}}
        (finding,) = of(tables=tables, fields=fields)
        assert codes([finding]) == ["codes.near-twins"]
        assert "'on hold' and 'On-Hold'" in finding.message
