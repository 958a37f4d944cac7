"""The view side where somebody else's code keeps the view: a header table and its children, read as a check declares them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import msgspec
from sqlalchemy import Connection, Engine, Row, Select, inspect
from sqlalchemy.exc import DBAPIError

from connectors.legacy.reading import one_moment
from pipeline.log.port import TopicPartition
from pipeline.projection.database import is_trouble
from reconcile.content import Content, ViewShape, identity_of, masked_paths
from reconcile.errors import ViewUnlike
from reconcile.mysql_rows import MYSQL
from reconcile.own_sql import Columns, OwnSql
from reconcile.own_tables import OwnTables
from reconcile.streams import WHOLE, KeyRange
from reconcile.view import PAGE, ViewParked, ViewRow, at_one_moment
from translators.contract import Shape
from translators.values import key_text

_KEYS = 500
"""Business keys that one statement asks for."""

Element = tuple[str, Mapping[str, Any]]
"""The id of an element's row, and what it shows."""


class Orphans(msgspec.Struct, frozen=True):
    """Rows of a child table that refer to a header which is not there, `parent` by name and value."""

    table: str
    parent: str
    rows: int

    @property
    def key(self) -> str:
        """What names them in a finding: no business key does."""
        return f"{self.table}: {self.parent}"


@runtime_checkable
class Orphaned(Protocol):
    """A view whose rows may belong to no thing."""

    def orphans(self) -> Sequence[Orphans]:
        """Those that are there now."""


class OwnView:
    """The view that `tables` are, of the state stream `topic`; `name` is what the check calls it."""

    def __init__(self, engine: Engine, name: str, tables: OwnTables, shape: Mapping[str, Shape], topic: str) -> None:
        self.engine = engine
        self._name = name
        self._tables = tables
        self._topic = topic
        self._known: Mapping[str, Columns] | None = None
        self.shape = ViewShape(
            fields=(*tables.key.values(), *tables.columns.values()),
            lists={path: tuple(child.columns.values()) for path, child in tables.children.items()},
            masked=masked_paths(shape),
            keys=tuple(tables.key.values()),
            identity={path: child.identity for path, child in tables.children.items() if child.identity},
            unordered=frozenset(path for path, child in tables.children.items() if not child.order),
        )

    @contextmanager
    def rows(self, keys: KeyRange = WHOLE) -> Iterator[Iterator[ViewRow]]:
        """See `reconcile.view.ViewSide`. In MariaDB elements are of a later moment: what is torn is looked at again."""
        with ExitStack() as held:
            connection = held.enter_context(self._connected())
            # An unbuffered cursor has its connection to itself.
            beside = held.enter_context(self._connected()) if self.engine.dialect.name in MYSQL else connection
            streamed = connection.execution_options(yield_per=PAGE).execute(self._sql.header())
            yield self._in(self._things(streamed.partitions(PAGE), beside), keys)

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """See `reconcile.view.ViewSide`."""
        wanted, found = frozenset(keys), dict[str, ViewRow]()
        with self._connected() as connection:
            for first in range(0, len(keys), _KEYS):
                rows = connection.execute(self._sql.of_keys(keys[first : first + _KEYS])).all()
                found.update((thing.key, thing) for thing in self._things([rows], connection))
        # Databases take more texts for the same than we do.
        return {key: thing for key, thing in found.items() if key in wanted}

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        """See `reconcile.view.ViewSide`; empty where the consumer keeps none with its rows."""
        if self._tables.checkpoint is None:
            return {}
        with self._connected() as connection:
            rows = connection.execute(self._sql.checkpoint(self._tables.checkpoint)).all()
        return {(self._topic, int(partition)): int(offset) for partition, offset in rows}

    def parked(self) -> Mapping[str, ViewParked]:
        """See `reconcile.view.ViewSide`: nobody says what the consumer set aside."""
        return {}

    def orphans(self) -> Sequence[Orphans]:
        """See `Orphaned`."""
        found: list[Orphans] = []
        with self._connected() as connection:
            for child in self._tables.children.values():
                for parent, rows in connection.execute(self._sql.orphans(child)):
                    found.append(Orphans(child.table, f"{child.parent} {parent}", rows))
        return found

    def pages(self) -> Iterator[tuple[str, Select[Any]]]:
        """By table what `rows` asks."""
        with self._connected():
            yield self._tables.table, self._sql.header()
            for path, child in self._tables.children.items():
                yield child.table, self._sql.children(path, (1,))

    def unmentioned(self) -> tuple[str, ...]:
        """The columns, as `table.column`, that the check says nothing of."""
        with self._connected():
            known = self._known or {}
        words = frozenset(word for _, sql, _ in self._said() for word in re.findall(r"\w+", sql))
        return tuple(f"{table}.{name}" for table, columns in known.items() for name in columns if name not in words)

    @property
    def _sql(self) -> OwnSql:
        if self._known is None:
            self._known = self._checked()
        return OwnSql(self._tables, self._known, self.engine.dialect.name)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """A connection that sees one moment and can change nothing."""
        _ = self._sql
        with at_one_moment(self.engine) as connection, one_moment(connection):
            if self.engine.dialect.name in MYSQL:
                connection.exec_driver_sql("SET time_zone = '+00:00'")
            yield connection

    def _things(self, pages: Iterable[Sequence[Row[Any]]], beside: Connection) -> Iterator[ViewRow]:
        """One for each business key, of as many rows as have it."""
        width = len(self._tables.key)
        rows = (found for page in pages for found in self._with_elements(page, beside))
        for key, same in groupby(rows, key=lambda found: key_text(tuple(str(part) for part in found[0][:width]))):
            yield self._thing(key, list(same))

    def _with_elements(
        self, page: Sequence[Row[Any]], beside: Connection
    ) -> Iterator[tuple[Row[Any], Mapping[str, list[Element]]]]:
        ids = [row.id for row in page]
        lists: dict[str, dict[Any, list[Element]]] = {}
        for path, child in self._tables.children.items():
            lists[path] = defaultdict(list)
            for parent, own, *values in beside.execute(self._sql.children(path, ids)) if ids else ():
                element = dict(zip(child.columns.values(), values, strict=True))
                lists[path][parent].append(("" if own is None else str(own), element))
        for row in page:
            yield row, {path: self._ordered(path, found.get(row.id, [])) for path, found in lists.items()}

    def _ordered(self, path: str, elements: list[Element]) -> list[Element]:
        if path not in self.shape.unordered:
            return elements
        return sorted(elements, key=lambda one: identity_of(one[1], self.shape.identity[path]))

    def _thing(self, key: str, rows: Sequence[tuple[Row[Any], Mapping[str, list[Element]]]]) -> ViewRow:
        first, elements = rows[0]
        contents = [self._content(row, lists) for row, lists in rows]
        return ViewRow(
            key=key,
            content=contents[0],
            sequence=str(first.v or "") if self._tables.version else "",
            event_id="",
            commit_time=None,
            applied_time=None,
            intact=True,
            ids=tuple(str(row.id) for row, _ in rows),
            twins=tuple(contents[1:]),
            element_ids={path: tuple(own for own, _ in found) for path, found in elements.items()},
        )

    def _content(self, row: Row[Any], lists: Mapping[str, list[Element]]) -> Content:
        first = len(self._tables.key) + 1
        values = row[first : first + len(self.shape.fields)]
        return Content(
            dict(zip(self.shape.fields, values, strict=True)),
            {path: tuple(element for _, element in found) for path, found in lists.items()},
        )

    def _in(self, things: Iterator[ViewRow], keys: KeyRange) -> Iterator[ViewRow]:
        after, through = (None if key is None else str(key[-1]) for key in (keys.after, keys.through))
        for thing in things:
            if through is not None and thing.key > through:
                return
            if after is None or thing.key > after:
                yield thing

    def _checked(self) -> Mapping[str, Columns]:
        """The columns of all tables; `ViewUnlike` names at once all that is not there."""
        with at_one_moment(self.engine) as connection:
            found = {name: _columns(connection, name) for name in dict.fromkeys(name for name, _, _ in self._said())}
        missing = [
            f"the table {name} ({self._tables.where_is(*_place_of_table(self._tables, name))})"
            for name, columns in found.items()
            if not columns
        ]
        for name, sql, where in self._said():
            if sql and found[name] and sql not in found[name]:
                what = f"the column {name}.{sql}" if sql.isidentifier() else self._wrong(name, sql)
                missing += [f"{what} ({where})"] if what else []
        if missing:
            raise ViewUnlike(view=self._name, missing="; ".join(missing))
        return found

    def _wrong(self, name: str, sql: str) -> str:
        """What is wrong with an expression; empty if nothing is."""
        probe = OwnSql(self._tables, {}, self.engine.dialect.name).probe(name, sql)
        try:
            with self.engine.connect() as connection:
                connection.execute(probe)
        except DBAPIError as error:
            if is_trouble(error):
                raise
            return f"`{sql}` of {name}: {str(error.orig).splitlines()[0]}"
        return ""

    def _said(self) -> Iterator[tuple[str, str, str]]:
        """Each column and expression that the check names: its table, itself, and where it does."""
        tables, where = self._tables, self._tables.where_is
        for name in ("id", "version", "where"):
            yield tables.table, getattr(tables, name), where("of", name)
        for kind in ("key", "columns"):
            yield from ((tables.table, sql, where("sql", kind, sql)) for sql in getattr(tables, kind))
        yield from ((tables.table, name, where("of", "ignores")) for name in tables.ignores)
        for path, child in tables.children.items():
            for name in ("parent", "id", "where"):
                yield child.table, getattr(child, name), where("of", "children", path, name)
            yield from ((child.table, sql, where("sql", "children", path, sql)) for sql in child.columns)
            for name in ("order", "ignores"):
                yield from ((child.table, one, where("of", "children", path, name)) for one in getattr(child, name))
        if (kept := tables.checkpoint) is not None:
            for name in ("partition", "offset", "where"):
                yield kept.table, getattr(kept, name), where("of", "checkpoint", name)


def _place_of_table(tables: OwnTables, name: str) -> tuple[str, ...]:
    if name == tables.table:
        return ("of", "table")
    path = next((path for path, child in tables.children.items() if child.table == name), None)
    return ("of", "checkpoint", "table") if path is None else ("of", "children", path, "table")


def _columns(connection: Connection, name: str) -> Columns:
    """The columns of a table or view of the database; none if it is not there."""
    schema, _, own = name.rpartition(".")
    asked = inspect(connection)
    if not asked.has_table(own, schema=schema or None):
        return {}
    return {found["name"]: found["type"] for found in asked.get_columns(own, schema=schema or None)}
