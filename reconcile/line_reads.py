"""The lines of several statements of one moment of a database, read side by side: as it copies them, or of texts it sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, Select

from reconcile.copy import CSV, copies
from reconcile.mysql_rows import sends_texts, text_rows
from reconcile.mysql_text import CSV_NULL, NULL, Writer, lines_of


class Wanted(msgspec.Struct, frozen=True):
    """What is asked of `table`. `writers`, one for each column, make its lines where the server sends texts.

    In `csv` the lines are values between tabs as other readers of files than PostgreSQL understand them.
    """

    table: str
    statement: Select[*tuple[Any, ...]]
    writers: Sequence[Writer]
    csv: bool = False


class LineReads(Protocol):
    """One moment of a database."""

    def lines(self, wanted: Wanted) -> AbstractContextManager[Iterator[list[bytes]]]:
        """The lines in batches, while others are read as well."""


class CopyReads:
    """See the port, of PostgreSQL: the moment that `connection` sees, which holds it open. `beside` are settings for it."""

    def __init__(self, engine: Engine, connection: Connection, beside: Mapping[str, str] = {}) -> None:
        self._beside = beside
        self._engine = engine
        self._connection = connection

    def lines(self, wanted: Wanted) -> AbstractContextManager[Iterator[list[bytes]]]:
        """See the port."""
        return copies(
            self._engine, wanted.statement, CSV if wanted.csv else "", of=self._connection, beside=self._beside
        )


class TextReads:
    """See the port, of MariaDB: one of `connections`, which all see the moment, for each statement that is read."""

    def __init__(self, side: str, connections: Sequence[Connection]) -> None:
        self._side = side
        self._free = [*connections]

    @contextmanager
    def lines(self, wanted: Wanted) -> Iterator[Iterator[list[bytes]]]:
        """See the port."""
        connection = self._free.pop()
        try:
            with closing(text_rows(connection, wanted.statement, self._side)) as batches:
                null = CSV_NULL if wanted.csv else NULL
                yield (lines_of(rows, wanted.writers, null) for rows in batches)
        finally:
            self._free.append(connection)


def reads_lines(engine: Engine) -> bool:
    """Whether lines are to be had of this database by its driver."""
    return copies_lines(engine) or sends_texts(engine)


def copies_lines(engine: Engine) -> bool:
    """Whether they are to be had by COPY."""
    return (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


def told(engine: Engine, wanted: Wanted, written: str) -> str:
    """A statement as it is asked, for people."""
    if not copies_lines(engine):
        return written
    return f"COPY ({written}) TO STDOUT {CSV}" if wanted.csv else f"COPY ({written}) TO STDOUT"
