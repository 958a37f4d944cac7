"""Rows of MySQL and MariaDB as the texts that the server sends, through a cursor that holds none of them back.

A driver makes a value of each text otherwise, which takes it several times as long as reading them (`reconcile.mysql_text`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, LargeBinary, Select, cast, event, func, literal_column

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


def by_code_point(text: ColumnElement[Any]) -> ColumnElement[bytes]:
    """What texts are sorted by: collations fold and pad, and the bytes of UTF-8 do not."""
    return cast(func.convert(text.op("USING")(literal_column("utf8mb4"))), LargeBinary)


def keep_days(engine: Engine) -> None:
    """From its next connection on, mysqlclient gives days that no calendar has as texts, and not as NULL."""
    if engine.dialect.driver == "mysqldb" and not event.contains(engine, "connect", _keep_days):
        event.listen(engine, "connect", _keep_days)


def _keep_days(driver: Any, _: object) -> None:
    for kind in _TIMES:
        driver.converter[kind] = partial(_day_or_text, driver.converter[kind])


def _day_or_text(read: Callable[[str], object], text: str) -> object:
    found = read(text)
    return text if found is None else found


# TIMESTAMP, DATE and DATETIME: https://mariadb.com/kb/en/result-set-packets/
_TIMES = (7, 10, 12)


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
