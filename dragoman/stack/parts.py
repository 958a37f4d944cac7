"""The parts of a stack as this machine can run them; a coded error where it cannot."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.stack.artifacts import Jars
from dragoman.stack.binaries import need_java, need_mariadb, need_postgres
from dragoman.stack.connect import Connect
from dragoman.stack.kafka import Kafka, Secured
from dragoman.stack.mariadb import MariaDB
from dragoman.stack.postgres import Postgres


def kafka(jars: Jars, secured: Secured | None = None) -> Kafka:
    """A broker, with a second listener that asks who is there if one is given. `JavaMissing`."""
    return Kafka(java=need_java(), libs=str(jars.libs), secured=secured)


def connect(
    jars: Jars, bootstrap: str, *, exactly_once: bool, group: str = "connect", settings: Mapping[str, str] | None = None
) -> Connect:
    """A worker of Kafka Connect on the broker at `bootstrap`; those of one group are one cluster. `JavaMissing`.

    `settings` are of the worker, beside ours.
    """
    return Connect(
        java=need_java(),
        libs=str(jars.libs),
        plugins=str(jars.plugins),
        bootstrap=bootstrap,
        exactly_once=exactly_once,
        group=group,
        settings=settings or {},
    )


def postgres() -> Postgres:
    """A PostgreSQL. `ServerMissing`."""
    return Postgres(binaries=str(need_postgres()))


def mariadb() -> MariaDB:
    """A MariaDB. `ServerMissing`."""
    server, install = need_mariadb()
    return MariaDB(server=server, install=install)
