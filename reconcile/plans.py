"""How the sides of a check are compared at first: by the fastest way that both of them allow, chosen here and said in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import msgspec
from sqlalchemy import Engine, Select

from reconcile.compare import Expected, Sides, expected_of
from reconcile.native_text import KeyOrder
from reconcile.own_view import OwnView
from reconcile.row_lines import RowSides, Saw
from reconcile.sources import SIDE as LEGACY
from reconcile.sources import Aggregate, LegacyReader, LegacySnapshot
from reconcile.streams import KeyRange
from reconcile.view import SIDE as VIEW
from reconcile.view import NarrowedView, ProjectionView, ViewSide
from translators.aggregate import Rows


class Asked(msgspec.Struct, frozen=True):
    """A statement for one table of a side, as the whole of that side is asked."""

    side: str
    table: str
    sql: str


class Plan(Protocol):
    """One way to compare, its ranges in the `order` of keys.

    `why` it is the one; `faster` says what a faster one would need, empty where there is none.
    """

    @property
    def name(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def faster(self) -> str: ...
    @property
    def order(self) -> KeyOrder: ...

    def opened(self, legacy: LegacySnapshot, keys: KeyRange, counted: Counter[str]) -> AbstractContextManager[Sides]:
        """Both sides, in a range of keys: the legacy as of its snapshot, the view as of now.

        `counted` gets the legacy rows that are read, by table. Raises what reading the sides raises.
        """

    def asked(self, legacy: LegacySnapshot) -> Iterator[Asked]:
        """The statements by which both sides are read."""


class RowPlan(msgspec.Struct, frozen=True):
    """Row by row: the legacy's rows through the translator, the view's through its projection's types."""

    reader: LegacyReader
    view: ViewSide
    faster: str
    saw: Saw | None = None
    name: str = "mapped stream, row by row"
    why: str = "It works with any database and any translator: values are read here, and mapped one thing at a time."
    order: KeyOrder = KeyOrder(by_length=False)

    @contextmanager
    def opened(self, legacy: LegacySnapshot, keys: KeyRange, counted: Counter[str]) -> Iterator[Sides]:
        """See the port."""
        with self.view.rows(keys) as rows:
            yield RowSides(_counted(legacy.read(keys), counted), rows, self._expect, self.view.shape, self.saw)

    def asked(self, legacy: LegacySnapshot) -> Iterator[Asked]:
        """See the port. A view is asked for pages; one that is no table is not asked in SQL."""
        engine = legacy.reader.engine
        for name in legacy.reader.tables:
            yield Asked(LEGACY, name, written(legacy.statement(name), engine))
        whole = self.view.whole if isinstance(self.view, NarrowedView) else self.view
        if isinstance(whole, ProjectionView | OwnView):
            for name, statement in whole.pages():
                yield Asked(VIEW, name, written(statement, whole.engine))

    def _expect(self, rows: Rows | None) -> Expected:
        return expected_of(self.reader.translator, rows, self.view.shape)


def written(statement: Select[*tuple[Any, ...]], engine: Engine) -> str:
    """A statement as its database is given it, with its values in it."""
    text = str(statement.compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True}))
    text = text.replace("%%", "%") if engine.dialect.paramstyle in ("format", "pyformat") else text
    return " ".join(text.split())


def _counted(aggregates: Iterable[Aggregate], counted: Counter[str]) -> Iterator[Aggregate]:
    for aggregate in aggregates:
        for table, rows in aggregate.rows.items():
            counted[table] += len(rows)
        yield aggregate
