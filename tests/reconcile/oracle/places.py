"""Where the two sides of a scene are: databases of their own in the servers that all tests share."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import msgspec
from sqlalchemy import Engine

from dragoman.stack.server import Server
from tests.connectors.connect.world import PASSWORD
from tests.killed.legacy import MariaDBLegacy, PostgresLegacy
from tests.model.product import SCHEMA
from tests.reconcile.oracle.followed import Followed, InMariaDB, InPostgres
from tests.reconcile.oracle.legacies import PARTITIONS
from tests.reconcile.oracle.scene import Opening
from tests.reconcile.world import Clock
from tests.servers.databases import Kind, database, engine_of, url
from translators.schema_text import read_schema


class Place(msgspec.Struct, frozen=True):
    """One database of a server for a legacy, and one for a view."""

    kind: Kind
    server: Server

    @contextmanager
    def legacy(self, name: str) -> Iterator[Opening]:
        """A database with the model's tables, for as long as it is wanted; its reader may only read."""
        if self.kind == "mariadb":
            made: MariaDBLegacy | PostgresLegacy = MariaDBLegacy(self.server, name, "", "nowhere:1", 1)
            followed: InMariaDB | InPostgres = InMariaDB(PARTITIONS, name)
            reader = f"mariadb+pymysql://{name}:{PASSWORD}@{self.server.at}/{name}"
        else:
            made, followed = PostgresLegacy(self.server, name, 1), InPostgres(PARTITIONS)
            reader = url(self.kind, self.server, name)
        identity = "default" if self.kind == "postgres" else "full"
        text = SCHEMA.format(connector=made.connector, namespace=made.namespace, identity=identity)

        def opened(clock: Clock, dice: random.Random) -> Followed:
            engines = engine_of(url(self.kind, self.server, name)), engine_of(reader)
            return Followed(engines, followed, read_schema(text, "schema.yaml"), clock, dice)

        try:
            yield opened
        finally:
            made.close()

    def views(self, name: str) -> AbstractContextManager[Engine]:
        """An empty database for a view."""
        return database(self.kind, self.server, name)
