"""From rows and changes to the records of the feeds: routing, keys, headers, transaction markers. Pure."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from connectors.capture.errors import MarkerMissing, MarkerUnusable, RowUnreadable
from connectors.capture.spec import Captured, CaptureSpec
from connectors.capture.wire import (
    Source,
    Stored,
    boundary,
    canonical,
    envelope,
    image,
    microseconds,
    notification,
    wire_row,
)
from connectors.feeds import NOTIFICATION, TRANSACTION
from translators.schema import Table

Row = dict[str, Stored]
Headers = tuple[tuple[str, bytes | None], ...]
_Op = Literal["c", "u", "d"]


class Change(msgspec.Struct, frozen=True):
    """One row of the change table. `before` and `after` are images, as bytes."""

    position: int
    table: str
    op: _Op
    before: bytes | None
    after: bytes | None
    txid: int | None
    at: str


class _Route(msgspec.Struct, frozen=True):
    """Where a table's rows go."""

    table: Table
    topic: str
    columns: tuple[str, ...]
    partitions: int


class _Told(msgspec.Struct, frozen=True):
    """One row as a record tells it; a changed key makes two of one change."""

    op: _Op
    before: Row | None
    after: Row | None
    headers: Headers = ()

    @property
    def row(self) -> Row:
        """The row that routes and names the record."""
        return (self.before if self.after is None else self.after) or {}


class Teller:
    """Makes the records of one captured database. `database` is its path: its stem is `source.db`."""

    def __init__(self, spec: CaptureSpec, database: str, name: str) -> None:
        self._spec = spec
        self._database = database
        self._name = name
        self._routes = {
            table: _Route(spec.schema.tables[table], f"{spec.source}.{feed.name}", columns, feed.partitions)
            for feed in spec.feeds
            for table, columns in feed.tables.items()
        }

    def snapshot_row(self, table: Table, row: Row, mark: str, position: int, now: datetime) -> Captured:
        """A row that the snapshot pinned at `position` read; `mark` is Debezium's `source.snapshot`."""
        micros = microseconds(now)
        source = self._source(table.name, None, position, None, micros, mark)
        value = envelope(op="r", before=None, after=wire_row(table, row), source=source, orders=None, now=micros)
        return self._record(table.name, row, position, value, micros)

    def snapshot_completed(self, position: int, now: datetime) -> Captured:
        """The notification that follows the last row of a snapshot."""
        millis = microseconds(now) // 1000
        id_ = uuid.uuid5(uuid.NAMESPACE_URL, f"dragoman:snapshot:{self._spec.source}:{position}")
        data = {"connector_name": self._spec.source}
        return self._notification(str(id_), "Initial Snapshot", "COMPLETED", data, millis)

    def reread_completed(self, run: str, rows: Mapping[str, int], now: datetime) -> list[Captured]:
        """The notifications that follow the rows of an incremental snapshot: one for each table, then that it is complete."""
        millis = microseconds(now) // 1000
        told = []
        for table, number in rows.items():
            data = {
                "connector_name": self._spec.source,
                "scanned_collection": f"{self._spec.schema.namespace}.{table}",
                "total_rows_scanned": str(number),
                "status": "SUCCEEDED" if number else "EMPTY",
            }
            told.append(self._notification(run, "Incremental Snapshot", "TABLE_SCAN_COMPLETED", data, millis))
        done = {"connector_name": self._spec.source}
        return [*told, self._notification(run, "Incremental Snapshot", "COMPLETED", done, millis)]

    def _notification(
        self,
        id_: str,
        kind: Literal["Initial Snapshot", "Incremental Snapshot"],
        type_: str,
        data: Mapping[str, str],
        millis: int,
    ) -> Captured:
        key, value = notification(id_, kind, type_, data, millis)
        topic = f"{self._spec.source}.{NOTIFICATION}"
        return Captured(topic=topic, partition=0, key=key, value=value, timestamp=millis)

    def transaction_of(self, change: Change) -> int:
        """The id of the change's transaction: the marker's, or its own position if there is no marker table."""
        if self._spec.marker is None:
            return change.position
        if change.txid is None:
            raise MarkerMissing(
                database=self._database, position=change.position, table=change.table, marker=self._spec.marker
            )
        return change.txid

    def transaction(self, changes: Sequence[Change], now: datetime) -> tuple[list[Captured], list[Captured]]:
        """The rows and the markers of one whole transaction; none if it touched no captured table.

        Positions have no gaps, so the commit before the transaction is right below its first change.
        """
        changes = [c for c in changes if c.table in self._routes]
        if not changes:
            return [], []
        first, last = changes[0], changes[-1]
        txid, committed = self.transaction_of(first), self._committed(first)
        rows: list[Captured] = []
        counts: dict[str, int] = {}
        for change in changes:
            source = self._source(change.table, txid, change.position, first.position - 1, committed)
            for told in self._told(change):
                collection = f"{source.namespace}.{source.table}"
                counts[collection] = counts.get(collection, 0) + 1
                value = self._envelope(told, source, (sum(counts.values()), counts[collection]), now)
                rows.append(
                    self._record(change.table, told.row, change.position, value, microseconds(now), told.headers)
                )
        begin = boundary("BEGIN", f"{txid}:{first.position}", committed, None)
        end = boundary("END", f"{txid}:{last.position}", committed, counts)
        return rows, [self._marker(*begin, now), self._marker(*end, now)]

    def _told(self, change: Change) -> Iterator[_Told]:
        """The change as one row, or as delete and insert at one position if its key changed."""
        table = self._routes[change.table].table
        before, after = self._image(change, change.before), self._image(change, change.after)
        if before is not None and after is not None and self._moved(change, table, before, after):
            old, new = _key(table, before), _key(table, after)
            yield _Told("d", before, None, (("__debezium.newkey", new),))
            yield _Told("c", None, after, (("__debezium.oldkey", old),))
        else:
            yield _Told(change.op, before, after)

    def _moved(self, change: Change, table: Table, before: Row, after: Row) -> bool:
        try:
            return canonical(table, table.key, before) != canonical(table, table.key, after)
        except ValueError as error:
            raise self._unreadable(change.table, change.position, error) from error

    def _image(self, change: Change, data: bytes | None) -> Row | None:
        try:
            return None if data is None else image(data)
        except (ValueError, msgspec.MsgspecError) as error:
            raise self._unreadable(change.table, change.position, error) from error

    def _committed(self, change: Change) -> int:
        """The commit time that the marker gave, in microseconds since the epoch."""
        try:
            moment = datetime.fromisoformat(change.at)
            return microseconds(moment)
        except (ValueError, TypeError) as error:
            reason = f"its time {change.at!r} is no instant with a zone"
            raise MarkerUnusable(marker=self._spec.marker, reason=reason) from error

    def _envelope(self, told: _Told, source: Source, orders: tuple[int, int], now: datetime) -> bytes:
        table = self._routes[source.table].table
        return envelope(
            op=told.op,
            before=None if told.before is None else wire_row(table, told.before),
            after=None if told.after is None else wire_row(table, told.after),
            source=source,
            orders=orders,
            now=microseconds(now),
        )

    def _record(self, name: str, row: Row, position: int, value: bytes, micros: int, headers: Headers = ()) -> Captured:
        route = self._routes[name]
        try:
            routed = canonical(route.table, route.columns, row).encode()
        except ValueError as error:
            raise self._unreadable(name, position, error) from error
        return Captured(
            topic=route.topic,
            partition=zlib.crc32(routed) % route.partitions,
            key=_key(route.table, row),
            value=value,
            timestamp=micros // 1000,
            headers=headers,
        )

    def _marker(self, key: bytes, value: bytes, now: datetime) -> Captured:
        topic = f"{self._spec.source}.{TRANSACTION}"
        return Captured(topic=topic, partition=0, key=key, value=value, timestamp=microseconds(now) // 1000)

    def _source(
        self, table: str, txid: int | None, position: int, after: int | None, micros: int, snapshot: str = "false"
    ) -> Source:
        return Source(
            name=self._spec.source,
            database=self._name,
            namespace=self._spec.schema.namespace,
            table=table,
            txid=txid,
            position=position,
            committed_after=after,
            micros=micros,
            snapshot=snapshot,
        )

    def _unreadable(self, table: str, position: int, reason: Exception) -> RowUnreadable:
        return RowUnreadable(database=self._database, table=table, position=position, reason=reason)


def _key(table: Table, row: Row) -> bytes:
    key = wire_row(table, {column: row[column] for column in table.key})
    return msgspec.json.encode(key)
