"""One table of a database as an ordered stream of canonical lines, all of it or a range of keys, by its fastest way.

PostgreSQL writes the lines itself (COPY), and columns that are of one type on both sides as it writes them anyway. Those of
MySQL and MariaDB are made of the texts that it sends, where each column's kind has one there. Otherwise, as of SQLite and any
other database that SQLAlchemy knows, lines are made here of a row's values. All but COPY come through a cursor that holds
nothing back; the driver is the one that the engine's URL names.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from reconcile.canonical import NotOfItsKind, by_postgres, line, renderer, texts_of
from reconcile.copy import canonical_session, copied
from reconcile.errors import SideUnreadable
from reconcile.mysql_rows import FETCH, MYSQL, by_code_point, sends_texts, text_rows
from reconcile.mysql_text import canonical_writer, lines_of
from translators.schema import Table, Type

Key = tuple[int | str, ...]
"""A primary key's values: whole numbers and texts, which every database can be made to sort alike."""

NATIVE = text(
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = to_regclass(quote_ident(:name)) AND attnum > 0"
)


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
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """The lines of one moment, in the order of the key; `SideUnreadable` if they cannot be read to the end.

        Columns in `native` stand there as the database writes them: see `written_alike`.
        """
        with closing(self._read(keys, native)) as found:
            yield chain.from_iterable(found)

    def texts(self, row: bytes, native: frozenset[str] = frozenset()) -> tuple[str | None, ...]:
        """The canonical texts of one of the lines that were read with `native`."""
        texts = texts_of(row)
        if not native:
            return texts
        kinds = self._declared.columns
        return tuple(
            renderer(kinds[name])(text) if text is not None and name in native else text
            for name, text in zip(self._names, texts, strict=True)
        )

    def written_alike(self, other: object) -> frozenset[str]:
        """The columns that both databases write themselves in one same way: the same text is the same value and no other's.

        They need not be made canonical to be compared, which costs a database more than half of what reading them does.
        """
        if not isinstance(other, TableStream) or not (self._copies and other._copies) or self._names != other._names:
            return frozenset()
        ours, theirs = self._native(), other._native()
        return frozenset(
            name
            for name, kind in self._declared.columns.items()
            if name not in self._declared.key
            and ours.get(name) == theirs.get(name)
            and _fixes_text(kind, ours.get(name))
        )

    def _native(self) -> dict[str, str]:
        with self._opened() as connection:
            return {name: of for name, of in connection.execute(NATIVE, {"name": self._declared.name})}

    @contextmanager
    def _opened(self) -> Iterator[Connection]:
        drivers = self._engine.dialect.loaded_dbapi.Error
        try:
            with self._engine.connect() as connection:
                # Not back into the pool: it has settings of its own, and rows may be left that nobody has read.
                connection.detach()
                yield connection
        except (SQLAlchemyError, drivers) as error:
            # The driver's own words: SQLAlchemy's would quote the statement with its values.
            raise SideUnreadable(side=self.side, reason=getattr(error, "orig", None) or error) from error

    def _read(self, keys: KeyRange, native: frozenset[str]) -> Generator[Iterable[bytes], None, None]:
        with self._opened() as connection:
            if self._copies:
                yield from self._copied(connection, keys, native)
            else:
                yield from self._fetched(connection, keys)

    @property
    def _copies(self) -> bool:
        return (self._engine.dialect.name, self._engine.dialect.driver) == ("postgresql", "psycopg")

    def _is(self, *dialects: str) -> bool:
        return self._engine.dialect.name in dialects

    def _copied(self, connection: Connection, keys: KeyRange, native: frozenset[str]) -> Iterator[list[bytes]]:
        canonical_session(connection)
        kinds = self._declared.columns
        texts = [
            column(name) if name in native else by_postgres(column(name), kinds[name]).label(f"c{n}")
            for n, name in enumerate(self._names)
        ]
        statement = self._statement(texts, keys).compile(connection)
        yield from copied(connection, str(statement), statement.params)

    def _fetched(self, connection: Connection, keys: KeyRange) -> Iterator[Iterable[bytes]]:
        kinds = [self._declared.columns[name] for name in self._names]
        columns: list[ColumnElement[Any]] = [column(name) for name in self._names]
        statement = self._statement(columns, keys)
        writers = [writer for kind in kinds if (writer := canonical_writer(kind)) is not None]
        if sends_texts(self._engine) and len(writers) == len(kinds):
            with closing(text_rows(connection, statement, self.side)) as batches:
                for texts in batches:
                    yield lines_of(texts, writers)
            return
        if self._is(*MYSQL):
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        renderers = [renderer(kind) for kind in kinds]
        for rows in connection.execution_options(yield_per=FETCH).execute(statement).partitions():
            yield (self._line(renderers, values) for values in rows)

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
        return within(found, order, keys, as_bytes=self._is(*MYSQL))

    def _sorted(self, name: str, kind: Type) -> ColumnElement[Any]:
        """What a column of the key is sorted by: numbers by size, texts by code point, as the bytes of UTF-8 sort."""
        value: ColumnElement[Any] = column(name)
        if kind.kind == "integer":
            return value
        if self._is(*MYSQL):
            return by_code_point(value)
        text: ColumnElement[str] = cast(value, Text)
        text = func.rtrim(text, " ") if kind.padded else text
        collation = {"postgresql": "C", "sqlite": "BINARY"}.get(self._engine.dialect.name)
        return text if collation is None else text.collate(collation)


def within(
    statement: Select[*tuple[Any, ...]], order: Sequence[ColumnElement[Any]], keys: KeyRange, *, as_bytes: bool = False
) -> Select[*tuple[Any, ...]]:
    """What a statement selects, of a range of keys; `order` is what they are sorted by, texts `as_bytes` of UTF-8."""

    def bound(key: Key) -> list[ColumnElement[Any]]:
        return [literal(part.encode() if as_bytes and isinstance(part, str) else part) for part in key]

    if keys.after is not None:
        statement = statement.where(_above(order, bound(keys.after)))
    if keys.through is not None:
        statement = statement.where(~_above(order, bound(keys.through)))
    return statement


def _above(order: Sequence[ColumnElement[Any]], bound: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether a key stands above a bound: its first column does, or is the same and the next one does, and so on."""
    return or_(
        *[
            and_(*[order[before] == bound[before] for before in range(number)], order[number] > bound[number])
            for number in range(len(order))
        ]
    )


def _fixes_text(kind: Type, native: str | None) -> bool:
    """Whether values of PostgreSQL's type that are the same have the same text: numbers of no fixed scale have many."""
    match kind.kind:
        case "decimal":
            return native is not None and native.startswith("numeric(")
        case "text":
            return kind.padded and native is not None and native.startswith("character(")
        case "boolean":
            return native == "boolean"
        case "timestamptz":
            return native == "timestamp with time zone"
        case _:
            return False
