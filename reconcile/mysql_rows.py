"""Rows of MySQL and MariaDB as the texts that the server sends, through a cursor that holds none of them back.

A driver makes a value of each text otherwise, which takes it several times as long as reading them (`reconcile.mysql_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Select

from reconcile.errors import SideUnreadable

FETCH = 1_000
"""Rows that one fetch brings: what bounds the memory."""

MYSQL = ("mysql", "mariadb")

Texts = Sequence[tuple[bytes | None, ...]]

_SESSION = "SET character_set_results = utf8mb4, time_zone = '+00:00'"


def sends_texts(engine: Engine) -> bool:
    """Whether the driver is one that can be made to hand over texts: mysqlclient, which is written in C, or PyMySQL."""
    return engine.dialect.name in MYSQL and engine.dialect.driver in _UNCONVERTED


def text_rows(connection: Connection, statement: Select[*tuple[Any, ...]], side: str) -> Generator[Texts, None, None]:
    """Batches of what a statement selects, texts in UTF-8 and times on UTC's clock.

    `SideUnreadable` where the server breaks off. Until it is closed the connection is of no other use; who stops reading has
    the rest sent and thrown away.
    """
    dialect = connection.dialect
    driver: Any = connection.connection.dbapi_connection
    drivers: Any = dialect.loaded_dbapi
    compiled = statement.compile(connection)
    names, params = compiled.positiontup, compiled.params
    values: Any = params if names is None else [params[name] for name in names]
    try:
        with _UNCONVERTED[dialect.driver](driver), closing(driver.cursor(drivers.cursors.SSCursor)) as cursor:
            cursor.execute(_SESSION)
            cursor.execute(str(compiled), values)
            while rows := cursor.fetchmany(FETCH):
                yield rows
    except drivers.Error as error:
        raise SideUnreadable(side=side, reason=error) from error


@contextmanager
def _by_mysqldb(driver: Any) -> Iterator[None]:
    kept, driver.converter = driver.converter, {}
    try:
        yield
    finally:
        driver.converter = kept


@contextmanager
def _by_pymysql(driver: Any) -> Iterator[None]:
    kept = driver.decoders, driver.use_unicode
    driver.decoders, driver.use_unicode = {}, False
    try:
        yield
    finally:
        driver.decoders, driver.use_unicode = kept


_UNCONVERTED: dict[str, Callable[[Any], Any]] = {"mysqldb": _by_mysqldb, "pymysql": _by_pymysql}
