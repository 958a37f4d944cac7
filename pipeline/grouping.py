"""Which changes belong to one source transaction, and when such a transaction is over on a partition.

Within a partition transactions are contiguous apart from a connector's repeats. A killed connector starts again inside or
before the transaction it was in, so passes overlap and none needs to be whole: a transaction is the union of all passes,
by row identity, and nothing buffered is thrown away.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from connectors.debezium.records import Truncate
from pipeline.spill import Spill
from translators.change import Change

Proof = Literal["later", "end", "passed"]
"""What showed that a transaction is over: a later one reached the partition, its END was read, the connector passed it."""

HELD = 50_000
"""How many changes of one transaction are held in memory; those behind are spilled into a file."""

Identity = tuple[str, str | None, int, str, str]


class Placed(NamedTuple):
    """One change and the business key that it belongs to."""

    key: str
    change: Change


@dataclass(slots=True)
class Transaction:
    """The changes of one source transaction that were read on one partition so far, each with its business key.

    `committed_after` is the position of the last commit before it, the greatest that any pass said. `first_offset` is
    that of its first record, `arrived` that record's timestamp. `late`: a later transaction was closed here before.
    `rows` counts its changes by table, as far as their steps are not made yet.
    """

    id: str
    first_offset: int
    arrived: int
    held: int
    floor: int = -1
    """The highest `committed_after` read on the partition before: where it does not say its own, it came behind that."""
    committed_after: int | None = None
    lowest: int = 2**63
    changes: dict[Identity, Placed] = field(default_factory=dict)
    spill: Spill | None = None
    truncates: dict[tuple[str, int], Truncate] = field(default_factory=dict)
    renumbers: bool = False
    rows: Counter[str] = field(default_factory=Counter)
    late: bool = False
    proof: Proof = "later"

    def is_before(self, other: Change | Truncate) -> bool:
        """Whether this change is of a later transaction, by the order of commits alone."""
        if other.transaction == self.id or other.committed_after is None:
            return False
        return self.committed_after is None or other.committed_after > self.committed_after

    @property
    def order(self) -> tuple[int, bool, int]:
        """By the last commit before; one that does not say it stands behind what was read before it. Then by row."""
        after = self.committed_after
        return (self.floor if after is None else after, after is None, self.lowest)

    def add(self, placed: Placed) -> bool:
        """Take in a change; false if an earlier pass already brought it."""
        identity = placed.change.identity
        if identity in self.changes or (self.spill is not None and not self.spill.add(*placed)):
            return False
        if self.spill is None:
            self.changes[identity] = placed
            if len(self.changes) > self.held:
                self.spill = Spill()
                for held in self.changes.values():
                    self.spill.add(*held)
                self.changes.clear()
        self.lowest = min(self.lowest, placed.change.position)
        self.renumbers |= placed.change.moved is not None
        if placed.change.counted:
            self.rows[placed.change.table] += 1
        return True

    def by_key(self) -> Iterator[tuple[str, list[Change]]]:
        """Its changes by business key, keys in the order in which they were touched first."""
        if self.spill is not None:
            return self.spill.by_key()
        found: dict[str, list[Change]] = {}
        for key, change in self.changes.values():
            if key in found:
                found[key].append(change)
            else:
                found[key] = [change]
        return iter(found.items())

    def close(self) -> None:
        """Its steps are made: give back what is held."""
        if self.spill is not None:
            self.spill.close()


class Grouping:
    """The transactions of one feed partition for one translator: open ones, and those that are over and not yet settled."""

    def __init__(self, held: int = HELD) -> None:
        self._held = held
        self._open: dict[str, Transaction] = {}
        self._last_closed = -1
        self._highest = -1
        self.over: deque[Transaction] = deque()
        """In commit order; `settled` takes the first one out."""

    def close_before(self, change: Change | Truncate) -> None:
        """The transactions that this change proves to be over: a later one has reached the partition."""
        if self._open:
            self._close([t for t in self._open.values() if t.is_before(change)], "later")

    def close_ended(self, ended: Collection[str]) -> None:
        """The transactions whose END was read are over, and those before them.

        The caller vouches that the partition has been read up to the high watermark asked for after the END, and that
        the feed's END is never readable before its rows.
        """
        self._close_up_to([t for t in self._open.values() if t.id in ended], "end")

    def close_passed(self, passed: int, ends: Mapping[str, int]) -> None:
        """The connector's committed offset is `passed`, and the partition was read to the watermark asked for after that.

        A commit behind the last one before a transaction is its own, or a later one. Where no pass told the last commit
        before, the offset has to reach the position of its END, which `ends` has by its id, if it was read.
        """
        proven = []
        for transaction in self._open.values():
            after = transaction.committed_after
            end = ends.get(transaction.id)
            if passed > after if after is not None else (end is not None and passed >= end):
                proven.append(transaction)
        self._close_up_to(proven, "passed")

    def add(self, placed: Placed, offset: int, arrived: int) -> bool:
        """Put a streamed change into its transaction; false if an earlier pass already brought it."""
        return self._of(placed.change, offset, arrived).add(placed)

    def add_truncate(self, truncate: Truncate, offset: int, arrived: int) -> bool:
        """Put a truncate into its transaction; false if an earlier pass already brought it."""
        transaction = self._of(truncate, offset, arrived)
        place = (truncate.table, truncate.position)
        if place in transaction.truncates:
            return False
        transaction.truncates[place] = truncate
        transaction.lowest = min(transaction.lowest, truncate.position)
        transaction.rows[truncate.table] += 1
        return True

    def settled(self) -> None:
        """All steps of the first transaction that is over were made."""
        self.over.popleft().close()

    @property
    def first_offset(self) -> int | None:
        """The offset of the first record of any transaction whose steps are not all made: no commit may pass it."""
        found = [t.first_offset for t in self._open.values()]
        found += [t.first_offset for t in self.over]
        return min(found, default=None)

    @property
    def open(self) -> list[Transaction]:
        """The open transactions, oldest first."""
        return sorted(self._open.values(), key=lambda t: t.order)

    @property
    def in_flight(self) -> Counter[str]:
        """Changes whose steps are not made yet, by table."""
        found: Counter[str] = Counter()
        for transactions in (self._open.values(), self.over):
            for transaction in transactions:
                found.update(transaction.rows)
        return found

    def _of(self, change: Change | Truncate, offset: int, arrived: int) -> Transaction:
        name = change.transaction or ""
        transaction = self._open.get(name)
        if transaction is None:
            transaction = self._open[name] = Transaction(name, offset, arrived, self._held, self._highest)
        after = change.committed_after
        if after is not None:
            self._highest = max(self._highest, after)
            if transaction.committed_after is None or after > transaction.committed_after:
                transaction.committed_after = after
        return transaction

    def _close_up_to(self, proven: list[Transaction], proof: Proof) -> None:
        """These are over, and with them all that were committed before."""
        last = max((t.order for t in proven), default=None)
        if last is not None:
            self._close([t for t in self._open.values() if t.order <= last], proof)

    def _close(self, closed: list[Transaction], proof: Proof) -> None:
        for transaction in sorted(closed, key=lambda t: t.order) if len(closed) > 1 else closed:
            del self._open[transaction.id]
            after = transaction.committed_after
            transaction.late = after is not None and after <= self._last_closed
            transaction.proof = proof
            self._last_closed = max(self._last_closed, -1 if after is None else after)
            self.over.append(transaction)
