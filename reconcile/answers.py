"""The queries of a check, asked of the legacy, of the view's database, and of files; nothing is written anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from connectors.legacy.reading import one_moment
from reconcile.declared import Query
from reconcile.errors import ReconcileError
from reconcile.fence import Fence
from reconcile.figures import Answer, bounded, unusable
from reconcile.sources import LegacyReader

_SELECT = re.compile(r"(?i)(?:\s|--[^\n]*\n|\()*(?:select|with|values)\b")
"""In a MariaDB a statement that changes tables ends a read-only transaction, and is carried out."""


class ExtractsMissing(ReconcileError):
    """The extract {file} cannot be asked: the package {package} is not installed."""

    code: ClassVar[str] = "check.extracts-missing"
    hint: ClassVar[str] = "Install the extra: pip install 'dragoman[reconcile]'."


class SideAnswers:
    """The sides of one check: the legacy through its reader, the view's database, files below `folder`."""

    def __init__(self, reader: LegacyReader, views: Engine | None, fence: Fence, folder: Path) -> None:
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
        if self._views is None:
            raise unusable(query, "the check has no view")
        with _guarded(query), self._views.connect() as connection, one_moment(connection):
            return _asked(connection, query)

    def extract(self, query: Query) -> Answer:
        """See `reconcile.statements.Answers`; `QueryUnusable`."""
        try:
            from reconcile.extracts import ask_extract
        except ModuleNotFoundError as error:
            raise ExtractsMissing(file=query.file, package=error.name, where=query.where) from error
        return ask_extract(query, self._folder / query.file)


def _asked(connection: Connection, query: Query) -> Answer:
    if not _SELECT.match(query.sql):
        raise unusable(query, "it is no SELECT")
    with _guarded(query):
        # Without parameters a % is a %.
        found = connection.execution_options(no_parameters=True).exec_driver_sql(query.sql)
        return bounded(query, tuple(found.keys()), found.fetchmany)


@contextmanager
def _guarded(query: Query) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words: SQLAlchemy's would quote the statement.
        raise unusable(query, getattr(error, "orig", None) or type(error).__name__) from error
