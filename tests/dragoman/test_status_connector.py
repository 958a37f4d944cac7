"""`dragoman status` of a real connector: at work, with a task that has failed, and without its slot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from typer.testing import CliRunner

from connectors.connect import ConnectClient
from dragoman.app import app
from dragoman.stack.server import Server
from tests.connectors.connect.world import until
from tests.dragoman.support import Outcome
from tests.dragoman.test_snapshot import shop
from translators.errors import DragomanError

__all__ = ["shop"]


def test_running_is_not_taken_for_health(shop: Path, connect: Server, unused_name: str) -> None:
    name, url = unused_name, (shop / "url").read_text()

    def run(*words: str) -> Outcome:
        """Inside this process: a process of its own takes longer than what it asks for."""
        done = CliRunner().invoke(app, [*words, "--project", str(shop)], env={"LEGACY_URL": url})
        error = done.exception.code if isinstance(done.exception, DragomanError) else ""
        return Outcome(2 if error else done.exit_code, done.stdout, error)

    def standing() -> dict[str, Any]:
        (one,) = [one for one in run("status", "--json").lines if "connector" in one]
        return dict(one)

    def codes() -> list[str]:
        return [one["code"] for one in standing()["symptoms"]]

    # Right after its snapshot a connector reads no slot yet.
    until(lambda: not codes(), 60)
    well = standing()
    assert well["symptoms"] == [] and well["states"] == "RUNNING, task 0 RUNNING"
    assert well["seen"]["slot"]["active_pid"] and well["seen"]["beat_seconds"] < 30
    examined = {one["code"]: one for one in run("doctor", "--json").lines}
    assert {one["severity"] for one in examined.values() if one["what"] == "Kafka Connect"} <= {"ok", "info"}
    assert "latency" in examined["mode.exactly-once"]["costs"]
    told = run("status").out
    assert f"slot {name}:" in told and "last heartbeat" in told

    with (
        psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as legacy,
        ConnectClient(f"http://{connect.at}") as client,
    ):
        # Debezium compares its slot only once it has committed a transaction.
        legacy.execute(b"INSERT INTO orders VALUES (-1, 1, now(), NULL, 'N', NULL)")
        until(lambda: "lsn_commit" in (client.offsets(name)[0].offset or {}), 60)

        legacy.execute(f"DROP PUBLICATION {name}".encode())
        client.restart(name)
        until(lambda: bool((found := client.status(name)) and found.failure), 60)
        assert codes() == ["connector.failed"]
        assert "ublication" in run("status").out

        client.stop(name)
        client.wait_until_state(name, "STOPPED")
        active = f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{name}' AND active"
        until(lambda: not legacy.execute(active.encode()).fetchall(), 60)
        legacy.execute(f"SELECT pg_drop_replication_slot('{name}')".encode())
        assert codes() == ["connector.slot-gone", "connector.resting"]
        assert "hide the gap" in " ".join(run("status").out.split())
        for command in ("resume", "restart", "apply"):
            refused = run("connectors", command)
            assert (refused.code, refused.err) == (2, "connectors.slot-lost"), refused

        # Somebody makes it again, and starts the connector past the command.
        legacy.execute(f"CREATE PUBLICATION {name} FOR TABLE orders, order_line, signal".encode())
        legacy.execute(b"INSERT INTO orders VALUES (-2, 1, now(), NULL, 'N', NULL)")
        legacy.execute(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')".encode())
        assert codes() == ["connector.slot-ahead", "connector.resting"]
        assert "connector.slot-ahead" in {one["code"] for one in run("doctor", "--json").lines}
        client.resume(name)
        until(lambda: bool((found := client.status(name)) and found.failure), 60)
        assert codes() == ["connector.slot-ahead", "connector.failed"]
