"""What stands in a connector's way in a real MariaDB: seeded, seen by a user who may only look, mended by the very statements
that were printed, and gone. And that nothing of it is called proven on MySQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pymysql
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from connectors.legacy.preflight import preflight
from connectors.legacy.preflight_findings import Finding, Wanted, WantedTable
from connectors.legacy.preflight_mariadb import Grant, MariaDBFacts, grants_of
from connectors.legacy.preflight_mariadb_rules import of_mariadb
from dragoman.stack.binaries import need_mariadb
from dragoman.stack.mariadb import MariaDB
from dragoman.stack.processes import HOST, free_port
from tests.capabilities import require
from tests.connectors.legacy.test_preflight_postgres import own_folder

HEALTHY = (
    "CREATE DATABASE erp",
    "CREATE TABLE erp.orders (o_id bigint PRIMARY KEY, o_at datetime)",
    "CREATE TABLE erp.signals (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
    "CREATE USER feeder",
    "GRANT REPLICATION SLAVE, REPLICATION CLIENT, SHOW DATABASES, RELOAD ON *.* TO feeder",
    "GRANT SELECT ON erp.* TO feeder",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON erp.signals TO feeder",
    # Who only looks: the catalog, and the rights of others.
    "CREATE USER looker",
    "GRANT SELECT, REPLICATION MASTER ADMIN, SLAVE MONITOR, BINLOG MONITOR ON *.* TO looker",
    "SET GLOBAL time_zone = '+00:00'",
    "SET GLOBAL binlog_expire_logs_seconds = 864000",
)
WANTED = Wanted(
    tables=(WantedTable(name="erp.orders", key=("o_id",)),),
    namespace="erp",
    user="feeder",
    server_id=4711,
    signals="erp.signals",
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A MariaDB of these tests' own, and what was found of it while it wrote no binary log."""

    port: int
    silent: tuple[Finding, ...] = ()

    def execute(self, *statements: str) -> None:
        with pymysql.connect(host=HOST, port=self.port, user="root", autocommit=True) as connection:
            for statement in statements:
                connection.cursor().execute(statement)

    def look(self, wanted: Wanted = WANTED, user: str = "looker") -> tuple[Finding, ...]:
        engine = create_engine(f"mysql+pymysql://{user}@{HOST}:{self.port}", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
            return preflight(connection, wanted)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Without a binary log at first; then with one, and nothing in the way."""
    require("MariaDB")
    port, user = free_port(), "mysql" if os.geteuid() == 0 else None
    home = own_folder(user)
    binary, install = need_mariadb()
    part = MariaDB(server=binary, install=install)
    for command in part.initialise(home, port):
        subprocess.run(command, user=user, cwd=home, check=True, capture_output=True)
    log = [word for word in part.command(home, port) if word.startswith("--log-bin")]
    silent = [word for word in part.command(home, port) if word not in log]
    process = start(part, silent, port, user)
    try:
        made = Server(port=port)
        made.execute(*HEALTHY)
        found = made.look()
        process.terminate()
        process.wait(30)
        process = start(part, [*silent, *log], port, user)
        made.execute(*(line for line in HEALTHY if line.startswith("SET")))
        yield Server(port=port, silent=found)
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(home)


def start(part: MariaDB, command: Sequence[str], port: int, user: str | None) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not part.is_ready(port):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    return process


def told(found: Sequence[Finding]) -> dict[str, str]:
    return {one.code.removeprefix("mariadb."): one.severity for one in found if one.severity != "info"}


def test_a_server_without_a_binary_log(server: Server) -> None:
    assert told(server.silent) == {"no-binary-log": "error"}
    assert "log_bin" in next(one.advice for one in server.silent if one.severity == "error")


def test_nothing_stands_in_the_way(server: Server) -> None:
    found = server.look()
    assert told(found) == {}
    assert {one.code for one in found} == {"mariadb.settings"}
    assert all(one.proven for one in found)


MENDED = [
    (("SET GLOBAL binlog_format = 'MIXED'",), {"binlog-format": "error"}),
    (("SET GLOBAL binlog_row_image = 'MINIMAL'",), {"binlog-row-image": "error"}),
    (("SET GLOBAL log_bin_compress = ON",), {"log-compressed": "error"}),
    (("SET GLOBAL binlog_expire_logs_seconds = 3600",), {"log-kept-briefly": "warning"}),
    (("REVOKE REPLICATION SLAVE ON *.* FROM feeder",), {"right-replication-slave": "error"}),
    (("REVOKE BINLOG MONITOR ON *.* FROM feeder",), {"right-replication-client": "error"}),
    (("REVOKE SHOW DATABASES ON *.* FROM feeder",), {"right-show-databases": "error"}),
    (("REVOKE RELOAD ON *.* FROM feeder",), {"right-reload": "error"}),
    (("REVOKE SELECT ON erp.* FROM feeder",), {"right-select": "error"}),
    (("REVOKE INSERT, DELETE ON erp.signals FROM feeder",), {"right-write": "error"}),
    (("DROP TABLE erp.signals",), {"signal-table-missing": "error"}),
    (("ALTER TABLE erp.orders DROP PRIMARY KEY",), {"no-key": "warning"}),
    (("SET GLOBAL time_zone = 'SYSTEM'",), {"zone-of-the-machine": "warning"}),
]


@pytest.mark.parametrize(("seed", "codes"), MENDED, ids=[seed[0][:50] for seed, _ in MENDED])
def test_what_stands_in_the_way_is_mended_by_what_is_printed(
    server: Server, seed: tuple[str, ...], codes: dict[str, str]
) -> None:
    server.execute(*seed)
    found = server.look()
    assert told(found) == codes
    for one in found:
        server.execute(*(one.fix if one.severity != "info" else ()))
    assert told(server.look()) == {}


def test_a_user_that_is_not_there_is_made(server: Server) -> None:
    wanted = msgspec.structs.replace(WANTED, user="stranger")
    (one,) = [one for one in server.look(wanted) if one.severity == "error"]
    assert one.code == "mariadb.user-missing"
    server.execute(*one.fix)
    found = told(server.look(wanted))
    assert {"right-replication-slave", "right-select", "right-reload"} <= set(found)
    server.execute("DROP USER stranger")


def test_rights_that_come_by_a_role_count(server: Server) -> None:
    given = [
        f"{word} SELECT ON {what} {to} feeder" for word, to in (("GRANT", "TO"), ("REVOKE", "FROM")) for what in SCOPES
    ]
    server.execute(*given, "CREATE ROLE readers", "GRANT SELECT ON erp.* TO readers", "GRANT readers TO feeder")
    # A connector's login takes no role by itself.
    assert told(server.look()) == {"right-select": "error"}
    server.execute("SET DEFAULT ROLE readers FOR feeder")
    assert told(server.look()) == {}
    server.execute("SET DEFAULT ROLE NONE FOR feeder", "DROP ROLE readers", "GRANT SELECT ON erp.* TO feeder")


SCOPES = ("erp.*", "erp.orders")


def test_what_has_no_statement_says_what_to_do(server: Server) -> None:
    server.execute("CREATE OR REPLACE VIEW erp.seen AS SELECT 1 AS n")
    tables = (*WANTED.tables, WantedTable(name="erp.nope"), WantedTable(name="erp.seen"))
    found = server.look(msgspec.structs.replace(WANTED, tables=tables, server_id=1, beat="UPDATE beat SET at = now()"))
    assert told(found) == {
        "server-id-taken": "error",
        "table-missing": "error",
        "table-kind": "error",
        "heartbeat-table-missing": "error",
    }
    assert all(one.advice for one in found if one.severity == "error")


def test_who_may_see_little_is_told_what_was_not_seen(server: Server) -> None:
    server.execute("CREATE OR REPLACE USER nobody", "GRANT SELECT ON erp.* TO nobody")
    found = {one.code.removeprefix("mariadb."): one for one in server.look(user="nobody")}
    assert {"grants-unseen", "replicas-unseen"} <= set(found)
    server.execute(*found["replicas-unseen"].fix)
    assert "mariadb.replicas-unseen" not in {one.code for one in server.look(user="nobody")}
    # The connector's user itself sees its own rights.
    assert "mariadb.grants-unseen" not in {one.code for one in server.look(user="feeder")}


def test_grants_are_read_as_servers_write_them() -> None:
    (one,) = grants_of("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED VIA unix_socket WITH GRANT OPTION")
    assert one.rights == {"ALL PRIVILEGES"} and one.covers("erp.orders")
    (one,) = grants_of("GRANT SELECT (`a`, `b`), INSERT ON `my\\_erp`.* TO `feeder`@`%`")
    assert one.rights == {"SELECT", "INSERT"}
    assert (one.covers("my_erp.orders"), one.covers("myxerp.orders")) == (True, False)
    assert list(grants_of("GRANT `readers` TO `feeder`@`%`")) == []


FACTS = MariaDBFacts(
    is_mariadb=False,
    variables={
        "version": "8.4.2",
        "log_bin": "ON",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "server_id": "0",
    }
    | {"binlog_row_value_options": "PARTIAL_JSON", "gtid_mode": "OFF", "partial_revokes": "ON"}
    | {"binlog_expire_logs_seconds": "0", "encrypt_binlog": "ON", "binlog_rows_query_log_events": "OFF"}
    | {"log_replica_updates": "OFF"},
    me="feeder@%",
    account="feeder@%",
    grants=(Grant(rights=frozenset({"ALL PRIVILEGES"}), on="*.*"),),
    logs=(),
    replicas=(4711,),
    replicates=True,
    tables={},
)


def test_the_rules_for_mysql_are_said_to_be_unproven() -> None:
    found = list(
        of_mariadb(FACTS, msgspec.structs.replace(WANTED, tables=(), signals=None, settings={"include.query": "true"}))
    )
    assert {one.code.removeprefix("mysql."): one.severity for one in found} == {
        "no-binary-logs": "error",
        "partial-json": "error",
        "replica-logs-nothing": "error",
        "log-kept-for-ever": "info",
        "server-id-zero": "error",
        "server-id-taken": "error",
        "gtid-off": "warning",
        "log-encrypted": "info",
        "queries-left-out": "warning",
        "partial-revokes": "warning",
        "settings": "info",
    }
    assert not any(one.proven for one in found)
    inconsistent = msgspec.structs.replace(
        FACTS, variables={**FACTS.variables, "gtid_mode": "ON", "enforce_gtid_consistency": "WARN"}
    )
    assert "mysql.gtid-inconsistent" in {one.code for one in of_mariadb(inconsistent, WANTED)}
