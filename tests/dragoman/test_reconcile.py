"""`dragoman reconcile run` and `report`: clean, drift, incomplete; what is written, and told again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.dragoman.support import application, dragoman, make_shop, replace, succeeds, write


def edit_view(project: Path, sql: str) -> None:
    with closing(sqlite3.connect(project / "var" / "views.db")) as view, view:
        assert view.execute(sql).rowcount == 1


def test_clean_and_complete(insurer: Path) -> None:
    with application(insurer) as programs:
        programs.run(30)
    succeeds("run", cwd=insurer)
    told = succeeds("reconcile", "run", "policy_view", "--json", cwd=insurer)
    (result,) = told.lines
    assert (result["confirmed"], result["coverage"], result["exit_code"]) == (0, 1.0, 0)
    assert result["compared"] == result["agree"] > 0
    assert Path(result["report"]).is_file()
    assert f"All {result['compared']:,} agree." in succeeds("report", cwd=insurer).out


def test_drift_is_told_by_cause_and_written(worked: Path) -> None:
    edit_view(worked, "UPDATE policy_view SET status = 'quoted' WHERE policy_number = 'P00000001'")
    told = dragoman("reconcile", "run", "policy_view", cwd=worked)
    assert told.code == 1
    assert " differ, for two reasons." in told.out
    assert "'SU' is not in the code table status" in told.out
    assert "Edited in the view by hand" in told.out
    (result,) = dragoman("reconcile", "run", "policy_view", "--json", cwd=worked).lines
    causes = {tuple(group["causes"]): len(group["keys"]) for group in result["causes"]}
    assert causes == {("parked",): 2, ("edited-in-view",): 1}
    page = Path(result["report"])
    assert page.with_name(page.name.replace(".html", ".findings.jsonl")).read_text().count("\n") == 3
    succeeds("report", "--parquet", "keys.parquet", cwd=worked)
    assert (worked / "keys.parquet").read_bytes()[:4] == b"PAR1"


def test_a_limit_that_tolerates(worked: Path) -> None:
    replace(worked / "checks" / "policy.yaml", "limit: 0", "limit: 2")
    assert dragoman("reconcile", "run", "policy_view", cwd=worked).code == 0


def test_terms_of_a_check(worked: Path) -> None:
    """Limits of classes, counts by product, and columns behind what is hidden: in no file of the run."""
    check = worked / "checks" / "policy.yaml"
    hidden = "sensitive: premium.amount\ntechnical: agentCode\n"
    check.write_text(check.read_text() + hidden + "limits: {mismatch: 1, refused: 2}\n")
    edit_view(worked, "UPDATE policy_view SET status = 'quoted' WHERE policy_number = 'P00000001'")
    edit_view(worked, "UPDATE policy_view SET agent_code = 'ZZ' WHERE policy_number = 'P00000002'")
    told = dragoman("reconcile", "run", "policy_view", "--json", cwd=worked)
    (result,) = told.lines
    assert (told.code, result["classes"], result["over"]) == (0, {"mismatch": 1, "refused": 2}, [])
    assert sum(one["compared"] for one in result["slices"]) == result["compared"]
    assert sum(one["confirmed"] for one in result["slices"]) == 3
    assert {one["field"] for one in result["slices"]} == {"product"}
    page = Path(result["report"])
    lines = page.with_name(page.name.replace(".html", ".findings.jsonl")).read_text().splitlines()
    (edited,) = (one for one in map(json.loads, lines) if one["key"] == "P00000001")
    shown = dict(next(row["columns"] for row in edited["legacy"] if row["table"] == "polmst"))
    assert (shown["prem_amt"], shown["agt_cd"]) == ("•••", "•••") and shown["prd_cd"] != "•••"
    assert "agentCode (technical)" in page.read_text()
    replace(check, "mismatch: 1", "mismatch: 0")
    assert dragoman("reconcile", "run", "policy_view", cwd=worked).code == 1
    replace(check, "technical: agentCode", "technical: agentCod")
    broken = dragoman("reconcile", "run", "policy_view", cwd=worked)
    assert (broken.code, broken.err.splitlines()[0]) == (2, "error check.field-unknown")
    assert "checks/policy.yaml:" in broken.err and "agentCode" in broken.err


OWN = """\
check: own
mapping: policy
view: own_policies
limit: 3
owner: Portal
tables:
  database: var/views.db
  table: policy_view
  id: policy_number
  key:
    policy_number: policyNumber
  columns:
    upper(status): status
    premium_amount * 1: premium.amount
  checkpoint:
    table: _dragoman_checkpoint
    partition: partition
    offset: offset
    where: topic = 'policy.state'
  children:
    coverages:
      table: policy_coverage_view
      parent: policy_number
      identity: sequence
      columns:
        sequence: sequence
        kind: kind
"""


def test_tables_that_a_check_declares_are_linted_explained_and_compared(worked: Path) -> None:
    check = worked / "checks" / "own.yaml"
    write(check, OWN.replace("premium.amount", "premium.sum").replace("kind: kind", "kind: sort"))
    told = dragoman("lint", "--json", cwd=worked)
    found = {(one["code"], one["line"], one["column"]) for one in told.lines if one.get("file") == "checks/own.yaml"}
    assert found == {("projection.unknown-field", 14, 25), ("projection.unknown-field", 27, 15)}
    assert dragoman("reconcile", "run", "own", cwd=worked).err.startswith("error check.invalid\n")
    write(check, OWN)
    assert succeeds("lint", cwd=worked).code == 0
    (plan,) = succeeds("reconcile", "explain", "own", "--json", cwd=worked).lines
    assert plan["plan"] == "mapped stream, row by row" and "policy_view.product" in plan["why"]
    assert {one["table"] for one in plan["statements"]} >= {"policy_view", "policy_coverage_view"}
    told = dragoman("reconcile", "run", "own", "--json", cwd=worked)
    (result,) = told.lines
    # In capitals: what the check says is compared as it says it.
    assert (result["classes"]["mismatch"], result["incomplete"]) == (result["confirmed"] - 2, None)
    write(check, OWN.replace("upper(status)", "status").replace("table: policy_view", "table: policies"))
    (result,) = dragoman("reconcile", "run", "own", "--json", cwd=worked).lines
    assert result["incomplete"]["code"] == "reconcile.view-unlike"
    assert "the table policies (checks/own.yaml:8:10)" in result["incomplete"]["message"]
    write(check, OWN.replace("upper(status)", "status"))
    (result,) = dragoman("reconcile", "run", "own", "--json", cwd=worked).lines
    # What was written by hand there is no field that this check shows.
    assert (result["classes"], result["exit_code"]) == ({"refused": 2}, 0)
    write(check, OWN.replace("view: own_policies", "view: policy_view"))
    assert dragoman("reconcile", "run", "own", cwd=worked).err.startswith("error check.names-taken\n")


def test_behind_without_a_worker_is_incomplete_and_no_drift(worked: Path) -> None:
    with application(worked, seed=21) as programs:
        programs.run(20)
    told = dragoman("reconcile", "run", "policy_view", "--json", cwd=worked)
    assert told.code == 2
    (result,) = told.lines
    assert result["confirmed"] == 0
    assert result["incomplete"]["code"] == "reconcile.stopped"
    assert "no worker is running" in result["incomplete"]["message"]


def test_the_last_report_is_told_again_and_made_again(worked: Path) -> None:
    (result,) = dragoman("reconcile", "run", "policy_view", "--json", cwd=worked).lines
    page = Path(result["report"])
    text = page.read_text(encoding="utf-8")
    page.unlink()
    assert succeeds("report", "--json", cwd=worked).lines == [result]
    assert page.read_text(encoding="utf-8") == text
    assert succeeds("report", result["run"], "--json", cwd=worked).lines == [result]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("report",), "report.unknown"),
        (("report", "r-1"), "report.unknown"),
        (("reconcile", "run", "x"), "check.unknown"),
    ],
)
def test_what_is_not_there(insurer: Path, words: tuple[str, ...], code: str) -> None:
    told = dragoman(*words, cwd=insurer)
    assert (told.code, told.err.splitlines()[0]) == (2, f"error {code}")


def test_before_the_first_run(insurer: Path) -> None:
    assert dragoman("reconcile", "run", cwd=insurer).err.startswith("error log.missing\n")


def test_a_recording_has_no_legacy_to_compare_with(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    (shop / "consumers").mkdir()
    write(
        shop / "consumers" / "orders.yaml",
        "projection: orders\nreads: order\ndatabase: var/views.db\ntable: orders\n"
        "key:\n  order_number: orderNumber\ncolumns:\n  status: status\n",
    )
    succeeds("run", cwd=shop)
    assert dragoman("reconcile", "run", cwd=shop).err.startswith("error check.no-legacy\n")


def test_runs_and_findings_are_remembered(worked: Path) -> None:
    assert dragoman("reconcile", "run", "policy_view", cwd=worked).code == 1
    found = succeeds("reconcile", "findings", "--json", cwd=worked).lines
    assert [(one["state"], one["causes"], one["check"]) for one in found] == [("open", ["parked"], "policy_view")] * 2
    for one in found:
        words = ("--until", "2999-12-31", "--reason", "the code is being asked for")
        assert "accepted until 2999-12-31" in succeeds("reconcile", "accept", one["id"], *words, cwd=worked).out
    told = succeeds("reconcile", "run", "policy_view", cwd=worked).out
    assert "2 of them are accepted" in told
    assert told.endswith("0, complete; what differs is accepted or within the limit\n")
    assert "the code is being asked for" in succeeds("reconcile", "findings", cwd=worked).out
    runs = succeeds("reconcile", "runs", "--json", cwd=worked).lines
    assert [(one["state"], one["exit_code"]) for one in runs] == [("drift", 1), ("tolerated", 0)]
    told = succeeds("reconcile", "runs", cwd=worked).out
    assert "never clean and complete" in told
    assert max(map(len, told.splitlines())) <= 80
    assert (worked / "var" / "ledger.db").is_file()


@pytest.mark.parametrize("command", ["runs", "findings"])
def test_a_misspelt_check_is_not_told_as_one_without_anything(insurer: Path, command: str) -> None:
    refused = dragoman("reconcile", command, "policy_vew", cwd=insurer)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error check.unknown\n")
    assert "did you mean 'policy_view'?" in refused.err


def test_gates_that_are_missing_are_made_by_one_command(insurer: Path) -> None:
    told = dragoman("reconcile", "gate", cwd=insurer)
    assert told.code == 2
    answer, following, *_ = told.out.splitlines()
    assert answer == "Not now: 6 checks of 6 say no."
    assert following == "  next   dragoman reconcile run --gate    one run, for the 6 that lack a gate"
    one = dragoman("reconcile", "gate", "policy_view", cwd=insurer).out
    assert one.count("dragoman reconcile run") == 1


def test_a_run_that_breaks_is_remembered_as_broken(worked: Path) -> None:
    legacy = worked / "var" / "legacy.db"
    legacy.rename(legacy.with_suffix(".gone"))
    assert dragoman("reconcile", "run", "policy_view", cwd=worked).code == 2
    (run,) = succeeds("reconcile", "runs", "--json", cwd=worked).lines
    assert (run["state"], run["exit_code"], run["coverage"]) == ("broken", 2, 0.0)
    assert "broken (" in succeeds("reconcile", "runs", cwd=worked).out


def test_a_ledger_by_url(worked: Path, tmp_path: Path) -> None:
    with (worked / "dragoman.yaml").open("a", encoding="utf-8") as settings:
        settings.write(f"ledger: sqlite:///{tmp_path / 'elsewhere.db'}\n")
    dragoman("reconcile", "run", "policy_view", cwd=worked)
    assert len(succeeds("reconcile", "runs", "--json", cwd=worked).lines) == 1
    assert (tmp_path / "elsewhere.db").is_file()
    assert not (worked / "var" / "ledger.db").exists()


def test_checks_that_ask_by_queries(insurer: Path) -> None:
    """The examples: counts and sums, an invariant, a third system's extract; and the check that nobody has to declare."""
    succeeds("run", cwd=insurer)
    (insurer / "checks" / "policy.yaml").unlink()
    told = succeeds("reconcile", "run", "--json", cwd=insurer).lines
    assert {one["check"]: one["confirmed"] for one in told} == {
        "policy_figures": 0,
        "policy_cancelled_on": 0,
        "agent_register": 0,
        "policy_view": 0,
        "claim_state": 0,
        "payment_state": 0,
    }
    assert all(one["agree"] == one["compared"] > 0 for one in told if one["check"].endswith("_state"))
    edit_view(insurer, "UPDATE policy_view SET cancelled_on = '2026-01-01' WHERE policy_number = 'P00000001'")
    edit_view(insurer, "UPDATE policy_view SET premium_amount = premium_amount + 1 WHERE policy_number = 'P00000002'")
    replace(insurer / "extracts" / "agents.csv", "AG0003,12.50", "AG0003,13.00")
    told = dragoman("reconcile", "run", "--json", cwd=insurer).lines
    assert {one["check"]: one["confirmed"] for one in told} == {
        "policy_figures": 1,
        "policy_cancelled_on": 1,
        "agent_register": 1,
        "policy_view": 2,
        "claim_state": 0,
        "payment_state": 0,
    }
    said = " ".join(succeeds("report", cwd=insurer).out.split())
    assert "premium: the view says otherwise than the legacy" in said
    assert "1 row breaks it: A policy has the day of its cancellation if and only if it is cancelled." in said
    assert "commission: the extract says otherwise than the legacy" in said
    assert len(succeeds("reconcile", "findings", "--json", cwd=insurer).lines) == 5


def test_each_check_says_how_it_compares_and_what_a_faster_way_would_need(worked: Path) -> None:
    told = succeeds("reconcile", "explain", cwd=worked)
    assert "policy_view: mapped stream, row by row" in told.out
    plans = {plan["check"]: plan for plan in succeeds("reconcile", "explain", "--json", cwd=worked).lines}
    replace(worked / "checks" / "policy.yaml", "slices: product ", "# no slices ")
    (without,) = succeeds("reconcile", "explain", "policy_view", "--json", cwd=worked).lines
    assert plans["policy_view"]["faster"].startswith("The check has to do without `slices`")
    assert (
        plans["claim_state"]["faster"]
        == "The other side has to be the tables of a projection, in PostgreSQL or MariaDB."
    )
    assert without["faster"].startswith("The legacy has to be in PostgreSQL by psycopg, or in MariaDB by mysqlclient")
    assert {(one["side"], one["table"]) for one in without["statements"]} >= {
        ("legacy", "polmst"),
        ("view", "policy_view"),
    }
    assert all(one["sql"].startswith("SELECT ") for one in without["statements"])
    assert {plan["plan"] for plan in plans.values()} == {"mapped stream, row by row", "queries"}
