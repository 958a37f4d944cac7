"""`dragoman lint` on files that several mappings share: findings are told there, and allowed there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.capabilities import require
from tests.dragoman.support import dragoman, make_insurer, replace, write

CAUSES = "  cause:\n    FIR: fire\n    STM: storm\n    WTR: burst pipe\n    THF: theft\n    ACC: accident\n"
GOOD = "# dragoman: allow codes.near-twins until 2999-01-01 because the old claims keep the old word"
TWINS = ("codes.near-twins", "the code table cause gives both 'fire' and 'Fire', which differ by spelling only")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The insurer, whose contract of claims takes a second word for fire."""
    made = make_insurer(tmp_path / "insurer")
    contract = made / "contracts" / "claim.py"
    contract.write_text(contract.read_text(encoding="utf-8").replace('"fire", "storm"', '"fire", "Fire", "storm"'))
    return made


def told(project: Path, *words: str) -> list[Any]:
    """The findings about code tables and allowances."""
    lines = dragoman("lint", "--json", *words, cwd=project).lines
    return [one for one in lines if one["code"].startswith(("codes.", "lint.")) or one["severity"] == "error"]


class TestInCsv:
    @pytest.fixture(autouse=True)
    def table(self, project: Path) -> Path:
        """The causes in a file of their own."""
        replace(project / "mappings" / "claim.yaml", CAUSES, "  cause: {file: codes/cause.csv}\n")
        (project / "codes").mkdir()
        file = project / "codes" / "cause.csv"
        rows = "code,meaning\nFIR,fire\nSTM,storm\nWTR,burst pipe\nTHF,theft\nACC,accident\nFRE,Fire\n"
        write(file, rows)
        return file

    def test_a_finding_is_told_in_the_file(self, project: Path) -> None:
        (finding,) = told(project)
        assert (finding["code"], finding["message"]) == TWINS
        assert (finding["file"], finding["line"], finding["column"]) == ("codes/cause.csv", 7, 5)
        assert finding["excerpt"] == "FRE,Fire"

    def test_and_allowed_above_its_line(self, project: Path, table: Path) -> None:
        replace(table, "FRE,", f"{GOOD}\nFRE,")
        assert told(project) == []

    def test_until_its_day(self, project: Path, table: Path) -> None:
        replace(table, "FRE,", f"{GOOD.replace('2999', '2020')}\nFRE,")
        assert [(one["code"], one["line"]) for one in told(project)] == [("lint.allow-expired", 7), (TWINS[0], 8)]

    def test_not_elsewhere(self, project: Path, table: Path) -> None:
        replace(table, "ACC,", f"{GOOD}\nACC,")
        assert [(one["code"], one["line"]) for one in told(project)] == [("lint.allow-unused", 6), (TWINS[0], 8)]

    def test_not_without_a_reason(self, project: Path, table: Path) -> None:
        replace(table, "FRE,", "# dragoman: allow codes.near-twins until 2999-01-01\nFRE,")
        assert [one["code"] for one in told(project)] == ["lint.allow-malformed", TWINS[0]]

    def test_any_other_line_is_a_code(self, project: Path, table: Path) -> None:
        replace(table, "FRE,Fire", "# ours,Fire")
        assert [one["excerpt"] for one in told(project)] == ["# ours,Fire"]

    def test_a_meaning_that_changed_is_told(self, project: Path, table: Path) -> None:
        require("a git checkout")
        replace(table, "FRE,Fire\n", "")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(project)]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            subprocess.run([*git, *words], check=True)
        replace(table, "STM,storm", "STM,Fire")
        found = [one for one in told(project, "--against", "HEAD") if one["code"] == "codes.target-renamed"]
        assert [(one["file"], one["line"], one["column"]) for one in found] == [("codes/cause.csv", 3, 5)]
        assert found[0]["message"] == "the code 'STM' of cause meant 'storm' and means 'Fire'"


class TestInDefaults:
    @pytest.fixture(autouse=True)
    def defaults(self, project: Path) -> Path:
        """The causes in a file of defaults."""
        replace(project / "mappings" / "claim.yaml", CAUSES, "")
        replace(project / "mappings" / "claim.yaml", "codes:", "defaults: defaults.yaml\ncodes:")
        file = project / "defaults.yaml"
        write(file, f"# shared\ncodes:\n{CAUSES}    FRE: Fire\n")
        return file

    def test_a_finding_is_told_in_the_file(self, project: Path) -> None:
        (finding,) = told(project)
        assert (finding["code"], finding["message"]) == TWINS
        assert (finding["file"], finding["line"], finding["column"]) == ("defaults.yaml", 9, 10)

    @pytest.mark.parametrize("place", [f"Fire  {GOOD}", None], ids=["beside", "above"])
    def test_and_allowed_there(self, project: Path, defaults: Path, place: str | None) -> None:
        replace(defaults, "    FRE: Fire", f"    {GOOD}\n    FRE: Fire" if place is None else f"    FRE: {place}")
        assert told(project) == []
