"""One mapping that cannot be used: what looks at the others goes on, and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.dragoman.support import application, dragoman, make_insurer, make_legacy, replace, succeeds, write


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The insurer after a first run."""
    made = make_insurer(tmp_path_factory.mktemp("ran") / "insurer")
    make_legacy(made)
    with application(made) as insurer:
        insurer.run(20)
    succeeds("run", cwd=made)
    return made


@pytest.fixture
def project(ran: Path, tmp_path: Path) -> Path:
    """It, with a second check, and with a typo in the mapping of policies since then."""
    made = Path(shutil.copytree(ran, tmp_path / "insurer"))
    write(
        made / "checks" / "other.yaml",
        (made / "checks" / "policy.yaml").read_text(encoding="utf-8").replace("check: policy", "check: other", 1),
    )
    replace(made / "mappings" / "policy.yaml", "TRIM(pol_no)", "TRIM(pol_nr)")
    return made


def test_status_tells_of_the_others(project: Path) -> None:
    told = succeeds("status", cwd=project).out
    assert "its mapping cannot be used, so nobody knows how far it has come" in told
    assert "mappings/policy.yaml:" in told
    worker, policy, claim, _, view, letters = succeeds("status", "--json", cwd=project).lines
    assert worker == {"worker": None}
    assert (policy["translator"], policy["feed"], policy["partitions"]) == ("policy", "", [])
    assert (policy["trouble"]["code"], policy["pending"], policy["generation"]) == ("mapping.invalid", False, 1)
    assert (claim["trouble"], sum(one["behind"] for one in claim["partitions"])) == (None, 0)
    assert (view["consumer"], view["behind"], view["parked"]) == ("policy_view", None, None)
    assert view["trouble"]["code"] == "mapping.invalid"
    assert (letters["behind"], letters["trouble"]) == (0, None)


def test_a_check_of_it_is_incomplete_and_its_reason_is_told(project: Path) -> None:
    told = dragoman("reconcile", "run", cwd=project)
    assert told.code == 2
    assert "mapping.invalid" in told.out
    assert "`dragoman lint` shows them all" in told.out
    lines = dragoman("reconcile", "run", "--json", cwd=project).lines
    of_policy = [one for one in lines if one["check"] not in ("claim_state", "payment_state")]
    assert {(one["incomplete"]["code"], one["compared"], one["exit_code"]) for one in of_policy} == {
        ("mapping.invalid", 0, 2)
    }
    assert Path(lines[0]["report"]).is_file()


def test_checks_of_others_are_run(project: Path) -> None:
    replace(project / "mappings" / "policy.yaml", "TRIM(pol_nr)", "TRIM(pol_no)")
    replace(project / "mappings" / "claim.yaml", "TRIM(clm_no)", "TRIM(clm_nr)")
    lines = dragoman("reconcile", "run", "--json", cwd=project).lines
    assert {one["check"] for one in lines if one["exit_code"]} == {"claim_state"}
    assert [(one["incomplete"], one["exit_code"]) for one in lines if one["check"] != "claim_state"] == [(None, 0)] * 6
