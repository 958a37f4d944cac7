"""A legacy and a view of it in PostgreSQL or MariaDB, compared by the plan of a check and, beside it, value by value."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, create_engine, insert

from dragoman.stack.server import Server
from pipeline.projection.content import Projector, row_hash
from pipeline.projection.spec import ProjectionSpec, read_projection
from pipeline.projection.tables import ORDINAL, make_tables
from reconcile.choice import plan_of
from reconcile.compare import Counts, candidates, compare, expected_of
from reconcile.moments import mariadb_moment, postgres_moment
from reconcile.plans import Plan
from reconcile.position import Moment, Touched
from reconcile.sources import Layout, LegacyReader
from reconcile.streams import WHOLE, KeyRange
from reconcile.view import ProjectionView
from tests.capabilities import require
from tests.translators import test_duckdb_state as policies
from translators.aggregate import Rows
from translators.compiled import CompiledTranslator
from translators.schema import LegacySchema
from translators.translator import Refused


class At:
    """A position that nobody asks about."""

    @contextmanager
    def moment(self, engine: Engine, streams: int) -> Iterator[Moment]:
        opened = postgres_moment if engine.dialect.name == "postgresql" else mariadb_moment
        with opened(engine, streams) as moment:
            yield moment

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        return None


class Place:
    """A legacy in `engine`, and a view of it there or in `shown_in`; columns in `native` have these types."""

    def __init__(
        self,
        engine: Engine,
        translator: CompiledTranslator,
        view: str,
        native: Mapping[str, str],
        shown_in: Engine | None = None,
    ) -> None:
        bound = translator.bound
        self.engine, self.translator = engine, translator
        self.schema: LegacySchema = bound.schema
        self.spec: ProjectionSpec = read_projection(view, "consumers/view.yaml")
        self.shown_in = shown_in or engine
        self.view = ProjectionView(self.shown_in, self.spec, bound.shape, "topic")
        self.reader = LegacyReader(engine, bound.schema, translator, Layout.of(bound), At())
        for name, declared in bound.schema.tables.items():
            quote = engine.dialect.identifier_preparer.quote_identifier
            columns = ", ".join(f"{quote(c)} {native.get(c, of)}" for c, of in declared.native.items())
            self.sql(f"CREATE TABLE {name} ({columns})")
        make_tables(self.shown_in, [self.view.tables.header, *self.view.tables.children.values()])

    def sql(self, statement: str, *values: object) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement, values)

    def edit(self, statement: str, *values: object) -> None:
        """In the view's database."""
        with self.shown_in.begin() as connection:
            connection.exec_driver_sql(statement, values)

    def empty(self) -> None:
        view = self.view.tables
        for name in self.schema.tables:
            self.sql(f"DELETE FROM {name}")
        for name in (view.header.name, *(child.name for child in view.children.values())):
            self.edit(f"DELETE FROM {name}")

    def fill(self, aggregates: Mapping[str, Rows]) -> None:
        """The legacy's rows, as the source sends them."""
        with self.engine.begin() as connection:
            for name, table in self.schema.tables.items():
                found = [
                    policies.raw(row, table.columns) for rows in aggregates.values() for row in rows[name].values()
                ]
                marks = ", ".join(["%s"] * len(table.columns))
                if found:
                    connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({marks})", [tuple(row) for row in found])

    def show(self) -> list[str]:
        """The view as the projection would have built it; the keys that it has."""
        projector, tables, shown = Projector(self.spec, self.translator.bound.shape), self.view.tables, []
        with self.reader.snapshot() as snapshot:
            found = list(snapshot.read())
        with self.shown_in.begin() as connection:
            for aggregate in found:
                try:
                    state = self.translator.state(aggregate.rows)
                except Refused:
                    continue
                if state is None:
                    continue
                content = projector.content(as_json(state))
                known = {"_key": aggregate.key, "_version": "1", "_event_id": "e", "_applied_time": datetime.now(UTC)}
                known["_row_hash"] = row_hash(content.header, content.children)
                connection.execute(insert(tables.header), [{**content.header, **known}])
                key = {name: content.header[name] for name in self.spec.key}
                for path, elements in content.children.items():
                    for number, element in enumerate(elements):
                        connection.execute(insert(tables.children[path]), [{**key, ORDINAL: number, **element}])
                shown.append(aggregate.key)
        return shown

    def by_plan(
        self, keys: Sequence[KeyRange] = (WHOLE,), *, sums: bool = False
    ) -> tuple[str, list[str], Counts, Counter[str]]:
        """What the check's own plan finds."""
        counts, rows, found = Counts(), Counter(dict.fromkeys(self.reader.tables, 0)), []
        with self.reader.snapshot() as snapshot:
            plan: Plan = plan_of(snapshot, self.view, sums=sums)
            for one in keys:
                with plan.opened(snapshot, one, rows) as sides:
                    found += list(candidates(sides, one, counts, size=7))
        return plan.name, sorted(found), counts, rows

    def one_by_one(self) -> tuple[list[str], Counts, Counter[str]]:
        """What values say: nothing here knows of lines."""
        counts, rows, found = Counts(), Counter(dict.fromkeys(self.reader.tables, 0)), []
        with self.reader.snapshot() as snapshot, self.view.rows() as shown:
            legacy = {aggregate.key: aggregate.rows for aggregate in snapshot.read()}
            view = {row.key: row for row in shown}
        for key in sorted({*legacy, *view}):
            expected = expected_of(self.translator, legacy.get(key), self.view.shape)
            exists = expected.content is not None or expected.problem is not None
            rows.update({name: len(of) for name, of in legacy.get(key, {}).items()})
            if exists or key in view:
                counts.source += exists
                counts.view += key in view
                counts.compared += 1
                if compare(key, expected, view.get(key), self.view.shape) is None:
                    counts.agree += 1
                else:
                    found.append(key)
        return found, counts, rows


def explain_all(place: Place, *, sums: bool = False) -> list[str]:
    """The tables that a plan's statements are for; each is one that the database takes."""
    with place.reader.snapshot() as snapshot:
        asked = list(plan_of(snapshot, place.view, sums=sums).asked(snapshot))
    for one in asked:
        if one.side != "here":
            inner = one.sql.removeprefix("COPY (").partition(") TO STDOUT")[0]
            ask = place.edit if one.side == "view" else place.sql
            ask(f"EXPLAIN {inner}".replace("%", "%%"))
    return [one.table for one in asked]


def as_json(value: Any) -> Any:
    """A state as its record says it."""
    match value:
        case dict():
            return {name: as_json(one) for name, one in value.items()}
        case list() | tuple():
            return [as_json(one) for one in value]
        case Decimal():
            return format(value, "f")
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


class Databases:
    """A database of its own for each place."""

    def __init__(self, server: Server, connection: Any) -> None:
        self._server, self._connection = server, connection
        self._engines: list[Engine] = []

    def make(self) -> Engine:
        name = f"plans_{uuid.uuid4().hex[:10]}"
        self._connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        url = f"postgresql+psycopg://dragoman@{self._server.at}/{name}"
        return self._made(url, {"options": "-c timezone=Asia/Tokyo"})

    def _made(self, url: str, settings: Mapping[str, str]) -> Engine:
        self._engines.append(create_engine(url, connect_args=dict(settings)))
        return self._engines[-1]

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()


class MariaDatabases(Databases):
    """The same in MariaDB, by one of its drivers."""

    def make(self, driver: str = "mysqldb") -> Engine:
        if driver == "mysqldb":
            require("mysqlclient, or what it is built with")
        name = f"plans_{uuid.uuid4().hex[:10]}"
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        url = f"mariadb+{driver}://root@{self._server.at}/{name}?charset=utf8mb4"
        return self._made(url, {"init_command": "SET time_zone = '+05:30'"})
