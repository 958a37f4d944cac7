"""How a connector's incremental snapshots go, folded from its notifications. Pure.

Format: Debezium's documentation, "Debezium notifications", and what connectors were seen to send: a snapshot that is stopped
says COMPLETED under its own id without the tables that were left, then ABORTED under another; a table that cannot be read ends
with a status and the snapshot goes on; signals that come meanwhile join the one that goes on, under its id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.debezium.records import Notification

_INCREMENTAL = "Incremental Snapshot"
READ = frozenset({"SUCCEEDED", "EMPTY"})
"""What a table's scan ends with when all its rows were read."""


@dataclass(slots=True)
class TableScan:
    """One table: the key that the scan has come to and the last one, what it ended with, how many rows it read."""

    at: str = ""
    last: str = ""
    status: str = ""
    rows: int = 0


@dataclass(slots=True)
class SnapshotRun:
    """One snapshot. `over`: the connector does nothing for it any more."""

    id: str
    tables: dict[str, TableScan] = field(default_factory=dict)
    over: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is over, and every table was read to its end."""
        return self.over and all(scan.status in READ for scan in self.tables.values())


class Snapshots:
    """The incremental snapshots that notifications, taken in order, tell of. `table_of` gives the name of schema.yaml."""

    def __init__(self, table_of: Callable[[str], str]) -> None:
        self._table_of = table_of
        self.runs: dict[str, SnapshotRun] = {}

    @property
    def going_on(self) -> SnapshotRun | None:
        """The one that goes on; a connector takes one at a time."""
        return next((run for run in reversed(self.runs.values()) if not run.over), None)

    @property
    def last(self) -> SnapshotRun | None:
        """The one that began last."""
        return next(reversed(self.runs.values()), None)

    def take(self, note: Notification) -> None:
        """Take in the next notification."""
        if note.aggregate_type != _INCREMENTAL:
            return
        if note.type == "ABORTED":
            self._end_all()
            return
        if note.id not in self.runs:
            self._end_all()
            self.runs[note.id] = SnapshotRun(note.id)
        run = self.runs[note.id]
        for name in (note.data.get("data_collections") or "").split(","):
            if name:
                run.tables.setdefault(self._name(name), TableScan())
        match note.type:
            case "IN_PROGRESS":
                scan = run.tables.setdefault(
                    self._name(note.data.get("current_collection_in_progress") or ""), TableScan()
                )
                scan.at, scan.last = note.data.get("last_processed_key") or "", note.data.get("maximum_key") or ""
            case "TABLE_SCAN_COMPLETED":
                scan = run.tables.setdefault(self._name(note.data.get("scanned_collection") or ""), TableScan())
                scan.status, scan.rows = note.data.get("status") or "", int(note.data.get("total_rows_scanned") or 0)
            case "COMPLETED":
                run.over = True

    def _end_all(self) -> None:
        for run in self.runs.values():
            run.over = True

    def _name(self, collection: str) -> str:
        """A connector repeats the pattern by which a table was asked for until it knows it."""
        return self._table_of(collection.replace("\\", ""))
