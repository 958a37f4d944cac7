"""The legacy database of a source on Kafka looked at before, and while, its connector reads it; nothing is written there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from connectors.legacy.preflight_findings import Finding, Wanted, WantedTable, wanted_of
from dragoman.ailments import Ailment
from dragoman.kafka_source import Kafka
from dragoman.project import Project
from dragoman.settings import masked
from translators.errors import DragomanError

if TYPE_CHECKING:
    from sqlalchemy import Connection

WHAT = "legacy database"


class LegacyUnreachable(DragomanError):
    """The legacy database cannot be looked at: {reason}"""

    code: ClassVar[str] = "legacy.unreachable"
    hint: ClassVar[str] = (
        "Correct the variable that `database:` of the source names, or let its user in; it needs no right but to log in. "
        "PostgreSQL wants the package psycopg (postgresql+psycopg://), MariaDB pymysql (mysql+pymysql://)."
    )


def legacy_ailments(project: Project, running: bool | None) -> Iterator[Ailment]:
    """What stands in the connector's way; nothing for a source without one. `running` is whether the connector runs now."""
    origin, spec = project.source.origin, project.source.capture
    if not isinstance(origin, Kafka):
        return
    if origin.database is None:
        if spec is not None:
            message = f"nobody looked whether it can be captured: {project.source.file} names no `database:`"
            yield Ailment(what=WHAT, severity="info", code="legacy.not-looked-at", message=message, fix=_NAME_IT)
        return
    try:
        found = look(origin.database.reveal(), wanted(project, running))
    except DragomanError as error:
        yield Ailment(what=WHAT, severity="error", code=error.code, message=error.message, fix=error.advice)
        return
    if all(one.severity == "info" for one in found):
        yield Ailment(what=WHAT, severity="ok", message="nothing stands in the way of its connector")
    yield from map(_ailment, found)


_NAME_IT = "Say `database: ${LEGACY_URL}` there, and set the variable: any user that can log in will do."


def wanted(project: Project, running: bool | None) -> Wanted:
    """What the connector of a project wants: as it is declared, else the tables of the feeds for whoever asks."""
    spec, schema = project.source.capture, project.schema
    if spec is not None:
        return wanted_of(spec, schema, running)
    tables = [(table, feed) for feed in project.source.feeds for table in feed.tables]
    return Wanted(
        tables=tuple(
            WantedTable(
                name=table if "." in table else f"{schema.namespace}.{table}",
                key=schema.tables[table].key if table in schema.tables else (),
                routing=() if feed.partitions == 1 else feed.tables[table],
                identity=schema.tables[table].replica_identity if table in schema.tables else "full",
            )
            for table, feed in tables
        ),
        namespace=schema.namespace,
        captured=False,
        running=running,
    )


def look(url: str, what: Wanted) -> tuple[Finding, ...]:
    """What was found in the database at a URL; `LegacyUnreachable`."""
    from connectors.legacy.preflight import preflight
    from dragoman.replication_probe import replication_probe

    with asked(url) as connection:
        own = connection.engine.url.username == what.user
        return preflight(connection, what, replication_probe(url) if own else None)


@contextmanager
def asked(url: str) -> Iterator[Connection]:
    """A connection to the legacy database while the block runs; `LegacyUnreachable` for whatever it answers wrong."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except (SQLAlchemyError, ArgumentError, NoSuchModuleError, ImportError) as error:
        raise LegacyUnreachable(reason=masked(str(error).splitlines()[0])) from error


def _ailment(one: Finding) -> Ailment:
    unproven = "" if one.proven else " (This rule was never tried on a MySQL.)"
    return Ailment(
        what=WHAT, severity=one.severity, code=one.code, message=one.message + unproven, fix=one.advice, sql=one.fix
    )
