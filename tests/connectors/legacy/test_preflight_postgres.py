"""What stands in a connector's way in a real PostgreSQL: seeded, seen by a user who may only look, mended by the very
statements that were printed, and gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from connectors.legacy.preflight import preflight
from connectors.legacy.preflight_findings import Finding, Wanted, WantedTable
from dragoman.replication_probe import replication_probe
from dragoman.stack.binaries import need_postgres
from dragoman.stack.processes import HOST, free_port
from tests.capabilities import require

HEALTHY = (
    "CREATE TABLE orders (o_id bigint PRIMARY KEY, o_note text)",
    "CREATE TABLE lines (l_id bigint PRIMARY KEY, l_order bigint NOT NULL, l_tags numeric[] NOT NULL DEFAULT '{}')",
    "CREATE TABLE signal (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))",
    "ALTER TABLE orders REPLICA IDENTITY FULL",
    "ALTER TABLE lines REPLICA IDENTITY FULL",
    "GRANT SELECT ON orders, lines TO feeder",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON signal TO feeder",
    "CREATE PUBLICATION pub FOR TABLE orders, lines, signal",
)
ORDERS = WantedTable(name="public.orders", key=("o_id",), routing=("o_id",))
LINES = WantedTable(name="public.lines", key=("l_id",), routing=("l_order",))
WANTED = Wanted(
    tables=(ORDERS, LINES),
    user="feeder",
    slot="feeder_slot",
    publication="pub",
    signals="public.signal",
    beat="SELECT pg_logical_emit_message(false, 'beat', '')",
)
LENIENT = msgspec.structs.replace(WANTED, tables=(msgspec.structs.replace(ORDERS, identity="default"), LINES))


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A PostgreSQL of these tests' own, and what was found of it as it was installed."""

    port: int
    installed: tuple[Finding, ...]

    def admin(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=HOST, port=self.port, user="dragoman", dbname=database, autocommit=True)

    def look(
        self, database: str, wanted: Wanted, user: str = "looker", probe: str | None = None
    ) -> tuple[Finding, ...]:
        engine = create_engine(f"postgresql+psycopg://{user}@{HOST}:{self.port}/{database}", poolclass=NullPool)
        with engine.connect() as connection:
            # Whoever looks writes nothing: the server would refuse it.
            connection.exec_driver_sql("SET default_transaction_read_only = on")
            connection.commit()
            return preflight(connection, wanted, probe)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """As the distribution installs it, with one slot and one sender taken; mended by what was printed, and restarted."""
    require("PostgreSQL")
    port, user = free_port(), "postgres" if os.geteuid() == 0 else None
    home = own_folder(user)
    data = home / "data"
    binaries = need_postgres()

    def run(*words: str) -> None:
        subprocess.run(words, user=user, cwd="/", check=True, capture_output=True)

    def control(action: str) -> None:
        options = f"-p {port} -c listen_addresses={HOST} -c unix_socket_directories='' -c fsync=off"
        log = str(home / "log")
        run(f"{binaries}/pg_ctl", "-D", str(data), "-o", options, "-l", log, "-w", "-m", "immediate", action)

    run(f"{binaries}/initdb", "-D", str(data), "-U", "dragoman", "-A", "trust", "-N")
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write("max_wal_senders = 1\nmax_replication_slots = 1\nmax_prepared_transactions = 5\n")
    control("start")
    try:
        made = Cluster(port=port, installed=())
        with made.admin() as admin:
            admin.execute("CREATE ROLE looker LOGIN")
            admin.execute("CREATE ROLE feeder LOGIN REPLICATION")
            admin.execute("SELECT pg_create_physical_replication_slot('standby')")
            found = made.look("postgres", WANTED)
            for finding in found:
                if finding.code in SERVER:
                    for statement in finding.fix:
                        admin.execute(statement.encode())
        control("restart")
        yield Cluster(port=port, installed=found)
    finally:
        control("stop")
        shutil.rmtree(home)


def own_folder(user: str | None) -> Path:
    """A folder that the server's user can reach, which pytest's are not."""
    home = Path(tempfile.mkdtemp(prefix="dragoman-preflight-"))
    if user is not None:
        shutil.chown(home, user)
    return home


SERVER = {"postgres.wal-level": "error", "postgres.no-free-slot": "error", "postgres.wal-unlimited": "warning"}


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """A database in which nothing stands in the way."""
    with cluster.admin() as admin:
        for statement in (
            "DROP PUBLICATION IF EXISTS pub",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
            *OPEN,
            *HEALTHY,
        ):
            admin.execute(statement.encode())
        yield "postgres"
        for statement in CLEARED:
            admin.execute(statement.encode())


OPEN = ("GRANT USAGE ON SCHEMA public TO public", "ALTER ROLE feeder LOGIN REPLICATION NOBYPASSRLS")
CLEARED = (
    "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active",
    "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'feeder%'",
)


def told(found: tuple[Finding, ...]) -> dict[str, str]:
    return {one.code.removeprefix("postgres."): one.severity for one in found if one.severity != "info"}


def test_a_server_as_it_is_installed(cluster: Cluster) -> None:
    found = {one.code: one.severity for one in cluster.installed}
    assert {code: found.get(code) for code in SERVER} == SERVER
    assert found["postgres.table-missing"] == "error"
    assert "restart" in next(one.advice for one in cluster.installed if one.code == "postgres.wal-level")
    left = {one.code for one in cluster.look("postgres", WANTED)}
    assert not left & set(SERVER)


def test_nothing_stands_in_the_way(cluster: Cluster, database: str) -> None:
    found = cluster.look(database, WANTED)
    assert told(found) == {}
    assert {one.code for one in found} == {"postgres.settings", "postgres.identity-full", "postgres.probe-left-out"}


MENDED = [
    ("ALTER ROLE feeder NOLOGIN", {"role-login": "error"}, WANTED),
    ("ALTER ROLE feeder NOREPLICATION", {"role-replication": "error"}, WANTED),
    ("REVOKE SELECT ON lines FROM feeder", {"select-missing": "error"}, WANTED),
    ("REVOKE UPDATE ON signal FROM feeder", {"write-missing": "error"}, WANTED),
    ("REVOKE USAGE ON SCHEMA public FROM public", {"schema-closed": "error", "write-missing": "error"}, WANTED),
    ("DROP TABLE signal", {"signal-table-missing": "error", "publication-lacks-table": "error"}, WANTED),
    ("DROP PUBLICATION pub", {"publication-missing": "error"}, WANTED),
    ("ALTER PUBLICATION pub SET (publish = 'insert, update')", {"publication-lacks-operation": "error"}, WANTED),
    ("ALTER PUBLICATION pub DROP TABLE lines", {"publication-lacks-table": "error"}, WANTED),
    ("ALTER PUBLICATION pub SET TABLE orders (o_id), lines, signal", {"publication-hides": "warning"}, WANTED),
    (
        "ALTER PUBLICATION pub SET TABLE orders WHERE (o_id > 5), lines, signal",
        {"publication-hides": "warning"},
        WANTED,
    ),
    (
        "DROP PUBLICATION pub; CREATE PUBLICATION pub FOR ALL TABLES; CREATE TABLE keyless (n int)",
        {"publication-all-tables": "warning", "publication-breaks": "error"},
        WANTED,
    ),
    (
        "CREATE TABLE parts (p_id int, l_order int, PRIMARY KEY (p_id, l_order)) PARTITION BY RANGE (p_id);"
        " CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9); ALTER PUBLICATION pub ADD TABLE parts;"
        " ALTER TABLE parts REPLICA IDENTITY FULL; ALTER TABLE parts_1 REPLICA IDENTITY FULL; GRANT SELECT ON parts TO feeder",
        {"publication-per-partition": "warning"},
        msgspec.structs.replace(
            WANTED, tables=(*WANTED.tables, WantedTable(name="public.parts", key=("p_id", "l_order")))
        ),
    ),
    (
        "ALTER PUBLICATION pub DROP TABLE lines; ALTER TABLE lines SET UNLOGGED",
        {"table-unlogged": "error", "publication-lacks-table": "error"},
        WANTED,
    ),
    ("ALTER TABLE lines REPLICA IDENTITY NOTHING", {"identity-none": "error", "array-left-out": "error"}, WANTED),
    (
        "ALTER TABLE lines DROP CONSTRAINT lines_pkey; ALTER TABLE lines REPLICA IDENTITY DEFAULT",
        {"identity-none": "error", "no-key": "warning", "array-left-out": "error"},
        WANTED,
    ),
    (
        "ALTER TABLE lines REPLICA IDENTITY DEFAULT",
        {"identity-routing": "error", "array-left-out": "error"},
        WANTED,
    ),
    ("ALTER TABLE orders REPLICA IDENTITY DEFAULT", {"identity-differs": "error"}, WANTED),
    ("ALTER TABLE orders REPLICA IDENTITY DEFAULT", {"identity-default": "warning"}, LENIENT),
    (
        "ALTER TABLE orders ADD u int NOT NULL; CREATE UNIQUE INDEX u ON orders (u);"
        " ALTER TABLE orders REPLICA IDENTITY USING INDEX u",
        {"identity-index-wrong": "error"},
        LENIENT,
    ),
    (
        "ALTER TABLE orders ADD u int NOT NULL; CREATE UNIQUE INDEX u ON orders (o_id, u);"
        " ALTER TABLE orders REPLICA IDENTITY USING INDEX u",
        {"identity-index": "warning"},
        LENIENT,
    ),
    ("ALTER TABLE lines ENABLE ROW LEVEL SECURITY", {"row-security": "warning"}, WANTED),
    ("ALTER PUBLICATION pub ADD TABLE signal_log", {"publication-breaks": "error"}, WANTED),
    (
        "SELECT pg_create_logical_replication_slot('feeder_slot', 'test_decoding')",
        {"slot-foreign": "error"},
        WANTED,
    ),
    (
        "DROP PUBLICATION pub; GRANT SELECT ON orders TO feeder",
        {"publication-not-makable": "error", "publication-not-owner": "error"},
        msgspec.structs.replace(WANTED, makes_publication=True, signals=None),
    ),
]


@pytest.mark.parametrize(("seed", "wanted_codes", "wanted"), MENDED, ids=[seed[:60] for seed, _, _ in MENDED])
def test_what_stands_in_the_way_is_mended_by_what_is_printed(
    cluster: Cluster, database: str, seed: str, wanted_codes: dict[str, str], wanted: Wanted
) -> None:
    with cluster.admin(database) as admin:
        if "signal_log" in seed:
            admin.execute("CREATE TABLE signal_log (n int)")
        admin.execute(seed.encode())
        found = cluster.look(database, wanted)
        assert told(found) == wanted_codes
        done = set()
        for statement in (s for one in found if one.severity != "info" for s in one.fix if s not in done):
            done.add(statement)
            admin.execute(statement.encode())
        assert told(cluster.look(database, wanted)) == {}
        if wanted.makes_publication:
            admin.execute("REVOKE dragoman FROM feeder")


def test_who_does_not_exist_is_made(cluster: Cluster, database: str) -> None:
    wanted = msgspec.structs.replace(WANTED, user="stranger")
    with cluster.admin(database) as admin:
        found = cluster.look(database, wanted)
        assert told(found) == dict.fromkeys(
            ("role-missing", "schema-closed", "select-missing", "write-missing"), "error"
        )
        for one in found:
            for statement in one.fix:
                admin.execute(statement.encode())
        assert told(cluster.look(database, wanted)) == {}
        admin.execute("DROP OWNED BY stranger")
        admin.execute("DROP ROLE stranger")


def test_what_has_no_statement_says_what_to_do(cluster: Cluster, database: str) -> None:
    with cluster.admin(database) as admin:
        admin.execute("CREATE VIEW seen AS SELECT 1 AS n")
        admin.execute("ALTER TABLE orders ADD twice bigint GENERATED ALWAYS AS (o_id * 2) STORED")
    tables = (ORDERS, LINES, WantedTable(name="public.nope"), WantedTable(name="public.seen"))
    wanted = msgspec.structs.replace(
        WANTED, tables=tables, beat="UPDATE beat SET at = now()", settings={"slot.failover": "true"}
    )
    found = cluster.look(database, wanted)
    assert told(found) == {
        "table-missing": "error",
        "table-kind": "error",
        "generated-column": "warning",
        "heartbeat-table-missing": "error",
        "slot-failover": "error",
        "publication-lacks-table": "error",
    }
    assert all(one.advice for one in found if one.severity != "info" and not one.fix)
    with cluster.admin(database) as admin:
        admin.execute("ALTER TABLE orders DROP twice")
    silent = cluster.look(database, msgspec.structs.replace(WANTED, beat=None))
    assert told(silent) == {"no-heartbeat": "warning"}
    assert "pg_logical_emit_message" in next(one.advice for one in silent if one.code == "postgres.no-heartbeat")


def test_a_second_connector_would_have_no_slot(cluster: Cluster, database: str) -> None:
    with cluster.admin(database) as admin:
        for number in range(3):
            admin.execute(f"SELECT pg_create_physical_replication_slot('feeder_{number}')".encode())
    (one,) = [one for one in cluster.look(database, WANTED) if one.code == "postgres.no-second-slot"]
    assert one.severity == "info" and "max_replication_slots" in one.fix[0]


def test_a_slot_that_somebody_else_reads(cluster: Cluster, database: str, tmp_path: Path) -> None:
    slot = "SELECT pg_create_logical_replication_slot('feeder_slot', 'pgoutput')"
    receive = [
        f"{need_postgres()}/pg_recvlogical",
        "-h",
        HOST,
        "-p",
        str(cluster.port),
        "-U",
        "dragoman",
        "-d",
        database,
    ]
    receive += ["-S", "feeder_slot", "-o", "proto_version=1", "-o", "publication_names=pub", "--start", "-f", "-", "-n"]
    with cluster.admin(database) as admin:
        admin.execute(slot.encode())
        with subprocess.Popen(receive, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            active = b"SELECT active FROM pg_replication_slots WHERE slot_name = 'feeder_slot'"
            until = time.monotonic() + 20
            while admin.execute(active).fetchone() != (True,) and time.monotonic() < until:
                time.sleep(0.05)
            assert told(cluster.look(database, msgspec.structs.replace(WANTED, running=True))) == {}
            resting = msgspec.structs.replace(WANTED, running=False)
            found = cluster.look(database, resting)
            assert told(found) == {"slot-taken": "error"}
            (one,) = [one for one in found if one.code == "postgres.slot-taken"]
            admin.execute(one.fix[0].encode())
            other.wait(20)
        assert told(cluster.look(database, resting)) == {}


def test_what_a_new_slot_would_wait_for(cluster: Cluster, database: str) -> None:
    with cluster.admin(database) as admin:
        busy = cluster.admin(database)
        busy.execute("BEGIN; INSERT INTO orders VALUES (1, 'x'); PREPARE TRANSACTION 'half'")
        busy.execute("BEGIN; INSERT INTO orders VALUES (2, 'x')")
        time.sleep(1.1)
        found = cluster.look(database, WANTED)
        assert told(found) == {"open-transactions": "warning", "prepared-transactions": "warning"}
        for one in found:
            for statement in one.fix:
                admin.execute(statement.encode())
        time.sleep(0.2)
        assert told(cluster.look(database, WANTED)) == {}
        busy.close()


def test_a_slot_whose_log_is_gone_or_grows(cluster: Cluster, database: str) -> None:
    with cluster.admin(database) as admin:
        admin.execute("SELECT pg_create_logical_replication_slot('feeder_slot', 'pgoutput')")
        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
        admin.execute("SELECT pg_reload_conf()")
        for _ in range(6):
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("INSERT INTO signal VALUES (gen_random_uuid(), 'x', 'x')")
        about = cluster.look(database, WANTED)
        assert told(about) == {"slot-unreserved": "warning"}
        admin.execute("CHECKPOINT")
        found = cluster.look(database, WANTED)
        assert told(found) == {"slot-lost": "error"}
        (one,) = [one for one in found if one.code == "postgres.slot-lost"]
        assert "would hide the gap" in one.advice
        admin.execute(one.fix[0].encode())
        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'")
        admin.execute("SELECT pg_reload_conf()")
        assert told(cluster.look(database, WANTED)) == {}


def test_a_replication_connection_is_tried(cluster: Cluster, database: str) -> None:
    url = f"postgresql+psycopg://feeder@{HOST}:{cluster.port}/{database}"
    assert replication_probe(url) == ""
    assert "probe-left-out" not in str(cluster.look(database, WANTED, user="feeder", probe=""))
    with cluster.admin(database) as admin:
        file = admin.execute("SHOW hba_file").fetchone()
        assert file is not None
        path = Path(str(file[0]))
        before = path.read_text()
        path.write_text(f"host {database} feeder all reject\n{before}")
        admin.execute("SELECT pg_reload_conf()")
        try:
            time.sleep(0.2)
            refused = replication_probe(url)
            assert refused and "reject" in refused
            found = cluster.look(database, WANTED, probe=refused)
            assert told(found) == {"replication-refused": "error"}
            assert "pg_hba.conf" in next(one.advice for one in found if one.severity == "error")
        finally:
            path.write_text(before)
            admin.execute("SELECT pg_reload_conf()")
