"""What a source database did, as the oracle takes it: committed transactions in commit order, one JSON object a line.

    {"transaction": "701", "time": 1795166836000000, "changes": [
        {"table": "orders", "before": null, "after": {"br": "A  ", "no": 7, "sts": "N"}},
        {"table": "orders", "before": {"br": "A  ", "no": 7, "sts": "N"}, "after": null},
        {"table": "payment", "truncated": true}]}

`transaction` is the source's own name of it, `time` its commit in microseconds since the epoch (null where the writer does
not know it: it is not checked then). `changes` are all that took effect, in the order in which they were made: what was
rolled back is not there. A row is whole, before and after; a change of a primary key is one change. Values are JSON's;
what the source writes as decimal may stand as a number or as a text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row before and after; `None` where it does not exist. Both `None`: the whole table was emptied."""

    table: str
    before: Row | None
    after: Row | None

    @property
    def truncated(self) -> bool:
        """Whether the table was emptied."""
        return self.before is None and self.after is None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One committed transaction."""

    name: str
    time: int | None
    changes: tuple[RowChange, ...]


def read(lines: Iterable[str]) -> Iterator[Transaction]:
    """The transactions of a journal."""
    for line in lines:
        found = json.loads(line)
        changes = tuple(RowChange(c["table"], c.get("before"), c.get("after")) for c in found["changes"])
        yield Transaction(found["transaction"], found["time"], changes)


def write(transactions: Iterable[Transaction]) -> Iterator[str]:
    """The lines of a journal."""
    for transaction in transactions:
        changes = [_written(change) for change in transaction.changes]
        yield json.dumps({"transaction": transaction.name, "time": transaction.time, "changes": changes})


def _written(change: RowChange) -> dict[str, Any]:
    if change.truncated:
        return {"table": change.table, "truncated": True}
    return {"table": change.table, "before": change.before, "after": change.after}
