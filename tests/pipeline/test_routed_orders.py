"""From a commit in PostgreSQL to the business event: snapshot, live transactions, an idle feed, two kinds of proof."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.connect import ConnectClient, connector_config
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from tests.connectors.connect.world import PostgresLegacy, declared, order, secret_of
from tests.pipeline.routed import names, until, worker_of
from tests.servers.shared import jars

SOLD = "UPDATE ord SET o_sts = 'sold' WHERE o_id = {0}"
GONE = "DELETE FROM ordlin WHERE l_ord = {0}; DELETE FROM ord WHERE o_id = {0}"


@pytest.mark.parametrize("exactly_once", [True, False])
def test_what_was_committed_together_is_one_event_also_on_a_feed_that_is_idle_then(
    kafka: Server, postgres_server: Server, exactly_once: bool, unused_name: str, tmp_path: Path
) -> None:
    legacy = PostgresLegacy(postgres_server, unused_name, secret_of(tmp_path))
    for number in range(20):
        legacy.commit(*order(number, 3))
    spec = replace(legacy.spec, exactly_once=exactly_once)
    work = parts.connect(jars(), kafka.at, exactly_once=exactly_once, group=f"{unused_name}_connect")
    with (
        shared(work, tmp_path / "connect") as connect,
        ConnectClient(f"http://{connect.at}") as client,
        declared(client, unused_name, connector_config(spec), legacy),
        worker_of(kafka.at, f"{unused_name}_t", spec, client, tmp_path / "state") as worker,
    ):
        until(lambda: len(worker.published("state")) == 20)
        assert worker.published("events") == []
        assert {state.event_class for state in worker.published("state")} == {"snapshot"}
        took = []
        for number in range(20, 26):
            time.sleep(0.3)
            legacy.commit(*order(number, 4))
            begun = time.time()
            until(lambda number=number: len(worker.published("events")) == number - 19)  # type: ignore[misc]
            took.append(time.time() - begun)
        legacy.commit(SOLD.format(3), *order(26, 2), SOLD.format(21))
        legacy.commit(*GONE.format(4).split("; "))
        until(lambda: len(worker.published("events")) == 10)
        time.sleep(1)
        placed = [(str(number), "OrderPlaced.v1", 4) for number in range(20, 26)]
        assert names(worker.published("events")) == sorted(
            [
                *placed,
                ("26", "OrderPlaced.v1", 2),
                ("3", "OrderChanged.v1", 3),
                ("21", "OrderChanged.v1", 4),
                ("4", "OrderDropped.v1", 3),
            ]
        )
    print("seconds from commit to event:", [round(seconds, 2) for seconds in took])
    assert sorted(took)[len(took) // 2] < 5
