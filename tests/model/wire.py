"""What a connector sends for a database's log: rows in partitions, BEGIN and END, snapshots and what it says of them.

`Wire` is what all connectors have in common; `postgres` and `mariadb` say how each tells a row's place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.log.port import Headers, Outgoing
from tests.model.journal import Row
from tests.model.legacy import BASE_TIME, TABLES, Commit, Logged
from tests.model.product import FEED, NOTIFICATIONS, TRANSACTIONS

PLACEHOLDER = "__debezium_unavailable_value"
_DECIMAL = {"no"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One record, and the number of the commit that it speaks of: a row change, its BEGIN or its END."""

    commit: int
    what: Literal["row", "BEGIN", "END", "reread"]
    record: Outgoing

    @property
    def is_row(self) -> bool:
        """Whether it is a row change, no marker."""
        return self.what == "row"

    @property
    def is_end(self) -> bool:
        """Whether the connector has told all of the transaction."""
        return self.what == "END"


@dataclass(frozen=True, slots=True)
class RereadRow:
    """A row that a snapshot shows as it is after so many commits (`at`, position `lsn`), sent after `emitted` of them."""

    emitted: int
    at: int
    lsn: int
    table: str
    row: Row


@dataclass(frozen=True, slots=True)
class Rereading:
    """A snapshot of a source that is streamed already; the scan of the table `failed` ended with an error."""

    kind: Literal["incremental", "blocking"]
    rows: tuple[RereadRow, ...]
    failed: str | None = None

    @property
    def name(self) -> str:
        """What the connector calls it."""
        return "Incremental Snapshot" if self.kind == "incremental" else "Initial Snapshot"

    def notes(self) -> Iterator[tuple[str, dict[str, str]]]:
        """What the connector says of it in the end."""
        for table in TABLES:
            status = "SQL_EXCEPTION" if table == self.failed else "SUCCEEDED"
            yield "TABLE_SCAN_COMPLETED", {"scanned_collection": f"public.{table}", "status": status}
        yield "COMPLETED", {}


@dataclass(frozen=True, slots=True)
class Half:
    """One row change as connectors tell it: a change of a primary key is a delete and an insert."""

    table: str
    op: str
    before: Row | None
    after: Row | None
    logged: Logged
    headers: Headers = ()

    @property
    def row(self) -> Row:
        """The row that says where the change is routed."""
        return self.after or self.before or {}


class Wire:
    """A connector that routes the rows of an order to one of `partitions`."""

    connector = ""
    namespace = "public"
    rereads = False
    """Whether it is known how it tells a snapshot of a source that is streamed."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions

    def partition(self, row: Row) -> int:
        """Where the connector routes a row: by the columns that hold the business key."""
        return (ord(row["br"][0]) + int(row["no"])) % self.partitions if row else 0

    def one_pass(
        self,
        commits: Sequence[Commit],
        begin: int,
        skipped: int = 0,
        *,
        blind: bool = False,
        rereading: Rereading | None = None,
    ) -> Iterator[Sent]:
        """What a connector sends that starts at a commit, `skipped` rows into it.

        `blind`: it does not know the last commit before its first transaction. It counts rows from where it started.
        """
        for number in range(begin, len(commits)):
            commit = commits[number]
            rows = [half for logged in commit.logged for half in self.halves(logged)][
                skipped if number == begin else 0 :
            ]
            before = None if blind and number == begin else commit.before
            if not (skipped and number == begin):
                yield from self._reread(rereading, number)
            if extra := self.aside(commit):
                yield Sent(number, "BEGIN", extra)
            yield Sent(number, "BEGIN", self.marker(commit, "BEGIN", None))
            for total, half in enumerate(rows, 1):
                yield Sent(number, "row", self._change(commit, half, total, before))
            yield Sent(number, "END", self.marker(commit, "END", len(rows)))
        yield from self._reread(rereading, len(commits))

    def _reread(self, rereading: Rereading | None, number: int) -> Iterator[Sent]:
        """The rows of a snapshot that are sent after so many commits."""
        rows = [] if rereading is None else [row for row in rereading.rows if row.emitted == number]
        for row in rows:
            mark = "incremental" if rereading is not None and rereading.kind == "incremental" else "true"
            source = {**self.source(row.table, BASE_TIME, mark), **self.reread_place(mark, row.lsn)}
            yield Sent(number, "reread", self._shown(row.table, row.row, source))

    def sent(self, row: Row) -> Row:
        """A row as JSON holds it, decimals as text."""
        return {column: str(value) if column in _DECIMAL else value for column, value in row.items()}

    def key_row(self, table: str, row: Row) -> Row:
        """The columns of a primary key."""
        return {column: self.sent(row)[column] for column in TABLES[table]}

    def halves(self, logged: Logged) -> Iterator[Half]:
        """The records of one row change."""
        change = logged.change
        table, before, after = change.table, change.before, change.after
        if change.truncated:
            yield Half(table, "t", None, None, logged)
        elif before is not None and after is not None and self.key_row(table, before) != self.key_row(table, after):
            new = ("__debezium.newkey", json.dumps(self.key_row(table, after)).encode())
            old = ("__debezium.oldkey", json.dumps(self.key_row(table, before)).encode())
            yield Half(table, "d", before, None, logged, (new,))
            yield Half(table, "c", None, after, logged, (old,))
        else:
            op = "c" if before is None else "d" if after is None else "u"
            yield Half(table, op, before, after, logged)

    def time(self, time: int) -> int:
        """A commit's time as the source tells it."""
        return time

    def aside(self, commit: Commit) -> Outgoing | None:
        """What else stands before a transaction's BEGIN."""
        return None

    def _change(self, commit: Commit, half: Half, total: int, before: int | None) -> Outgoing:
        value = {
            "before": self.image(half, half.before),
            "after": self.image(half, half.after),
            "source": {**self.source(half.table, self.time(commit.time), "false"), **self.place(commit, half, before)},
            "transaction": {"id": self.identity(commit, half), "total_order": total, "data_collection_order": total},
            "op": half.op,
            "ts_ms": commit.time // 1_000 + total,
        }
        key = None if half.op == "t" else self.key_row(half.table, half.row)
        return self._record(FEED, self.partition(half.row), commit.time, key, value, half.headers)

    def marker(self, commit: Commit, status: str, count: int | None) -> Outgoing:
        """A BEGIN or END."""
        identity = self.boundary(commit, status)
        collections = [{"data_collection": "public.orders", "event_count": count}] if status == "END" else None
        value = {"status": status, "id": identity, "event_count": count, "data_collections": collections, "ts_ms": 1}
        return self._record(TRANSACTIONS, 0, commit.time, {"id": identity}, value)

    def snapshot(self, rows: Sequence[tuple[str, Row]], lsn: int) -> list[Outgoing]:
        """An initial snapshot of these rows, read at a place of the log."""
        marks = ["first", *["true"] * (len(rows) - 2), "last"] if len(rows) > 1 else ["last"]
        found = []
        for (table, row), mark in zip(rows, marks, strict=False):
            source = {**self.source(table, BASE_TIME, mark), **self.snapshot_place(lsn)}
            found.append(self._shown(table, row, source))
        return found

    def _shown(self, table: str, row: Row, source: dict[str, Any]) -> Outgoing:
        value = {"before": None, "after": self.sent(row), "source": source, "transaction": None, "op": "r", "ts_ms": 1}
        return self._record(FEED, self.partition(row), BASE_TIME, self.key_row(table, row), value)

    def reread_place(self, mark: str, lsn: int) -> dict[str, Any]:
        """Where a row was read again."""
        return self.snapshot_place(lsn)

    def notification(self, kind: str, what: str = "Initial Snapshot", **details: str) -> Outgoing:
        """What the connector says of itself."""
        value = {"id": "n", "aggregate_type": what, "type": kind, "additional_data": details, "timestamp": 1}
        return self._record(NOTIFICATIONS, 0, BASE_TIME, {"id": "n"}, value)

    def image(self, half: Half, row: Row | None) -> Row | None:
        """One side of a change as the connector shows it."""
        return None if row is None else self.sent(row)

    def source(self, table: str, time: int, snapshot: str) -> dict[str, Any]:
        """What every source block says."""
        return {
            "version": "3.6.3.Final",
            "connector": self.connector,
            "name": "legacy",
            "ts_ms": time // 1_000,
            "ts_us": time,
            "snapshot": snapshot,
            "table": table,
        }

    def place(self, commit: Commit, half: Half, before: int | None) -> dict[str, Any]:
        """Where a change stands in the source's log; `before` is the last commit before it, as far as it is known."""
        raise NotImplementedError

    def offset(self, commit: Commit) -> int:
        """What the connector writes down once it has passed a commit."""
        return commit.lsn

    def snapshot_place(self, lsn: int) -> dict[str, Any]:
        """Where a snapshot was taken."""
        raise NotImplementedError

    def identity(self, commit: Commit, half: Half) -> str:
        """The id in a row's transaction block."""
        raise NotImplementedError

    def boundary(self, commit: Commit, status: str) -> str:
        """The id of a BEGIN or END."""
        raise NotImplementedError

    @staticmethod
    def _record(
        topic: str, partition: int, time: int, key: Row | None, value: dict[str, Any], headers: Headers = ()
    ) -> Outgoing:
        return Outgoing(
            topic=topic,
            partition=partition,
            timestamp=time // 1_000,
            key=None if key is None else json.dumps(key).encode(),
            value=json.dumps(value).encode(),
            headers=headers,
        )


class Postgres(Wire):
    """Debezium's PostgreSQL connector. `orders` has REPLICA IDENTITY DEFAULT: old values are not sent, or made up."""

    connector = "postgresql"
    rereads = True

    def image(self, half: Half, row: Row | None) -> Row | None:
        """Only keys of an old row are real; a big value that was not changed is not sent again."""
        if row is None or half.table != "orders":
            return super().image(half, row)
        if row is half.before:
            made_up = {"sts": "", "note": None, "touched": None}
            return {**self.sent(row), **made_up} if half.op == "d" else None
        old = half.logged.change.before
        hidden = old is not None and old["note"] == row["note"] and len(row["note"] or "") > 10
        return {**self.sent(row), "note": PLACEHOLDER} if hidden else self.sent(row)

    def source(self, table: str, time: int, snapshot: str) -> dict[str, Any]:
        """See `Wire`."""
        return {**super().source(table, time, snapshot), "db": "postgres", "schema": "public"}

    def place(self, commit: Commit, half: Half, before: int | None) -> dict[str, Any]:
        """See `Wire`."""
        sequence = json.dumps([None if before is None else str(before), str(half.logged.lsn)])
        return {"txId": commit.txid, "lsn": half.logged.lsn, "sequence": sequence}

    def snapshot_place(self, lsn: int) -> dict[str, Any]:
        """See `Wire`."""
        return {"txId": 699, "lsn": lsn, "sequence": json.dumps([None, str(lsn)])}

    def reread_place(self, mark: str, lsn: int) -> dict[str, Any]:
        """An incremental snapshot's rows say the window in which they were read, and nothing else."""
        if mark != "incremental":
            return self.snapshot_place(lsn)
        return {"txId": None, "lsn": None, "sequence": json.dumps([str(lsn), str(lsn)])}

    def identity(self, commit: Commit, half: Half) -> str:
        """Another one on every record."""
        return f"{commit.txid}:{half.logged.lsn}"

    def boundary(self, commit: Commit, status: str) -> str:
        """The position of a BEGIN is the first row's, that of an END lies above all rows."""
        return f"{commit.txid}:{commit.logged[0].lsn if status == 'BEGIN' else commit.lsn}"


class MariaDb(Wire):
    """Debezium's MariaDB connector: whole transactions in the order of commits, whole rows, time in seconds."""

    connector = "mariadb"
    namespace = "shop"

    def sent(self, row: Row) -> Row:
        """CHAR comes without its padding."""
        return {**super().sent(row), "br": row["br"].rstrip()}

    def time(self, time: int) -> int:
        """See `Wire`."""
        return time // 1_000_000 * 1_000_000

    def source(self, table: str, time: int, snapshot: str) -> dict[str, Any]:
        """See `Wire`."""
        return {**super().source(table, time, snapshot), "db": "shop", "server_id": 1}

    def place(self, commit: Commit, half: Half, before: int | None) -> dict[str, Any]:
        """Rows of one statement share the position of their event; both halves of a changed key share all."""
        found = [logged is half.logged for logged in commit.logged].index(True)
        first = next(at for at, logged in enumerate(commit.logged) if logged.lsn == half.logged.lsn)
        pos = commit.lsn * 1_000 + 40 * first
        return {"gtid": f"0-1-{commit.lsn}", "file": "bin.000001", "pos": pos, "row": found - first}

    def snapshot_place(self, lsn: int) -> dict[str, Any]:
        """See `Wire`."""
        return {"server_id": 0, "gtid": None, "file": "bin.000001", "pos": lsn, "row": 0}

    def identity(self, commit: Commit, half: Half) -> str:
        """See `Wire`."""
        return f"0-1-{commit.lsn}"

    def boundary(self, commit: Commit, status: str) -> str:
        """See `Wire`."""
        return f"0-1-{commit.lsn}"

    def aside(self, commit: Commit) -> Outgoing | None:
        """Now and then a statement that changes tables: its BEGIN never gets an END."""
        if commit.lsn % 3:
            return None
        value = {
            "status": "BEGIN",
            "id": f"0-1-{commit.lsn - 1}",
            "event_count": None,
            "data_collections": None,
            "ts_ms": 1,
        }
        return self._record(TRANSACTIONS, 0, commit.time, {"id": value["id"]}, value)

    def offset(self, commit: Commit) -> int:
        """Behind the last row of the commit, as one number: the file's, then the place in it."""
        return (1 << 33) + commit.lsn * 1_000 + 999
