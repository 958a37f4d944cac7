"""Fields whose change no event tells."""

from __future__ import annotations

from tests.translators.lint.support import STATE, codes, event, found, mapping, marked, state
from translators.findings import Finding

ALL = "Policy changed"


def folding(*whens: str, ignore: str = "", head: str = "", fields: tuple[str, ...] = tuple(STATE)) -> list[Finding]:
    """A mapping whose events carry these fields and fold into the state."""
    names = ("PolicyQuoted", "PolicyBound", "PolicyEnded")
    events = [(f"{name}.v1", when) for name, when in zip(names, whens, strict=False)]
    carried = {name: STATE[name] for name in fields}
    contracts = [event(name.partition(".")[0], carried, folds="replace") for name, _ in events]
    text = mapping(*events, ignore=ignore)
    if head:
        text = text.replace("state:\n", f"state:\n  {head}\n")
    return found(text, state(), *contracts, levels={"event.catch-all": "off"})


class TestFolding:
    def test_everything_is_told(self) -> None:
        assert folding("CHANGED(status, amount)", "CHANGED(number, remark)") == []

    def test_a_field_that_no_condition_mentions(self) -> None:
        (finding,) = folding("CHANGED(status, amount)", "CHANGED(number)")
        assert (finding.code, finding.severity, marked(finding)) == ("fold.unsaid", "error", "remark")
        assert "remark can change without PolicyQuoted.v1 or PolicyBound.v1" in finding.message

    def test_a_transition_that_no_condition_covers(self) -> None:
        (finding,) = folding("NEW.status = 'active' AND CHANGED(*)", "CHANGED(number, remark, amount)")
        assert marked(finding) == "status"
        assert "for example when OLD.status = 'active', NEW.status = 'ended'" in finding.message

    def test_a_field_that_no_folding_event_carries(self) -> None:
        (finding,) = folding("CHANGED(*)", fields=("number", "status", "amount"))
        assert marked(finding) == "remark"
        assert "no event that folds carries remark" in finding.message

    def test_technical_fields_need_no_event(self) -> None:
        assert folding("CHANGED(status, amount, number)", head="technical: remark") == []

    def test_an_ignore_rule_that_swallows_a_change(self) -> None:
        found_ = folding("CHANGED(*)", ignore="NEW.status = 'ended' AND NOT CHANGED(number, remark, amount)")
        assert codes(found_) == ["fold.unsaid"]
        assert "status can be ignored by this rule" in found_[0].message

    def test_an_ignore_rule_that_swallows_none(self) -> None:
        assert folding("CHANGED(*)", ignore="NOT CHANGED(*)") == []


class TestNotFolding:
    def silent(self, when: str) -> list[Finding]:
        return found(
            mapping(("PolicyBound.v1", when)),
            state(),
            event(),
            levels={"state.unsaid": "warning", "event.catch-all": "off"},
        )

    def test_fields_that_no_condition_mentions(self) -> None:
        (finding,) = self.silent("NEW.status = 'active'")
        assert (finding.code, finding.severity, marked(finding)) == ("state.unsaid", "warning", "Policy.v1")
        assert finding.message == "no event tells when amount or remark changes; only the state stream shows it"

    def test_changed_all_mentions_all(self) -> None:
        assert self.silent("CHANGED(*)") == []

    def test_a_mapping_without_events_promises_none(self) -> None:
        assert found(mapping(), state(), levels={"state.unsaid": "warning"}) == []
