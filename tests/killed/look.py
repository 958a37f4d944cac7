"""What a killed connector's records look like, read from their JSON alone: repeats, passes, ENDs that lie, positions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from pipeline.log.port import Outgoing
from tests.killed.stack import binlog_position
from tests.model.journal import Transaction
from tests.model.legacy import TABLES

Identity = tuple[Any, ...]


@dataclass
class Seen:
    """One transaction: the rows that any pass brought, and how they came."""

    rows: set[Identity] = field(default_factory=set)
    first: dict[Identity, tuple[int, int]] = field(default_factory=dict)
    """Partition and offset of the first record of each row."""
    positions: list[int] = field(default_factory=list)
    before: set[int | None] = field(default_factory=set)
    """The last commits before it, as its passes told them."""
    total_orders: dict[Identity, set[int]] = field(default_factory=dict)
    repeats: int = 0
    repeated_from: set[int] = field(default_factory=set)
    """The partitions on which a repeat of it arrived."""
    overlaps: bool = False
    """Whether a row that was new arrived on a partition behind a repeat: neither pass was whole."""
    ends: list[int] = field(default_factory=list)
    """The counts of its ENDs."""
    end_positions: list[int] = field(default_factory=list)


@dataclass
class Look:
    """All transactions of a feed by their name, and the rows that were streamed."""

    connector: str
    transactions: dict[str, Seen] = field(default_factory=dict)
    streamed: int = 0
    _ends: Counter[int] = field(default_factory=Counter)

    def row(self, partition: int, value: Mapping[str, Any]) -> None:
        """A record of the feed in the order of its partition; nothing but these is there, so it counts offsets."""
        source, op = value["source"], value["op"]
        if op != "r":
            self._change(partition, source, op, value)
        self._ends[partition] += 1

    def _change(self, partition: int, source: Mapping[str, Any], op: str, value: Mapping[str, Any]) -> None:
        self.streamed += 1
        row = value["after"] or value["before"]
        name = str(source["txId"]) if self.connector == "postgresql" else source["gtid"]
        key = tuple(row[column] for column in TABLES[source["table"]])
        place, before = self._place(source)
        identity = (source["table"], place, op, key)
        seen = self.transactions.setdefault(name, Seen())
        seen.total_orders.setdefault(identity, set()).add(value["transaction"]["total_order"])
        seen.before.add(before)
        seen.first.setdefault(identity, (partition, self._ends[partition]))
        if identity in seen.rows:
            seen.repeats += 1
            seen.repeated_from.add(partition)
        else:
            seen.rows.add(identity)
            seen.positions.append(place)
            seen.overlaps |= partition in seen.repeated_from

    def _place(self, source: Mapping[str, Any]) -> tuple[int, int | None]:
        if self.connector == "postgresql":
            before, own = json.loads(source["sequence"])
            assert int(own) == source["lsn"]
            return source["lsn"], None if before is None else int(before)
        return binlog_position(source["file"], source["pos"]) + source["row"], None

    def mark(self, value: Mapping[str, Any]) -> None:
        """A BEGIN or END."""
        if value["status"] == "END":
            name, _, place = value["id"].partition(":")
            seen = self.transactions.setdefault(name, Seen())
            seen.ends.append(value["event_count"])
            if place:
                seen.end_positions.append(int(place))

    @property
    def repeats(self) -> int:
        """How many row changes had been there before."""
        return sum(seen.repeats for seen in self.transactions.values())

    @property
    def overlapping(self) -> list[str]:
        """Transactions of which no pass was whole."""
        return [name for name, seen in self.transactions.items() if seen.overlaps]

    @property
    def lies(self) -> list[str]:
        """Transactions with an END whose count is not that of their rows."""
        return [n for n, seen in self.transactions.items() if any(count != len(seen.rows) for count in seen.ends)]

    @property
    def twice(self) -> list[str]:
        """Transactions with several ENDs."""
        return [name for name, seen in self.transactions.items() if len(seen.ends) > 1]

    @property
    def empty(self) -> set[str]:
        """Transactions that changed no row of the tables."""
        return {name for name, seen in self.transactions.items() if not seen.rows}

    @property
    def figures(self) -> Counter[str]:
        """In numbers."""
        moved = sum(len(orders) > 1 for seen in self.transactions.values() for orders in seen.total_orders.values())
        told = sum(len(seen.before) > 1 for seen in self.transactions.values())
        return Counter(
            {
                "transactions": len(self.transactions),
                "row changes": self.streamed,
                "repeats": self.repeats,
                "repeats with another total_order": moved,
                "transactions whose passes overlap": len(self.overlapping),
                "transactions with another last commit in another pass": told,
                "ENDs with a wrong count": len(self.lies),
                "ENDs twice": len(self.twice),
            }
        )

    @property
    def has_all(self) -> bool:
        """Whether all traps were seen: passes none of which is whole, ENDs that lie, ENDs twice."""
        return bool(self.overlapping and self.lies and self.twice)

    def assert_places(self, journal: Sequence[Transaction]) -> None:
        """What the product takes for granted of positions: ENDs, last commits before, and rows, against the commit order."""
        seen = [self.transactions[one.name] for one in journal]
        for one in seen:
            assert len(one.before - {None}) <= 1, f"two last commits before: {one}"
            assert len(set(one.end_positions)) <= 1, f"two places of its END: {one}"
            assert all(max(one.positions) <= end for end in one.end_positions), f"rows behind its END: {one}"
        if self.connector == "postgresql":
            for earlier, later in pairwise(seen):
                between = range_of(earlier, later)
                assert all(one in between for one in later.before - {None}), f"{later} behind {earlier}"
        else:
            assert all(max(earlier.positions) < min(later.positions) for earlier, later in pairwise(seen))

    def assert_passed(self, position: int, highs: Mapping[int, int]) -> int:
        """What was told of the offset proves what the product takes it to prove; of how many transactions.

        All rows of every transaction that it has passed stood below the watermarks that were asked for after it.
        """
        proven = 0
        for name, seen in self.transactions.items():
            told = seen.positions if self.connector == "mariadb" else [one for one in seen.before if one is not None]
            before = max(told, default=None)
            if before is not None and position > before:
                proven += 1
                late = [row for row, (partition, offset) in seen.first.items() if offset >= highs[partition]]
                assert not late, f"{name}: {position} passes {before}, and {late} were not there"
        return proven


def range_of(earlier: Seen, later: Seen) -> range:
    """Where the last commit before a transaction may be: from the END of the one before to its own, which it lies below."""
    return range(earlier.end_positions[0], later.end_positions[0])


def look(connector: str, records: Iterable[Outgoing]) -> Look:
    """Look at the records of a feed and of its transactions, each partition in its order."""
    found = Look(connector)
    for record in records:
        value = json.loads(record.value or b"null")
        if value is None:
            continue
        if "source" in value and value["source"].get("table") in TABLES:
            found.row(record.partition or 0, value)
        elif value.get("status") in ("BEGIN", "END") and "event_count" in value:
            found.mark(value)
    return found
