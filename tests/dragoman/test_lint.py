"""`dragoman lint` on projects: levels, formats, pages, and the comparison with a git revision."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from dragoman import __version__
from dragoman.lint_formats import to_junit, to_sarif
from tests.capabilities import require
from tests.dragoman.support import ROOT, dragoman, make_insurer, replace, succeeds
from translators.findings import Finding
from translators.lint import RULES
from translators.lint.suppress import allowances

PAGES = ROOT / "docs" / "lint"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The insurer, without a database: lint needs none."""
    return make_insurer(tmp_path / "insurer")


def codes(project: Path, *words: str) -> list[str]:
    """The codes of all findings, the ones that the example always has left out."""
    lines = dragoman("lint", "--json", *words, cwd=project).lines
    return [one["code"] for one in lines if one["code"] not in ("state.unsaid", "contract.time-meaning")]


class TestRules:
    def test_they_are_asked(self, project: Path) -> None:
        replace(
            project / "mappings" / "policy.yaml",
            "OLD.status = 'active' AND NEW.status = 'cancelled'",
            "CREATED AND OLD.status = 'active'",
        )
        told = dragoman("lint", cwd=project)
        assert told.code == 1
        assert "event.unreachable" in told.out
        assert "`dragoman lint --explain event.unreachable` says more." in told.out

    def test_levels(self, project: Path) -> None:
        with (project / "dragoman.yaml").open("a", encoding="utf-8") as settings:
            settings.write("lint:\n  state.unsaid: error\n  contract.time-meaning: off\n")
        lines = dragoman("lint", "--json", cwd=project).lines
        assert {(one["code"], one["severity"]) for one in lines} == {("state.unsaid", "error")}

    @pytest.mark.parametrize("level", ["event.unreachble: off", "contract.type: off"])
    def test_levels_of_nothing(self, project: Path, level: str) -> None:
        with (project / "dragoman.yaml").open("a", encoding="utf-8") as settings:
            settings.write(f"lint:\n  {level}\n")
        lines = dragoman("lint", "--json", cwd=project).lines
        (found,) = [one for one in lines if one["code"] == "lint.code-unknown"]
        assert (found["file"], found["severity"], found["excerpt"]) == ("dragoman.yaml", "error", f"  {level}")
        assert found["excerpt"][found["column"] - 1 :] == "off"

    def test_levels_that_are_none(self, project: Path) -> None:
        with (project / "dragoman.yaml").open("a", encoding="utf-8") as settings:
            settings.write("lint:\n  state.unsaid: loud\n")
        told = dragoman("lint", cwd=project)
        assert told.code == 2
        assert "It is one of: error, warning, off." in told.err

    def test_an_allowance_in_a_contract(self, project: Path) -> None:
        policy, mapping = project / "contracts" / "policy.py", project / "mappings" / "policy.yaml"
        replace(policy, "    agentCode: Annotated", "    agentFullName: str\n    agentCode: Annotated")
        replace(mapping, "    agentCode:", "    agentFullName: TRIM(ccy)\n    agentCode:")
        assert set(codes(project)) == {"contract.personal-data"}
        allowed = "# dragoman: allow contract.personal-data until 2999-01-01 because agents are public"
        replace(policy, "agentFullName: str", f"agentFullName: str  {allowed}")
        assert codes(project) == []
        # While a mapping cannot be bound, nobody knows what else there would be to allow.
        replace(mapping, "TRIM(ccy)", "TRIM(ccyy)")
        assert codes(project) == ["column.unknown"]

    def test_a_trap_of_yaml_stands_for_what_follows_from_it(self, project: Path) -> None:
        block = "    fields:\n      reason: CODE('cancel_reason', NULLIF(TRIM(cxl_rsn), ''))\n"
        replace(project / "mappings" / "policy.yaml", block, "    fields: {reason: CODE('cancel_reason', cxl_rsn)}\n")
        told = dragoman("lint", "--json", cwd=project).lines
        on_line = [one for one in told if one["file"] == "mappings/policy.yaml" and "reason:" in one["excerpt"]]
        assert [one["code"] for one in on_line] == ["yaml.comma"]

    def test_a_file_that_is_no_yaml(self, project: Path) -> None:
        replace(project / "mappings" / "policy.yaml", "product: CODE('product', TRIM(prd_cd))", "product: 'x' || y")
        told = [one for one in dragoman("lint", "--json", cwd=project).lines if one["file"] == "mappings/policy.yaml"]
        assert [one["code"] for one in told] == ["yaml.quotes"]


class TestPages:
    @pytest.mark.parametrize("code", RULES)
    def test_every_rule_has_one(self, code: str) -> None:
        text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
        assert text.startswith(f"# {code}\n\n*{RULES[code].title}. Level: {RULES[code].level}.*\n")
        assert f"lint: {{{code}: off}}" in text

    def test_the_list_has_all(self) -> None:
        listed = (PAGES / "README.md").read_text(encoding="utf-8")
        pages = {path.stem for path in PAGES.glob("*.*.md")}
        assert all(f"[{code}]({code}.md)" in listed for code in pages)
        assert RULES.keys() <= pages

    def test_what_the_list_shows_works(self, project: Path) -> None:
        settings, comment = re.findall(
            r"```\w*\n(.*?)```", (PAGES / "README.md").read_text(encoding="utf-8"), re.DOTALL
        )
        with (project / "dragoman.yaml").open("a", encoding="utf-8") as file:
            file.write(settings)
        assert {one["code"] for one in succeeds("lint", "--json", cwd=project).lines} <= {"contract.time-meaning"}
        allowed, wrong = allowances(comment, "x", RULES.keys())
        assert (len(allowed), wrong) == (1, [])

    def test_a_page_is_printed(self, tmp_path: Path) -> None:
        told = succeeds("lint", "--explain", "contract.type", cwd=tmp_path)
        assert told.out == (PAGES / "contract.type.md").read_text(encoding="utf-8")

    def test_an_error_without_a_page_says_its_own_words(self, tmp_path: Path) -> None:
        told = succeeds("lint", "--explain", "feed.split-aggregate", cwd=tmp_path)
        assert told.out.startswith("# feed.split-aggregate\n\nThe translator <translator> reads <root> from the feed")

    def test_a_code_that_nobody_knows(self, tmp_path: Path) -> None:
        told = dragoman("lint", "--explain", "event.unreach", cwd=tmp_path)
        assert told.code == 2
        assert "did you mean 'event.unreachable'?" in told.err


FOUND = [
    Finding(
        code="event.catch-all",
        severity="warning",
        file="mappings/my policy.yaml",
        line=4,
        column=11,
        message="says \x1b nothing",
        hint="Say <more>.",
        length=5,
        excerpt='  - type: "A & B"',
    ),
    Finding(code="contract.removed", severity="error", file="contracts", line=0, column=0, message="is gone: why?"),
]


class TestFormats:
    def test_sarif(self) -> None:
        log: Any = to_sarif(FOUND, "1.2.3", {"event.catch-all": "One event for every change"})
        assert log["version"] == "2.1.0"
        (run,) = log["runs"]
        driver = run["tool"]["driver"]
        assert [rule["id"] for rule in driver["rules"]] == ["event.catch-all", "contract.removed"]
        assert run["originalUriBaseIds"].keys() == {"%SRCROOT%"}
        first, second = run["results"]
        assert [driver["rules"][r["ruleIndex"]]["id"] for r in run["results"]] == [r["ruleId"] for r in run["results"]]
        assert (first["level"], second["level"]) == ("warning", "error")
        place = first["locations"][0]["physicalLocation"]
        assert place["artifactLocation"] == {"uri": "mappings/my%20policy.yaml", "uriBaseId": "%SRCROOT%"}
        assert place["region"] == {
            "startLine": 4,
            "startColumn": 11,
            "endColumn": 16,
            "snippet": {"text": '  - type: "A & B"'},
        }
        assert "region" not in second["locations"][0]["physicalLocation"]
        assert first["message"]["text"] == "Says \ufffd nothing. Say <more>."
        assert second["message"]["text"] == "Is gone: why?"
        json.dumps(log)

    def test_a_fingerprint_stays_when_lines_move(self) -> None:
        import msgspec

        moved = [msgspec.structs.replace(FOUND[0], line=40)]
        prints = [to_sarif(one, "", {})["runs"][0]["results"][0]["partialFingerprints"] for one in (FOUND, moved)]
        assert prints[0] == prints[1]

    def test_junit(self) -> None:
        root = ElementTree.fromstring(to_junit(FOUND, 0.25).encode())  # noqa: S314 - our own text
        assert {name: root.get(name) for name in ("tests", "failures", "errors", "time")} == {
            "tests": "2",
            "failures": "1",
            "errors": "0",
            "time": "0.250",
        }
        warning, error = root.iter("testcase")
        assert warning.find("failure") is None
        assert "Say <more>." in (warning.findtext("system-out") or "")
        failure = error.find("failure")
        assert failure is not None
        assert (failure.get("type"), failure.get("message")) == ("contract.removed", "is gone: why?")

    def test_junit_of_nothing_passes(self) -> None:
        root = ElementTree.fromstring(to_junit([], 0).encode())  # noqa: S314 - our own text
        assert (root.get("tests"), root.get("failures")) == ("1", "0")

    def test_the_command_prints_them(self, project: Path) -> None:
        log = json.loads(succeeds("lint", "--format", "sarif", cwd=project).out)
        assert log["runs"][0]["tool"]["driver"]["semanticVersion"] == __version__
        assert "<testsuite " in succeeds("lint", "--format", "junit", cwd=project).out
        assert succeeds("lint", "--format", "json", cwd=project).out == succeeds("lint", "--json", cwd=project).out


@pytest.fixture
def committed(project: Path) -> Path:
    """The insurer in a git repository of its own, in a folder of it."""
    require("a git checkout")
    git(project.parent, "init", "--quiet")
    git(project.parent, "add", ".")
    commit(project)
    return project


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def commit(project: Path) -> None:
    git(project, "-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "--quiet", "--all", "-m", "more")


class TestAgainst:
    def test_nothing_has_changed(self, committed: Path) -> None:
        assert codes(committed, "--against", "HEAD") == []

    def test_a_field_is_gone(self, committed: Path) -> None:
        policy = committed / "contracts" / "policy.py"
        replace(policy, "    reason: CancelReason\n", "    reason: CancelReason\n    why: str | None = None\n")
        commit(committed)
        replace(policy, "    why: str | None = None\n", "")
        (found,) = [
            one
            for one in dragoman("lint", "--json", "--against", "HEAD", cwd=committed).lines
            if one["code"] == "contract.incompatible"
        ]
        assert found["message"] == "why of PolicyCancelled.v1: is gone (field-removed)"
        assert found["excerpt"] == "class PolicyCancelled(Contract):"
        assert codes(committed, "--against", "HEAD~1") == []

    def test_a_limit_of_a_nested_field(self, committed: Path) -> None:
        replace(
            committed / "contracts" / "policy.py",
            'currency: Currency\n    frequency: Literal["monthly", ',
            'currency: str\n    frequency: Literal["daily", ',
        )
        told = dragoman("lint", "--json", "--against", "HEAD", cwd=committed).lines
        broken = [one for one in told if one["code"] == "contract.incompatible"]
        assert "premium.currency of Policy.v1: pattern was ^[A-Z]{3}$ and is not limited (limit-widened)" in {
            one["message"] for one in broken
        }
        assert {one["excerpt"].strip() for one in broken} == {
            "currency: str",
            'frequency: Literal["daily", "quarterly", "annual"]',
        }

    def test_a_code_that_means_something_else(self, committed: Path) -> None:
        replace(committed / "mappings" / "claim.yaml", "FIR: fire\n", "FIR: storm\n")
        assert "codes.target-renamed" in codes(committed, "--against", "HEAD")

    def test_a_revision_that_is_not_there(self, committed: Path) -> None:
        told = dragoman("lint", "--against", "--output=x", cwd=committed)
        assert told.code == 2
        assert "neither a folder nor a revision" in " ".join(told.err.split())
        assert not (committed / "x").exists()
