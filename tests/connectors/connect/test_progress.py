"""How far a connector has come by its own account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from connectors.connect.errors import ConnectUnreachable
from connectors.connect.progress import ConnectorProgress
from connectors.connect.states import SourceOffset
from connectors.debezium.sources import committed_position

# As a worker of Connect 4.3 answered, for PostgreSQL 3.6.3 and MariaDB 3.5.0, each after its last transaction.
POSTGRES = {
    "lsn_proc": 26371992,
    "messageType": "COMMIT",
    "lsn_commit": 26371992,
    "lsn": 26371992,
    "txId": 735,
    "ts_usec": 1795823122035272,
}
POSTGRES_BEFORE_THE_FIRST_COMMIT = {"lsn": 26368176, "txId": 729, "ts_usec": 1795823101470000}
MARIADB = {
    "transaction_id": "0-1-11",
    "ts_sec": 1795823162,
    "transaction_data_collection_order_legacy.ord": 1,
    "file": "binlog.000001",
    "pos": 3834,
    "transaction_data_collection_order_legacy.ordlin": 3,
    "gtids": "0-1-10",
    "server_id": 1,
    "event": 5,
}


@pytest.mark.parametrize(
    ("offset", "passed"),
    [
        (POSTGRES, 26371992),
        ({**POSTGRES, "lsn_commit": None}, None),
        (POSTGRES_BEFORE_THE_FIRST_COMMIT, 0),
        ({**POSTGRES, "snapshot": "INITIAL"}, None),
        ({**POSTGRES, "snapshot": False}, 26371992),
        ({**POSTGRES, "lsn_commit": "26371992"}, None),
        (MARIADB, (1 << 33) + 3834),
        ({**MARIADB, "snapshot": True}, None),
        ({**MARIADB, "file": "binlog"}, None),
        ({**MARIADB, "pos": 2**40}, None),
        ({"pos": 4}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_commit_position_that_an_offset_has_passed(offset: dict[str, Any] | None, passed: int | None) -> None:
    assert committed_position(offset) == passed


class Connect:
    """What the worker answers."""

    def __init__(self) -> None:
        self.answer: Sequence[dict[str, Any] | None] | None = [POSTGRES]
        self.asked = 0

    def offsets(self) -> Sequence[SourceOffset]:
        self.asked += 1
        if self.answer is None:
            raise ConnectUnreachable(url="http://c", request="GET", seconds=1.0, reason="refused")
        return [SourceOffset(partition={"server": "legacy"}, offset=offset) for offset in self.answer]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_follows_the_connector_and_says_nothing_while_connect_does_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    connect = Connect()
    progress = ConnectorProgress(connect.offsets, committed_position, every=0.01)
    until(lambda: progress() == POSTGRES["lsn_commit"])
    connect.answer = [{**POSTGRES, "lsn_commit": 26372992}]
    until(lambda: progress() == 26372992)
    connect.answer = None
    until(lambda: progress() is None)
    asked = connect.asked
    until(lambda: connect.asked > asked + 3)
    connect.answer = [POSTGRES, {**POSTGRES, "lsn_commit": 7}]
    until(lambda: progress() == 7)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    connect.answer = [POSTGRES, None]
    until(lambda: progress() is None)
    progress.close()
    time.sleep(0.05)
    asked = connect.asked
    time.sleep(0.05)
    assert connect.asked == asked
