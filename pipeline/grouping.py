"""Which changes belong to one source transaction, and when such a transaction is over on a partition.

Within a partition transactions are contiguous apart from a connector's repeats. A killed connector starts again inside or
before the transaction it was in, so passes overlap and none needs to be whole: a transaction is the union of all passes,
by row identity, and nothing buffered is thrown away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from translators.change import Change


@dataclass(slots=True)
class Transaction:
    """The changes of one source transaction that were read on one partition so far, each with its business key.

    `committed_after` is the position of the last commit before it, the greatest that any pass said. `first_offset` is
    that of its first record, `arrived` that record's timestamp. `late`: a later transaction was closed here before.
    """

    id: str
    first_offset: int
    arrived: int
    floor: int = -1
    """The highest `committed_after` read on the partition before: where it does not say its own, it came behind that."""
    committed_after: int | None = None
    changes: dict[tuple[str, str | None, int, str, str], tuple[str, Change]] = field(default_factory=dict)
    late: bool = False

    def is_before(self, change: Change) -> bool:
        """Whether this change is of a later transaction, by the order of commits alone."""
        if change.transaction == self.id or change.committed_after is None:
            return False
        return self.committed_after is None or change.committed_after > self.committed_after


class Grouping:
    """The open transactions of one feed partition for one translator."""

    def __init__(self) -> None:
        self._open: dict[str, Transaction] = {}
        self._last_closed = -1
        self._highest = -1

    def closed_by(self, change: Change) -> list[Transaction]:
        """Takes out the transactions that this change proves to be over (a later one has reached the partition)."""
        return self._take([t for t in self._open.values() if t.is_before(change)]) if self._open else []

    def closed_by_ends(self, ended: Collection[str]) -> list[Transaction]:
        """Takes out the transactions whose END was read, and those before them.

        The caller vouches that the partition has been read up to the high watermark asked for after the END, and that
        the feed's END is never readable before its rows.
        """
        proven = [_commit_order(t) for t in self._open.values() if t.id in ended]
        last = max(proven, default=None)
        return [] if last is None else self._take([t for t in self._open.values() if _commit_order(t) <= last])

    def add(self, key: str, change: Change, offset: int, arrived: int) -> bool:
        """Put a streamed change of a business key into its transaction; false if an earlier pass already brought it."""
        name = change.transaction or ""
        transaction = self._open.get(name)
        if transaction is None:
            transaction = self._open[name] = Transaction(name, offset, arrived, self._highest)
        after = change.committed_after
        self._highest = max(self._highest, -1 if after is None else after)
        if after is not None and (transaction.committed_after is None or after > transaction.committed_after):
            transaction.committed_after = after
        identity = change.identity
        if identity in transaction.changes:
            return False
        transaction.changes[identity] = (key, change)
        return True

    @property
    def first_offset(self) -> int | None:
        """The offset of the first record of any open transaction: no commit may pass it."""
        return min((t.first_offset for t in self._open.values()), default=None)

    @property
    def open(self) -> list[Transaction]:
        """The open transactions, oldest first."""
        return sorted(self._open.values(), key=_commit_order)

    def _take(self, closed: list[Transaction]) -> list[Transaction]:
        for transaction in sorted(closed, key=_commit_order):
            del self._open[transaction.id]
            after = transaction.committed_after
            transaction.late = after is not None and after <= self._last_closed
            self._last_closed = max(self._last_closed, -1 if after is None else after)
        return sorted(closed, key=_commit_order)


def _commit_order(transaction: Transaction) -> tuple[int, bool, int]:
    """By the last commit before; one that does not say it stands behind what was read before it. Then by row position."""
    after = transaction.committed_after
    lowest = min(c.position for _, c in transaction.changes.values())
    return (transaction.floor if after is None else after, after is None, lowest)
