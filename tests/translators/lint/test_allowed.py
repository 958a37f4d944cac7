"""Levels, and comments that allow a finding for a while."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.translators.lint.support import TODAY, codes, event, found, mapping, marked, state
from translators.findings import Finding
from translators.lint import RULES

ORDER = ("SendLetter.v1", "NEW.status = 'active'")


def of(comment: str, above: bool = False, today: date = TODAY) -> list[Finding]:
    text = mapping(ORDER)
    line = "  - type: SendLetter.v1"
    changed = f"  {comment}\n  # and more\n\n{line}" if above else f"{line}  {comment}"
    return found(text.replace(line, changed), state(), event("SendLetter"), today=today)


GOOD = "# dragoman: allow event.command-shaped until 2026-12-31 because the letters team asked for it"


class TestAllowing:
    @pytest.mark.parametrize("above", [False, True])
    def test_beside_the_place(self, above: bool) -> None:
        assert codes(of("# nothing")) == ["event.command-shaped"]
        assert of(GOOD, above) == []

    def test_until_the_end_of_the_day(self) -> None:
        assert of(GOOD, today=date(2026, 12, 31)) == []
        late = of(GOOD, today=date(2026, 12, 31) + timedelta(days=1))
        assert codes(late) == ["event.command-shaped", "lint.allow-expired"]
        assert late[1].severity == "error"
        assert late[1].message == "event.command-shaped was allowed until 2026-12-31, which is over"

    @pytest.mark.parametrize(
        ("comment", "said"),
        [
            (
                "# dragoman: allow event.command-shaped until 2026-12-31",
                "it does not say why event.command-shaped is allowed",
            ),
            ("# dragoman: allow event.command-shaped because it is so", "it does not say until when"),
            ("# dragoman: allow event.command-shaped until 2026-13-31 because so", "2026-13-31 is no day"),
            (
                "# dragoman: allow event.comand-shaped until 2026-12-31 because so",
                "did you mean 'event.command-shaped'?",
            ),
            (
                "# dragoman: allow contract.type until 2026-12-31 because so",
                "contract.type is no finding that can be allowed",
            ),
            ("# dragoman: alow it", "'alow it' is nothing that lint understands"),
            ("# dragoman: allow event.command-shaped until 2026-12-31 because", "lint understands"),
        ],
    )
    def test_without_reason_or_end(self, comment: str, said: str) -> None:
        findings = of(comment)
        assert codes(findings) == ["event.command-shaped", "lint.allow-malformed"]
        assert said in findings[1].message
        assert marked(findings[1]) == comment

    def test_where_there_is_nothing(self) -> None:
        text = mapping(ORDER).replace("  key: pol_no", f"  key: pol_no  {GOOD}")
        findings = found(text, state(), event("SendLetter"))
        assert codes(findings) == ["lint.allow-unused", "event.command-shaped"]

    def test_only_the_code_that_it_names(self) -> None:
        findings = of(GOOD.replace("command-shaped", "catch-all"))
        assert codes(findings) == ["event.command-shaped", "lint.allow-unused"]

    def test_in_a_text_it_is_no_comment(self) -> None:
        assert codes(of("# 'x # dragoman: allow nothing'")) == ["event.command-shaped"]


class TestLevels:
    def test_off(self) -> None:
        assert found(mapping(ORDER), state(), event("SendLetter"), levels={"event.command-shaped": "off"}) == []

    def test_raised(self) -> None:
        (finding,) = found(mapping(ORDER), state(), event("SendLetter"), levels={"event.command-shaped": "error"})
        assert finding.severity == "error"


def test_codes_are_dotted_and_have_titles() -> None:
    for code, rule in RULES.items():
        assert code == rule.code
        assert code.count(".") == 1
        assert code == code.lower()
        assert rule.title
        assert not rule.title.endswith(".")
