"""The plans where both databases have lines, or texts to make them of: the legacy's rows as they are, or mapped by DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec
from sqlalchemy import Connection, Engine

from reconcile.blocks import Stream
from reconcile.compare import Sides, compare, expected_of
from reconcile.content import ViewShape
from reconcile.direct_lines import DirectLines, direct_statement
from reconcile.duckdb_lines import lines_query
from reconcile.legacy_lines import mapping_of, needed_tables, raw_statement
from reconcile.line_reads import LineReads, Wanted, told
from reconcile.native_text import KeyOrder, LineShape
from reconcile.plans import Asked, written
from reconcile.sources import SIDE as LEGACY
from reconcile.sources import LegacySnapshot
from reconcile.streams import Key, KeyRange
from reconcile.view import SIDE as VIEW
from reconcile.view import ProjectionView
from reconcile.view_lines import ViewLines, view_moment, view_statements
from translators.expression.dialect import quote


class CopyPlan(Protocol):
    """What the plans here have in common."""

    @property
    def view(self) -> ProjectionView: ...
    @property
    def compared(self) -> ViewShape: ...
    @property
    def shape(self) -> LineShape: ...
    @property
    def order(self) -> KeyOrder: ...


class StreamPlan(msgspec.Struct, frozen=True):
    """Both sides as their databases have them."""

    view: ProjectionView
    compared: ViewShape
    shape: LineShape
    order: KeyOrder
    name: str = "stream"
    why: str = "The mapping only names the columns of one table, and both sides have the same texts of them."
    faster: str = ""

    @contextmanager
    def opened(self, legacy: LegacySnapshot, keys: KeyRange, counted: Counter[str]) -> Iterator[Sides]:
        """See the port."""
        with view_moment(self.view, self.shape) as (connection, reads):
            lines = DirectLines(legacy, self.shape, self.order, counted, legacy.reads)
            yield CopySides(self, legacy, lines, connection, reads)

    def asked(self, legacy: LegacySnapshot) -> Iterator[Asked]:
        """See the port."""
        reader = legacy.reader
        yield asked_of(LEGACY, reader.engine, direct_statement(reader, self.shape, self.order))
        yield from asked_of_view(self)


class MappedPlan(msgspec.Struct, frozen=True):
    """The legacy's raw rows in windows through DuckDB, the view as its database has it."""

    view: ProjectionView
    compared: ViewShape
    shape: LineShape
    order: KeyOrder
    faster: str
    name: str = "mapped stream"
    why: str = (
        "The mapping is SQL: the legacy hands over raw rows in the order of keys, and DuckDB maps them here in windows."
    )

    @contextmanager
    def opened(self, legacy: LegacySnapshot, keys: KeyRange, counted: Counter[str]) -> Iterator[Sides]:
        """See the port."""
        from reconcile.mapped_lines import MappedLines

        with view_moment(self.view, self.shape) as (connection, reads):
            lines = MappedLines(legacy, self.compared, self.shape, self.order, counted)
            yield CopySides(self, legacy, lines, connection, reads)

    def asked(self, legacy: LegacySnapshot) -> Iterator[Asked]:
        """See the port; the mapping is DuckDB's, of which nobody is asked."""
        reader = legacy.reader
        mapping = mapping_of(reader)
        tables = needed_tables(reader, mapping)
        for name, table in tables.items():
            yield asked_of(LEGACY, reader.engine, raw_statement(reader, name, table.columns, self.order))
        yield from asked_of_view(self)
        relations = {name: quote(name) for name in tables}
        yield Asked("here", "DuckDB", lines_query(mapping.bound, relations, self.shape, self.order))


def asked_of_view(plan: CopyPlan) -> Iterator[Asked]:
    """What the view is asked, all of it."""
    for wanted in view_statements(plan.view, plan.shape, plan.order):
        yield asked_of(VIEW, plan.view.engine, wanted)


def asked_of(side: str, engine: Engine, wanted: Wanted) -> Asked:
    """A statement as it is asked, for people."""
    return Asked(side, wanted.table, told(engine, wanted, written(wanted.statement, engine)))


class CopySides:
    """See `reconcile.compare.Sides`: what differs is read again, as of the same two moments, and compared as values."""

    def __init__(
        self,
        plan: CopyPlan,
        snapshot: LegacySnapshot,
        legacy: Stream,
        connection: Connection,
        reads: LineReads,
        agreed: int = 0,
    ) -> None:
        self.agreed = agreed
        self.legacy = legacy
        self.view: Stream = ViewLines(plan.view, plan.shape, plan.order, reads)
        self._plan = plan
        self._snapshot = snapshot
        self._connection = connection

    def differing(self, keys: Sequence[str]) -> Sequence[str]:
        """See the port."""
        rows, shown = self._snapshot.read_keys(keys), self._plan.view.read_from(self._connection, keys)
        translator, shape = self._snapshot.reader.translator, self._plan.compared
        return [
            key
            for key in keys
            if compare(key, expected_of(translator, rows.get(key), shape), shown.get(key), shape) is not None
        ]

    def settled(self, key: Key) -> None:
        """See the port: nothing is kept."""
