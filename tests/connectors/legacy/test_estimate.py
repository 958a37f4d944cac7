"""What a table is estimated to hold, by real planners; and that a condition cannot be more than that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.legacy.estimate import EstimateUnsupported, estimate
from dragoman.stack.server import Server

ROWS = 2000


@pytest.fixture(params=["postgres", "mariadb"])
def legacy(request: pytest.FixtureRequest, unused_name: str) -> Iterator[tuple[Connection, str]]:
    """A connection, and the namespace of a table `Big One` with a column `n` and a `%` in its data."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    is_postgres = request.param == "postgres"
    url = (
        f"postgresql+psycopg://dragoman@{server.host}:{server.port}/postgres"
        if is_postgres
        else f"mysql+pymysql://root@{server.host}:{server.port}"
    )
    numbers = (
        f"SELECT n, '5%%' FROM generate_series(1, {ROWS}) n"
        if is_postgres
        else f"SELECT seq, '5%%' FROM seq_1_to_{ROWS}"
    )
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        table = f"{unused_name}.{quote('Big One')}"
        connection.exec_driver_sql(f"CREATE SCHEMA {unused_name}")
        if not is_postgres:
            connection.exec_driver_sql(f"USE {unused_name}")
        connection.exec_driver_sql(f"CREATE TABLE {table} (n INT PRIMARY KEY, share VARCHAR(5))")
        connection.exec_driver_sql(f"INSERT INTO {table} {numbers}")
        connection.exec_driver_sql(f"ANALYZE {'' if is_postgres else 'TABLE '}{table}")
        yield connection, unused_name
        connection.exec_driver_sql(f"DROP SCHEMA {unused_name}{' CASCADE' if is_postgres else ''}")


def test_the_planner_says_about_how_much(legacy: tuple[Connection, str]) -> None:
    connection, namespace = legacy
    whole = estimate(connection, namespace, "Big One")
    assert ROWS * 0.5 < whole.rows < ROWS * 2
    assert whole.bytes > whole.rows * 4
    few = estimate(connection, namespace, "Big One", "n <= 100")
    assert 50 < few.rows < 200
    assert estimate(connection, namespace, "Big One", "share LIKE '5%'").rows > 0


def test_a_condition_is_one_condition(legacy: tuple[Connection, str]) -> None:
    connection, namespace = legacy
    for condition in ("nope = 1", "n = 1); DROP SCHEMA nobody; SELECT (1"):
        with pytest.raises(SQLAlchemyError):
            estimate(connection, namespace, "Big One", condition)
    assert estimate(connection, namespace, "Big One").rows > 0


def test_another_database_is_not_asked() -> None:
    with create_engine("sqlite://").connect() as connection, pytest.raises(EstimateUnsupported):
        estimate(connection, "main", "t")
