"""The queries of a check, asked of the legacy, of the view's database, and of files; nothing is written anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from reconcile.declared import Query
from reconcile.fence import Fence
from reconcile.figures import MOST, Answer, unusable
from reconcile.sources import LegacyReader

_MEMORY = "256MB"
_SELECT = re.compile(r"(?i)(?:\s|--[^\n]*\n|\()*(?:select|with|values)\b")
"""In a MariaDB a statement that changes tables ends a read-only transaction, and is carried out."""
_READERS = {".csv": "read_csv", ".parquet": "read_parquet"}


class SideAnswers:
    """The sides of one check: the legacy through its reader, the view's database, files below `folder`."""

    def __init__(self, reader: LegacyReader, views: Engine, fence: Fence, folder: Path) -> None:
        self.fence = fence
        self._reader = reader
        self._views = views
        self._folder = folder

    def legacy(self, queries: Sequence[Query]) -> tuple[int, list[Answer]]:
        """See `reconcile.statements.Answers`; `SideUnreadable`, `QueryUnusable`."""
        with self._reader.snapshot() as snapshot:
            return snapshot.position, [_asked(snapshot.connection, query) for query in queries]

    def view(self, query: Query) -> Answer:
        """See `reconcile.statements.Answers`; `QueryUnusable`."""
        with _guarded(query), self._views.connect() as connection, _reading(connection):
            return _asked(connection, query)

    def extract(self, query: Query) -> Answer:
        """See `reconcile.statements.Answers`; `QueryUnusable`."""
        path = self._folder / query.file
        if not path.is_file():
            raise unusable(query, f"there is no file {query.file}")
        try:
            with closing(duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1})) as connection:
                reader = _READERS[path.suffix.lower()]
                connection.execute(f"CREATE TABLE extract AS FROM {reader}(?)", [str(path)])
                # From here on the query sees this table alone.
                connection.execute("SET enable_external_access = false")
                found = connection.execute(query.sql)
                columns = tuple(column[0] for column in found.description or ())
                return _bounded(query, columns, found.fetchmany)
        except duckdb.Error as error:
            raise unusable(query, error) from error


def _asked(connection: Connection, query: Query) -> Answer:
    if not _SELECT.match(query.sql):
        raise unusable(query, "it is no SELECT")
    with _guarded(query):
        # Without parameters a % is a %.
        found = connection.execution_options(no_parameters=True).exec_driver_sql(query.sql)
        return _bounded(query, tuple(found.keys()), found.fetchmany)


def _bounded(query: Query, columns: tuple[str, ...], fetch: Callable[[int], Sequence[Sequence[object]]]) -> Answer:
    rows = list(fetch(MOST + 1))
    if len(rows) > MOST:
        raise unusable(query, f"it answers more than {MOST:,} rows: a check without a query compares a view row by row")
    if len(set(columns)) != len(columns):
        raise unusable(query, f"it answers columns of the same name: {', '.join(columns)}")
    return Answer(columns, rows)


@contextmanager
def _guarded(query: Query) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words: SQLAlchemy's would quote the statement.
        raise unusable(query, getattr(error, "orig", None) or type(error).__name__) from error


@contextmanager
def _reading(connection: Connection) -> Iterator[None]:
    """One moment of the database, in which nothing can be written."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            try:
                yield
            finally:
                connection.rollback()
                connection.exec_driver_sql("PRAGMA query_only = OFF")
        case "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield
        case "mysql" | "mariadb":
            connection.exec_driver_sql("START TRANSACTION READ ONLY")
            yield
        case _:
            yield
