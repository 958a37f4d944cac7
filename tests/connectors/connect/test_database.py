"""What a database is asked before a connector is moved or taken away: a position that it has not is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pymysql
import pytest

from connectors.connect.database import LegacyDatabase
from connectors.connect.errors import PositionUnusable, SlotBusy, SourceUnreachable
from connectors.connect.positions import at_binlog, at_lsn, lsn_text, position_words, read_binlog, read_lsn
from dragoman.stack.server import Server


@pytest.fixture
def slot(postgres: psycopg.Connection, unused_name: str) -> Iterator[str]:
    """A slot that nobody reads."""
    postgres.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [unused_name])
    yield unused_name
    postgres.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [unused_name]
    )


@pytest.fixture
def database(postgres_server: Server) -> Iterator[LegacyDatabase]:
    """The shared PostgreSQL."""
    at = f"{postgres_server.host}:{postgres_server.port}"
    with LegacyDatabase(f"postgresql+psycopg://dragoman@{at}/postgres") as found:
        yield found


def test_a_position_has_to_be_one_that_the_slot_still_has(
    postgres: psycopg.Connection, database: LegacyDatabase, slot: str
) -> None:
    held = database.slot(slot)
    assert held is not None
    assert held.pid is None
    row = postgres.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
    assert row is not None
    database.check_lsn(slot, held.confirmed)
    database.check_lsn(slot, row[0])
    with pytest.raises(PositionUnusable, match="has given up"):
        database.check_lsn(slot, held.confirmed - 1)
    with pytest.raises(PositionUnusable, match="passed over"):
        database.check_lsn(slot, row[0] + (1 << 40))
    with pytest.raises(PositionUnusable, match="no slot"):
        database.check_lsn("nobody", row[0])


def test_a_slot_is_dropped_once_and_only_when_nobody_reads_it(
    postgres: psycopg.Connection, postgres_server: Server, database: LegacyDatabase, slot: str
) -> None:
    login = f"host={postgres_server.host} port={postgres_server.port} user=dragoman dbname=postgres"
    with psycopg.connect(login, autocommit=True) as reader, reader.cursor() as cursor:
        # A transaction that made a slot keeps it for itself until the connection ends.
        cursor.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput', true)", [f"{slot}_read"])
        with pytest.raises(SlotBusy):
            database.drop_slot(f"{slot}_read", 1, lambda _: None)
    assert database.drop_slot(slot) is True
    assert database.slot(slot) is None
    assert database.drop_slot(slot) is False


def test_a_publication_is_taken_away_once(
    postgres: psycopg.Connection, database: LegacyDatabase, unused_name: str
) -> None:
    postgres.execute(f"CREATE PUBLICATION {unused_name}".encode())
    assert database.drop_publication(unused_name) is True
    assert database.drop_publication(unused_name) is False


@pytest.fixture
def fresh_log(
    mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor],
) -> Iterator[Callable[[], tuple[str, int]]]:
    """A file of the shared MariaDB's binary log with nothing in it that others wrote before; asks for its name and its end."""

    def end() -> tuple[str, int]:
        with mariadb.cursor() as cursor:
            cursor.execute("SHOW MASTER STATUS")
            status = cursor.fetchone()
        assert status is not None
        return status[0], int(status[1])

    with mariadb.cursor() as cursor:
        cursor.execute("FLUSH BINARY LOGS")
        yield end
        cursor.execute("FLUSH BINARY LOGS")


@pytest.fixture
def maria(mariadb_server: Server) -> Iterator[LegacyDatabase]:
    """The shared MariaDB."""
    with LegacyDatabase(f"mariadb+pymysql://root@{mariadb_server.host}:{mariadb_server.port}/mysql") as found:
        yield found


def test_a_place_in_the_binary_log_has_to_be_there(
    fresh_log: Callable[[], tuple[str, int]], maria: LegacyDatabase
) -> None:
    file, end = fresh_log()
    assert maria.gtids_at(file, end) is not None
    with pytest.raises(PositionUnusable, match="no such file"):
        maria.gtids_at("no-such.000001", 4)
    with pytest.raises(PositionUnusable, match="no event"):
        maria.gtids_at(file, end + (1 << 40))
    with pytest.raises(PositionUnusable, match="no event"):
        maria.gtids_at(file, end - 1)


def test_an_event_that_the_server_cannot_read_again_is_told_as_such(
    fresh_log: Callable[[], tuple[str, int]],
    maria: LegacyDatabase,
    mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor],
    unused_name: str,
) -> None:
    with mariadb.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {unused_name}")
        cursor.execute(f"CREATE TABLE {unused_name}.wide (a LONGTEXT, b LONGTEXT)")
        half = "REPEAT('x', @@max_allowed_packet DIV 2 + 1000)"
        cursor.execute(f"INSERT INTO {unused_name}.wide VALUES ({half}, {half})")
        mariadb.commit()
    file, end = fresh_log()
    with pytest.raises(PositionUnusable, match="larger than the server's max_allowed_packet"):
        maria.gtids_at(file, end)


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "nonsense://u:hunter2@x/y", "nonsense:hunter2"]
)
def test_one_that_cannot_be_asked_is_told_without_its_password(url: str) -> None:
    with pytest.raises(SourceUnreachable) as told, LegacyDatabase(url) as database:
        database.slot("x")
    assert "hunter2" not in told.value.message


def test_positions_are_read_and_written_as_the_databases_do() -> None:
    assert read_lsn("16/B374D848") == 0x16_B374D848
    assert lsn_text(0x16_B374D848) == "16/B374D848"
    assert read_binlog("mysql-bin.000042:1234") == ("mysql-bin.000042", 1234)
    for text in ("16", "G/1", "1/2/3", ""):
        with pytest.raises(PositionUnusable):
            read_lsn(text)
    for text in ("mysql-bin:4", "x.1:-1", "a b.1:2", "mysql-bin.000042"):
        with pytest.raises(PositionUnusable):
            read_binlog(text)


def test_a_position_that_is_set_keeps_nothing_of_a_transaction() -> None:
    held = {
        "lsn": 1,
        "lsn_proc": 1,
        "lsn_commit": 1,
        "ts_usec": 5,
        "txId": 9,
        "transaction_id": "9:1",
        "transaction_data_collection_order_a": 3,
    }
    assert at_lsn(held, 7) == {"lsn": 7, "lsn_proc": 7, "lsn_commit": 7, "ts_usec": 5}
    binlog = at_binlog({"file": "a.1", "pos": 1, "row": 2, "event": 3, "transaction_id": "x"}, "a.2", 4, "0-1-9")
    assert binlog == {"file": "a.2", "pos": 4, "row": 0, "event": 0, "gtids": "0-1-9"}
    assert position_words(at_lsn(held, 7)) == "LSN 0/7"
    assert position_words(binlog) == "a.2:4, GTID 0-1-9"
    assert position_words({"lsn": 7, "snapshot": "INITIAL"}) == "LSN 0/7 (in its snapshot)"
