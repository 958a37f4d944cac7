"""`dragoman rehearse` and `dragoman lineage`, as a person and a CI job call them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.dragoman.support import dragoman, make_shop, replace, succeeds


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def kept(worked: Path) -> Path:
    """A project in a folder of a git repository, committed as it was when it ran."""
    (worked.parent / ".gitignore").write_text("var/\n", encoding="utf-8")
    git(worked.parent, "init", "--quiet")
    git(worked.parent, "add", ".")
    git(worked.parent, "commit", "--quiet", "-m", "as it was")
    return worked


class TestRehearse:
    def test_nothing_changed(self, kept: Path) -> None:
        told = succeeds("rehearse", "--against", "HEAD", cwd=kept)
        assert told.out.count("nothing would change") == 3

    def test_a_mended_code_against_a_revision_and_a_folder(self, kept: Path, tmp_path: Path) -> None:
        other = Path(shutil.copytree(kept, tmp_path / "other", ignore=shutil.ignore_patterns("var")))
        replace(kept / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: lapsed\n")
        told = [dragoman("rehearse", "policy", "-a", against, "--json", cwd=kept) for against in ("HEAD", str(other))]
        assert [one.code for one in told] == [1, 1]
        assert told[0].lines == told[1].lines
        (found,) = told[0].lines
        outcomes = {d["of"]: d["count"] for d in found["differences"] if d["kind"] == "outcome-changed"}
        assert outcomes.get("rejected code.unmapped (status) → translated") == 2
        assert found["silent"] == []
        assert not found["same"]

    def test_for_people(self, kept: Path) -> None:
        replace(kept / "mappings" / "policy.yaml", "amount: prem_amt / 100 ", "amount: prem_amt / 10 ")
        told = dragoman("rehearse", "--against", "HEAD", cwd=kept)
        assert told.code == 1
        assert "unchanged contracts that now say something else: " in told.out
        assert "PolicyBound.v1 premium.amount   say otherwise" in told.out
        assert told.out.count("nothing would change") == 2

    def test_classified_values_are_masked(self, kept: Path) -> None:
        replace(kept / "mappings" / "payment.yaml", "NULLIF(REPLACE(iban, ' ', ''), '')", "NULLIF(TRIM(iban), '')")
        told = dragoman("rehearse", "payment", "--against", "HEAD", cwd=kept)
        assert "Payment.v1 account" in told.out
        assert "••• → •••" in told.out
        assert "DE00" not in told.out

    def test_a_contract_that_breaks_its_promise(self, kept: Path) -> None:
        replace(
            kept / "mappings" / "payment.yaml",
            "    reference: TRIM(clm_no) || '-' || LPAD(CAST(pay_seq AS TEXT), 3, '0')\n",
            "",
        )
        contract = kept / "contracts" / "payment.py"
        lines = contract.read_text("utf-8").splitlines(keepends=True)
        contract.write_text("".join(line for line in lines if not line.startswith("    reference")), encoding="utf-8")
        (found,) = dragoman("rehearse", "payment", "--against", "HEAD", "--json", cwd=kept).lines
        verdicts = {one["contract"]: one["verdict"] for one in found["contracts"]}
        assert set(verdicts.values()) == {"breaking"}
        assert {b["rule"] for one in found["contracts"] for b in one["breaks"]} == {"field-removed"}

    def test_what_contracts_import_is_each_sides_own(self, kept: Path) -> None:
        """A file that contracts import by its bare name exists on both sides, and says something else on each."""
        (kept / "contracts" / "kinds.py").write_text('KEPT = "40 days"\n', encoding="utf-8")
        replace(kept / "contracts" / "payment.py", "from typing", "from contracts.kinds import KEPT\nfrom typing")
        text = (kept / "contracts" / "payment.py").read_text("utf-8")
        text, number = re.subn(r'retention="[^"]*"', "retention=KEPT", text)
        assert number
        (kept / "contracts" / "payment.py").write_text(text, encoding="utf-8")
        git(kept, "add", ".")
        git(kept, "commit", "--quiet", "-m", "shared")
        assert succeeds("rehearse", "payment", "--against", "HEAD", cwd=kept)
        replace(kept / "contracts" / "kinds.py", "40", "50")
        told = dragoman("rehearse", "payment", "--against", "HEAD", "--json", cwd=kept)
        assert {one["verdict"] for one in told.lines[0]["contracts"]} == {"compatible"}

    def test_over_a_recording_and_the_first_changes_of_it(self, tmp_path: Path) -> None:
        shop = make_shop(tmp_path / "shop")
        old = Path(shutil.copytree(shop, tmp_path / "old"))
        (whole,) = succeeds("rehearse", "--against", str(old), "--feed", "feed.jsonl.gz", "--json", cwd=shop).lines
        (some,) = succeeds(
            "rehearse", "-a", str(old), "--feed", "feed.jsonl.gz", "--limit", "50", "--json", cwd=shop
        ).lines
        assert some["changes"] == 50 < whole["changes"]
        assert whole["open_steps"] == 0 < some["open_steps"]

    @pytest.mark.parametrize(
        ("against", "code"), [("no-such-revision", "rehearse.against-unknown"), ("..", "project.not-found")]
    )
    def test_what_cannot_be_compared_with(self, kept: Path, against: str, code: str) -> None:
        told = dragoman("rehearse", "--against", against, cwd=kept)
        assert (told.code, told.err.splitlines()[0]) == (2, f"error {code}")

    def test_an_option_is_no_revision(self, kept: Path) -> None:
        told = dragoman("rehearse", "--against=--output=x", cwd=kept)
        assert (told.code, told.err.splitlines()[0]) == (2, "error rehearse.against-unknown")
        assert not (kept / "x").exists()

    def test_nothing_recorded_is_not_nothing_changed(self, tmp_path: Path) -> None:
        shop = make_shop(tmp_path / "shop")
        (shop / "empty.jsonl").write_text("", encoding="utf-8")
        told = dragoman("rehearse", "--against", str(shop), "--feed", "empty.jsonl", cwd=shop)
        assert (told.code, told.err.splitlines()[0]) == (2, "error rehearse.nothing-recorded")

    def test_before_the_first_run(self, insurer: Path) -> None:
        told = dragoman("rehearse", "--against", str(insurer), cwd=insurer)
        assert (told.code, told.err.splitlines()[0]) == (2, "error log.missing")

    def test_a_translator_that_only_one_side_has(self, kept: Path) -> None:
        replace(kept / "dragoman.yaml", "  - payment\n", "")
        (kept / "consumers" / "documents.yaml").unlink()
        told = dragoman("rehearse", "--against", "HEAD", cwd=kept)
        assert told.code == 1
        assert "payment   is gone" in told.out


class TestLineage:
    def test_a_column_and_what_it_ends_in(self, insurer: Path) -> None:
        lines = succeeds("lineage", "--column", "polmst.prem_amt", "--format", "json", cwd=insurer).lines
        assert {(one["what"], one["of"], one["field"]) for one in lines} >= {
            ("state", "Policy.v1", "premium.amount"),
            ("field", "PolicyBound.v1", "premium.amount"),
            ("when", "PolicyEndorsed.v1", ""),
        }

    def test_a_field_as_a_table(self, insurer: Path) -> None:
        told = succeeds("lineage", "claim", "--field", "claimedAmount", cwd=insurer).out
        assert told.startswith("Claim.v1\n  claimedAmount   clmlin.clm_amt\n")

    def test_a_picture(self, insurer: Path) -> None:
        told = succeeds("lineage", "payment", "--field", "status", "--format", "mermaid", cwd=insurer).out
        assert told.splitlines() == [
            "flowchart LR",
            '  n0["Payment.v1 status"]',
            '  n1[("clmpay.pay_sts")]',
            "  n1 --> n0",
        ]

    @pytest.mark.parametrize(
        ("words", "meant"),
        [(("--field", "premum.amount"), "premium.amount"), (("--column", "polmst.pol_sta"), "polmst.pol_sts")],
    )
    def test_what_nobody_knows(self, insurer: Path, words: tuple[str, ...], meant: str) -> None:
        told = dragoman("lineage", *words, cwd=insurer)
        assert (told.code, told.err.splitlines()[0]) == (2, "error lineage.unknown")
        assert f"did you mean '{meant}'" in told.err

    def test_one_or_the_other(self, insurer: Path) -> None:
        assert dragoman("lineage", "--field", "a", "--column", "b.c", cwd=insurer).code == 2
