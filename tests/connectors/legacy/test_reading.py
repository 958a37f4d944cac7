"""Sessions and transactions that only read, on real databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

from connectors.legacy.reading import one_moment, only_read, sqlite_file

URLS = {"postgresql": "postgresql+psycopg://dragoman@{}/postgres", "mariadb": "mariadb+pymysql://root@{}/mysql"}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'a.db'}"
    else:
        server = request.getfixturevalue("postgres_server" if request.param == "postgresql" else "mariadb_server")
        url = URLS[request.param].format(f"{server.host}:{server.port}")
    made = create_engine(url, pool_size=1, max_overflow=0)
    yield made
    made.dispose()


def test_a_session_that_only_reads_changes_nothing(engine: Engine, unused_name: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        only_read(connection, engine.dialect.name, 5)
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql(f"CREATE TABLE {unused_name} (n INT)")


def test_a_moment_writes_nothing_and_its_connection_may_write_again(engine: Engine, unused_name: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {unused_name} (n INT)")
    with engine.connect() as connection, one_moment(connection):
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {unused_name}").scalar_one() == 0
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql(f"INSERT INTO {unused_name} VALUES (1)")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO {unused_name} VALUES (1)")
        connection.exec_driver_sql(f"DROP TABLE {unused_name}")


def test_a_sqlite_file_of_any_name_is_read_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a?b #1 %20.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (n)")
    before = sorted(tmp_path.iterdir())
    with create_engine(sqlite_file(path)).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one() == 0
        with pytest.raises(DBAPIError, match="readonly"):
            connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    with pytest.raises(DBAPIError), create_engine(sqlite_file(tmp_path / "none.db")).connect():
        pass
    assert sorted(tmp_path.iterdir()) == before
