"""The legacy side: a translator's rows, root and parts together, in key order, out of one snapshot of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    TableClause,
    Text,
    and_,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType

from connectors.debezium.refusal import Refusal
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.keys import columns_of, in_order, is_whole
from reconcile.legacy_rows import row_reader
from reconcile.line_reads import CopyReads, LineReads, TextReads
from reconcile.moments import Shared, exported, shared_moment
from reconcile.mysql_rows import MYSQL, by_code_point, sends_texts
from reconcile.position import Moment, SourcePosition
from reconcile.streams import WHOLE, KeyRange, within
from translators.aggregate import Rows
from translators.bound_mapping import BoundMapping
from translators.parts import key_columns
from translators.schema import LegacySchema, Table
from translators.translator import Refused, Translator
from translators.values import Row

FETCH = 1_000
"""Rows that one fetch brings: what bounds the memory, beside the largest aggregate."""

KEYS_AT_ONCE = 100
"""Keys that one statement names."""

SIDE = "legacy"


class Layout(msgspec.Struct, frozen=True):
    """Which columns hold the business key: `key` those of the root, `parts` those of each part, in the same order."""

    root: str
    key: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, bound: BoundMapping) -> Layout:
        """The layout of a mapping; a part of a part names its root by fewer columns than what it belongs to."""
        columns = key_columns(bound.mapping, bound.schema.tables)
        return cls(bound.mapping.root, bound.mapping.key, {name: columns[name] for name in bound.mapping.parts})

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of `table` that hold the business key."""
        return self.key if table == self.root else self.parts[table]


class Aggregate(msgspec.Struct, frozen=True):
    """The legacy rows of one business key. Rows of parts may stand without a root row."""

    key: str
    rows: Rows


class _Group(msgspec.Struct, frozen=True):
    """The rows of one table that belong to one business key."""

    key: str
    rows: dict[str, Row]


class LegacyReader:
    """Reads the tables of one translator. Every method may raise `SideUnreadable`; nothing is written.

    `ration` is entered before so many keys are read by their names, where it may wait, and left after that.
    """

    def __init__(
        self, engine: Engine, schema: LegacySchema, translator: Translator, layout: Layout, position: SourcePosition
    ) -> None:
        self.tables = {name: schema.tables[name] for name in (layout.root, *layout.parts)}
        self.rows = {name: row_reader(name, found, schema) for name, found in self.tables.items()}
        self.translator = translator
        self.layout = layout
        self.source_position = position
        self.namespace = schema.namespace
        self.placeholder = schema.encoding.unavailable
        self.ration: Callable[[int], AbstractContextManager[None]] = lambda keys: nullcontext()
        self.engine = engine

    @property
    def dialect(self) -> str:
        """Which database it is, as SQLAlchemy calls it."""
        return self.engine.dialect.name

    @contextmanager
    def snapshot(self, shared: Shared | None = None) -> Iterator[LegacySnapshot]:
        """One moment of the database, another process's if it is `shared`.

        While it is open, a SQLite database that is not in WAL mode takes no writes.
        """
        with _translated(), self._moment(shared) as moment:
            yield LegacySnapshot(self, moment)

    def _moment(self, shared: Shared | None) -> AbstractContextManager[Moment]:
        if shared is None:
            # Where texts are sent, values are read by keys while lines are.
            return self.source_position.moment(self.engine, len(self.tables) + sends_texts(self.engine))
        return shared_moment(self.engine, shared)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection, for what is asked of no moment in particular."""
        with _translated(), self.engine.connect() as connection:
            yield connection


class LegacySnapshot:
    """The rows as they were at `position`."""

    def __init__(self, reader: LegacyReader, moment: Moment) -> None:
        self.reader = reader
        self._moment = moment
        self.position = moment.position
        self.connection = moment.connections[0]

    @property
    def reads(self) -> LineReads:
        """Lines of several statements, beside what is read by keys."""
        if sends_texts(self.reader.engine):
            return TextReads(SIDE, self._moment.connections[1:])
        return CopyReads(self.reader.engine, self.connection)

    @property
    def is_shared(self) -> bool:
        """Whether other processes can see this moment."""
        return self.reader.dialect == "postgresql"

    def share(self) -> Shared | None:
        """What other processes see this moment by while it is open; `None` where none can."""
        if not self.is_shared:
            return None
        with _translated():
            return Shared(exported(self.connection), self.position)

    def read(self, keys: KeyRange = WHOLE) -> Iterator[Aggregate]:
        """The business keys of a range in strict order; `SideUnsorted` if the database answers otherwise or has one twice."""
        connections = self._moment.connections
        streams = {
            name: self._ordered(name, keys, connections[number % len(connections)])
            for number, name in enumerate(self.reader.tables)
        }
        heads = {name: head for name, stream in streams.items() if (head := next(stream, None)) is not None}
        while heads:
            key = min(head.key for head in heads.values())
            rows: Rows = {}
            for name in [name for name, head in heads.items() if head.key == key]:
                rows[name] = heads.pop(name).rows
                following = next(streams[name], None)
                if following is not None:
                    heads[name] = following
            yield Aggregate(key, rows)

    def read_keys(self, keys: Sequence[str]) -> dict[str, Rows]:
        """The rows of these keys; a key without any row is absent."""
        found: dict[str, Rows] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            chunk = keys[start : start + KEYS_AT_ONCE]
            with self.reader.ration(len(chunk)):
                self._read_chunk(chunk, found)
        return found

    def _read_chunk(self, chunk: Sequence[str], found: dict[str, Rows]) -> None:
        for name in self.reader.tables:
            statement = self.statement(name).where(or_(*[self._is(name, key) for key in chunk]))
            for group in self._groups(name, statement, self._moment.connections[0]):
                # Databases that ignore case, or blanks, find more.
                if group.key in chunk:
                    found.setdefault(group.key, {})[name] = group.rows

    def touched(self, after: int) -> frozenset[str] | None:
        """The keys of rows that changed since position `after`; `None` if the source cannot tell."""
        tables = self.reader.tables
        with _translated():
            changes = self.reader.source_position.touched(self._moment, after)
            if changes is None:
                return None
            return frozenset(
                change if isinstance(change, str) else self._key(change.table, self._typed(change.table, change.row))
                for change in changes
                if isinstance(change, str) or change.table in tables
            )

    def _ordered(self, name: str, keys: KeyRange, connection: Connection) -> Iterator[_Group]:
        order = canonical_key(self.reader.tables[name], self.reader.layout.columns(name), self.reader.dialect)
        statement = within(self.statement(name), [order], keys, as_bytes=self.reader.dialect in MYSQL)
        return in_order(SIDE, self._groups(name, statement, connection))

    def _groups(self, name: str, statement: Select[*tuple[Any, ...]], connection: Connection) -> Iterator[_Group]:
        for key, rows in groupby(self._rows(name, statement, connection), key=lambda row: row[0]):
            yield _Group(key, self._one_group(name, key, rows))

    def _one_group(self, name: str, key: str, rows: Iterable[tuple[str, str, Row]]) -> dict[str, Row]:
        group: dict[str, Row] = {}
        for _, row_key, row in rows:
            if row_key in group or (name == self.reader.layout.root and group):
                raise SideUnsorted(side=SIDE, problem=f"{key} is there twice in {name}")
            group[row_key] = row
        return group

    def _rows(
        self, name: str, statement: Select[*tuple[Any, ...]], connection: Connection
    ) -> Iterator[tuple[str, str, Row]]:
        """(business key, row key, row), typed as the feed's decoder types them."""
        columns = tuple(self.reader.tables[name].columns)
        with _translated():
            for values in connection.execution_options(yield_per=FETCH).execute(statement):
                raw = dict(zip(columns, values, strict=True))
                row = self._typed(name, raw)
                yield self._key(name, row), self._row_key(name, raw), row

    def _typed(self, name: str, raw: Mapping[str, Any]) -> Row:
        try:
            return self.reader.rows[name].row(raw)
        except Refusal as refusal:
            raise _unreadable(name, refusal) from refusal

    def _row_key(self, name: str, raw: Mapping[str, Any]) -> str:
        try:
            return self.reader.rows[name].row_key(raw)
        except Refusal as refusal:
            raise _unreadable(name, refusal) from refusal

    def _key(self, name: str, row: Row) -> str:
        try:
            return self.reader.translator.key_of(name, row)
        except Refused as refused:
            raise SideUnreadable(side=SIDE, reason=f"a row of {name}: {refused.problem.message}") from refused

    def statement(self, name: str) -> Select[*tuple[Any, ...]]:
        """What is asked of a table, all of it, in the order of business keys."""
        reader, declared = self.reader, self.reader.tables[name]
        order = canonical_key(declared, reader.layout.columns(name), reader.dialect)
        selected = [reader.rows[name].selected(c).label(f"c{number}") for number, c in enumerate(declared.columns)]
        return select(*selected).select_from(table_of(name, reader)).order_by(order)

    def _is(self, name: str, key: str) -> ColumnElement[bool]:
        """Whether a row belongs to a key, in a form that uses the key's index."""
        declared = self.reader.tables[name]
        names, parts = self.reader.layout.columns(name), columns_of(key)
        if len(names) != len(parts):
            return column(names[0]).is_(None)
        is_sqlite = self.reader.dialect == "sqlite"
        equals = _equals if is_sqlite else _equals_by_server
        return and_(*[equals(declared, c, part) for c, part in zip(names, parts, strict=True)])


def table_of(name: str, reader: LegacyReader) -> TableClause:
    """A table by its name in schema.yaml: tables outside of the namespace have theirs before a dot."""
    if reader.dialect == "sqlite":
        return table(name)
    space, _, short = name.rpartition(".")
    return table(short, schema=space or reader.namespace)


def canonical_key(declared: Table, names: Sequence[str], dialect: str) -> ColumnElement[Any]:
    """The canonical key text of `translators.values.key_text`, as the database works it out to sort by it."""
    parts = []
    for name in names:
        type_ = declared.columns[name]
        text: ColumnElement[str] = cast(column(name), Text)
        if type_.kind == "text":
            text = func.replace(func.replace(func.rtrim(text) if type_.padded else text, "%", "%25"), "/", "%2F")
        parts.append(text)
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + literal("/") + part
    if dialect in MYSQL:
        return by_code_point(joined)
    return joined.collate("C" if dialect == "postgresql" else "BINARY")


def _equals(declared: Table, name: str, part: str) -> ColumnElement[bool]:
    type_ = declared.columns[name]
    if type_.kind == "integer":
        return column(name) == (int(part) if is_whole(part) else part)
    if not type_.padded:
        return column(name) == part
    # All texts that are `part` and blanks lie between it and `part!`; the bounds let an index be used.
    return and_(column(name) >= part, column(name) < part + "!", func.rtrim(column(name), " ") == part)


def _equals_by_server(declared: Table, name: str, part: str) -> ColumnElement[bool]:
    """As the server compares: CHAR without its blanks. A text that is no number is in no column of numbers."""
    kind = declared.columns[name].kind
    if kind == "integer":
        return column(name) == int(part) if is_whole(part) else column(name).is_(None)
    if kind == "decimal":
        try:
            return column(name) == literal(Decimal(part), NullType())
        except InvalidOperation:
            return column(name).is_(None)
    # Of no type, so that the server reads it as one of the column's.
    return column(name) == literal(part, NullType())


def _unreadable(name: str, refusal: Refusal) -> SideUnreadable:
    return SideUnreadable(side=SIDE, reason=refusal.problem(name).message)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The driver's own words: SQLAlchemy's would quote the statement with its values.
        raise SideUnreadable(side=SIDE, reason=getattr(error, "orig", None) or type(error).__name__) from error
