"""The view side: what reconciliation asks of a view, whatever builds it, and how a projection of ours answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select

from pipeline.log.port import TopicPartition
from pipeline.projection import rows as stored
from pipeline.projection.checkpoint import Checkpoint
from pipeline.projection.content import row_hash
from pipeline.projection.database import translated
from pipeline.projection.parked import Parking
from pipeline.projection.spec import ProjectionSpec
from pipeline.projection.tables import Tables
from reconcile.content import Content, ViewShape, masked_paths, narrowed
from reconcile.mysql_rows import keep_days
from reconcile.streams import WHOLE, KeyRange
from reconcile.terms import Terms
from translators.contract import Shape

SIDE = "view"
_REPEATABLE = ("postgresql", "mysql", "mariadb")

PAGE = 1_000
"""View rows held in memory together."""


class ViewRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as the view shows it.

    `sequence` is that of the record it was built from, `event_id` its id. `commit_time` is the source's, absent for rows
    of a snapshot; `applied_time` is when the row was written, if it says so. `intact` says whether the row's own hash still
    fits its content.

    A view of somebody else's may not say its `sequence` (it is empty then), and may have the thing twice: `ids` are those of
    its rows, `twins` what the ones behind the first show, `element_ids` by list the ids of the first one's elements.
    """

    key: str
    content: Content
    sequence: str
    event_id: str
    commit_time: datetime | None
    applied_time: datetime | None
    intact: bool
    ids: tuple[str, ...] = ()
    twins: tuple[Content, ...] = ()
    element_ids: Mapping[str, tuple[str, ...]] = {}


class ViewParked(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the state stream that the view's projection could not apply."""

    code: str
    message: str
    first_seen: datetime


class ViewSide(Protocol):
    """One view. Every method may raise a `DragomanError`; nothing is written."""

    @property
    def shape(self) -> ViewShape:
        """What the view shows."""

    def rows(self, keys: KeyRange = WHOLE) -> AbstractContextManager[Iterator[ViewRow]]:
        """The rows of a range, out of one snapshot, in the order of their keys by code point; who reads them checks that."""

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """The rows of these keys as they are now; a key without a row is absent."""

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        """The offsets of the state stream that the view's rows contain: written with them, so exact."""

    def parked(self) -> Mapping[str, ViewParked]:
        """By key the last record that the projection set aside."""


@contextmanager
def at_one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection to a view's database that sees one moment of it."""
    with translated(engine), engine.connect() as connection:
        # SQLite's driver begins no transaction for reads, and servers show each statement another moment.
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        elif engine.dialect.name in _REPEATABLE:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


class NarrowedView:
    """A view as the terms of a check have it: without the fields that are not compared."""

    def __init__(self, view: ViewSide, terms: Terms) -> None:
        self.whole = view
        self.shape = narrowed(view.shape, terms)
        self.rows, self.read_keys = view.rows, view.read_keys
        self.checkpoint, self.parked = view.checkpoint, view.parked


class ProjectionView:
    """The view that a projection keeps in `engine`; `topic` is the state stream that it reads."""

    def __init__(self, engine: Engine, spec: ProjectionSpec, shape: Mapping[str, Shape], topic: str) -> None:
        keep_days(engine)
        self.engine = engine
        self.spec = spec
        self.contract = shape
        self._topic = topic
        self.tables = tables = Tables.of(spec, shape)
        self._reader = stored.ViewReader(tables)
        self._checkpoint = Checkpoint(tables.checkpoint, spec.name)
        self._parking = Parking(tables, topic)
        self.shape = ViewShape(
            fields=(*spec.key.values(), *spec.columns.values()),
            lists={path: tuple(child.columns.values()) for path, child in spec.children.items()},
            masked=masked_paths(shape),
            keys=tuple(spec.key.values()),
        )

    @contextmanager
    def rows(self, keys: KeyRange = WHOLE) -> Iterator[Iterator[ViewRow]]:
        """See the port."""
        with self.connected() as connection:
            yield self._paged(connection, keys)

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """See the port."""
        with self.connected() as connection:
            return self.read_from(connection, keys)

    def pages(self) -> Iterator[tuple[str, Select[Any]]]:
        """By table the statements of which `rows` asks a page after the other."""
        yield from self._reader.statements()

    def read_from(self, connection: Connection, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """The rows of these keys as a connection sees them; a key without a row is absent."""
        return {key: self._row(row) for key, row in self._reader.read_keys(connection, keys).items()}

    def keys_after(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[str]:
        """The first `limit` keys of a half-open range, but for the first `skip`, in order."""
        with self.connected() as connection:
            return self._reader.keys_after(connection, after, until, limit, skip)

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        """See the port."""
        with self.connected() as connection:
            positions = self._checkpoint.positions(connection, self._topic)
        return {(self._topic, partition): offset for partition, offset in positions.items()}

    def keys_between(self, first: str, last: str) -> int:
        """See `reconcile.traits.Tally`."""
        return self._count(self.tables.header.c["_key"].between(first, last))

    def applied_between(self, first: datetime, last: datetime) -> int:
        """See `reconcile.traits.Tally`."""
        return self._count(self.tables.header.c["_applied_time"].between(first, last))

    def _count(self, which: ColumnElement[bool]) -> int:
        with self.connected() as connection:
            return connection.execute(select(func.count()).select_from(self.tables.header).where(which)).scalar_one()

    def parked(self) -> Mapping[str, ViewParked]:
        """See the port."""
        with self.connected() as connection:
            records = self._parking.records(connection)
        return {r.key: ViewParked(code=r.code, message=r.message, first_seen=r.first_seen) for r in records}

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection to the view's database that sees one moment of it."""
        with at_one_moment(self.engine) as connection:
            yield connection

    def _paged(self, connection: Connection, keys: KeyRange) -> Iterator[ViewRow]:
        last = None if keys.after is None else str(keys.after[-1])
        while page := self._reader.read_rows(connection, last, PAGE):
            for row in page:
                if keys.through is not None and row.key > str(keys.through[-1]):
                    return
                yield self._row(row)
            last = page[-1].key

    def _row(self, row: stored.ViewRow) -> ViewRow:
        spec, meta = self.spec, row.meta
        paths = {**spec.key, **spec.columns}
        return ViewRow(
            key=row.key,
            content=Content(
                {path: row.header[column] for column, path in paths.items()},
                {
                    path: tuple(
                        {inner: element[column] for column, inner in spec.children[path].columns.items()}
                        for element in elements
                    )
                    for path, elements in row.children.items()
                },
            ),
            sequence=meta.version,
            event_id=meta.event_id,
            commit_time=meta.commit_time,
            applied_time=meta.applied_time,
            intact=row_hash(row.header, row.children) == meta.row_hash,
        )
