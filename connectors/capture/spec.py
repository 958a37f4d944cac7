"""What to capture, and what comes out of it, as values."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from connectors.capture.errors import FeedsUnusable, MarkerUnusable
from connectors.feeds import NOTIFICATION, TRANSACTION, Feed
from translators.schema import LegacySchema, Table


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """One record to append: where, and its bytes. `timestamp` is milliseconds since the epoch."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    timestamp: int
    headers: tuple[tuple[str, bytes | None], ...] = ()


class CaptureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The feeds of one legacy database. `marker` is the table whose row opens each transaction.

    Without a marker each row is a transaction of its own, so that no mapping with parts can be served.
    Refuses what cannot be captured: `FeedsUnusable`, `MarkerUnusable`.
    """

    schema: LegacySchema
    feeds: tuple[Feed, ...]
    marker: str | None = None

    def __post_init__(self) -> None:
        self._check_encoding()
        seen: set[str] = set()
        for feed in self.feeds:
            for table, columns in feed.tables.items():
                if table in seen:
                    self._refuse(f"table {table} is in more than one feed")
                seen.add(table)
                self._check_table(table, columns)
            if feed.partitions < 1:
                self._refuse(f"feed {feed.name} has no partition")
            if feed.name in (TRANSACTION, NOTIFICATION):
                self._refuse(f"no feed can be called {feed.name}")
        if self.marker is not None:
            self.marker_columns()
            if self.marker in seen:
                self._refuse(f"the marker table {self.marker} cannot be in a feed")

    @property
    def source(self) -> str:
        """The prefix of all topics."""
        return self.schema.source

    @property
    def tables(self) -> tuple[Table, ...]:
        """The captured tables, in the order of the feeds."""
        return tuple(self.schema.tables[name] for feed in self.feeds for name in feed.tables)

    @property
    def marker_table(self) -> Table | None:
        """The marker table, if there is one."""
        return None if self.marker is None else self.schema.tables[self.marker]

    def topics(self) -> Iterator[tuple[str, int]]:
        """All topics with their partitions: the feeds, the transaction topic, the notification topic."""
        for feed in self.feeds:
            yield f"{self.source}.{feed.name}", feed.partitions
        yield f"{self.source}.{TRANSACTION}", 1
        yield f"{self.source}.{NOTIFICATION}", 1

    def marker_columns(self) -> tuple[str, str]:
        """The marker table's columns that hold the transaction's id and its commit time."""
        table = self.schema.tables.get(self.marker or "")
        if table is None:
            raise MarkerUnusable(marker=self.marker, reason="schema.yaml has no such table")
        return marker_columns(table)

    def _check_encoding(self) -> None:
        """One way of writing values: the one that loses nothing of what SQLite holds."""
        encoding = self.schema.encoding
        if (encoding.decimal, encoding.time, encoding.binary) != ("string", "adaptive", "bytes"):
            self._refuse("the encoding has to be decimal string, time adaptive, binary bytes")

    def _check_table(self, name: str, routing: tuple[str, ...]) -> None:
        table = self.schema.tables.get(name)
        if table is None:
            self._refuse(f"schema.yaml has no table {name}")
        elif not table.key:
            self._refuse(f"table {name} has no key")
        elif not routing:
            self._refuse(f"no column routes table {name}")
        else:
            for column in routing:
                if column not in table.columns:
                    self._refuse(f"table {name} has no column {column} to route by")

    def _refuse(self, reason: str) -> None:
        raise FeedsUnusable(source=self.schema.source, reason=reason)


def marker_columns(table: Table) -> tuple[str, str]:
    """The columns of a marker table that hold the id and the time; `MarkerUnusable` if they cannot be told."""
    times = [name for name, type_ in table.columns.items() if type_.kind == "timestamptz"]
    if len(table.key) != 1 or table.columns[table.key[0]].kind != "integer":
        raise MarkerUnusable(marker=table.name, reason="its key is not one integer column")
    if len(times) != 1:
        raise MarkerUnusable(marker=table.name, reason=f"it has {len(times)} timestamptz columns")
    return table.key[0], times[0]
