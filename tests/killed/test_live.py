"""A real connector, exactly-once off, killed in the middle of large transactions: nothing missing, nothing more, nothing torn.

`--kills 10` kills each connector ten times (`make killed`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dragoman.stack.server import Server
from pipeline.feed import read_again
from tests.connectors.connect.world import secret_of
from tests.killed.legacy import Legacy, MariaDBLegacy, PostgresLegacy
from tests.killed.replay import Replay
from tests.killed.run import LARGE, PAUSE, PROGRAMS, Live, assert_shown
from tests.killed.stack import connector
from tests.killed.writers import Writers


@pytest.fixture(params=[("postgres", 4), ("mariadb", 1)], ids=["postgres", "mariadb"])
def legacy(request: pytest.FixtureRequest, kafka: Server, unused_name: str, tmp_path: Path) -> Legacy:
    kind, partitions = request.param
    server: Server = request.getfixturevalue(f"{kind}_server")
    if kind == "postgres":
        return PostgresLegacy(server, unused_name, partitions)
    return MariaDBLegacy(server, unused_name, secret_of(tmp_path), kafka.at, partitions)


def test_a_killed_connector(
    legacy: Legacy,
    kafka: Server,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    writers = Writers(legacy, 7, PROGRAMS, PAUSE, LARGE)
    witness = legacy.witness()
    with connector(kafka, legacy, tmp_path) as made:
        live = Live(made, writers, witness, 7)
        run = live.go(request.config.getoption("--kills"))
        witness.close()
        product = live.product
        product.judge(run.journal, run.loaded)
        said = product.said()
        read_again(product.log, "order", run.names.feed)
        again = product.worker()
        while again.turn():
            pass
        assert product.said() == said
    figures = ", ".join(f"{number:,} {what}" for what, number in run.look.figures.items())
    record_property("kills", f"{legacy.connector}: {run.kills} kills, {figures}")
    assert_shown(run)
    for seed in range(2):
        assert Replay(run, seed).go().said() == said
