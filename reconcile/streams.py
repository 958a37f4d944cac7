"""One table of a database as an ordered stream of canonical lines, all of it or a range of keys, by its fastest way.

PostgreSQL writes the lines itself (COPY). Of MySQL, MariaDB, SQLite and any other database that SQLAlchemy knows, rows come
through a cursor on the server's side, unbuffered; the driver is the one that the engine's URL names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Select,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError

from reconcile.canonical import NotOfItsKind, by_postgres, line, renderer
from reconcile.errors import SideUnreadable
from translators.schema import Table, Type

FETCH = 1_000
"""Rows that one fetch brings where there is no COPY."""

Key = tuple[int | str, ...]
"""A primary key's values: whole numbers and texts, which every database can be made to sort alike."""

_MYSQL = ("mysql", "mariadb")
_POSTGRES_SETTINGS = {"client_encoding": "UTF8", "DateStyle": "ISO", "bytea_output": "hex", "TimeZone": "UTC"}


class KeyRange(msgspec.Struct, frozen=True):
    """The keys above `after` up to and with `through`; `None` is no bound.

    Half-open, so that of ranges which share their bounds exactly one has each key. The rest of a comparison that broke off
    is the range after the last key that it settled.
    """

    after: Key | None = None
    through: Key | None = None


WHOLE = KeyRange()


class TableStream:
    """The rows of `declared` in `engine`. `side` names it in errors.

    A line begins with the columns of the key; the others follow in the order of `declared`. Raises `SideUnreadable` where the
    key is of a kind that databases sort each in their own way.
    """

    def __init__(self, side: str, engine: Engine, declared: Table) -> None:
        self.side = side
        self.key = tuple(declared.columns[name] for name in declared.key)
        self._engine = engine
        self._declared = declared
        self._names = (*declared.key, *(name for name in declared.columns if name not in declared.key))
        for name, kind in zip(declared.key, self.key, strict=True):
            if kind.kind not in ("integer", "text"):
                raise SideUnreadable(side=side, reason=f"no common order is known of {name}, which is {kind}")
        if not self.key:
            raise SideUnreadable(side=side, reason=f"{declared.name} has no primary key to read it in order of")

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE) -> Iterator[Iterator[bytes]]:
        """The lines of one moment, in the order of the key; `SideUnreadable` if they cannot be read to the end."""
        with closing(self._read(keys)) as found:
            yield found

    def _read(self, keys: KeyRange) -> Generator[bytes, None, None]:
        drivers = self._engine.dialect.loaded_dbapi.Error
        try:
            with self._engine.connect() as connection:
                # Not back into the pool: it has settings of its own, and rows may be left that nobody has read.
                connection.detach()
                yield from self._copied(connection, keys) if self._is("postgresql") else self._fetched(connection, keys)
        except (SQLAlchemyError, drivers) as error:
            # The driver's own words: SQLAlchemy's would quote the statement with its values.
            raise SideUnreadable(side=self.side, reason=getattr(error, "orig", None) or error) from error

    def _is(self, *dialects: str) -> bool:
        return self._engine.dialect.name in dialects

    def _copied(self, connection: Connection, keys: KeyRange) -> Iterator[bytes]:
        for name, value in _POSTGRES_SETTINGS.items():
            connection.execute(select(func.set_config(name, value, False)))
        kinds = self._declared.columns
        texts = [by_postgres(column(name), kinds[name]).label(f"c{n}") for n, name in enumerate(self._names)]
        statement = self._statement(texts, keys).compile(connection)
        cursor: Any = connection.connection.cursor()
        with cursor, cursor.copy(f"COPY ({statement}) TO STDOUT", statement.params) as copy:
            # The protocol sends one row, and no part of one, in each message.
            yield from map(bytes, copy)

    def _fetched(self, connection: Connection, keys: KeyRange) -> Iterator[bytes]:
        if self._is(*_MYSQL):
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        kinds = [self._declared.columns[name] for name in self._names]
        renderers = [renderer(kind) for kind in kinds]
        statement = self._statement([column(name) for name in self._names], keys)
        for values in connection.execution_options(yield_per=FETCH).execute(statement):
            yield self._line(renderers, values)

    def _line(self, renderers: Sequence[Callable[[object], str]], values: Sequence[object]) -> bytes:
        texts: list[str | None] = []
        for name, render, value in zip(self._names, renderers, values, strict=True):
            try:
                texts.append(None if value is None else render(value))
            except NotOfItsKind as error:
                said = f"{self._declared.name}.{name} has a value that is not {self._declared.columns[name]}"
                raise SideUnreadable(side=self.side, reason=said) from error
        return line(texts)

    def _statement(self, columns: Sequence[ColumnElement[Any]], keys: KeyRange) -> Select[*tuple[Any, ...]]:
        order = [self._sorted(name, kind) for name, kind in zip(self._declared.key, self.key, strict=True)]
        found = select(*columns).select_from(table(self._declared.name)).order_by(*order)
        if keys.after is not None:
            found = found.where(_above(order, self._bound(keys.after)))
        if keys.through is not None:
            found = found.where(~_above(order, self._bound(keys.through)))
        return found

    def _sorted(self, name: str, kind: Type) -> ColumnElement[Any]:
        """What a column of the key is sorted by: numbers by size, texts by code point, as the bytes of UTF-8 sort."""
        value: ColumnElement[Any] = column(name)
        if kind.kind == "integer":
            return value
        if self._is(*_MYSQL):
            # Its collations pad; bytes do not.
            return cast(func.convert(value.op("USING")(literal_column("utf8mb4"))), LargeBinary)
        text: ColumnElement[str] = cast(value, Text)
        text = func.rtrim(text, " ") if kind.padded else text
        collation = {"postgresql": "C", "sqlite": "BINARY"}.get(self._engine.dialect.name)
        return text if collation is None else text.collate(collation)

    def _bound(self, key: Key) -> list[ColumnElement[Any]]:
        as_bytes = self._is(*_MYSQL)
        return [literal(part.encode() if as_bytes and isinstance(part, str) else part) for part in key]


def _above(order: Sequence[ColumnElement[Any]], bound: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether a key stands above a bound: its first column does, or is the same and the next one does, and so on."""
    return or_(
        *[
            and_(*[order[before] == bound[before] for before in range(number)], order[number] > bound[number])
            for number in range(len(order))
        ]
    )
