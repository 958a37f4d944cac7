"""What a watch makes sure of before it asks a database beside production: that nothing it asks scans, or goes on for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, ClassVar

from sqlalchemy import Connection, Engine, ExceptionContext, Select, event, func, inspect, literal_column, select

from connectors.legacy.reading import time_limit
from reconcile.mysql_rows import MYSQL
from reconcile.sources import LegacyReader, table_of
from translators.errors import DragomanError

BIG = 10_000
"""Rows that a table may have without an index that finds them by their business key."""

SECONDS = 10
"""So long the server works on one statement: a look reads a hundred keys, in milliseconds where there is an index."""


class Unindexed(DragomanError):
    """{table} has more than {big:,} rows and no index that begins with {columns}: each look would read all of it."""

    code: ClassVar[str] = "watch.unindexed"
    hint: ClassVar[str] = (
        "{statement}, or let a timer run `dragoman reconcile run` instead, which reads each table once."
    )


def check_indexes(reader: LegacyReader) -> None:
    """`Unindexed` for the first big table in which the rows of a key, or a root's keys in order, are not found by an index."""
    with reader.connected() as connection:
        for name in reader.tables:
            columns = reader.layout.columns(name)
            ordered = name == reader.layout.root
            if not _is_indexed(connection, reader, name, columns, ordered) and _is_big(connection, reader, name):
                listed = ", ".join(columns)
                statement = f"CREATE INDEX ON {name} ({listed})"
                if reader.dialect != "postgresql":
                    statement = f"CREATE INDEX {name.rpartition('.')[2]}_{'_'.join(columns)} ON {name} ({listed})"
                raise Unindexed(table=name, columns=listed, big=BIG, statement=statement)


def limit_statements(engine: Engine, ended: Callable[[], None]) -> None:
    """No statement over this engine goes on for longer than `SECONDS`; SQLite knows no such limit. `ended`: one did."""
    limit = time_limit("mariadb" if engine.dialect.name in MYSQL else engine.dialect.name, SECONDS)
    if limit is None:
        return

    def limited(connection: Any, _: object) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute(limit)
        connection.commit()

    def failed(context: ExceptionContext) -> None:
        if _is_timeout(context.original_exception):
            ended()

    event.listen(engine, "connect", limited)
    event.listen(engine, "handle_error", failed)
    # Those that are open already have no limit.
    engine.dispose()


def _is_timeout(error: BaseException) -> bool:
    """Whether a server ended a statement for its time: SQLSTATE 57014 in PostgreSQL, 1969 in MariaDB, 3024 in MySQL."""
    return getattr(error, "sqlstate", None) == "57014" or bool(error.args and error.args[0] in (1969, 3024))


def _is_indexed(connection: Connection, reader: LegacyReader, name: str, columns: Sequence[str], ordered: bool) -> bool:
    count = len(columns)
    for index in _indexes(connection, reader, name):
        first = index[:count]
        if first == list(columns) or (not ordered and set(first) == set(columns)):
            return True
    return False


def _indexes(connection: Connection, reader: LegacyReader, name: str) -> Iterator[list[str | None]]:
    """The columns of each index that holds all rows; `None` stands for an expression."""
    found = table_of(name, reader)
    asked = inspect(connection)
    yield list(asked.get_pk_constraint(found.name, schema=found.schema)["constrained_columns"])
    for index in asked.get_indexes(found.name, schema=found.schema):
        if not index.get("dialect_options", {}).get("postgresql_where"):
            yield list(index["column_names"])
    for unique in asked.get_unique_constraints(found.name, schema=found.schema):
        yield list(unique["column_names"])


def _is_big(connection: Connection, reader: LegacyReader, name: str) -> bool:
    one: Select[Any] = select(literal_column("1").label("one")).select_from(table_of(name, reader)).limit(BIG + 1)
    return int(connection.execute(select(func.count()).select_from(one.subquery())).scalar_one()) > BIG
