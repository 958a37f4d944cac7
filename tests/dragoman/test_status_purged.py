"""A MariaDB that has purged what its connector had not read yet: said, and the connector is not started past the gap."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pymysql
import pytest

from dragoman.connector_standing import SlotLost, check_slot, loss_of
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.stack import parts
from dragoman.stack.server import shared
from tests.capabilities import require
from tests.connectors.connect.fake import FakeCluster, Kept
from tests.dragoman.support import make_shop, write
from tests.dragoman.test_connectors import SOURCE, as_mariadb

Cursor = pymysql.cursors.Cursor


def place(cursor: Cursor) -> dict[str, Any]:
    """Where the log ends, as the connector writes it down."""
    cursor.execute("SHOW MASTER STATUS")
    told = cursor.fetchone()
    cursor.execute("SELECT @@gtid_binlog_pos")
    gtids = cursor.fetchone()
    assert told is not None and gtids is not None
    return {"file": told[0], "pos": int(told[1]), "gtids": gtids[0]}


def purge(cursor: Cursor) -> str:
    """Files that are done are taken away, as `binlog_expire_logs_seconds` does; the oldest that is left."""
    for _ in range(100):
        cursor.execute("FLUSH BINARY LOGS")
        cursor.execute("SHOW BINARY LOGS")
        files = [str(row[0]) for row in cursor.fetchall()]
        cursor.execute(f"PURGE BINARY LOGS TO '{files[-1]}'")
        cursor.execute("SHOW BINARY LOGS")
        left = [str(row[0]) for row in cursor.fetchall()]
        if files[0] not in left:
            return left[0]
        time.sleep(0.05)  # a file is kept until what was prepared in it has been committed on disk
    raise AssertionError("the server keeps all files")


def test_a_log_that_was_purged_before_it_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("MariaDB")
    folder, cluster = make_shop(tmp_path / "shop"), FakeCluster()
    write(folder / "sources" / "shop.yaml", SOURCE)
    as_mariadb(folder, "mariadb")
    more = "database: ${LEGACY_URL}\nconnect: {url: http://a:8083, connector: legacy}\ncapture:\n"
    write(folder / "sources" / "shop.yaml", (folder / "sources" / "shop.yaml").read_text().replace("capture:\n", more))
    monkeypatch.setattr("dragoman.access.connect_client", lambda connector, patience=None: cluster.client())
    kept = cluster.kept["legacy"] = Kept({}, state="STOPPED")
    with shared(parts.mariadb(), tmp_path / "mariadb") as server:
        url = f"mysql+pymysql://root@{server.host}:{server.port}/mysql"
        project = Project(read_settings(folder, {"LEGACY_URL": url}))
        with pymysql.connect(host=server.host, port=server.port, user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE DATABASE erp")
            began = place(cursor)

            def loss(offset: dict[str, Any]) -> str | None:
                kept.offsets = [{"partition": {"server": "legacy"}, "offset": offset}]
                found = loss_of(project)
                return None if found is None else found.code

            assert loss(began) is None
            oldest = purge(cursor)
            # All that was purged had been read: its file is gone, and nothing is missing.
            assert loss(began) is None
            cursor.execute("CREATE TABLE erp.orders (n INT)")
            now = place(cursor)
            assert purge(cursor) > oldest
            assert loss(began) == loss({**began, "gtids": None}) == "connector.log-purged"
            assert loss({**began, "snapshot": "INITIAL"}) is None
            assert loss(now) is None
            loss(began)
            with pytest.raises(SlotLost, match="purged before it was captured"):
                check_slot(project, "legacy")
            connection.cursor().execute("CREATE USER looker")
        blind = Project(read_settings(folder, {"LEGACY_URL": url.replace("root", "looker").replace("/mysql", "")}))
        assert loss_of(blind) is None
