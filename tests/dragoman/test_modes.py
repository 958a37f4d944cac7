"""The support table: docs/support.md and `doctor` have it from one place, each line comes up where it is so, and was tried."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.connect import ConnectClient
from dragoman import access, health, modes
from dragoman.ailments import Ailment
from dragoman.app import app
from dragoman.modes import MODES, Around, modes_of
from dragoman.project import Project
from dragoman.settings import read_settings
from tests.connectors.connect.fake import FakeCluster
from tests.dragoman.support import ROOT, make_shop, replace, write
from tests.dragoman.test_connectors import SOURCE
from translators.errors import DragomanError

OWN = Around(ends=True, rest=True, captures=True, single=False)
CONNECT = "connect: {url: 'http://connect:8083', connector: legacy}\n"

TRIED = {
    "mode.exactly-once": "tests/dragoman/test_status_connector.py::test_running_is_not_taken_for_health",
    "mode.connector-offset": "tests/killed/test_live.py::test_a_killed_connector",
    "mode.next-change": "tests/golden/test_older.py::test_topics_of_single_tables_are_read_as_others_fill_them",
    "mode.table-topics": "tests/golden/test_older.py::test_topics_of_single_tables_are_read_as_others_fill_them",
    "mode.older-debezium": "tests/golden/test_older.py::test_an_older_debezium_says_what_the_current_one_does",
    "mode.no-rest": "tests/dragoman/test_snapshot.py::shop",
    "mode.read-only-legacy": "tests/dragoman/test_connectors_live.py::shop",
    "mode.one-slot": "tests/connectors/legacy/test_preflight_postgres.py::test_a_second_connector_would_have_no_slot",
}
"""Where each line of the table was tried."""


def test_the_page_has_the_table_that_doctor_speaks_from() -> None:
    assert modes.table() in (ROOT / "docs" / "support.md").read_text("utf-8")


@pytest.mark.parametrize("mode", MODES, ids=lambda one: one.code)
def test_each_line_was_tried(mode: modes.Mode) -> None:
    path, _, name = TRIED[mode.code].partition("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


def codes(around: Around) -> list[str]:
    return [mode.code.removeprefix("mode.") for mode in modes_of(around)]


@pytest.mark.parametrize(
    ("around", "said"),
    [
        (OWN, ["exactly-once"]),
        (Around(ends=False, rest=True, captures=True, single=False), ["connector-offset"]),
        (Around(ends=False, rest=False, captures=False, single=True), ["next-change", "table-topics", "no-rest"]),
        (Around(ends=True, rest=False, captures=True, single=True), ["exactly-once", "no-rest"]),
        (
            Around(ends=True, rest=True, captures=True, single=False, older=True, writes=False, full=True),
            ["exactly-once", "older-debezium", "read-only-legacy", "one-slot"],
        ),
    ],
)
def test_a_line_comes_up_where_it_is_so(around: Around, said: list[str]) -> None:
    assert codes(around) == said


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project whose connector one worker is to run, and whose brokers are not there."""
    folder = make_shop(tmp_path / "shop")
    write(folder / "sources" / "shop.yaml", SOURCE.replace("broker-1:9092", "127.0.0.1:1") + CONNECT)
    return folder


@pytest.fixture
def doctor(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeCluster], list[Ailment]]:
    """What it finds beside a cluster in memory, and brokers that nobody waits long for."""

    def found(cluster: FakeCluster) -> list[Ailment]:
        @contextmanager
        def client(*_: object, **__: object) -> Iterator[ConnectClient]:
            yield cluster.client()

        monkeypatch.setattr(access, "connect_client", client)
        monkeypatch.setattr(health, "BROKER_SECONDS", 0.5)
        return health.examine(Project(read_settings(shop, {})), date(2026, 3, 1))

    return found


def test_doctor_names_the_mode_with_its_costs(doctor: Callable[[FakeCluster], list[Ailment]], shop: Path) -> None:
    (one,) = [a for a in doctor(FakeCluster()) if a.what == "mode"]
    assert (one.code, one.severity, one.costs["promises"]) == ("mode.exactly-once", "info", "All.")
    replace(shop / "sources" / "shop.yaml", "exactly_once: true", "exactly_once: false")
    replace(shop / "sources" / "shop.yaml", "signals: public.dragoman_signal\n", "")
    replace(
        shop / "sources" / "shop.yaml",
        "UPDATE heartbeat SET at = now()",
        "SELECT pg_logical_emit_message(false,'d','')",
    )
    told = {a.code: a for a in doctor(FakeCluster()) if a.what == "mode"}
    assert list(told) == ["mode.connector-offset", "mode.read-only-legacy"]
    assert "flush.interval" in told["mode.connector-offset"].costs["latency"]
    older = FakeCluster()
    older.version = "2.7.4.Final"
    assert "mode.older-debezium" in {a.code for a in doctor(older)}


def test_brokers_that_do_not_answer_are_waited_for_once(doctor: Callable[[FakeCluster], list[Ailment]]) -> None:
    assert health.BROKER_SECONDS <= 10
    found = doctor(FakeCluster())
    (silent,) = [a for a in found if a.code == "log.unreachable"]
    assert silent.what == "source" and "0.5 s" in silent.message
    unlooked = {a.what for a in found if "the brokers do not answer" in a.message}
    assert unlooked == {"connector", "log", "state"}


def test_what_doctor_says_of_the_mode_can_be_read(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(shop / "sources" / "shop.yaml", CONNECT, "")
    monkeypatch.setattr(health, "BROKER_SECONDS", 0.5)
    told = CliRunner().invoke(app, ["doctor", "--project", str(shop)], env={"COLUMNS": "100"}).stdout
    assert "· mode                    mode.no-rest" in told
    assert "\n  latency   None under exactly-once" in told and "\n  promises  All of the stream." in told
    assert max(map(len, told.splitlines())) <= 120


def test_what_is_handed_over_is_what_the_command_would_put(shop: Path) -> None:
    bare, lines = (in_process("explain", option, shop) for option in ("--config", "--json"))
    told = [json.loads(line) for line in lines.stdout.splitlines()]
    assert json.loads(bare.stdout) == {one["setting"]: one["value"] for one in told}
    replace(shop / "sources" / "shop.yaml", CONNECT, "")
    refused = in_process("plan", "--json", shop).exception
    assert isinstance(refused, DragomanError) and "explain --config" in refused.advice


def in_process(command: str, option: str, shop: Path) -> Result:
    return CliRunner().invoke(app, ["connectors", command, option, "--project", str(shop)])
