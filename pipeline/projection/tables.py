"""The tables of a projection, as SQLAlchemy's Core sees them in any database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, String, Table, Text, inspect

from pipeline.projection.check import shape_at
from pipeline.projection.database import label, translated
from pipeline.projection.errors import ViewTableConflict
from pipeline.projection.spec import GONE, ProjectionSpec
from pipeline.projection.types import UTF8, Stored, bytes_type, column_type, key_type
from translators.contract import Shape

ORDINAL = "_ordinal"
NAME_LENGTH = 255
VERSION_LENGTH = 40
POSITION_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one projection.

    `header`: the key columns (primary key), the columns, and what each row is known by: `_key` (the business key's
    text), `_version`, `_commit_time`, `_applied_time`, `_source_position`, `_event_id`, `_row_hash`. `children` by list
    path: the key columns, `_ordinal` from 0, the columns. `gone`: the version of each deleted key.
    """

    spec: ProjectionSpec
    metadata: MetaData
    header: Table
    children: Mapping[str, Table]
    gone: Table
    checkpoint: Table
    parked: Table

    @classmethod
    def of(cls, spec: ProjectionSpec, shape: Mapping[str, Shape]) -> Tables:
        """The tables that a projection, checked against the state's shape, declares."""
        metadata = MetaData()
        header = Table(
            spec.table,
            metadata,
            *_key_columns(spec, shape),
            *(Column(name, column_type(shape_at(shape, path))) for name, path in spec.columns.items()),
            *_known_by(),
            **UTF8,
        )
        children = {}
        for path, child in spec.children.items():
            fields = shape_at(shape, path).fields
            children[path] = Table(
                child.table,
                metadata,
                *_key_columns(spec, shape),
                Column(ORDINAL, Integer, primary_key=True, autoincrement=False),
                *(Column(name, column_type(shape_at(fields, inner))) for name, inner in child.columns.items()),
                **UTF8,
            )
        gone = Table(
            spec.table + GONE,
            metadata,
            Column("_key", key_type(), primary_key=True),
            Column("_version", String(VERSION_LENGTH), nullable=False),
            **UTF8,
        )
        checkpoint = checkpoint_table(metadata, "_dragoman_checkpoint", "projection")
        return cls(spec, metadata, header, children, gone, checkpoint, _parked(metadata))


def checkpoint_table(metadata: MetaData, name: str, reader: str) -> Table:
    """The next offset to read, by reader, topic and partition."""
    return Table(
        name,
        metadata,
        Column(reader, String(NAME_LENGTH), primary_key=True),
        Column("topic", String(NAME_LENGTH), primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, nullable=False),
        **UTF8,
    )


def make_tables(engine: Engine, tables: Iterable[Table]) -> None:
    """Make the tables that are missing. `view.table-conflict` if one exists with other columns or another primary key."""
    wanted = list(tables)
    with translated(engine), engine.connect() as connection:
        inspector = inspect(connection)
        for table in wanted:
            if inspector.has_table(table.name):
                found = {column["name"] for column in inspector.get_columns(table.name)}
                key = set(inspector.get_pk_constraint(table.name)["constrained_columns"])
                difference = _difference(table, found, key)
                if difference:
                    raise ViewTableConflict(table=table.name, database=label(engine), difference=difference)
    with translated(engine), engine.begin() as connection:
        for table in wanted:
            table.create(connection, checkfirst=True)
    if engine.dialect.name == "sqlite":
        # Readers and the writer do not wait for each other, and a commit costs one sync instead of three.
        with translated(engine), engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _difference(table: Table, found: set[str], key: set[str]) -> str:
    wanted = {column.name for column in table.columns}
    wanted_key = {column.name for column in table.primary_key}
    said = []
    if wanted - found:
        said.append(f"it lacks {', '.join(sorted(wanted - found))}")
    if found - wanted:
        said.append(f"it has {', '.join(sorted(found - wanted))}")
    if not said and key != wanted_key:
        said.append(f"its primary key is {', '.join(sorted(key)) or 'none'}, not {', '.join(sorted(wanted_key))}")
    return " and ".join(said)


def _key_columns(spec: ProjectionSpec, shape: Mapping[str, Shape]) -> list[Column[object]]:
    return [
        Column(name, column_type(shape_at(shape, path), key=True), primary_key=True, autoincrement=False)
        for name, path in spec.key.items()
    ]


def _known_by() -> tuple[Column[object], ...]:
    return (
        Column("_key", key_type(), nullable=False, unique=True),
        Column("_version", String(VERSION_LENGTH), nullable=False),
        Column("_commit_time", Stored("timestamptz")),
        Column("_applied_time", Stored("timestamptz"), nullable=False),
        Column("_source_position", String(POSITION_LENGTH)),
        Column("_event_id", String(NAME_LENGTH), nullable=False),
        Column("_row_hash", String(32), nullable=False),
    )


def _parked(metadata: MetaData) -> Table:
    return Table(
        "_dragoman_parked",
        metadata,
        Column("projection", String(NAME_LENGTH), primary_key=True),
        Column("topic", String(NAME_LENGTH), primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        Column("key", key_type(), nullable=False, index=True),
        Column("version", String(VERSION_LENGTH)),
        Column("code", String(NAME_LENGTH), nullable=False),
        Column("message", Text, nullable=False),
        Column("value", bytes_type()),
        Column("first_seen", Stored("timestamptz"), nullable=False),
        **UTF8,
    )
