"""The commands that only look: status, events, doctor, lint, test, map; each for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dragoman.support import application, dragoman, legacy, make_shop, query, replace, succeeds, write


def a_record(project: Path, **columns: object) -> dict[str, Any]:
    """What a connector would send for an update of one policy, with other columns."""
    with legacy(project) as connection:
        cursor = connection.execute("SELECT * FROM polmst WHERE pol_sts = 'A ' ORDER BY pol_no")
        names = [description[0] for description in cursor.description]
        before = dict(zip(names, cursor.fetchone(), strict=True))
    source = {
        "connector": "sqlite",
        "name": "legacy",
        "ts_ms": 1_772_000_000_000,
        "snapshot": "false",
        "db": "legacy",
        "schema": "main",
        "table": "polmst",
        "txId": 9_999,
        "lsn": 999_999,
        "sequence": '["999990","999999"]',
    }
    return {"before": before, "after": {**before, **columns}, "source": source, "op": "u", "ts_ms": 1_772_000_000_005}


class TestStatus:
    def test_everything_is_read(self, worked: Path) -> None:
        worker, *rest = succeeds("status", "--json", cwd=worked).lines
        assert worker == {"worker": None}
        translators = {one["translator"]: one for one in rest if "translator" in one}
        assert translators.keys() == {"policy", "claim", "payment"}
        assert translators["policy"]["parked_keys"] == 2
        for one in translators.values():
            assert [p["behind"] for p in one["partitions"]] == [0, 0, 0]
            assert not any(p["loading"] or p["open_step"] for p in one["partitions"])
        assert {one["consumer"]: (one["behind"], one["parked"]) for one in rest if "consumer" in one} == {
            "policy_view": (0, 0),
            "documents": (0, 0),
        }

    def test_a_mapping_that_changed_since(self, worked: Path) -> None:
        replace(worked / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: active\n")
        told = succeeds("status", cwd=worked).out
        assert told.count("the mapping's files have changed") == 1

    def test_before_the_first_run(self, insurer: Path) -> None:
        told = dragoman("status", cwd=insurer)
        assert (told.code, told.err.splitlines()[0]) == (2, "error log.missing")
        assert not (insurer / "var" / "log.db").exists()


class TestEvents:
    def test_as_cloudevents(self, worked: Path) -> None:
        lines = succeeds("events", "policy", "--json", "--limit", "5", cwd=worked).lines
        assert len(lines) == 5
        for one in lines:
            assert one["specversion"] == "1.0"
            assert one["type"].startswith("com.example.insurer.policy.")
            assert one["data"]["policyNumber"] == one["subject"]
            assert one["dragoman"]["topic"] == "policy.events"
        assert [one["time"] for one in lines] == sorted(one["time"] for one in lines)

    def test_of_one_key_and_the_state(self, worked: Path) -> None:
        key = succeeds("events", "policy", "--json", "--limit", "1", cwd=worked).lines[0]["subject"]
        state = succeeds("events", "policy", "--state", "--key", key, "--json", "--limit", "1", cwd=worked).lines[0]
        assert (state["subject"], state["dragoman"]["topic"]) == (key, "policy.state")
        told = succeeds("events", "policy", "--state", "--key", key, cwd=worked).out
        assert "premium.amount" in told

    def test_an_unknown_translator(self, worked: Path) -> None:
        told = dragoman("events", "polcy", cwd=worked)
        assert told.code == 2
        assert "did you mean 'policy'" in told.err

    def test_control_characters_and_markup_do_nothing(self, insurer: Path) -> None:
        poison = "\x1b[31m[bold]red[/bold]\u202e\x07 pipe"
        succeeds("run", cwd=insurer)
        with application(insurer) as programs:
            programs.run(5)
            programs.connection.execute("BEGIN")
            programs.connection.execute(
                "INSERT INTO txlog (tx_ts, usr_id, trn_cd) VALUES ('2026-03-03T00:00:00Z','X','Y')"
            )
            programs.connection.execute("UPDATE clmhdr SET los_dsc = ?, clm_sts = 'RG'", (poison,))
            programs.connection.execute("COMMIT")
        succeeds("run", cwd=insurer)
        told = succeeds("events", "claim", "--state", "--limit", "1", "--unmasked", cwd=insurer).out
        assert "[bold]red[/bold]" in told
        assert not {"\x1b", "\u202e", "\x07"} & set(told)
        (data,) = succeeds("events", "claim", "--state", "--limit", "1", "--json", "--unmasked", cwd=insurer).lines
        assert data["data"]["description"] == poison


class TestDoctor:
    def test_a_healthy_project(self, worked: Path) -> None:
        lines = succeeds("doctor", "--json", cwd=worked).lines
        assert {one["severity"] for one in lines} == {"ok"}
        assert {"packages", "source", "log", "state", "database policy_view"} <= {one["what"] for one in lines}

    def test_it_makes_nothing(self, insurer: Path) -> None:
        before = sorted(path.name for path in (insurer / "var").iterdir())
        succeeds("doctor", cwd=insurer)
        assert sorted(path.name for path in (insurer / "var").iterdir() if "legacy" not in path.name) == [
            name for name in before if "legacy" not in name
        ]

    def test_missing_triggers_are_installed_on_demand(self, insurer: Path) -> None:
        with legacy(insurer) as connection:
            connection.execute("DROP TRIGGER _dragoman_au_polmst")
        told = dragoman("doctor", cwd=insurer)
        assert told.code == 1
        assert "capture.triggers-missing" in told.out
        assert "dragoman doctor --install-triggers" in told.out
        succeeds("doctor", "--install-triggers", cwd=insurer)
        succeeds("run", cwd=insurer)

    def test_a_column_that_the_schema_does_not_know(self, insurer: Path) -> None:
        with legacy(insurer) as connection:
            connection.execute("ALTER TABLE polmst ADD COLUMN new_col TEXT")
        lines = dragoman("doctor", "--json", cwd=insurer)
        assert lines.code == 1
        (found,) = [one for one in lines.lines if one["severity"] == "error"]
        assert (found["what"], found["code"]) == ("source", "capture.schema-drift")
        assert "new_col" in found["message"]


class TestLint:
    def test_the_example_is_clean(self, insurer: Path) -> None:
        told = succeeds("lint", cwd=insurer)
        assert "3 mappings" in told.out
        assert "0 errors" in told.out

    def test_errors_of_several_files_with_their_places(self, insurer: Path) -> None:
        replace(insurer / "mappings" / "claim.yaml", "CODE('status', clm_sts)", "CODE('status', clm_stz)")
        replace(insurer / "consumers" / "policy_view.yaml", "product: product", "product: prduct")
        replace(insurer / "checks" / "policy.yaml", "view: policy_view", "view: policy_vew")
        replace(insurer / "consumers" / "documents.yaml", "documents:Documents", "documents:Document")
        text = (insurer / "mappings" / "claim.yaml").read_text(encoding="utf-8")
        (line,) = [number for number, line in enumerate(text.splitlines(), start=1) if "clm_stz" in line]
        told = dragoman("lint", "--json", cwd=insurer)
        assert told.code == 1
        places = {(one["code"], f"{one['file']}:{one['line']}:{one['column']}") for one in told.lines}
        assert {
            ("column.unknown", f"mappings/claim.yaml:{line}:28"),
            ("projection.unknown-field", "consumers/policy_view.yaml:10:12"),
            ("consumer.handler-missing", "consumers/documents.yaml:7:10"),
        } <= places
        assert "check.names-unknown" in {code for code, _ in places}

    def test_the_place_is_marked_under_the_line(self, insurer: Path) -> None:
        replace(insurer / "mappings" / "claim.yaml", "CODE('status', clm_sts)", "CODE('status', clm_stz)")
        told = dragoman("lint", cwd=insurer).out.splitlines()
        (at,) = [number for number, line in enumerate(told) if "CODE('status', clm_stz)" in line]
        assert told[at + 1].index("~~~~~~~") == told[at].index("clm_stz")
        assert "id you mean 'clm_sts'?" in told[at + 1] + told[at + 2]

    @pytest.mark.parametrize("width", ["40", "80", "120"])
    def test_at_any_width(self, insurer: Path, width: str) -> None:
        replace(insurer / "mappings" / "claim.yaml", "CODE('status', clm_sts)", "CODE('status', clm_stz)")
        told = dragoman("lint", cwd=insurer, COLUMNS=width)
        assert (told.code, told.err) == (1, "")


class TestTests:
    def test_the_example_passes(self, insurer: Path) -> None:
        told = succeeds("test", "--json", cwd=insurer)
        assert told.lines
        assert all(one["passed"] for one in told.lines)

    @pytest.mark.parametrize(
        ("old", "new", "what", "expected", "got"),
        [
            ('coverageCount: "1"', 'coverageCount: "2"', "PolicyQuoted.v1.coverageCount", "2", "1"),
            ('amount: "412.50"', 'amount: "412.5"', "PolicyBound.v1.premium.amount", "412.5", "412.50"),
            ("type: PolicyBound.v1", "type: PolicyLapsed.v1", "events", "PolicyLapsed.v1", "PolicyBound.v1"),
            ("outcome: ignored", "outcome: translated", "outcome", "translated", "ignored: nightly recalculation"),
            ("code: code.unmapped", "code: code.other", "code", "code.other", "code.unmapped"),
            ('discountPercent: "5.00"', "discountPercent: null", "state.discountPercent", "null", "5.00"),
        ],
    )
    def test_each_expectation_can_fail(
        self, insurer: Path, old: str, new: str, what: str, expected: str, got: str
    ) -> None:
        replace(insurer / "mappings" / "policy.test.yaml", old, new)
        told = dragoman("test", "policy", "--json", cwd=insurer)
        assert told.code == 1
        (failed,) = [one for one in told.lines if not one["passed"]]
        (mismatch,) = failed["mismatches"]
        assert (mismatch["what"], mismatch["expected"]) == (what, expected)
        assert mismatch["got"].startswith(got)

    def test_a_failure_is_readable(self, insurer: Path) -> None:
        replace(insurer / "mappings" / "policy.test.yaml", 'coverageCount: "1"', 'coverageCount: "2"')
        told = dragoman("test", cwd=insurer).out
        assert "✗ a quote is bound, and its coverages are part of the policy" in told
        assert "1 of 13 tests failed" in told

    def test_a_column_that_does_not_exist_is_named_with_its_place(self, insurer: Path) -> None:
        replace(insurer / "mappings" / "policy.test.yaml", "pol_sts: Q", "pol_stz: Q")
        told = dragoman("test", cwd=insurer)
        assert told.code == 2
        assert told.err.startswith("error test.malformed\n")
        assert "did you mean 'pol_sts'" in told.err
        assert "mappings/policy.test.yaml:8:" in told.err


class TestMap:
    def test_a_change_is_explained(self, worked: Path) -> None:
        write(worked / "change.json", json.dumps(a_record(worked, prem_amt=77_700)))
        (said,) = succeeds("map", "change.json", "--json", cwd=worked).lines
        assert (said["translator"], said["outcome"]) == ("policy", "Translated")
        changed = {field["path"]: (field["old"], field["new"]) for field in said["fields"] if field["changed"]}
        assert changed.keys() == {"premium.amount"}
        assert changed["premium.amount"][1] == "777.00"
        assert [event["type"] for event in said["events"]] == ["PolicyEndorsed.v1"]

    def test_a_refusal_names_the_line_and_a_fix_is_tried(self, worked: Path) -> None:
        write(
            worked / "change.json",
            json.dumps({"topic": "legacy.policy", "key": None, "value": a_record(worked, pol_sts="ZZ")}),
        )
        told = succeeds("map", "change.json", cwd=worked).out
        assert "Rejected   code.unmapped" in told
        assert "mappings/policy.yaml:" in told
        assert '--with "codes.status.ZZ=..."' in told
        (said,) = succeeds("map", "change.json", "--json", "--with", "codes.status.ZZ=lapsed", cwd=worked).lines
        assert said["outcome"] == "Translated"
        assert {f["path"]: f["new"] for f in said["fields"]}["status"] == "lapsed"

    def test_conditions_are_shown_with_what_they_name(self, worked: Path) -> None:
        asked = "COUNT(covdtl) FILTER (WHERE covdtl.cov_cd <> 'XX')"
        ours = f"ignore:\n  - when: META.origin = 'new' AND {asked} > 0\n    reason: ours\n"
        replace(worked / "mappings" / "policy.yaml", "ignore:\n", ours)
        record = a_record(worked, prem_amt=77_700)
        write(worked / "change.json", json.dumps(record))
        (said,) = succeeds("map", "change.json", "--json", cwd=worked).lines
        ignored, *_, endorsed = (one for one in said["conditions"] if one["rule"] in ("ours", "PolicyEndorsed.v1"))
        values = {one["name"]: one["value"] for one in ignored["values"]}
        assert (ignored["kind"], ignored["held"], values["META.origin"]) == ("ignore", False, "NULL")
        number = record["after"]["pol_no"]
        ((count,),) = query(worked / "var" / "legacy.db", "SELECT count(*) FROM covdtl WHERE pol_no = ?", number)
        assert values[asked] == f"{count}, from {count} of {count} rows"
        assert endorsed["held"] and {one["name"]: one["value"] for one in endorsed["values"]}["OLD.status"] == "active"
        assert {one["rule"]: one["held"] for one in said["conditions"]}["PolicyCancelled.v1"] is False

        record["source"]["origin"] = "new"
        write(worked / "change.json", json.dumps(record))
        told = succeeds("map", "change.json", cwd=worked).out
        assert "✓ ignored: ours" in told and "META.origin = new" in told and "PolicyEndorsed.v1" not in told

    def test_what_an_aggregate_comes_to_is_shown_with_its_rows(self, worked: Path) -> None:
        change = "    coverageCount: COALESCE(COUNT(covdtl) FILTER (WHERE covdtl.sum_ins > 0), 0) + 0 * prem_amt\n"
        replace(worked / "mappings" / "policy.yaml", "    coverageCount: COUNT(covdtl)\n", change)
        write(worked / "change.json", json.dumps(a_record(worked, prem_amt=77_700)))
        (said,) = succeeds("map", "change.json", "--json", cwd=worked).lines
        (field,) = [one for one in said["fields"] if one["path"] == "coverageCount"]
        ((name, value),) = [(one["name"], one["value"]) for one in field["summed"]]
        assert name == "COUNT(covdtl) FILTER (WHERE covdtl.sum_ins > 0)"
        assert value == f"{field['new']}, from {field['new']} of {field['new']} rows"

    def test_a_waiting_step_is_explained_without_personal_data(self, worked: Path) -> None:
        (letter, _) = succeeds("dlq", "list", "--json", cwd=worked).lines
        told = succeeds("map", "--key", letter["key"], cwd=worked).out
        holder = query(worked / "var" / "legacy.db", "SELECT pty_no FROM polmst WHERE trim(pol_no) = ?", letter["key"])
        assert "'SU' is not in the code table status" in told
        assert str(holder[0][0]) not in told

    def test_the_generated_code(self, worked: Path) -> None:
        write(worked / "change.json", json.dumps(a_record(worked)))
        assert "def state(rows):" in succeeds("map", "change.json", "--show-code", cwd=worked).out

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("nothing", "map.record-malformed"),
            ("[]", "map.record-malformed"),
            ('{"topic": "t", "value": null}', "map.no-change"),
            ('{"op": "u", "source": {}}', "map.no-change"),
        ],
    )
    def test_what_is_no_change(self, insurer: Path, text: str, code: str) -> None:
        write(insurer / "change.json", text)
        told = dragoman("map", "change.json", cwd=insurer)
        assert (told.code, told.err.splitlines()[0]) == (2, f"error {code}")

    @pytest.mark.parametrize("fix", ["status.SU=active", "codes.status.SU", "codes.stats.SU=active"])
    def test_what_is_no_fix(self, worked: Path, fix: str) -> None:
        write(worked / "change.json", json.dumps(a_record(worked)))
        told = dragoman("map", "change.json", "--with", fix, cwd=worked)
        assert (told.code, told.err.splitlines()[0]) == (2, "error map.fix-malformed")

    def test_neither_or_both(self, insurer: Path) -> None:
        assert dragoman("map", cwd=insurer).code == 2


def test_a_recorded_line_as_it_is(tmp_path: Path) -> None:
    import gzip

    shop = make_shop(tmp_path / "shop")
    with gzip.open(shop / "feed.jsonl.gz", "rt") as lines:
        line = next(line for line in lines if '"legacy.order"' in line)
    write(shop / "change.json", line)
    (said,) = succeeds("map", "change.json", "--json", cwd=shop).lines
    assert said["translator"] == "order"
