"""A PostgreSQL looked at before a connector reads it: its facts, by statements that every user may execute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, text

from connectors.legacy.preflight_findings import Wanted, queries

_QUERIES = queries("preflight_postgres.sql")


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What a user may do; `clouds` are those of a managed database's roles that it has."""

    name: str
    login: bool
    replication: bool
    superuser: bool
    bypasses: bool
    creates: bool
    connects: bool
    clouds: tuple[str, ...] = ()

    @property
    def replicates(self) -> bool:
        """Whether it may read the log."""
        return self.replication or self.superuser or bool(self.clouds)


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication lets through."""

    all_tables: bool
    inserts: bool
    updates: bool
    deletes: bool
    truncates: bool
    via_root: bool


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A table in the publication: whether a column list or a filter hides data of it, and whether it has no identity."""

    name: str
    columns: bool
    filtered: bool
    keyless: bool


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A replication slot as its view tells it; the log that it keeps, and how much of it is not confirmed, in bytes."""

    slot_name: str
    plugin: str | None
    slot_type: str
    database: str | None
    active: bool
    active_pid: int | None = None
    wal_status: str | None = None
    conflicting: bool | None = None
    invalidation_reason: str | None = None
    confirmed_flush_lsn: str | None = None
    retained: int | None = None
    behind: int | None = None


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A table. `large` are columns whose unchanged values the log may leave out, `arrays` those of them that the connector
    cannot mark as left out; `indexed` are the columns of the identity's index."""

    name: str
    kind: str
    persistence: Literal["p", "u", "t"]
    identity: Literal["d", "n", "f", "i"]
    secured: bool
    owner: str
    selects: bool
    enters: bool
    writes: bool
    owned: bool
    key: tuple[str, ...]
    indexed: tuple[str, ...]
    large: tuple[str, ...]
    generated: tuple[str, ...]
    arrays: tuple[str, ...]


class OpenTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that has written and is not over; user and seconds only where the one who looks may know."""

    pid: int
    user: str | None
    seconds: float | None


class PostgresFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. `role` is None where the connector's user does not exist."""

    settings: Mapping[str, str]
    standby: bool
    me: str
    database: str
    slots: int
    senders: int
    others: int
    role: Role | None
    slot: Slot | None
    publication: Publication | None
    published: tuple[Published, ...]
    tables: Mapping[str, TableFacts]
    keyless: tuple[str, ...]
    open: tuple[OpenTransaction, ...]
    prepared: tuple[tuple[str, str], ...]
    probe: str | None = None
    """What the server answered to a replication connection; None where that was not tried, "" if it went well."""

    @property
    def version(self) -> int:
        """As `server_version_num`: 150018."""
        return int(self.settings["server_version_num"])


def postgres_facts(connection: Connection, wanted: Wanted, probe: str | None = None) -> PostgresFacts:
    """Ask the catalog; nothing is written. A SQLAlchemy error where that fails."""
    ask = _Asker(connection)
    server = next(ask("server"))
    user = wanted.user or server["me"]
    role = next(ask("role", user=user), None)
    clouds = () if role is None else tuple(one["rolname"] for one in ask("cloud_roles", user=user))
    names = [table.name for table in wanted.tables] + list(wanted.written)
    # Who does not exist may not be asked after: then it is told what the one who looks may do.
    tables = ask("tables", user=user if role is not None else server["me"], names=names)
    publication = next(ask("publication", publication=wanted.publication), None)
    return PostgresFacts(
        **server,
        settings={one["name"]: one["setting"] for one in ask("settings")},
        role=None if role is None else Role(name=user, **role, clouds=clouds),
        slot=slot_of(connection, wanted.slot),
        publication=None if publication is None else msgspec.convert(publication, Publication),
        published=tuple(msgspec.convert(one, Published) for one in ask("published", publication=wanted.publication)),
        tables={one["name"]: msgspec.convert(one, TableFacts) for one in tables},
        keyless=tuple(connection.execute(text(_QUERIES["keyless"])).scalars()),
        open=tuple(msgspec.convert(one, OpenTransaction) for one in ask("open")),
        prepared=tuple((one["gid"], one["database"]) for one in ask("prepared")),
        probe=probe,
    )


def slot_of(connection: Connection, name: str | None) -> Slot | None:
    """A slot; None if there is none of that name."""
    rows = _Asker(connection)("slot", slot=name)
    return next((msgspec.convert({**row["slot"], **row}, Slot) for row in rows), None)


class _Asker:
    """The named statements, answered as rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, name: str, **values: Any) -> Iterator[dict[str, Any]]:
        for row in self._connection.execute(text(_QUERIES[name]), values).mappings().all():
            yield {**row}
