"""A live legacy database looked at before a connector reads it: what stands in the way, each with the statement that mends it.

Everything is asked of the catalog, by statements that any user may execute; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from connectors.legacy.preflight_findings import Finding, Wanted
from connectors.legacy.preflight_mariadb import mariadb_facts
from connectors.legacy.preflight_mariadb_rules import of_mariadb
from connectors.legacy.preflight_postgres import PostgresFacts, postgres_facts
from connectors.legacy.preflight_postgres_server import of_heartbeat, of_publication, of_role, of_server, of_slot
from connectors.legacy.preflight_postgres_tables import of_tables
from translators.errors import DragomanError


class PreflightUnsupported(DragomanError):
    """A database of the kind {dialect} cannot be looked at before it is captured."""

    code = "legacy.preflight-unsupported"
    hint = "PostgreSQL, MariaDB and MySQL are looked at: correct `database:` of the source, or take it out."


def preflight(connection: Connection, wanted: Wanted, probe: str | None = None) -> tuple[Finding, ...]:
    """All that was found, errors first, and what has to be made before what needs it.

    `probe` is what a replication connection was answered, None if none was tried.
    A SQLAlchemy error where the database cannot be asked.
    """
    kind = connection.dialect.name
    if kind == "postgresql":
        found = of_postgres(postgres_facts(connection, wanted, probe), wanted)
    elif kind in ("mysql", "mariadb"):
        found = of_mariadb(mariadb_facts(connection, wanted), wanted)
    else:
        raise PreflightUnsupported(dialect=kind)
    order = ("error", "warning", "info")
    return tuple(sorted(found, key=lambda one: order.index(one.severity)))


def of_postgres(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """All rules over what was seen of a PostgreSQL."""
    for rule in (of_server, of_role, of_slot, of_tables, of_publication, of_heartbeat):
        yield from rule(facts, wanted)
