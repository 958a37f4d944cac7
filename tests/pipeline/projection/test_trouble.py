"""A database that is away, locked, full or read-only: a coded error, nothing committed, and on it goes afterwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from pipeline.log.port import DiskFull
from pipeline.projection.database import is_refusal, translated
from pipeline.projection.errors import ViewError, ViewReadOnly, ViewUnavailable
from tests.pipeline.projection.support import database, drain, memory_log, projection, record, rows, state
from translators.errors import DragomanError

RECORDS = [record(f"P{n}", 1, state(f"P{n}"), partition=0) for n in range(50)]


def prepared(folder: Path) -> None:
    projection(database(folder), memory_log())


def assert_recovers(folder: Path) -> None:
    """Nothing of the batch was committed, and a healthy database gets all of it."""
    assert rows(folder, "SELECT count(*) FROM policy_view") == [(0,)]
    assert rows(folder, "SELECT count(*) FROM _dragoman_parked") == [(0,)]
    reader = projection(database(folder), memory_log(*RECORDS))
    assert reader.behind() == 50
    drain(reader)
    assert rows(folder, "SELECT count(*) FROM policy_view") == [(50,)]


def test_a_read_only_database(tmp_path: Path) -> None:
    prepared(tmp_path)
    engine = create_engine(f"sqlite:///file:{tmp_path / 'views.db'}?mode=ro&uri=true")
    reader = projection(engine, memory_log(*RECORDS))
    with pytest.raises(ViewReadOnly) as caught:
        reader.turn()
    assert (caught.value.code, caught.value.transient) == ("view.read-only", False)
    assert "readonly" in caught.value.message
    assert reader.applied == 0
    assert_recovers(tmp_path)


def test_a_locked_database(tmp_path: Path) -> None:
    prepared(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'views.db'}", connect_args={"timeout": 0.05})
    reader = projection(engine, memory_log(*RECORDS))
    holder = sqlite3.connect(tmp_path / "views.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(ViewUnavailable) as caught:
        reader.turn()
    assert (caught.value.code, caught.value.transient) == ("view.unavailable", True)
    holder.close()
    assert_recovers(tmp_path)


def full(folder: Path) -> Engine:
    """An engine whose database may not grow."""
    engine = database(folder)

    @event.listens_for(engine, "connect")
    def limit(connection: sqlite3.Connection, _: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    return engine


def test_a_full_disk(tmp_path: Path) -> None:
    prepared(tmp_path)
    reader = projection(full(tmp_path), memory_log(*RECORDS))
    with pytest.raises(DiskFull) as caught:
        reader.turn()
    assert (caught.value.code, caught.value.transient) == ("disk.full", True)
    assert "views.db" in caught.value.message
    assert_recovers(tmp_path)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ViewUnavailable) as caught:
        projection(database(tmp_path / "nowhere"), memory_log())
    assert "unable to open database file" in caught.value.message


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "views.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ViewError) as caught:
        projection(database(tmp_path), memory_log())
    assert caught.value.code == "view.failed"
    assert (tmp_path / "views.db").read_bytes() == b"no database at all" * 100


def test_a_view_whose_table_was_dropped(tmp_path: Path) -> None:
    reader = projection(database(tmp_path), memory_log(*RECORDS))
    with sqlite3.connect(tmp_path / "views.db") as connection:
        connection.execute("DROP TABLE coverage_view")
    connection.close()
    with pytest.raises(ViewError) as caught:
        reader.turn()
    assert (caught.value.code, caught.value.message.count("no such table: coverage_view")) == ("view.failed", 1)
    prepared(tmp_path)
    assert_recovers(tmp_path)


class Postgres(Exception):
    """An error as a driver of PostgreSQL raises it."""

    def __init__(self, state: str) -> None:
        super().__init__("what happened\nDETAIL:  Key (name)=(secret) already exists.")
        self.sqlstate = state


def raised(kind: type[DBAPIError], original: Exception) -> DBAPIError:
    return kind("UPDATE", None, original)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (raised(InternalError, Postgres("25006")), ViewReadOnly),
        (raised(ProgrammingError, Postgres("42501")), ViewReadOnly),
        (raised(OperationalError, Postgres("53100")), DiskFull),
        (raised(OperationalError, Postgres("53300")), ViewUnavailable),
        (raised(OperationalError, Postgres("40001")), ViewUnavailable),
        (raised(OperationalError, Postgres("08006")), ViewUnavailable),
        (raised(OperationalError, Postgres("57P01")), ViewUnavailable),
        (raised(ProgrammingError, Postgres("42P01")), ViewError),
        (raised(OperationalError, Exception(2013, "Lost connection")), ViewUnavailable),
        (raised(OperationalError, Exception(1205, "Lock wait timeout exceeded")), ViewUnavailable),
        (raised(OperationalError, Exception(1290, "--read-only")), ViewReadOnly),
        (raised(OperationalError, Exception(1114, "The table is full")), DiskFull),
        (raised(ProgrammingError, Exception(1146, "Table doesn't exist")), ViewError),
        (raised(OperationalError, Exception("connection refused")), ViewUnavailable),
        (PoolExhausted("QueuePool limit"), ViewUnavailable),
    ],
)
def test_what_servers_say_is_told_apart(tmp_path: Path, error: Exception, expected: type[DragomanError]) -> None:
    with pytest.raises(DragomanError) as caught, translated(database(tmp_path)):
        raise error
    assert type(caught.value) is expected
    assert caught.value.__cause__ is error
    assert "secret" not in caught.value.message
    assert not (isinstance(error, DBAPIError) and is_refusal(error))


@pytest.mark.parametrize(
    "error",
    [
        raised(IntegrityError, Postgres("23505")),
        raised(DataError, Postgres("22001")),
        raised(InternalError, Postgres("P0001")),
        raised(IntegrityError, Exception(1062, "Duplicate entry")),
        raised(OperationalError, Exception(3819, "Check constraint is violated")),
    ],
)
def test_refusals_of_values_are_no_trouble_of_the_database(error: DBAPIError) -> None:
    assert is_refusal(error)
