"""`dragoman test`: a readable difference, expectations rewritten in place, coverage, and examples made of real changes."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.dragoman.support import application, dragoman, legacy, query, replace, succeeds
from tests.dragoman.test_adopters_python import FILES

POLICY, TESTS = Path("mappings/policy.yaml"), Path("mappings/policy.test.yaml")


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came."""
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [x[2:].strip() for x in lines if x[0] == "-"], [x[2:].strip() for x in lines if x[0] == "+"]


class TestTheDifference:
    def test_it_shows_what_is_otherwise_among_what_is_not(self, insurer: Path) -> None:
        replace(insurer / POLICY, "amount: prem_amt / 100 ", "amount: prem_amt / 10 ")
        told = dragoman("test", "policy", cwd=insurer)
        assert told.code == 1
        at = told.out.index("        PolicyBound.v1")
        block = told.out[at:].splitlines()[:7]
        assert [line.split() for line in block] == [
            ["PolicyBound.v1"],
            ["status", "active"],
            ["effectiveFrom", "2026-03-01"],
            ["-", "premium.amount", "412.50"],
            ["+", "premium.amount", "4125.0"],
            ["premium.currency", "EUR"],
            ["premium.frequency", "annual"],
        ]
        assert len({line.index("4") for line in block[3:5]}) == 1

    def test_an_event_too_many_and_one_too_few(self, insurer: Path) -> None:
        replace(insurer / POLICY, "type: PolicyBound.v1", "type: PolicyEndorsed.v1")
        lines = [line.split() for line in dragoman("test", "policy", cwd=insurer).out.splitlines()]
        assert ["-", "events", "PolicyBound.v1"] in lines
        assert ["+", "events", "PolicyEndorsed.v1"] in lines

    def test_run_may_be_said(self, insurer: Path) -> None:
        said, left_out = (succeeds("test", *words, "--json", cwd=insurer).out for words in (("run",), ()))
        assert said == left_out


class TestUpdate:
    def test_only_what_was_said_otherwise_is_rewritten(self, insurer: Path) -> None:
        replace(insurer / TESTS, 'amount: "412.50"', 'amount: "412.50"  # a yearly premium')
        replace(insurer / TESTS, 'effectiveFrom: "2026-03-01"', "effectiveFrom: '2026-03-01'")
        replace(insurer / POLICY, "amount: prem_amt / 100 ", "amount: prem_amt / 10 ")
        before = (insurer / TESTS).read_text("utf-8")
        told = succeeds("test", "policy", "--update", cwd=insurer)
        gone, came = changed_lines(before, (insurer / TESTS).read_text("utf-8"))
        assert [re.sub(" +", " ", line) for line in gone] == ['amount: "412.50" # a yearly premium', 'amount: "850.00"']
        assert [re.sub(" +", " ", line) for line in came] == ['amount: "4125.0" # a yearly premium', 'amount: "8500.0"']
        assert "2 expectations rewritten" in told.out
        assert succeeds("test", cwd=insurer)

    def test_outcomes_and_events(self, insurer: Path) -> None:
        replace(insurer / POLICY, "    C: cancelled\n", "")
        replace(insurer / POLICY, "NEW.status = 'active' AND CHANGED(coverages)", "NEW.status = 'quoted'")
        before = (insurer / TESTS).read_text("utf-8")
        assert dragoman("test", "policy", cwd=insurer).code == 1
        succeeds("test", "policy", "--update", cwd=insurer)
        gone, came = changed_lines(before, (insurer / TESTS).read_text("utf-8"))
        assert "- type: PolicyCancelled.v1" in gone
        assert "- type: CoverageChanged.v1" in gone
        assert came == ["events: []", "- outcome: rejected", "code: code.unmapped", "field: status"]
        assert succeeds("test", cwd=insurer)

    def test_a_new_event_gets_all_its_data(self, insurer: Path) -> None:
        replace(insurer / TESTS, "          - type: PolicyCancelled.v1\n", "          - type: PolicyBound.v1\n")
        succeeds("test", "policy", "--update", cwd=insurer)
        assert "- type: PolicyCancelled.v1\n            data:\n              policyNumber: P00000013" in (
            insurer / TESTS
        ).read_text("utf-8")
        assert succeeds("test", cwd=insurer)

    def test_nothing_to_update_changes_no_byte(self, insurer: Path) -> None:
        before = (insurer / TESTS).read_bytes()
        succeeds("test", "--update", cwd=insurer)
        assert (insurer / TESTS).read_bytes() == before

    def test_what_is_in_brackets_is_left_alone(self, insurer: Path) -> None:
        test = "tests: [{name: x, given: {transactions: []}, expect: []}]\n"
        bracketed = (
            (insurer / TESTS)
            .read_text("utf-8")
            .replace(
                "      - outcome: rejected\n        code: code.unmapped\n        field: status\n",
                "      [{outcome: loaded}]\n",
            )
        )
        assert bracketed != test
        (insurer / TESTS).write_text(bracketed, encoding="utf-8")
        told = dragoman("test", "policy", "--update", cwd=insurer)
        assert (told.code, told.err.splitlines()[0]) == (2, "error test.not-updatable")
        assert (insurer / TESTS).read_text("utf-8") == bracketed


def coverage(project: Path, translator: str) -> dict[str, dict[str, bool]]:
    (found,) = [
        line["coverage"]
        for line in dragoman("test", translator, "--coverage", "--json", cwd=project).lines
        if "coverage" in line
    ]
    return {kind: {one["name"]: one["touched"] for one in found[kind]} for kind in ("codes", "conditions", "fields")}


class TestCoverage:
    def test_codes(self, insurer: Path) -> None:
        codes = coverage(insurer, "payment")["codes"]
        assert [code for code, touched in codes.items() if not touched] == ["reverse_reason.D1", "reverse_reason.E1"]
        assert len(codes) == 8

    def test_conditions_and_fields(self, insurer: Path) -> None:
        found = coverage(insurer, "policy")
        assert [name for name, touched in found["conditions"].items() if not touched] == ["PolicyEndorsed.v1 happens"]
        untouched = {name for name, touched in found["fields"].items() if not touched}
        assert {"Policy.v1 agentCode", "Policy.v1 coverages[].kind"} <= untouched
        assert not {"Policy.v1 premium.amount", "PolicyCancelled.v1 reason", "Policy.v1 effectiveTo"} & untouched

    def test_an_example_that_touches_more(self, insurer: Path) -> None:
        replace(insurer / Path("mappings/payment.test.yaml"), "rev_rsn: B1", "rev_rsn: D1")
        codes = coverage(insurer, "payment")["codes"]
        assert [code for code, touched in codes.items() if not touched] == ["reverse_reason.B1", "reverse_reason.E1"]

    def test_translators_and_functions_in_python(self, tmp_path: Path) -> None:
        for name, text in FILES.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        assert coverage(tmp_path, "customer") == {
            "codes": {},
            "conditions": {"CustomerKnown.v1 happens": True, "CustomerKnown.v1 does not happen": False},
            "fields": {"Customer.v1 number": True, "Customer.v1 status": True},
        }
        assert coverage(tmp_path, "order")["fields"] == {"Order.v1 number": False, "Order.v1 status": False}
        lines = succeeds("lineage", "--column", "ord.sts", "--format", "json", cwd=tmp_path).lines
        assert {(one["of"], one["field"]) for one in lines} >= {("Order.v1", "status"), ("Customer.v1", "status")}

    def test_for_people(self, insurer: Path) -> None:
        told = succeeds("test", "payment", "--coverage", cwd=insurer).out
        assert "codes       6 of 8 touched" in told
        assert "              reverse_reason.D1" in told


class TestRecord:
    def test_a_key_that_waits(self, worked: Path) -> None:
        key = succeeds("parked", "list", "--json", cwd=worked).lines[0]["key"]
        told = succeeds("test", "record", "--key", key, "--name", "a suspended policy", cwd=worked)
        assert "policy " + key in told.out
        assert "stand-ins for" in told.out
        tests = succeeds("test", "policy", "--json", cwd=worked).lines
        assert (tests[-1]["test"], tests[-1]["passed"]) == ("a suspended policy", True)
        text = (worked / TESTS).read_text("utf-8")
        assert "code: code.unmapped" in text[text.index("a suspended policy") :]

    def test_the_last_news_of_a_key_in_the_log(self, worked: Path) -> None:
        event = succeeds("events", "claim", "--json", "--limit", "1", cwd=worked).lines[0]
        words = ("test", "record", "-k", event["subject"], "-t", "claim", "--name", "as it was", "--json")
        (told,) = succeeds(*words, cwd=worked).lines
        assert told["outcome"] == "translated"
        assert event["type"].rsplit(".", 2)[1] in " ".join(told["events"])
        assert told["otherwise"] is None
        assert succeeds("test", "claim", cwd=worked)

    def test_what_was_no_news_is_passed_over(self, worked: Path) -> None:
        with application(worked) as programs:
            programs.nightly_job()
        succeeds("run", cwd=worked)
        key = succeeds("events", "policy", "--json", "--limit", "1", cwd=worked).lines[0]["subject"]
        (told,) = succeeds("test", "record", "-k", key, "--name", "news", "--json", cwd=worked).lines
        assert told["outcome"] == "translated"

    def test_classified_columns_get_stand_ins(self, worked: Path) -> None:
        ((number, sequence, iban, payee),) = query(
            worked / "var" / "legacy.db", "SELECT clm_no, pay_seq, iban, pye_no FROM clmpay WHERE iban <> '' LIMIT 1"
        )
        key = f"{number.strip()}/{sequence}"
        (told,) = succeeds("test", "record", "-k", key, "--name", "paid", "-t", "payment", "--json", cwd=worked).lines
        assert set(told["masked"]) == {"clmpay.iban", "clmpay.pye_no"}
        text = (worked / "mappings" / "payment.test.yaml").read_text("utf-8")
        added = text[text.index("name: paid") :]
        assert iban.strip() not in added
        assert iban.replace(" ", "") not in added
        assert str(payee) not in added
        assert number.strip() in added

    def test_a_recorded_record(self, insurer: Path) -> None:
        with legacy(insurer) as connection:
            cursor = connection.execute("SELECT * FROM clmpay LIMIT 1")
            row: dict[str, Any] = dict(zip([d[0] for d in cursor.description], cursor.fetchone(), strict=True))
        source = {"connector": "sqlite", "name": "legacy", "schema": "main", "table": "clmpay", "txId": 1, "lsn": 9,
                  "ts_ms": 1, "snapshot": "false", "db": "legacy", "sequence": '["8","9"]'}  # fmt: skip
        record = {"before": None, "after": row, "source": source, "op": "c", "ts_ms": 1}
        (insurer / "change.json").write_text(json.dumps(record), encoding="utf-8")
        words = ("test", "record", "change.json", "--name", "one record", "-t", "payment")
        assert "translated" in succeeds(*words, cwd=insurer).out
        again = dragoman(*words, cwd=insurer)
        assert (again.code, again.err.splitlines()[0]) == (2, "error test.name-taken")

    def test_a_key_that_nobody_knows(self, worked: Path) -> None:
        told = dragoman("test", "record", "--key", "nobody", "--name", "x", cwd=worked)
        assert (told.code, told.err.splitlines()[0]) == (2, "error map.key-unknown")

    @pytest.mark.parametrize("words", [("--key", "x"), ("--name", "x"), ("f", "--key", "x", "--name", "x")])
    def test_what_is_missing_is_asked_for(self, insurer: Path, words: tuple[str, ...]) -> None:
        assert dragoman("test", "record", *words, cwd=insurer).code == 2
