"""Which plan a check takes: the first of the fast ones that nothing speaks against, else row by row."""

from __future__ import annotations

from importlib.util import find_spec

import msgspec
from sqlalchemy import Engine

from reconcile.copy_plans import MappedPlan, StreamPlan
from reconcile.direct_lines import renamed_columns
from reconcile.duckdb_lines import fields_of, lines_query
from reconcile.legacy_lines import keys_are_numbers, lowest_key, needed_tables
from reconcile.line_reads import reads_lines
from reconcile.moments import tells_moments
from reconcile.mysql_rows import sends_texts
from reconcile.native_text import KeyOrder, LineShape
from reconcile.plans import Plan, RowPlan
from reconcile.row_lines import Saw
from reconcile.sources import LegacyReader, LegacySnapshot
from reconcile.sum_plan import SumPlan, against_sums
from reconcile.view import NarrowedView, ProjectionView, ViewSide
from reconcile.view_lines import altered_column
from translators.compiled import CompiledTranslator
from translators.duckdb_state import business_key
from translators.expression.dialect import NotInSql, quote
from translators.expression.duckdb import DuckDB
from translators.schema import Type

_PLAIN_TYPES = (
    "smallint", "integer", "int", "bigint", "int2", "int4", "int8", "smallserial", "serial", "bigserial",
    "varchar", "character varying", "text", "char", "character", "bpchar", "uuid",
    "decimal", "numeric", "real", "double precision", "float4", "float8", "boolean", "bool", "date", "timestamp",
)  # fmt: skip
"""Beginnings of the types whose text in a COPY is what the feed's decoder gives; of others, drivers have forms of their own."""

_PLAIN_MYSQL = (
    "tinyint", "smallint", "mediumint", "int", "integer", "bigint", "decimal", "real", "double precision", "double",
    "tinyint unsigned", "smallint unsigned", "mediumint unsigned", "int unsigned", "integer unsigned",
    "varchar", "char", "text", "tinytext", "mediumtext", "longtext", "enum", "set",
    "boolean", "bool", "bit", "date", "timestamp", "timestamptz",
)  # fmt: skip
"""Those of which MariaDB sends such a text, in the words of `schema.yaml`."""


def plan_of(legacy: LegacySnapshot, view: ViewSide, saw: Saw | None = None, *, sums: bool = False) -> Plan:
    """The fastest way to compare these sides; they are asked for types and for the lowest key, and for no rows.

    Who is to be told of each key what both sides have (`saw`) needs its values. `sums` come first if the check wants them.
    """
    plan = _plan_of(legacy, view, saw)
    if not sums:
        return plan
    if not isinstance(plan, StreamPlan):
        return msgspec.structs.replace(plan, faster=f"{_STREAMED} {plan.faster}".strip())
    against = against_sums(legacy, plan.view)
    if against:
        return msgspec.structs.replace(plan, faster=against)
    return SumPlan(plan.view, plan.compared, plan.shape, plan.order)


def _plan_of(legacy: LegacySnapshot, view: ViewSide, saw: Saw | None) -> StreamPlan | MappedPlan | RowPlan:
    reader, translator = legacy.reader, legacy.reader.translator
    whole = view.whole if isinstance(view, NarrowedView) else view
    if saw is not None:
        return RowPlan(reader, view, _SLICED, saw)
    if not isinstance(whole, ProjectionView):
        return RowPlan(reader, view, "The other side has to be the tables of a projection, in PostgreSQL or MariaDB.")
    if not isinstance(translator, CompiledTranslator):
        return RowPlan(reader, view, "The translator has to be a mapping; it is a Python class.")
    shape = LineShape.of(view.shape, whole.contract)
    against = _against(reader, translator, whole, shape)
    if against:
        return RowPlan(reader, view, against)
    order = order_of(legacy)
    if renamed_columns(translator.bound) is not None:
        return StreamPlan(whole, view.shape, shape, order)
    against = _against_duckdb(translator, shape, order)
    if against:
        return RowPlan(reader, view, against)
    return MappedPlan(whole, view.shape, shape, order, "" if order.by_length else _SORTED)


_STREAMED = "Sums are of columns that the mapping only names, on both sides in PostgreSQL."

_SLICED = "The check has to do without `slices`, which need the values of every key."


_SORTED = (
    "Keys that are single whole numbers, from zero on, would be read in the order of an index; "
    "these the legacy sorts as texts."
)


def _against(reader: LegacyReader, translator: CompiledTranslator, view: ProjectionView, shape: LineShape) -> str:
    """What keeps PostgreSQL from writing both sides; empty if nothing does."""
    for side, engine in (("legacy", reader.engine), ("view", view.engine)):
        if not reads_lines(engine):
            found = f"it is in {engine.dialect.name} by {engine.dialect.driver}"
            return f"The {side} has to be in PostgreSQL by psycopg, or in MariaDB by mysqlclient or PyMySQL; {found}."
    if sends_texts(view.engine) and not tells_moments(view.engine):
        return "The view's server has to say where a snapshot stands in its binary log: MariaDB does, with the log on."
    if translator.bound.mapping.python is not None:
        return "The mapping has to be SQL; it is a Python class."
    for path, of in shape.all():
        if of.kind == "float":
            return f"No field of the view may be a floating-point number: {path} is one, which has many texts."
    for table in needed_tables(reader, translator).values():
        if not table.key:
            return f"Every table has to have a primary key; {table.name} has none."
        for column, kind in table.columns.items():
            if not _is_plain(table.native[column].lower(), kind, reader.engine):
                return f"The column {table.name}.{column} has to be of a plainer type than {table.native[column]}."
    with view.connected() as connection:
        altered = altered_column(view, shape, connection)
    return "" if altered is None else f"{altered} has to have the type that the projection gives it."


def _against_duckdb(translator: CompiledTranslator, shape: LineShape, order: KeyOrder) -> str:
    """What keeps DuckDB from mapping; empty if nothing does."""
    bound = translator.bound
    relations = {name: quote(name) for name in (bound.mapping.root, *bound.mapping.parts)}
    if find_spec("duckdb") is None:
        return "The package duckdb has to be there: pip install 'dragoman[reconcile]'."
    try:
        for name in relations:
            business_key(bound, name)
        lines_query(bound, relations, shape, order)
    except NotInSql as error:
        return f"DuckDB would have to be able to say all of the mapping: {error} is beyond it."
    strange = {field.path for field in fields_of(bound.fields) if field.bound.type.kind not in DuckDB.kinds}
    return f"DuckDB has to know the type of each field; not of {min(strange)}." if strange else ""


def order_of(legacy: LegacySnapshot) -> KeyOrder:
    """By size where the keys are numbers, none of them below zero; else by the texts' code points."""
    if not keys_are_numbers(legacy.reader):
        return KeyOrder(by_length=False)
    lowest = legacy.connection.execute(lowest_key(legacy.reader)).scalar_one()
    return KeyOrder(by_length=lowest is None or lowest >= 0)


def _is_plain(native: str, kind: Type, engine: Engine) -> bool:
    if sends_texts(engine):
        return native.partition("(")[0].strip() in _PLAIN_MYSQL and kind.kind != "opaque"
    return native.startswith(_PLAIN_TYPES) and not native.endswith("]")
