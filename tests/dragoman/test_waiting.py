"""Dead letters and parked keys: seen, released, given up; beside a running worker and without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.dragoman.support import application, dragoman, eventually, following, legacy, query, replace, succeeds


def parked(project: Path) -> dict[str, dict[str, Any]]:
    lines = succeeds("parked", "list", "--json", cwd=project).lines
    return {one["key"]: one for one in lines if "key" in one}


def results(project: Path) -> dict[int, str | None]:
    lines = succeeds("parked", "list", "--json", cwd=project).lines
    return {one["command"]: one["result"] for one in lines if "command" in one}


def suspended(project: Path) -> set[str]:
    """The policies whose status nobody knows, as the legacy has them."""
    with legacy(project) as connection:
        return {key.strip() for (key,) in connection.execute("SELECT pol_no FROM polmst WHERE pol_sts = 'SU'")}


def mend(project: Path) -> None:
    """Somebody maps the unknown code."""
    replace(project / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: active\n")


def test_dead_letters_are_those_of_the_unknown_code(worked: Path) -> None:
    letters = succeeds("dlq", "list", "--json", cwd=worked).lines
    assert {one["key"] for one in letters} == suspended(worked)
    assert {one["code"] for one in letters} == {"code.unmapped"}
    assert {one["where"].split(":")[0] for one in letters} == {"mappings/policy.yaml"}
    assert {one["cause"] for one in letters} == {"semantic"}


def test_a_person_reads_the_reason_once(worked: Path) -> None:
    told = succeeds("dlq", "list", cwd=worked).out
    assert told.count("'SU' is not in the code table status") == 1
    assert told.startswith("2 dead letters wait")


def test_one_letter_is_shown_whole_and_personal_data_are_not(worked: Path) -> None:
    (first, _) = succeeds("dlq", "list", "--json", cwd=worked).lines
    shown = succeeds("dlq", "show", first["id"][:10], "--json", cwd=worked).lines[0]
    assert (shown["id"], shown["key"], shown["waits"]) == (first["id"], first["key"], True)
    (change,) = [c for c in shown["changes"] if c["table"] == "polmst"]
    assert change["after"]["pol_sts"] == "SU"
    assert change["after"]["pty_no"] == "•••"
    holder = query(worked / "var" / "legacy.db", "SELECT pty_no FROM polmst WHERE trim(pol_no) = ?", first["key"])[0][0]
    told = succeeds("dlq", "show", first["id"], cwd=worked).out
    assert "pol_sts" in told
    assert str(holder) not in told


def test_an_unknown_letter(worked: Path) -> None:
    told = dragoman("dlq", "show", "dl-nothing", cwd=worked)
    assert (told.code, told.err.splitlines()[0]) == (2, "error dlq.unknown")


def test_a_release_without_a_worker_waits_for_the_next_run(worked: Path) -> None:
    keys = suspended(worked)
    assert parked(worked).keys() == keys
    mend(worked)
    sent = succeeds("parked", "release", "--all", cwd=worked)
    assert "No worker is running: the next `dragoman run` executes this" in sent.out
    assert results(worked) == {}
    succeeds("run", cwd=worked)
    assert parked(worked) == {}
    assert len(results(worked)) == len(keys)
    assert all(result and "the key is free" in result for result in results(worked).values())
    assert "the key is free" in succeeds("parked", "list", cwd=worked).out


def test_a_release_beside_a_running_worker(worked: Path) -> None:
    mend(worked)
    (key, *_) = sorted(suspended(worked))
    with following(worked) as worker:
        sent = succeeds("parked", "release", key, "--json", cwd=worked).lines[0]
        assert (sent["key"], sent["worker"]) == (key, worker.pid)
        eventually(lambda: key not in parked(worked))
        assert "the key is free" in (results(worked)[sent["command"]] or "")


def test_what_is_not_mended_waits_on(worked: Path) -> None:
    succeeds("parked", "release", "--all", cwd=worked)
    succeeds("run", cwd=worked)
    assert parked(worked).keys() == suspended(worked)
    assert all("code.unmapped" in (result or "") for result in results(worked).values())


def test_discard_asks_and_keeps_the_rows(worked: Path) -> None:
    (key, other) = sorted(suspended(worked))
    refused = dragoman("parked", "discard", key, cwd=worked, stdin="n\n")
    assert refused.code == 2
    assert "never be published" in " ".join(refused.out.split())
    assert parked(worked).keys() == {key, other}
    succeeds("parked", "discard", key, "--yes", cwd=worked)
    succeeds("run", cwd=worked)
    # Its rows are known, but the state cannot be mapped: it is told apart from those with waiting steps.
    assert parked(worked)[key]["unmapped"] in (True, False)
    assert parked(worked)[key]["code"] == "code.unmapped"
    with application(worked, seed=11) as programs:
        programs.run(5)
    succeeds("run", cwd=worked)


def test_a_key_that_is_not_parked(worked: Path) -> None:
    told = dragoman("parked", "release", "P99999999", cwd=worked)
    assert (told.code, told.err.splitlines()[0]) == (2, "error parked.unknown-key")
    assert dragoman("parked", "release", cwd=worked).err.startswith("error parked.nothing-named\n")
    assert dragoman("parked", "list", "-t", "polcy", cwd=worked).err.startswith("error project.translator-unknown\n")
