"""What the tables of a view that somebody else keeps are asked, in the SQL of their database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    String,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.types import NullType, TypeEngine

from reconcile.keys import columns_of, is_whole
from reconcile.mysql_rows import MYSQL
from reconcile.own_tables import OwnCheckpoint, OwnChild, OwnTables

ORPHANS = 1_000
"""Things missing above rows of one child table that are told; of more, nobody reads more."""

Columns = Mapping[str, TypeEngine[Any]]
"""The columns of a table, as its database says."""


class OwnSql:
    """Statements over `tables`, whose columns are `columns` by table; `dialect` is SQLAlchemy's name of the database."""

    def __init__(self, tables: OwnTables, columns: Mapping[str, Columns], dialect: str) -> None:
        self._tables = tables
        self._columns = columns
        self._dialect = dialect

    def header(self) -> Select[*tuple[Any, ...]]:
        """All rows of the slice, in the order of their business keys: key texts, id, fields and the version."""
        tables = self._tables
        keys = [self._text(tables.table, sql) for sql in tables.key]
        shown = [self._sql(tables.table, sql) for sql in (*tables.key, *tables.columns)]
        version = [self._sql(tables.table, tables.version)] if tables.version else []
        id = self._sql(tables.table, tables.id)
        found = select(
            *(key.label(f"k{n}") for n, key in enumerate(keys)),
            id.label("id"),
            *(one.label(f"c{n}") for n, one in enumerate(shown)),
            *(one.label("v") for one in version),
        ).select_from(named(tables.table))
        return self._within(found, tables.where).order_by(self._sorted(keys), id)

    def of_keys(self, keys: Sequence[str]) -> Select[*tuple[Any, ...]]:
        """The rows of these business keys, in their order."""
        return self.header().where(self._are(keys))

    def children(self, path: str, ids: Sequence[Any]) -> Select[*tuple[Any, ...]]:
        """The elements of a list of some rows: the id that they refer to, their own, and their fields, in their order."""
        child = self._tables.children[path]
        parent = self._sql(child.table, child.parent)
        own = self._sql(child.table, child.id) if child.id else literal_column("NULL")
        shown = [self._sql(child.table, sql) for sql in child.columns]
        found = (
            select(parent.label("p"), own.label("id"), *(one.label(f"c{n}") for n, one in enumerate(shown)))
            .select_from(named(child.table))
            .where(parent.in_([literal(id, None if isinstance(id, int) else NullType()) for id in ids]))
        )
        order = [self._sql(child.table, name) for name in child.order]
        return self._within(found, child.where).order_by(parent, *order, *([own] if child.id else []))

    def orphans(self, child: OwnChild) -> Select[*tuple[Any, ...]]:
        """The ids that rows of a child table refer to and no header has, each with how many rows do."""
        rows = self._within(
            select(self._sql(child.table, child.parent).label("p")).select_from(named(child.table)), child.where
        ).subquery("c")
        headers = (
            select(self._sql(self._tables.table, self._tables.id).label("id"))
            .select_from(named(self._tables.table))
            .subquery("h")
        )
        found = select(rows.c.p, func.count()).select_from(rows.outerjoin(headers, rows.c.p == headers.c.id))
        return found.where(headers.c.id.is_(None)).group_by(rows.c.p).order_by(rows.c.p).limit(ORPHANS)

    def checkpoint(self, kept: OwnCheckpoint) -> Select[*tuple[Any, ...]]:
        """The next offset of each partition."""
        found = select(*(self._sql(kept.table, name) for name in (kept.partition, kept.offset)))
        return self._within(found.select_from(named(kept.table)), kept.where)

    def probe(self, name: str, sql: str) -> Select[*tuple[Any, ...]]:
        """What can only be asked if an expression over a table means something."""
        return select(literal_column(f"({sql})")).select_from(named(name)).limit(0)

    def _sql(self, name: str, sql: str) -> ColumnElement[Any]:
        """A column, quoted where its name needs it, or an expression as it was written."""
        return column(sql) if sql in self._columns[name] else literal_column(f"({sql})")

    def _within(self, statement: Select[*tuple[Any, ...]], where: str) -> Select[*tuple[Any, ...]]:
        return statement.where(literal_column(f"({where})")) if where else statement

    def _text(self, name: str, sql: str) -> ColumnElement[Any]:
        value = self._sql(name, sql)
        text = func.convert(value.op("USING")(literal_column("utf8mb4"))) if self._is_mysql else cast(value, Text)
        return func.coalesce(text, "")

    def _sorted(self, keys: Iterable[ColumnElement[Any]]) -> ColumnElement[Any]:
        """What `translators.values.key_text` makes of the columns, sorted by code point, as the bytes of UTF-8 are."""
        escaped = [func.replace(func.replace(key, "%", "%25"), "/", "%2F") for key in keys]
        whole: ColumnElement[Any] = escaped[0]
        for part in escaped[1:]:
            whole = func.concat(whole, "/", part) if self._is_mysql else whole.op("||")("/").op("||")(part)
        if self._is_mysql:
            return cast(whole, LargeBinary)  # its collations pad; bytes do not
        collation = {"postgresql": "C", "sqlite": "BINARY"}.get(self._dialect)
        return whole if collation is None else cast(whole, Text).collate(collation)

    @property
    def _is_mysql(self) -> bool:
        return self._dialect in MYSQL

    def _are(self, keys: Sequence[str]) -> ColumnElement[bool]:
        """Whether a row has one of these keys, so that an index of the columns finds it."""
        names = tuple(self._tables.key)
        wanted = [parts for key in keys if len(parts := columns_of(key)) == len(names)]
        if len(names) == 1:
            return self._among(names[0], [parts[0] for parts in wanted])
        found = [and_(*(self._among(n, [p]) for n, p in zip(names, parts, strict=True))) for parts in wanted]
        return or_(false(), *found)

    def _among(self, sql: str, texts: Sequence[str]) -> ColumnElement[bool]:
        of = self._columns[self._tables.table].get(sql)
        if isinstance(of, Integer):
            return column(sql).in_([literal(int(text)) for text in texts if is_whole(text)])
        if isinstance(of, String):
            return column(sql).in_([literal(text, NullType()) for text in texts])
        return self._text(self._tables.table, sql).in_(texts)


def named(name: str) -> FromClause:
    """A table by its name, which may begin with its schema and a dot."""
    schema, _, own = name.rpartition(".")
    return table(own, schema=schema or None)
