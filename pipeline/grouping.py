"""Which changes belong to one source transaction, and when such a transaction is over on a partition.

Within a partition transactions are contiguous apart from a connector's repeats. A killed connector starts again inside or
before the transaction it was in, so passes overlap and none needs to be whole: a transaction is the union of all passes,
by row identity, and nothing buffered is thrown away.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import ClassVar, Literal, NamedTuple

from connectors.debezium.records import Truncate
from pipeline.spill import Spill
from translators.change import Change, Drift, read_at
from translators.errors import DragomanError

Proof = Literal["later", "end", "passed"]
"""What showed that a transaction is over: a later one reached the partition, its END was read, the connector passed it."""

CLOSED = "closed: "
"""Begins the label under which each proof is counted."""

HELD = 50_000
"""How many changes of one transaction are held in memory; those behind are spilled into a file."""

_CLOCKS = timedelta(minutes=1)
"""How far the source's clock may run against the order of its commits."""

Row = tuple[str, str]
"""(table, row key)."""


def _none() -> dict[str, int]:
    """No rows of any table; a `Counter` takes ten times as long to make."""
    return defaultdict(int)


class Placed(NamedTuple):
    """One change and the business key that it belongs to."""

    key: str
    change: Change


class Held:
    """Placed changes, each identity once: in memory up to a bound, beyond it all in a file."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._found: dict[Hashable, Placed] = {}
        self._spill: Spill | None = None

    def add(self, identity: Hashable, placed: Placed) -> bool:
        """Keep a change; false if its identity is kept already."""
        if self._spill is not None:
            return self._spill.add(identity, *placed)
        if identity in self._found:
            return False
        self._found[identity] = placed
        if len(self._found) > self._bound:
            self._spill = Spill()
            for known, held in self._found.items():
                self._spill.add(known, *held)
            self._found.clear()
        return True

    def by_key(self) -> Iterator[tuple[str, list[Change]]]:
        """The changes of each business key, keys in the order in which they were touched first."""
        if self._spill is not None:
            return self._spill.by_key()
        found: dict[str, list[Change]] = {}
        for key, change in self._found.values():
            if key in found:
                found[key].append(change)
            else:
                found[key] = [change]
        return iter(found.items())

    def keys(self) -> Iterator[str]:
        """The business keys of what is in memory, one of them once or more."""
        return (placed.key for placed in self._found.values())

    def close(self) -> None:
        """Give back what is held."""
        if self._spill is not None:
            self._spill.close()


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
    held: Held
    floor: int = -1
    """The highest `committed_after` read on the partition before: where it does not say its own, it came behind that."""
    committed_after: int | None = None
    truncates: dict[tuple[str, int], Truncate] = field(default_factory=dict)
    renumbers: bool = False
    rows: dict[str, int] = field(default_factory=_none)
    late: bool = False
    proven: bool = False
    proof: Proof = "later"

    def is_before(self, other: Change | Truncate) -> bool:
        """Whether this change is of a later transaction, by the order of commits alone."""
        if other.transaction == self.id or other.committed_after is None:
            return False
        return self.committed_after is None or other.committed_after > self.committed_after

    @property
    def says_place(self) -> bool:
        """Whether a pass said which commit came last before it."""
        return self.committed_after is not None

    @property
    def order(self) -> tuple[int, bool, int]:
        """By the last commit before; one that does not say it stands behind what was read before it. Then by arrival.

        Only the first transaction of a connector's pass does not say it, and no pass begins before an earlier one did: so
        what was committed before such a transaction never arrives behind it.
        """
        after = self.committed_after
        return (self.floor if after is None else after, after is None, self.first_offset)

    def add(self, placed: Placed) -> bool:
        """Take in a change; false if an earlier pass already brought it."""
        change = placed.change
        if not self.held.add(change.identity, placed):
            return False
        if change.moved is not None:
            self.renumbers = True
        if change.counted:
            self.rows[change.table] += 1
        return True


@dataclass(slots=True)
class Reread:
    """Rows that a snapshot read again on a live partition, and what they wait for before they are compared.

    Rows of an incremental snapshot are as new as what stood before them, so they come behind the transactions that were
    open then (`behind`). Those of a blocking one speak of a position (`until`), which the stream has to pass first.
    `touched` has the feed offset of the last change of each row that was over by then: a row that was changed behind it is
    old.
    """

    first_offset: int
    arrived: int
    held: Held
    behind: frozenset[str]
    until: int | None
    touched: Mapping[Row, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=_none)

    def is_old(self, change: Change) -> bool:
        """Whether a change of this row stands behind it in the feed."""
        return self.touched.get((change.table, change.row_key), -1) > change.at.offset


class Grouping:
    """The transactions of one feed partition for one translator: open ones, and those that are over and not yet settled."""

    def __init__(self, bound: int = HELD) -> None:
        self._bound = bound
        self._open: dict[str, Transaction] = {}
        self._last_closed = -1
        self._highest = -1
        self._newest: datetime | None = None
        self._reread: list[Reread] = []
        self._touched: dict[Row, dict[str, int]] = {}
        self._passed = -1
        self.told: set[tuple[str, Drift]] = set()
        """How the columns of tables were seen to differ from what is declared, and told."""
        self.over: deque[Transaction | Reread] = deque()
        """In commit order; `settled` takes the first one out."""

    def close_before(self, change: Change | Truncate) -> None:
        """The transactions that this change proves to be over: a later one has reached the partition."""
        if self._open and not (len(self._open) == 1 and change.transaction in self._open):
            self._close([t for t in self._open.values() if t.is_before(change)], "later")
        if self._reread:
            self.release(change.committed_after)

    def close_ended(self, ended: Collection[str]) -> None:
        """The transactions whose END was read are over, and those before them.

        The caller vouches that the partition has been read up to the high watermark asked for after the END, and that
        the feed's END is never readable before its rows.
        """
        self._prove([t for t in self._open.values() if t.id in ended], "end")
        self.release()

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
        self._prove(proven, "passed")
        self.release(passed)

    def add(self, placed: Placed, offset: int, arrived: int) -> bool:
        """Put a streamed change into its transaction; false if an earlier pass already brought it."""
        if self._reread:
            row = (placed.change.table, placed.change.row_key)
            self._touched.setdefault(row, {})[placed.change.transaction or ""] = offset
        return self._of(placed.change, offset, arrived).add(placed)

    def add_truncate(self, truncate: Truncate, offset: int, arrived: int) -> bool:
        """Put a truncate into its transaction; false if an earlier pass already brought it."""
        transaction = self._of(truncate, offset, arrived)
        place = (truncate.table, truncate.position)
        if place in transaction.truncates:
            return False
        transaction.truncates[place] = truncate
        transaction.rows[truncate.table] += 1
        return True

    def add_reread(self, placed: Placed, arrived: int, *, incremental: bool) -> None:
        """Let a row that a snapshot read on the live partition wait for its place."""
        change = placed.change
        behind = frozenset(self._open) if incremental else frozenset()
        until = None if incremental else read_at(change.position)
        last = self._reread[-1] if self._reread else None
        if last is None or (last.behind, last.until) != (behind, until):
            last = Reread(change.at.offset, arrived, Held(self._bound), behind, until)
            self._reread.append(last)
        last.held.add((change.table, change.row_key, change.at.offset), placed)
        last.rows[change.table] += 1

    def release(self, passed: int | None = None) -> None:
        """Snapshot rows whose turn has come; `passed` is a commit position that the stream has reached."""
        self._passed = max(self._passed, -1 if passed is None else passed)
        while self._reread:
            first = self._reread[0]
            if first.until is None and first.behind & self._open.keys():
                return
            if first.until is not None and (self._passed < first.until or self._is_open_before(first.until)):
                return
            first.touched = self._touched_and_over()
            self.over.append(self._reread.pop(0))
        self._touched = {}

    def _is_open_before(self, position: int) -> bool:
        """Whether a transaction is open that may have been committed before this position."""
        return any(t.committed_after is None or t.committed_after < position for t in self._open.values())

    def _touched_and_over(self) -> dict[Row, int]:
        """The rows that were changed meanwhile: what is still open comes behind what is released now."""
        over = {
            row: [offset for name, offset in touched.items() if name not in self._open]
            for row, touched in self._touched.items()
        }
        return {row: max(offsets) for row, offsets in over.items() if offsets}

    def settled(self) -> None:
        """All steps of the first transaction that is over were made."""
        self.over.popleft().held.close()

    @property
    def rereads(self) -> bool:
        """Whether rows of a snapshot wait for their place."""
        return bool(self._reread)

    @property
    def first_offset(self) -> int | None:
        """The offset of the first record of any transaction whose steps are not all made: no commit may pass it."""
        found = [waiting.first_offset for waiting in self._all()]
        return min(found, default=None)

    @property
    def open(self) -> list[Transaction]:
        """The open transactions, oldest first."""
        return sorted(self._open.values(), key=lambda t: t.order)

    @property
    def in_flight(self) -> Counter[str]:
        """Changes whose steps are not made yet, by table."""
        found: Counter[str] = Counter()
        for waiting in self._all():
            found.update(waiting.rows)
        return found

    def _all(self) -> Iterator[Transaction | Reread]:
        return chain(self._open.values(), self._reread, self.over)

    def _of(self, change: Change | Truncate, offset: int, arrived: int) -> Transaction:
        name = change.transaction or ""
        transaction = self._open.get(name)
        if transaction is None:
            self._check_lineage(change)
            transaction = self._open[name] = Transaction(name, offset, arrived, Held(self._bound), self._highest)
        after = change.committed_after
        if after is not None:
            self._highest = max(self._highest, after)
            if transaction.committed_after is None or after > transaction.committed_after:
                transaction.committed_after = after
        return transaction

    def _check_lineage(self, change: Change | Truncate) -> None:
        """A commit before one that was read is a repeat, and then no younger than it: else the log is another one."""
        after, time = change.committed_after, change.time
        if time is None or after is None:
            return
        if after < self._highest and self._newest is not None and time - self._newest > _CLOCKS:
            raise PositionsWentBack(where=change.at, position=after, known=self._highest)
        self._newest = time if self._newest is None else max(self._newest, time)

    def _prove(self, proven: list[Transaction], proof: Proof) -> None:
        """These are over, and with them all that were committed before.

        One that does not say what came before it may be a repeat behind later ones, so of those that say it nothing is proven
        by it; but it waits for those that stand before it, so that steps are made in order.
        """
        for transaction in proven:
            transaction.proven = True
        last = {
            says: max((t.order for t in self._open.values() if t.proven and t.says_place is says), default=None)
            for says in (True, False)
        }
        over = []
        for transaction in self.open if proven else ():
            until = max(
                (order for order in (last[True], last[transaction.says_place]) if order is not None), default=None
            )
            if until is None or transaction.order > until:
                break
            over.append(transaction)
        self._close(over, proof)

    def _close(self, closed: list[Transaction], proof: Proof) -> None:
        for transaction in sorted(closed, key=lambda t: t.order) if len(closed) > 1 else closed:
            del self._open[transaction.id]
            after = transaction.committed_after
            transaction.late = after is not None and after <= self._last_closed
            transaction.proof = proof
            self._last_closed = max(self._last_closed, -1 if after is None else after)
            self.over.append(transaction)
        if closed and self._reread:
            self.release()


class PositionsWentBack(DragomanError):
    """A new commit of the source stands at {position}, behind {known}, which was read before it."""

    code: ClassVar[str] = "source.positions-went-back"
    hint: ClassVar[str] = (
        "A restart repeats what is known, this is younger: the source's log is another one (a restore, a failover). Stop the "
        "connector, `dragoman raise-epoch`, run Dragoman, and only then start a connector that takes a snapshot."
    )
