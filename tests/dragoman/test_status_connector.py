"""`dragoman status` of a real connector: at work, with a task that has failed, and without its slot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from connectors.connect import ConnectClient
from dragoman.stack.server import Server
from tests.connectors.connect.world import until
from tests.dragoman.support import succeeds
from tests.dragoman.test_snapshot import shop

__all__ = ["shop"]


def test_running_is_not_taken_for_health(shop: Path, connect: Server, unused_name: str) -> None:
    name, url = unused_name, (shop / "url").read_text()

    def standing() -> dict[str, Any]:
        (one,) = [one for one in succeeds("status", "--json", cwd=shop, LEGACY_URL=url).lines if "connector" in one]
        return dict(one)

    def codes() -> list[str]:
        return [one["code"] for one in standing()["symptoms"]]

    well = standing()
    assert well["symptoms"] == [] and well["states"] == "RUNNING, task 0 RUNNING"
    assert well["seen"]["slot"]["active_pid"] and well["seen"]["beat_seconds"] < 30
    told = succeeds("status", cwd=shop, LEGACY_URL=url).out
    assert f"slot {name}:" in told and "last heartbeat" in told

    with (
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as legacy,
        ConnectClient(f"http://{connect.at}") as client,
    ):
        legacy.execute(f"DROP PUBLICATION {name}".encode())
        client.restart(name)
        until(lambda: bool((found := client.status(name)) and found.failure), 60)
        assert codes() == ["connector.failed"]
        assert "ublication" in succeeds("status", cwd=shop, LEGACY_URL=url).out

        client.stop(name)
        client.wait_until_state(name, "STOPPED")
        active = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND active"
        until(lambda: not legacy.execute(active.encode()).fetchall(), 60)
        legacy.execute(f"SELECT pg_drop_replication_slot('{name}')".encode())
        assert codes() == ["connector.resting", "connector.slot-gone"]
        assert "hide the gap" in " ".join(succeeds("status", cwd=shop, LEGACY_URL=url).out.split())
