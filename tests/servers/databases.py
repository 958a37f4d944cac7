"""A database of one's own in a server that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Engine, create_engine

from tests.servers.shared import AnyServer

Kind = Literal["postgres", "mariadb"]


def url(kind: Kind, server: AnyServer, database: str) -> str:
    """The URL of a database, for who may do everything there."""
    user, dialect = ("dragoman", "postgresql+psycopg") if kind == "postgres" else ("root", "mariadb+pymysql")
    return f"{dialect}://{user}@{server.host}:{server.port}/{database}"


def engine_of(at: str, **how: Any) -> Engine:
    """An engine for who connects often: without TLS, whose context costs a driver more than all else of a connection."""
    return create_engine(at, connect_args={"ssl_disabled": True} if at.startswith("mariadb") else {}, **how)


@contextmanager
def database(kind: Kind, server: AnyServer, name: str) -> Iterator[Engine]:
    """An empty database, made with the server's own defaults, for as long as it is wanted."""
    top = engine_of(url(kind, server, "postgres" if kind == "postgres" else ""), isolation_level="AUTOCOMMIT")
    with top.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine = engine_of(url(kind, server, name))
        try:
            yield engine
        finally:
            engine.dispose()
            connection.exec_driver_sql(f"DROP DATABASE {name}")
    top.dispose()
