"""The engines with the rows of edge values loaded, once for each worker."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pymysql
import pytest

from tests.translators.expression import engines
from tests.translators.expression.edges import rows
from translators.values import Row


@pytest.fixture(scope="session")
def edge_rows() -> Sequence[Row]:
    """240 rows in which every edge value occurs."""
    return rows(240)


@pytest.fixture(scope="session")
def duck(edge_rows: Sequence[Row]) -> engines.DuckDB:
    """DuckDB with the rows."""
    return engines.DuckDB(edge_rows)


@pytest.fixture(scope="session")
def postgres_edges(postgres: psycopg.Connection, edge_rows: Sequence[Row]) -> engines.Postgres:
    """PostgreSQL with the rows."""
    return engines.Postgres(postgres, edge_rows)


@pytest.fixture(scope="session")
def witnesses(
    duck: engines.DuckDB,
    postgres_edges: engines.Postgres,
    mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor],
    edge_rows: Sequence[Row],
) -> tuple[engines.Engine, ...]:
    """All engines with the rows."""
    return (duck, postgres_edges, engines.MariaDB(mariadb, edge_rows))
