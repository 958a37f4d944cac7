"""A MariaDB or MySQL looked at before a connector reads it: its facts. What the user who looks may not see is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from connectors.legacy.preflight_findings import Wanted, queries

_QUERIES = queries("preflight_mariadb.sql")
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<on>\S+) TO ", re.DOTALL)
_ROLE = re.compile(r"GRANT (?P<role>`(?:[^`]|``)+`(?:@`[^`]*`)?|'[^']+'|\w+) TO ")
_DEFAULT_ROLE = re.compile(r"SET DEFAULT ROLE (?P<role>`(?:[^`]|``)+`|'[^']+'|\w+) FOR ")


class MyTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table: whether it has a primary key, and how many of its columns have the session's time zone or none."""

    name: str
    kind: str
    engine: str
    keyed: int
    timed: int


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Rights on a scope: `*.*`, `db.*`, `db.table`."""

    rights: frozenset[str]
    on: str

    def covers(self, table: str) -> bool:
        """Whether the scope has this table."""
        schema, _, name = self.on.partition(".")
        wanted_schema, _, wanted = table.partition(".")
        return schema in ("*", wanted_schema) and name in ("*", wanted)


class MariaDBFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen; None for what this user may not see. `account` is the connector's as grants name it, None where there is
    no such user; `logs` the files of the binary log, `replicas` the server ids of those who read it, `replicates` whether this
    server is a replica itself."""

    is_mariadb: bool
    variables: Mapping[str, str]
    me: str
    account: str | None
    grants: tuple[Grant, ...] | None
    logs: tuple[str, ...] | None
    replicas: tuple[int, ...] | None
    replicates: bool | None
    tables: Mapping[str, MyTable]


def mariadb_facts(connection: Connection, wanted: Wanted) -> MariaDBFacts:
    """Ask the server; nothing is written. A SQLAlchemy error where that fails."""
    is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
    variables = {name.lower(): value for name, value in connection.execute(text(_QUERIES["variables"]))}
    me = str(connection.execute(text(_QUERIES["me"])).scalar_one())
    account = _account(connection, me, wanted.user)
    names = [table.name for table in wanted.tables] + list(wanted.written)
    rows = connection.execute(
        text(_QUERIES["tables"]).bindparams(bindparam("names", expanding=True)), {"names": names or [""]}
    ).mappings()
    replicas = _rows(connection, "SHOW SLAVE HOSTS" if is_mariadb else "SHOW REPLICAS")
    upstream = _rows(connection, "SHOW ALL SLAVES STATUS" if is_mariadb else "SHOW REPLICA STATUS")
    logs = _rows(connection, "SHOW BINARY LOGS") if variables.get("log_bin") == "ON" else ()
    return MariaDBFacts(
        is_mariadb=is_mariadb,
        variables=variables,
        me=me,
        account=account,
        grants=None if account is None else _grants(connection, account, me),
        logs=None if logs is None else tuple(str(row[0]) for row in logs),
        replicas=None if replicas is None else tuple(int(row[0]) for row in replicas),
        replicates=None if upstream is None else bool(upstream),
        tables={str(row["name"]): msgspec.convert(dict(row), MyTable) for row in rows},
    )


def _rows(connection: Connection, statement: str) -> Sequence[Any] | None:
    """None where this user may not ask."""
    try:
        return connection.execute(text(statement.replace(":", "\\:"))).all()
    except SQLAlchemyError:
        return None


def _account(connection: Connection, me: str, user: str | None) -> str | None:
    """The connector's account; the one who looks if it has that name, `user@%` where nobody can tell."""
    if user is None or me.rpartition("@")[0] == user:
        return me
    try:
        hosts = connection.execute(text(_QUERIES["hosts"]), {"user": user}).scalars().all()
    except SQLAlchemyError:
        return f"{user}@%"
    return f"{user}@{hosts[0]}" if hosts else None


def named(account: str) -> str:
    """An account as statements name it."""
    user, _, host = account.rpartition("@")
    return "@".join("'" + part.replace("'", "''") + "'" for part in (user, host))


def _grants(connection: Connection, account: str, me: str) -> tuple[Grant, ...] | None:
    """With those of its roles: in MariaDB of the default one, since a connector's login takes no other."""
    asked = ["CURRENT_USER" if account == me else named(account)]
    found: list[Grant] = []
    for who in asked:
        rows = _rows(connection, f"SHOW GRANTS FOR {who}")
        if rows is None and who == asked[0]:
            return None
        is_mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        role_of = _DEFAULT_ROLE if is_mariadb and who == asked[0] else _ROLE
        for line in (str(row[0]) for row in rows or ()):
            found += grants_of(line)
            role = role_of.match(line)
            if role is not None and role["role"] not in asked:
                asked.append(role["role"])
    return tuple(found)


def grants_of(line: str) -> Iterator[Grant]:
    """What one line of `SHOW GRANTS` gives on a scope: nothing for one that gives a role."""
    found = _GRANT.match(line)
    if found is not None:
        rights = re.sub(r"\([^)]*\)", "", found["rights"]).replace("`", "")
        on = found["on"].replace("`", "").replace("\\_", "_").replace("\\%", "%")
        yield Grant(rights=frozenset(one.strip().upper() for one in rights.split(",")), on=on)
