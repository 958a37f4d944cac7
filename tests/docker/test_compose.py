"""The whole product by docker-compose.yml: up, a day of the insurer through the real stack, a check, and down."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.capabilities import require

ROOT = Path(__file__).parents[2]
POLICY = {"Q": "quoted", "A": "active", "C": "cancelled", "L": "lapsed"}
UNKNOWN = 6
SECONDS = 240
VIEW = """
import json, sqlite3
view = sqlite3.connect("/project/var/views.db")
rows = view.execute("SELECT policy_number, status, premium_amount, coverage_count FROM policy_view").fetchall()
letters = sqlite3.connect("/project/var/letters.db").execute("SELECT count(*), count(DISTINCT event_id) FROM letter")
print(json.dumps({"rows": rows, "letters": letters.fetchone()}))
"""
LEGACY = (
    "SELECT json_agg(json_build_array(trim(pol_no), trim(pol_sts), prem_amt,"
    " (SELECT count(*) FROM covdtl c WHERE c.pol_no = p.pol_no))) FROM polmst p"
)


class Compose:
    """The command, for a project and passwords of its own."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.passwords = {name: secrets.token_hex(16) for name in ("LEGACY_OWNER_PASSWORD", "LEGACY_PASSWORD")}
        more = {"COMPOSE_PROJECT_NAME": project, "INSURER_TRANSACTIONS": "400", "INSURER_PAUSE": "0"}
        self._variables = {**os.environ, **self.passwords, **more}

    def run(self, *words: str, codes: tuple[int, ...] = (0,)) -> str:
        """Its output; `AssertionError` with what it said, for another exit code."""
        done = self._run(["docker-compose", *words])
        assert done.returncode in codes, f"{words}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def docker(self, *words: str) -> str:
        """The output of the engine's own client."""
        done = self._run(["docker", *words])
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def container(self, service: str) -> str:
        """The id of a service's container, ended ones included."""
        return self.docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.service={service}")

    def state(self, service: str) -> Any:
        """How the container of a service stands."""
        return json.loads(self.docker("inspect", "--format", "{{json .State}}", self.container(service)))

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self._variables, capture_output=True, text=True, check=False, timeout=SECONDS
        )


@pytest.fixture(scope="module")
def product() -> Iterator[Compose]:
    """Everything is up, and the day of the programs is over."""
    require("a Docker engine")
    compose = Compose("insurer")
    try:
        compose.run("up", "--no-build", "--detach")
        assert compose.docker("wait", compose.container("programs")) == "0"
        wait_until_filled(compose)
        yield compose
    finally:
        if os.environ.get("DRAGOMAN_KEEP") is None:
            compose.run("down", "--volumes", "--timeout", "15")
            assert compose.docker("ps", "--all", "--quiet") == ""


def wait_until_filled(compose: Compose) -> None:
    """Wait until everything was translated, and the view and the letters have it."""
    deadline = time.monotonic() + SECONDS
    while True:
        told = compose.run("exec", "-T", "worker", "dragoman", "status", "--json")
        standings = [one for one in map(json.loads, told.splitlines()) if "partitions" in one or "consumer" in one]
        behind = [one["behind"] for one in standings if "consumer" in one]
        partitions = [part for one in standings for part in one.get("partitions", ())]
        behind += [part["behind"] for part in partitions]
        if len(partitions) == 9 and set(behind) == {0} and not any(part["loading"] for part in partitions):
            return
        assert time.monotonic() < deadline, told
        time.sleep(1)


def test_the_check_finds_what_nobody_has_mapped_and_nothing_else(product: Compose) -> None:
    told = product.run("exec", "-T", "worker", "dragoman", "reconcile", "run", "--json", codes=(0, 1))
    result = json.loads(told.splitlines()[0])
    assert {tuple(group["causes"]): len(group["keys"]) for group in result["causes"]} == {("parked",): UNKNOWN}


def test_the_view_says_what_the_legacy_says(product: Compose) -> None:
    password = product.passwords["LEGACY_OWNER_PASSWORD"]
    ask = ("psql", "--host=127.0.0.1", "--username=insurer", "--dbname=insurer", "--no-align", "--tuples-only")
    legacy = json.loads(
        product.run("exec", "-T", "-e", f"PGPASSWORD={password}", "legacy", *ask, f"--command={LEGACY}")
    )
    shown = json.loads(product.run("exec", "-T", "worker", "python", "-c", VIEW))
    view = {row[0]: row[1:] for row in shown["rows"]}
    assert view.keys() == {row[0] for row in legacy}
    assert len(view) > 1_200
    unknown = [number for number, status, *_ in legacy if status not in POLICY]
    assert len(unknown) == UNKNOWN
    for number, status, premium, coverages in legacy:
        if status in POLICY:
            assert view[number][0] == POLICY[status]
            assert Decimal(view[number][1]) * 100 == premium
            assert view[number][2] == coverages
    assert shown["letters"][0] == shown["letters"][1] > 0


def test_what_runs_is_healthy_and_what_was_to_be_done_once_is_done(product: Compose) -> None:
    for service in ("legacy", "kafka", "connect", "worker"):
        assert product.state(service)["Health"]["Status"] == "healthy", service
    for service in ("legacy-load", "connector", "programs"):
        state = product.state(service)
        assert (state["Status"], state["ExitCode"]) == ("exited", 0), service


def test_dragoman_is_not_root_and_nobody_is_told_a_password(product: Compose) -> None:
    assert product.run("exec", "-T", "worker", "id", "-u").strip() == "10001"
    config = product.run(
        "exec", "-T", "connect", "wget", "-q", "-O", "-", "http://127.0.0.1:8083/connectors/legacy/config"
    )
    logs = product.run("logs", "--no-color")
    assert json.loads(config)["database.password"] == "${env:LEGACY_PASSWORD}"
    for password in product.passwords.values():
        assert password not in config
        assert password not in logs


def test_a_worker_that_was_killed_goes_on_and_sends_no_letter_twice(product: Compose) -> None:
    before = json.loads(product.run("exec", "-T", "worker", "python", "-c", VIEW))
    product.run("kill", "worker")
    product.run("up", "--no-build", "--detach", "worker")
    told = product.run("exec", "-T", "worker", "dragoman", "reconcile", "run", "--json", codes=(0, 1))
    assert [group["causes"] for group in json.loads(told.splitlines()[0])["causes"]] == [["parked"]]
    assert json.loads(product.run("exec", "-T", "worker", "python", "-c", VIEW)) == before
