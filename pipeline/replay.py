"""The steps of one business key, made again from the feed as far as it is kept, with the rows before and after each.

    records -> decode -> the changes of this key -> transactions (grouping) -> steps -> rows, forwards or backwards

Forwards from nothing where the feed is kept whole; backwards from the rows in the state, by the images that the changes
carry, where its beginning has expired. What neither can tell is unknown, and said to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from connectors.debezium.decode import Decoder
from connectors.debezium.records import IncrementalRow, TransactionMark, Truncate, Unreadable
from pipeline.decoding import decoded
from pipeline.grouping import Grouping, Placed, Reread, Transaction
from pipeline.kept import Reach, kept_records, reaches
from pipeline.log.port import Log
from pipeline.moves import Link, RowWithoutKey, emptied, link_of, place
from pipeline.state.port import Stored
from translators.aggregate import Positions, Rows, apply, fresh, seen, touches_unseen
from translators.change import SNAPSHOT_POSITION, UNREAD, Change, Coordinate
from translators.translator import Translator
from translators.values import Row, Unavailable


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the key as the feed tells it: its changes that were no repeats, in the source's order.

    `is_over`: something proves that its transaction is over. `is_cut`: its first changes may have expired. `link`: the
    key was renumbered, or another was renumbered to it. `old` and `new`
    are the rows of the key before and after, `None` where they are not known.
    """

    transaction: str | None
    changes: tuple[Change, ...]
    partition: int
    is_over: bool
    is_cut: bool = False
    link: Link | None = None
    old: Rows | None = None
    new: Rows | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot brought it."""
        return self.changes[0].is_snapshot

    @property
    def position(self) -> int:
        """The highest position of its rows, by which all that was made of it names it."""
        return position_of(self.changes)

    @property
    def lowest(self) -> int:
        """The lowest position of its rows."""
        return SNAPSHOT_POSITION if self.is_loaded else min(change.position for change in self.changes)


def position_of(changes: Sequence[Change]) -> int:
    """What a step is known by: the highest position of its rows; what a snapshot brought is published at one of its own."""
    return SNAPSHOT_POSITION if changes[0].is_snapshot else max(change.position for change in changes)


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """A record that this history had to leave out, because it could not be read."""

    at: Coordinate
    what: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """All steps of a key that the feed still tells, in the source's order, without their rows."""

    steps: tuple[Traced, ...]
    untold: tuple[Untold, ...]


def trace(
    log: Log, kept: Sequence[Reach], decoder: Decoder, translator: Translator, key: str, begins_empty: bool
) -> Trace:
    """Read the feed partitions of a key as far as they are kept. `begins_empty`: the feed has no initial snapshot."""
    steps: list[Traced] = []
    untold: list[Untold] = []
    for partition in kept:
        tracer = _Tracer(translator, key, partition, begins_empty)
        for record in kept_records(log, partition):
            told = decoded(decoder, record)
            match told:
                case Change():
                    tracer.take(told, record.timestamp)
                case IncrementalRow(change):
                    tracer.reread(change, record.timestamp, incremental=True)
                case Unreadable():
                    untold.append(Untold(at=told.at, what=f"{told.problem.code}: {told.problem.message}"))
                case Truncate():
                    tracer.truncate(told, record.timestamp)
                case _:
                    pass
        tracer.finish()
        steps += tracer.steps
    return Trace(steps=tuple(steps), untold=tuple(untold))


def ended(log: Log, topic: str | None, decoder: Decoder, wanted: set[str]) -> set[str]:
    """Which of these transactions have an END that is still kept."""
    found: set[str] = set()
    for kept in reaches(log, topic) if wanted else ():
        for record in kept_records(log, kept):
            mark = decoded(decoder, record)
            if isinstance(mark, TransactionMark) and mark.status == "END" and mark.transaction in wanted:
                found.add(mark.transaction)
    return found


class _Tracer:
    """One partition. Changes of other keys only prove that a transaction is over."""

    def __init__(self, translator: Translator, key: str, kept: Reach, is_live: bool) -> None:
        self.steps: list[Traced] = []
        self._translator = translator
        self._key = key
        self._kept = kept
        self._first: str | None = None
        self._is_live = is_live
        self._grouping = Grouping()
        self._positions: Positions = {}
        self._rows: Rows = {}
        self._loaded: list[Change] = []
        self._newest = UNREAD

    def take(self, change: Change, arrived: int) -> None:
        if change.is_snapshot and self._is_live:
            self.reread(change, arrived, incremental=False)
            return
        if change.is_snapshot:
            self._newest = max(self._newest, change.position)
            self._loaded += self._mine(change)
            return
        self._load()
        self._is_live = True
        self._first = self._first or change.transaction
        self._grouping.close_before(change)
        self._settle()
        for mine in self._mine(change):
            self._grouping.add(Placed(self._key, mine), mine.at.offset, arrived)

    def reread(self, change: Change, arrived: int, *, incremental: bool) -> None:
        """A row that a snapshot read on a live partition takes its place among the changes."""
        for mine in self._mine(change):
            self._grouping.add_reread(Placed(self._key, mine), arrived, incremental=incremental)
        self._grouping.release()
        self._settle()

    def truncate(self, truncate: Truncate, arrived: int) -> None:
        self._load()
        self._grouping.close_before(truncate)
        self._settle()
        if truncate.table in self._translator.tables:
            self._grouping.add_truncate(truncate, truncate.at.offset, arrived)

    def finish(self) -> None:
        self._load()
        for transaction in self._grouping.open:
            self._step(transaction, False)

    def _mine(self, change: Change) -> list[Change]:
        """What a change means for this key: a row that moved away is gone, one that moved here is new.

        A row without a readable key stops the worker or is set aside; it is of no key.
        """
        if change.table not in self._translator.tables:
            return []
        try:
            return [one for key, one in place(self._translator, change, True) if key == self._key]
        except RowWithoutKey:
            return []

    def _load(self) -> None:
        """Snapshot rows that stand together. Those that only an earlier pass of a snapshot showed are gone."""
        rows = [change for change in self._loaded if change.position >= self._newest]
        self._loaded.clear()
        self._add(None, rows, True)

    def _settle(self) -> None:
        while self._grouping.over:
            first = self._grouping.over[0]
            if isinstance(first, Transaction):
                self._step(first, True)
            else:
                self._correct(first)
            self._grouping.settled()

    def _correct(self, waiting: Reread) -> None:
        """Rows that were read again and differ from those known; rows read one after the other are one correction."""
        for _, changes in waiting.held.by_key():
            for change in changes:
                if not waiting.is_old(change) and self._rows.get(change.table, {}).get(change.row_key) != change.after:
                    self._rows = apply(self._rows, [change])
                    joined = self.steps.pop().changes if self.steps and self.steps[-1].is_loaded else ()
                    partition = self._kept.partition
                    self.steps.append(
                        Traced(transaction=None, changes=(*joined, change), partition=partition, is_over=True)
                    )

    def _step(self, transaction: Transaction, is_over: bool) -> None:
        """The step of this key in a transaction. An emptied table took the rows that are known to have been there."""
        stored = Stored(partition=self._kept.partition, rows=self._rows)
        if transaction.truncates:
            for _, changes in emptied(transaction, lambda key: stored, [(self._key, stored)]):
                self._add(transaction.id, changes, is_over, not self._kept.is_whole)
            return
        for _, changes in transaction.held.by_key():
            self._add(transaction.id, changes, is_over)

    def _add(self, transaction: str | None, changes: list[Change], is_over: bool, is_cut: bool = False) -> None:
        news = tuple(fresh(self._positions, changes))
        if not news:
            return
        self._positions = seen(self._positions, news)
        self._rows = apply(self._rows, news)
        is_cut |= not self._kept.is_whole and transaction is not None and transaction == self._first
        self.steps.append(
            Traced(
                transaction=transaction,
                changes=news,
                partition=self._kept.partition,
                is_over=is_over,
                is_cut=is_cut,
                link=link_of(self._translator, self._key, news),
            )
        )


def with_rows(
    steps: Sequence[Traced], translator: Translator, is_whole: bool, kept: Rows | None, applied: int
) -> list[Traced]:
    """The steps with their rows.

    `is_whole`: nothing came before the first. `kept` are the rows after the first `applied` steps, where they are known.
    """
    forwards = _forwards(steps, translator, {} if is_whole else None)
    backwards = [*_backwards(steps[:applied], kept), *_forwards(steps[applied:], translator, kept)]
    pairs = zip(steps, forwards, backwards, strict=True)
    return [
        msgspec.structs.replace(step, old=a[0] if a[0] is not None else b[0], new=a[1] if a[1] is not None else b[1])
        for step, a, b in pairs
    ]


_Images = tuple[Rows | None, Rows | None]


def _forwards(steps: Sequence[Traced], translator: Translator, rows: Rows | None) -> Iterator[_Images]:
    for step in steps:
        old = None if rows is None or _is_unseen(rows, step.changes) else rows
        rows = _after(old, step.changes, translator)
        yield old, rows


def _is_unseen(rows: Rows, changes: Sequence[Change]) -> bool:
    return not changes[0].is_snapshot and touches_unseen(rows, changes)


def _after(old: Rows | None, changes: Sequence[Change], translator: Translator) -> Rows | None:
    """The rows after a step; where those before are not known, an inserted or the only row says all that there is."""
    if old is not None:
        return apply(old, changes)
    root: Callable[[Change], bool] = lambda c: c.table == translator.root and c.after is not None  # noqa: E731
    tells_all = any(root(c) and (c.op == "c" or not translator.has_parts) for c in changes)
    return apply({}, changes) if tells_all or changes[0].is_snapshot else None


def _backwards(steps: Sequence[Traced], rows: Rows | None) -> list[_Images]:
    found: list[_Images] = []
    for step in reversed(steps):
        old = None if rows is None or step.is_cut else undone(rows, step.changes)
        found.append((old, rows))
        rows = old
    return found[::-1]


def undone(rows: Rows, changes: Sequence[Change]) -> Rows | None:
    """The rows before `changes` (in order) from those after; `None` where an image before is not whole."""
    before = {table: dict(own) for table, own in rows.items()}
    for change in reversed(changes):
        own = before.setdefault(change.table, {})
        now = own.pop(change.row_key, None)
        if (now is None) != (change.after is None) or change.op == "r":
            return None
        if change.op != "c":
            image = _image(change, now)
            if image is None:
                return None
            own[change.row_key] = image
    return before


def _image(change: Change, now: Row | None) -> Row | None:
    """The row before a change, if the source told it whole; a value that it did not send was not changed."""
    image = change.before
    if image is None or (change.after is not None and image.keys() != change.after.keys()):
        return None
    known = now or {}
    return {c: known.get(c, v) if isinstance(v, Unavailable) else v for c, v in image.items()}
