"""What holds for all tests: the size of property tests, the servers that they share, and `--no-skips`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, settings

from tests.capabilities import REASON, is_lacking

# The servers' fixtures are known to every test.
pytest_plugins = ["tests.servers.shared"]

_CONTAINERS = Path(__file__).parent / "docker"

# The same examples on every run, few enough for each push; `--hypothesis-profile=thorough` looks for new ones.
settings.register_profile("dragoman", max_examples=50, derandomize=True, database=None, deadline=None)
settings.register_profile("thorough", max_examples=2_000, deadline=None)
# For those who only want to know whether a test fails, not what the smallest failure is.
settings.register_profile("first-failure", settings.get_profile("dragoman"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("dragoman")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=2, help="how often tests/killed kills each connector")
    said = "how many runs the oracle of checks judges; between servers a quarter of it, for each pair of them"
    parser.addoption("--oracle-runs", type=int, default=12, help=said)
    parser.addoption(
        "--stack",
        choices=("native", "docker"),
        default="native",
        help="where Kafka and PostgreSQL run: as processes of this machine, or in containers",
    )
    parser.addoption(
        "--no-skips",
        action="store_true",
        help=f"fail the run for each skip but those whose reason is '{REASON}...' and true here",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of the containers alone are collected with `--stack=docker` only: they need an engine and minutes."""
    return True if collection_path == _CONTAINERS and config.getoption("--stack") != "docker" else None


class NoSkips:
    """Collects the skips (and expected failures) that this machine could have run, and fails the run for them."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._judge(report)

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped:
            return
        reason = (
            report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "expected to fail"
        )
        if not is_lacking(reason):
            self.refused[report.nodeid] = reason

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.refused and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.refused:
            terminalreporter.section("skipped, though this machine could have run them", red=True)
        for nodeid, reason in self.refused.items():
            terminalreporter.line(f"{nodeid}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    # With xdist the workers report to the controller: one judge, there.
    if config.getoption("--no-skips") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(NoSkips(), "dragoman-no-skips")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many schedules were played over all workers, and what the kills of real connectors brought about."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    properties = [p for report in reports for p in getattr(report, "user_properties", ()) if report.when == "call"]
    played = sum(number for name, number in properties if name == "schedules")
    if played:
        terminalreporter.section("schedules")
        terminalreporter.line(f"{played:,} schedules played")
    killed = [str(text) for name, text in properties if name == "kills"]
    if killed:
        terminalreporter.section("killed connectors")
    for text in killed:
        terminalreporter.line(text)
